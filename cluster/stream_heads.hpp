#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "storage/keys.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// The heads of one shard's streams to (or from) the other shards. There are at most as many as shards, so all of them
// are read at open and kept in memory, in the order of the shards.
template <class Head>
class StreamHeads {
 public:
  using KeyOf = std::string (*)(ShardId);
  using Decode = Result<Head> (*)(std::string_view);

  StreamHeads(storage::ShardState& state, KeyOf key_of, Decode decode)
      : state_(state), key_of_(key_of), decode_(decode) {}

  // kCorrupt when a head is damaged: going on without it would number or take records twice.
  Status load() {
    Status status;
    const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
      const ShardId other(static_cast<std::uint16_t>(storage::keys::read_big_endian(key, key.size() - 2, 2)));
      auto head = value.has_value() ? decode_(*value) : Result<Head>(fail(ErrorCode::kCorrupt, "", ""));
      if (!head.has_value()) {
        status = fail(ErrorCode::kCorrupt, "stream",
                      "the head of the stream with shard " + std::to_string(other.value) + " is damaged");
        return false;
      }
      heads_.emplace(other, Kept{std::move(*head), false});
      return true;
    };
    // No shard has the number 65535: see limits::kShardsMax.
    auto scanned = state_.scan(key_of_(ShardId(0)), key_of_(ShardId(0xffff)), visit);
    return scanned.has_value() ? status : scanned;
  }

  // A stream that was never used has a default head.
  [[nodiscard]] Head get(ShardId other) const {
    auto found = heads_.find(other);
    return found != heads_.end() ? found->second.head : Head();
  }
  void set(ShardId other, Head head) { heads_.insert_or_assign(other, Kept{std::move(head), true}); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [other, kept] : heads_) visit(other, kept.head);
  }

  void write_back() {
    for (auto& [other, kept] : heads_) {
      if (std::exchange(kept.dirty, false)) state_.put(key_of_(other), encode(kept.head));
    }
  }

 private:
  struct Kept {
    Head head;
    bool dirty;
  };

  storage::ShardState& state_;
  KeyOf key_of_;
  Decode decode_;
  std::map<ShardId, Kept> heads_;
};

}  // namespace earshot::cluster
