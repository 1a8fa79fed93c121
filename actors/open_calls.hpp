#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/asker.hpp"
#include "actors/call_codec.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/request_tag.hpp"

namespace earshot::actors {

// A node's calls to shards that other nodes lead, until they are answered. An answer that cannot come any more is given
// here, as lost: whoever asked does not know what came of it, and asks again. Thread-safe.
class OpenCalls {
 public:
  // `last`: calls are numbered from the next one on. No two starts of a node may give the same numbers.
  explicit OpenCalls(std::uint64_t last = 0) : last_(last) {}

  // A number for the call; 0: as many are open as may, and the asker stays with the caller. `tag`: for log lines.
  std::uint64_t open(NodeId to, ShardId shard, Asker& asker, std::uint64_t now_ms, const RequestTag& tag = {});
  // A number for what nobody waits for, so that it is told apart from others.
  std::uint64_t take_number();
  // It did not go after all.
  Asker take_back(std::uint64_t call);
  // Its answer, handed to whoever asked. One that does not fit what was asked is dropped, and the call stays open.
  void answered(std::uint64_t call, AnswerContent content);

  // Of an open one; none: it is not open any more.
  [[nodiscard]] std::optional<ShardId> shard_of(std::uint64_t call) const;

  void lose_node(NodeId to);
  // `node` is the shard's leader now: what had been asked before that became known, and what was asked of others.
  void lose_shard(ShardId shard, std::uint64_t last_before, NodeId node);
  // Those that have waited longer than anybody waits for an answer.
  void lose_older_than(std::uint64_t since_ms);
  // Drops all of them, unanswered: the node has ended.
  void forget();

  [[nodiscard]] std::size_t size() const;
  // The number of the newest call.
  [[nodiscard]] std::uint64_t last() const;

 private:
  struct Open {
    NodeId to;
    ShardId shard;
    Asker asker;
    std::uint64_t since_ms = 0;
    RequestTag tag;
  };
  template <class Lost>
  void lose(Lost&& is_lost);

  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Open> open_;
  std::uint64_t last_;
};

}  // namespace earshot::actors
