#include "storage/seed_source.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/record_kinds.hpp"
#include "storage/seed_mark.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"
#include "storage/verify.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kShardBytes = sizeof(ShardId::value);
constexpr std::size_t kDirtyKeyExtraBytes = 96;  // of memory, beside its bytes

std::size_t bytes_of(std::string_view key, std::string_view value) {
  return key.size() + value.size() + kSeedRecordExtraBytes;
}

tl::unexpected<Error> damaged(std::string_view full_key) {
  return fail(
      ErrorCode::kCorrupt, "state",
      "a record fails its checksum: " + plural_of(full_key.size() > kShardBytes ? full_key[kShardBytes] : '\0') + ", " +
          describe_key(Section{}, full_key));
}

}  // namespace

// A part in the making, on one view of the disk. Changes nothing of the source.
class SeedSource::Reading {
 public:
  Reading(const SeedSource& source, ReadTransaction& transaction, std::size_t bytes_max)
      : position(source.position_),
        is_through(source.is_through_),
        next_dirty(source.dirty_.begin()),
        source_(source),
        transaction_(transaction),
        bytes_max_(std::clamp<std::size_t>(bytes_max, 1, source.limits_.part_bytes_max)) {
    part->seed = source.seed_;
  }

  // The records behind the position, as far as there is room.
  Status read_range() {
    if (is_full()) return {};
    const std::string full_from = state_key(source_.shard_, position);
    const std::string full_to = end_of_shard(source_.shard_);
    std::optional<std::string> stopped_at;
    Status failed;
    std::string_view previous;
    const auto visit = [&](std::string_view full_key, std::string_view sealed) {
      const bool is_expected = full_key >= full_from && (full_to.empty() || full_key < full_to) &&
                               full_key.size() > kShardBytes && full_key > previous;
      if (!is_expected) {
        failed = fail(ErrorCode::kCorrupt, "state",
                      "the tree of shard " + std::to_string(source_.shard_.value) + "'s records is damaged");
        return false;
      }
      previous = full_key;
      const std::string_view key = full_key.substr(kShardBytes);
      if (keys::is_storage_own(key)) return true;
      const auto value = unseal(full_key, sealed);
      if (!value) failed = damaged(full_key);
      if (value && !has_room_for(key, *value)) stopped_at = std::string(key);
      if (!value || stopped_at) return false;
      failed = take(full_key, *value, [&] { part->records.emplace_back(key, *value); });
      return failed.has_value();
    };
    if (auto scanned = transaction_.scan(kStateTable, full_from, full_to, visit); !scanned) return scanned;
    if (!failed) return failed;
    if (stopped_at == position) return {};  // what changed meanwhile leaves no room for the next record
    part->range = SeedPart::Range{position, stopped_at.value_or("")};
    position = part->range->to;
    is_through = !stopped_at;
    return {};
  }

  // What keys before the position are now, as far as there is room.
  Status read_dirty() {
    for (; next_dirty != source_.dirty_.end(); ++next_dirty) {
      const std::string full_key = state_key(source_.shard_, *next_dirty);
      auto sealed = transaction_.get(kStateTable, full_key);
      if (!sealed) return fail(std::move(sealed.error()));
      const auto value = *sealed ? unseal(full_key, **sealed) : std::nullopt;
      if (*sealed && !value) return damaged(full_key);
      if (!has_room_for(*next_dirty, value.value_or(""))) return {};
      auto taken = take(full_key, value.value_or(""), [&] { part->changed.emplace_back(*next_dirty, value); });
      if (!taken) return taken;
    }
    return {};
  }

  // All has been given, and the disk is at rest: where it stands.
  Status read_end() {
    const std::string full_key = state_key(source_.shard_, keys::shard_head());
    auto sealed = transaction_.get(kStateTable, full_key);
    if (!sealed) return fail(std::move(sealed.error()));
    SeedPart::End end;
    if (*sealed) {
      const auto value = unseal(full_key, **sealed);
      const auto head = value ? decode_shard_head(*value) : Result<ShardHead>(damaged(full_key));
      if (!head) return damaged(full_key);
      end.applied = head->applied_index;
      end.term = head->applied_term;
    }
    auto sums = read_sums(transaction_, source_.shard_);
    if (!sums) return fail(std::move(sums.error()));
    if (*sums) end.sums = std::move(**sums);
    part->end = std::move(end);
    return {};
  }

