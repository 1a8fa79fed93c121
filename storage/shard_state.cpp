#include "storage/shard_state.hpp"

#include <type_traits>
#include <utility>

#include "storage/keys.hpp"
#include "storage/log_types.hpp"
#include "storage/overlay_cursor.hpp"
#include "storage/record_rules.hpp"
#include "storage/state_store.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kShardPrefixBytes = 2;

void check_key(std::string_view key) {
  EARSHOT_INVARIANT(is_key(key) && key.size() + kShardPrefixBytes <= kKeyBytesMax, "a state key fits the environment");
  EARSHOT_INVARIANT(!keys::is_storage_own(key), "what is storage's own is not the state machine's to write");
}

// Hands the merge of overlays and disk to `visit`: the disk's records come by on_disk(), those of the overlays that lie
// before each are put in, a change hides the disk's record of its key, and an erased key is passed over.
//
// A damaged page of the environment can lead a scan astray, to records of another range, whose own seals fit: they must
// not be taken for what was asked for.
template <class Direction>
class MergingScan {
 public:
  MergingScan(OverlayCursor<Direction> overlay, std::string_view full_from, std::string_view full_to,
              const ShardState::Visit& visit)
      : overlay_(std::move(overlay)), full_from_(full_from), full_to_(full_to), visit_(visit) {}

  // False: the visitor wants no more, or there is no going on.
  bool on_disk(std::string_view full_key, std::string_view sealed) {
    if (!is_expected(full_key)) {
      is_astray_ = stopped_ = true;
      return false;
    }
    previous_ = full_key;
    const std::string_view key = full_key.substr(kShardPrefixBytes);
    if (key == sums_key_) return true;
    while (overlay_.has_change() && Direction::is_before(overlay_.change().key(), key)) {
      if (!visit_change()) return false;
    }
    if (overlay_.has_change() && overlay_.change().key() == key) return visit_change();
    return go_on(visit_(key, unseal(full_key, sealed)));
  }

  // What the overlays hold beyond the disk's last record.
  void finish() {
    while (!stopped_ && overlay_.has_change()) visit_change();
  }

  [[nodiscard]] bool is_astray() const { return is_astray_; }

 private:
  [[nodiscard]] bool is_expected(std::string_view full_key) const {
    return full_key >= full_from_ && (full_to_.empty() || full_key < full_to_) && full_key.size() > kShardPrefixBytes &&
           (previous_.empty() || Direction::is_before(previous_, full_key));
  }

  bool visit_change() {
    const Overlay::Change& change = overlay_.change();
    overlay_.advance();
    const auto value = change.value();
    return go_on(!value || visit_(change.key(), value));
  }

  bool go_on(bool wanted) {
    stopped_ = !wanted;
    return wanted;
  }

  OverlayCursor<Direction> overlay_;
  std::string_view full_from_;
  std::string_view full_to_;
  const ShardState::Visit& visit_;
  const std::string sums_key_ = keys::shard_sums();
  std::string_view previous_;  // valid as long as the transaction
  bool stopped_ = false;
  bool is_astray_ = false;
};

}  // namespace

ShardState::ShardState(Environment& environment, ShardId shard, StateFaults faults)
    : environment_(environment), shard_(shard), faults_(faults) {}

const Overlay::Change* ShardState::find_change(std::string_view key) const {
  if (const Overlay::Change* change = active_->changes.find(key)) return change;
  return frozen_ ? frozen_->changes.find(key) : nullptr;
}

Result<std::optional<std::string>> ShardState::get(std::string_view key) {
  if (const Overlay::Change* change = find_change(key)) return std::optional<std::string>(change->value());
  auto transaction = environment_.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  const std::string full_key = state_key(shard_, key);
  auto sealed = (*transaction)->get(kStateTable, full_key);
  if (!sealed) return fail(std::move(sealed.error()));
  if (!*sealed) return std::optional<std::string>{};
  const auto value = unseal(full_key, **sealed);
  if (!value) {
    return fail(ErrorCode::kCorrupt, "", "a record of " + name_of_group(shard_) + " fails its checksum");
  }
  return std::optional<std::string>(*value);
}

void ShardState::put(std::string_view key, std::string_view value) {
  check_key(key);
  active_->changes.put(key, value);
}

void ShardState::erase(std::string_view key) {
  check_key(key);
  active_->changes.erase(key);
}

template <class Direction>
Status ShardState::merged_scan(std::string_view from, std::string_view to, const Visit& visit) {
  auto transaction = environment_.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  const std::string full_from = state_key(shard_, from);
  const std::string full_to = to.empty() ? end_of_shard(shard_) : state_key(shard_, to);
  OverlayCursor<Direction> overlays(active_->changes, frozen_ ? &frozen_->changes : nullptr, from, to);
  MergingScan<Direction> merge(std::move(overlays), full_from, full_to, visit);
  const auto on_disk = [&merge](std::string_view key, std::string_view value) { return merge.on_disk(key, value); };
  Status scanned = std::is_same_v<Direction, Ascending>
                       ? (*transaction)->scan(kStateTable, full_from, full_to, on_disk)
                       : (*transaction)->scan_back(kStateTable, full_from, full_to, on_disk);
  if (scanned && merge.is_astray()) {
    return fail(ErrorCode::kCorrupt, "", "the tree of the records of " + name_of_group(shard_) + " is damaged");
  }
  if (scanned) merge.finish();
  return scanned;
}

Status ShardState::scan(std::string_view from, std::string_view to, const Visit& visit) {
  return merged_scan<Ascending>(from, to, visit);
}

Status ShardState::scan_back(std::string_view from, std::string_view to, const Visit& visit) {
  return merged_scan<Descending>(from, to, visit);
}

std::size_t ShardState::overlay_bytes() const {
  return active_->changes.bytes() + (frozen_ ? frozen_->changes.bytes() : 0);
}

bool ShardState::has_changes() const { return !active_->changes.empty(); }

bool ShardState::is_flushing() const { return frozen_ != nullptr; }

std::shared_ptr<const FrozenOverlay> ShardState::freeze(LogIndex applied, std::optional<ShardSums> sums) {
  if (frozen_ || !has_changes()) return nullptr;
  active_->shard = shard_;
  active_->applied = applied;
  active_->sums = std::move(sums);
  std::shared_ptr<const FrozenOverlay> overlay = std::exchange(active_, std::make_shared<FrozenOverlay>());
  frozen_ = faults_.drops_overlay_early ? std::make_shared<const FrozenOverlay>() : overlay;
  return overlay;
}

void ShardState::flushed() {
  EARSHOT_INVARIANT(frozen_ != nullptr, "only an overlay that was frozen is flushed");
  frozen_ = nullptr;
}

}  // namespace earshot::storage
