#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "storage/environment.hpp"
#include "storage/seed_limits.hpp"
#include "storage/seed_part.hpp"
#include "storage/shard_state.hpp"

namespace earshot::storage {

// Gives one replica the whole state of a shard, part by part, while the shard goes on.
//
//   ranges of keys, behind the position, as they are when each is read ──► keys before the position that were flushed
//   since, again and again ──► the last part: nothing is being flushed, and it takes all that is left
//
// A range may be read while a flush is under way and have some of its changes, or none: they are remembered when the
// flush is told to be committed, and given again. So only the last part must meet the disk at rest, and then the state
// stands at the index that the shard's head tells. When half of the room for remembered keys is taken, they go first.
//
// Thread: owned by the shard. Each part is one short read transaction. Memory: the last part, and the remembered keys.
class SeedSource {
 public:
  // `seed`: not 0, another one for each source.
  SeedSource(Environment& environment, ShardId shard, std::uint64_t seed, std::uint64_t now_ms,
             const SeedLimits& limits = {}, const SeedFaults& faults = {});

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  // Of the last part that was given; 0: none yet.
  [[nodiscard]] std::uint64_t last_number() const { return last_ ? last_->number : 0; }

  // The last part once more, or the one after it, of about so many bytes (at most kSeedPartBytesMax) and at least one
  // record. Valid until the next call.
  //   kOutOfOrder: another number, or nothing comes after the last part. kOverloaded: what is left must wait for the
  //   flush that is under way. kCorrupt names a record that fails its checksum, or says that the tree of records is
  //   damaged: nothing was given, and the same may be asked again. kUnavailable: the shard's state is itself being
  //   fetched. kTooLarge: a record larger than kSeedRecordBytesMax.
  [[nodiscard]] Result<const SeedPart*> part(std::uint64_t number, std::size_t bytes_max, std::uint64_t now_ms);

  // From freeze() until the overlay is committed. To be told of when the source is made, too.
  void flushing(bool is_under_way) { is_flushing_ = is_under_way; }
  // The overlay is committed. Called before flushing(false).
  void note_flushed(const FrozenOverlay& overlay);

  // More was flushed meanwhile than can be remembered: what was given is of no use. Another source must take its place.
  [[nodiscard]] bool is_overrun() const { return is_overrun_; }
  // The last part of all was given.
  [[nodiscard]] bool is_done() const { return last_ && last_->end.has_value(); }
  // What is left fits about into one part: who is about to freeze again should first answer whoever asks.
  [[nodiscard]] bool is_nearly_done() const;
  // When somebody asked for a part last, and how long ago that is.
  [[nodiscard]] std::uint64_t asked_ms() const { return asked_ms_; }
  [[nodiscard]] std::uint64_t idle_ms(std::uint64_t now_ms) const { return now_ms - std::min(asked_ms_, now_ms); }

 private:
  class Reading;

  [[nodiscard]] bool is_at_rest() const { return !is_flushing_ || faults_.ends_while_flushing; }
  Result<std::unique_ptr<SeedPart>> make_part(std::size_t bytes_max);

  Environment& environment_;
  const ShardId shard_;
  const std::uint64_t seed_;
  const SeedLimits limits_;
  const SeedFaults faults_;
  std::uint64_t asked_ms_;
  std::string position_;                      // the first key that was not given yet
  bool is_through_ = false;                   // there are none behind it
  std::set<std::string, std::less<>> dirty_;  // before the position, flushed since they were given
  std::size_t dirty_bytes_ = 0;               // of memory
  std::unique_ptr<SeedPart> last_;
  bool is_flushing_ = false;
  bool is_overrun_ = false;
};

}  // namespace earshot::storage