  std::unique_ptr<SeedPart> part = std::make_unique<SeedPart>();
  std::string position;
  bool is_through;
  std::set<std::string, std::less<>>::const_iterator next_dirty;  // those before it are in the part

 private:
  [[nodiscard]] bool is_empty() const { return part->records.empty() && part->changed.empty(); }
  [[nodiscard]] bool is_full() const { return !is_empty() && bytes_ >= bytes_max_; }
  [[nodiscard]] bool has_room_for(std::string_view key, std::string_view value) const {
    return is_empty() || bytes_ + bytes_of(key, value) <= bytes_max_;
  }

  template <class Add>
  Status take(std::string_view full_key, std::string_view value, Add&& add) {
    if (value.size() > limits::kSeedRecordBytesMax) {
      return fail(ErrorCode::kTooLarge, "value",
                  describe_key(Section{}, full_key) + " has " + std::to_string(value.size()) + " bytes");
    }
    bytes_ += bytes_of(full_key.substr(kShardBytes), value);
    add();
    return {};
  }

  const SeedSource& source_;
  ReadTransaction& transaction_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
};

SeedSource::SeedSource(Environment& environment, ShardId shard, std::uint64_t seed, std::uint64_t now_ms,
                       const SeedLimits& limits, const SeedFaults& faults)
    : environment_(environment), shard_(shard), seed_(seed), limits_(limits), faults_(faults), asked_ms_(now_ms) {
  EARSHOT_INVARIANT(seed != 0, "a seed has a name");
}

Result<const SeedPart*> SeedSource::part(std::uint64_t number, std::size_t bytes_max, std::uint64_t now_ms) {
  asked_ms_ = now_ms;
  if (last_ && number == last_->number) return last_.get();
  if (number != last_number() + 1 || is_done() || is_overrun_) {
    Error error{ErrorCode::kOutOfOrder, "number", "not the part that comes next"};
    error.expected = last_number() + 1;
    return fail(std::move(error));
  }
  if (is_through_ && dirty_.empty() && !is_at_rest()) {
    Error error{ErrorCode::kOverloaded, "", "the last part waits for the flush that is under way"};
    error.retry_after_ms = limits::kSeedBusyMs;
    return fail(std::move(error));
  }
  auto made = make_part(bytes_max);
  if (!made) return fail(std::move(made.error()));
  last_ = std::move(*made);
  last_->number = number;
  return last_.get();
}

Result<std::unique_ptr<SeedPart>> SeedSource::make_part(std::size_t bytes_max) {
  auto transaction = environment_.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  auto whole = is_whole(**transaction, shard_);
  if (!whole) return fail(std::move(whole.error()));
  if (!*whole) return fail(ErrorCode::kUnavailable, "state", "the shard's state is itself being fetched");

  Reading reading(*this, **transaction, bytes_max);
  if (dirty_bytes_ >= limits_.dirty_bytes_max / 2) {
    if (auto read = reading.read_dirty(); !read) return fail(std::move(read.error()));
  }
  if (!is_through_) {
    if (auto read = reading.read_range(); !read) return fail(std::move(read.error()));
  }
  if (reading.is_through) {
    if (auto read = reading.read_dirty(); !read) return fail(std::move(read.error()));
    if (reading.next_dirty == dirty_.end() && is_at_rest()) {
      if (auto read = reading.read_end(); !read) return fail(std::move(read.error()));
    }
  }
  position_ = std::move(reading.position);
  is_through_ = reading.is_through;
  for (auto given = dirty_.begin(); given != reading.next_dirty; given = dirty_.erase(given)) {
    dirty_bytes_ -= given->size() + kDirtyKeyExtraBytes;
  }
  return std::move(reading.part);
}

void SeedSource::note_flushed(const FrozenOverlay& overlay) {
  if (is_done() || is_overrun_ || faults_.forgets_flushed) return;
  for (const Overlay::Change* change : overlay.changes.in_order()) {
    if (!is_through_ && change->key() >= position_) break;
    if (keys::is_storage_own(change->key())) continue;
    if (!dirty_.emplace(change->key()).second) continue;
    dirty_bytes_ += change->key().size() + kDirtyKeyExtraBytes;
    if (dirty_bytes_ <= limits_.dirty_bytes_max) continue;
    is_overrun_ = true;
    dirty_.clear();
    dirty_bytes_ = 0;
    last_ = nullptr;
    return;
  }
}

bool SeedSource::is_nearly_done() const {
  return is_through_ && !is_done() && dirty_bytes_ <= limits_.part_bytes_max / 4;
}

}  // namespace earshot::storage
