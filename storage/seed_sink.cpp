#include "storage/seed_sink.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/record_kinds.hpp"
#include "storage/record_rules.hpp"
#include "storage/seal.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kShardBytes = sizeof(ShardId::value);

tl::unexpected<Error> corrupt(const char* field, std::string detail) {
  return fail(ErrorCode::kCorrupt, field, std::move(detail));
}

bool is_sendable_key(std::string_view key) {
  return is_key(key) && key.size() + kShardBytes <= kKeyBytesMax && !keys::is_storage_own(key);
}

// The rules of what a source gives to one whose fetch is at `head`.
Status check_part(const SeedPart& part, const SeedHead& head) {
  if (part.seed == 0) return corrupt("seed", "must not be 0");
  std::string_view from;
  std::string_view to;
  if (part.range) {
    from = part.range->from;
    to = part.range->to;
    if (head.is_through || from != head.position) return corrupt("range", "does not begin where the last one ended");
    if (!to.empty() && (to <= from || !is_sendable_key(to))) return corrupt("range", "does not end behind its begin");
  } else if (!part.records.empty()) {
    return corrupt("records", "are of no range");
  }
  const std::string* previous = nullptr;
  for (const auto& [key, value] : part.records) {
    const bool is_inside = key >= from && (to.empty() || key < to);
    if (!is_sendable_key(key) || !is_inside || (previous != nullptr && key <= *previous)) {
      return corrupt("records", "are not in order within their range");
    }
    if (value.size() > limits::kSeedRecordBytesMax) return corrupt("records", "one is too large");
    previous = &key;
  }
  previous = nullptr;
  for (const auto& [key, value] : part.changed) {
    const bool is_known = head.is_through || key < head.position;
    if (!is_sendable_key(key) || !is_known || (previous != nullptr && key <= *previous)) {
      return corrupt("changed", "are not in order among what was given before");
    }
    if (value && value->size() > limits::kSeedRecordBytesMax) return corrupt("changed", "one is too large");
    previous = &key;
  }
  const bool is_through = head.is_through || (part.range && to.empty());
  if (part.end && !is_through) return corrupt("end", "comes before all ranges were given");
  return {};
}

// The sums that a node looks at when it starts, and how many there are of everything: of kinds that may be many the
// source's digest may differ for good, once it has had damage (table_sums.hpp).
bool fit(const ShardSums& ours, const ShardSums& theirs) {
  const auto is_as_in = [](const ShardSums& all) {
    return [&all](const auto& one) {
      const auto other = all.kinds.find(one.first);
      if (other == all.kinds.end()) return one.second.count == 0;
      return one.second.count == other->second.count &&
             (one.second.digest == other->second.digest ||
              !record_kind(static_cast<char>(one.first)).is_checked_at_start);
    };
  };
  return std::ranges::all_of(ours.kinds, is_as_in(theirs)) && std::ranges::all_of(theirs.kinds, is_as_in(ours));
}

}  // namespace

// One overlay in the making, on one view of the disk.
class SeedSink::Step {
 public:
  Step(SeedSink& sink, ReadTransaction& transaction) : sink_(sink), transaction_(transaction), part_(*sink.part_) {
    overlay_->shard = sink.shard_;
  }

  Result<std::shared_ptr<const FrozenOverlay>> make() {
    auto is_at_end = walk();
    if (!is_at_end) return fail(std::move(is_at_end.error()));
    return *is_at_end ? finished() : unfinished();
  }

 private:
  // Walks the part's range, ours and theirs beside each other. Whether it came to the range's end.
  Result<bool> walk() {
    if (!part_.range) return true;
    const auto& [from, to] = *part_.range;
    const std::string full_from = state_key(sink_.shard_, std::max(from, sink_.walk_.last));
    const std::string full_to = to.empty() ? end_of_shard(sink_.shard_) : state_key(sink_.shard_, to);
    bool is_astray = false;
    bool is_stopped = false;
    std::string_view previous;
    const auto visit = [&](std::string_view full_key, std::string_view sealed) {
      is_astray = full_key < full_from || (!full_to.empty() && full_key >= full_to) || full_key.size() <= kShardBytes ||
                  full_key <= previous;
      if (is_astray) return false;
      previous = full_key;
      const std::string_view key = full_key.substr(kShardBytes);
      if (keys::is_storage_own(key) || (!sink_.walk_.last.empty() && key <= sink_.walk_.last)) return true;
      is_stopped = !put_until(key) || is_full();
      if (is_stopped) return false;
      meet(key, open_sealed(full_key, sealed));
      return true;
    };
    if (auto scanned = transaction_.scan(kStateTable, full_from, full_to, visit); !scanned) {
      return fail(std::move(scanned.error()));
    }
    if (is_astray) {
      return corrupt("state", "the tree of shard " + std::to_string(sink_.shard_.value) + "'s records is damaged");
    }
    return !is_stopped && put_until({});
  }

  // More is to come of the part.
  std::shared_ptr<const FrozenOverlay> unfinished() {
    overlay_->changes.put(keys::seed_head(), encode(sink_.head_));
    return std::shared_ptr<const FrozenOverlay>(std::move(overlay_));
  }

  // What changed of ranges given before, and how far the fetch is then.
  Result<std::shared_ptr<const FrozenOverlay>> finished() {
    SeedHead head = sink_.head_;
    ++head.part;
    if (part_.range) {
      head.position = part_.range->to;
      head.is_through = part_.range->to.empty();
    }
    for (const auto& [key, value] : part_.records) add(head.sums, key, value);
    for (const auto& [key, value] : part_.changed) {
      if (auto changed = change(head.sums, key, value); !changed) return fail(std::move(changed.error()));
    }
    if (!part_.end) {
      overlay_->changes.put(keys::seed_head(), encode(head));
      if (sink_.faults_.unmarks_early && head.is_through) overlay_->changes.erase(keys::seed_head());
    } else {
      if (auto ended = check_end(head.sums); !ended) return fail(std::move(ended.error()));
      overlay_->changes.erase(keys::seed_head());
      overlay_->sums = head.sums;
      overlay_->applied = part_.end->applied;
    }
    sink_.next_head_ = std::move(head);
    return std::shared_ptr<const FrozenOverlay>(std::move(overlay_));
  }

