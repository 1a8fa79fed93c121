#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/seed_message.hpp"
#include "storage/seed_sink.hpp"

namespace earshot::cluster {

// Fetches a shard's state from whoever leads: asks for one part after the other, again when no answer comes, from the
// beginning when the leader is another one or has forgotten. Answers may come late, doubled or never.
//
//   poll() ──► bytes to the leader ──► received() ──► next_overlay() ──► state writer ──► written() ──► poll() …
//
// Thread: owned by the shard, which has no machine until is_complete().
class SeedFetcher {
 public:
  // Goes on where an earlier process was (SeedSink::open). The lower half of `random` is in the numbers of its
  // questions: no other process may have used it lately.
  static Result<SeedFetcher> open(storage::Environment& environment, ShardId shard, std::uint64_t random,
                                  const storage::SeedLimits& limits = {}, const storage::SeedFaults& faults = {});

  // A state that stands below is of no use: the leader has not flushed what this replica's log does not hold any more.
  // It is asked for again, a little later.
  void require(LogIndex floor) { floor_ = floor; }

  // What to send to the leader now, if anything; 0: nobody is known to lead. To be called when time has come, another
  // leads, or something has happened here.
  [[nodiscard]] std::optional<std::string> poll(NodeId leader, std::uint64_t now_ms);
  // When poll() has something to do although nothing happens; 0: once something has.
  [[nodiscard]] std::uint64_t due_at_ms() const;

  // A part or a refusal. Whether something is to be written now. One that was not asked for changes nothing, nor does
  // one that makes no sense: it is asked for from the beginning, and `objections` counts it.
  bool received(NodeId from, SeedMessage message, std::uint64_t now_ms);

  // As in SeedSink. After kCorrupt the fetch is to be begun anew, or given up.
  Result<std::shared_ptr<const storage::FrozenOverlay>> next_overlay() { return sink_.next_overlay(); }
  void written() { sink_.written(); }
  void start_over();

  [[nodiscard]] bool is_complete() const { return sink_.is_complete(); }
  [[nodiscard]] storage::SeedPart::End stands_at() const { return sink_.stands_at(); }
  [[nodiscard]] std::uint64_t parts() const { return parts_; }            // taken
  [[nodiscard]] std::uint64_t objections() const { return objections_; }  // answers that no leader should give
  [[nodiscard]] std::uint64_t beginnings() const { return beginnings_; }  // how often part 1 was taken

 private:
  SeedFetcher(storage::SeedSink sink, std::uint64_t random, std::size_t part_bytes_max)
      : sink_(std::move(sink)),
        part_bytes_max_(static_cast<std::uint32_t>(part_bytes_max)),
        next_ask_(random << 32 | 1) {}
  void ask_later(std::uint64_t now_ms, std::uint64_t wait_ms);

  storage::SeedSink sink_;
  LogIndex floor_;
  std::uint32_t part_bytes_max_;
  std::uint64_t next_ask_;
  struct Asked {
    NodeId node;
    std::uint64_t ask = 0;
    SeedRequest request;
    std::uint32_t tries = 1;
    bool is_refused = false;
  };
  std::optional<Asked> asked_;
  std::uint64_t ask_again_ms_ = 0;  // nothing is asked before
  bool knows_leader_ = false;       // else there is nobody to ask
  std::uint64_t parts_ = 0;
  std::uint64_t objections_ = 0;
  std::uint64_t beginnings_ = 0;
};

}  // namespace earshot::cluster