  [[nodiscard]] bool is_full() const { return overlay_->changes.bytes() >= sink_.limits_.overlay_bytes_max; }

  // Theirs before `key` (empty: all), which are not among ours. False when there is no more room.
  bool put_until(std::string_view key) {
    for (std::size_t& next = sink_.walk_.next_record; next < part_.records.size(); ++next) {
      const auto& [their_key, value] = part_.records[next];
      if (!key.empty() && their_key >= key) return true;
      if (is_full()) return false;
      overlay_->changes.put(their_key, value);
      sink_.walk_.last = their_key;
    }
    return true;
  }

  // One of ours, after theirs that come before it.
  void meet(std::string_view key, std::optional<std::string_view> value) {
    std::size_t& next = sink_.walk_.next_record;
    if (next < part_.records.size() && part_.records[next].first == key) {
      const std::string& theirs = part_.records[next++].second;
      if (value != theirs) overlay_->changes.put(key, theirs);
    } else {
      overlay_->changes.erase(key);
    }
    sink_.walk_.last = key;
  }

  void add(ShardSums& sums, const std::string& key, std::string_view value) const {
    add_to_sums(sums, key.front(), guard_of(state_key(sink_.shard_, key), value));
  }

  Status change(ShardSums& sums, const std::string& key, const std::optional<std::string>& value) {
    const std::string full_key = state_key(sink_.shard_, key);
    auto ours = transaction_.get(kStateTable, full_key);
    if (!ours) return fail(std::move(ours.error()));
    if (*ours) subtract_from_sums(sums, key.front(), guard_in(**ours));
    if (value) add(sums, key, *value);
    if (!value) {
      if (*ours) overlay_->changes.erase(key);
    } else if (!*ours || open_sealed(full_key, **ours) != std::string_view(*value)) {
      overlay_->changes.put(key, *value);
    }
    return {};
  }

  // The whole must be what the source says that it is.
  Status check_end(const ShardSums& sums) {
    if (!fit(sums, part_.end->sums))
      return corrupt("state", "the records that came are not those that the source counts");
    const std::string full_key = state_key(sink_.shard_, keys::shard_head());
    std::optional<std::string_view> value;
    if (const Overlay::Change* changed = overlay_->changes.find(keys::shard_head())) {
      value = changed->value();
    } else {
      auto ours = transaction_.get(kStateTable, full_key);
      if (!ours) return fail(std::move(ours.error()));
      if (*ours) value = open_sealed(full_key, **ours);
    }
    const auto head = value ? decode_shard_head(*value) : Result<ShardHead>(ShardHead{});
    if (!head || head->applied_index != part_.end->applied || head->applied_term != part_.end->term) {
      return corrupt("state", "the shard's head is not at the index that the source names");
    }
    return {};
  }

  SeedSink& sink_;
  ReadTransaction& transaction_;
  const SeedPart& part_;
  std::shared_ptr<FrozenOverlay> overlay_ = std::make_shared<FrozenOverlay>();
};

Result<SeedSink> SeedSink::open(Environment& environment, ShardId shard, const SeedLimits& limits,
                                const SeedFaults& faults) {
  auto transaction = environment.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  auto head = read_seed_head(**transaction, shard);
  if (!head) return fail(std::move(head.error()));
  return SeedSink(environment, shard, std::move(*head), limits, faults);
}

SeedSink::Wanted SeedSink::wanted() const { return {head_.seed, head_.part, head_.source}; }

void SeedSink::start_over() {
  EARSHOT_INVARIANT(!overlay_, "a fetch begins anew while nothing of it is being written");
  head_ = SeedHead{};
  part_ = nullptr;
  is_complete_ = false;
}

Status SeedSink::take(SeedPart part, NodeId source) {
  EARSHOT_INVARIANT(!part_, "a part is taken when the one before it is done");
  SeedHead head = head_;
  if (part.seed != head.seed || part.number != head.part) {
    if (part.number != 1 || part.seed == head.seed) {
      Error error{ErrorCode::kOutOfOrder, "number", "not the part that is wanted"};
      error.expected = head.part;
      return fail(std::move(error));
    }
    head = SeedHead{};
    head.seed = part.seed;
  }
  if (auto checked = check_part(part, head); !checked) return checked;
  head.source = source;
  head_ = std::move(head);
  part_ = std::make_unique<SeedPart>(std::move(part));
  walk_ = {};
  return {};
}

Result<std::shared_ptr<const FrozenOverlay>> SeedSink::next_overlay() {
  EARSHOT_INVARIANT(!overlay_, "one overlay of a fetch is written after the other");
  if (!part_) return nullptr;
  auto transaction = environment_->begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  const Walk before = walk_;
  auto overlay = Step(*this, **transaction).make();
  if (overlay) {
    overlay_ = *overlay;
  } else {
    walk_ = before;
  }
  return overlay;
}

void SeedSink::written() {
  EARSHOT_INVARIANT(overlay_ != nullptr, "only an overlay that was given is written");
  overlay_ = nullptr;
  if (!next_head_) return;
  head_ = *std::exchange(next_head_, std::nullopt);
  if (part_->end) {
    is_complete_ = true;
    stands_at_ = *part_->end;
  }
  part_ = nullptr;
}

}  // namespace earshot::storage
