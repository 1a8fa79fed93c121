#include "cluster/positions.hpp"

#include <algorithm>
#include <utility>

#include "cluster/readable.hpp"

namespace earshot::cluster {

namespace keys = storage::keys;

namespace {

bool is_over(const PositionRecord& record, std::uint64_t tick_ms) {
  return record.expires_at_ms != 0 && record.expires_at_ms <= tick_ms;
}

// The first key behind all those that begin with this one; empty: there is none.
std::string behind(std::string key) {
  while (!key.empty() && key.back() == '\xff') key.pop_back();
  if (!key.empty()) ++key.back();
  return key;
}

bool is_dead(const PositionRecord& record, const LayerHead& head) { return record.version <= head.cleared_through; }

void tell_set(const SetPositionsCommand& command, const SetPositionsCommand::Item& item, std::uint64_t version,
              Effects& effects) {
  effects.moves.push_back({command.layer, item.member, item.score, version, item.hidden, false, command.accepted});
}

}  // namespace

Positions::Positions(storage::ShardState& state, const MachineLimits& limits)
    : state_(state), limits_(limits), heads_(state, limits.cache_bytes_max), expiries_(state) {}

Status Positions::load() {
  const auto visit = [this](std::string_view key, std::optional<std::string_view> value) {
    ++layers_;
    const auto head = value ? decode_layer_head(*value) : fail(ErrorCode::kCorrupt, "layerHead", "");
    if (!head) ++damaged_met_;
    if (head && head->dead > 0) with_dead_.insert(keys::layer_of(key));
    return true;
  };
  if (auto scanned = state_.scan("Y", "Z", visit); !scanned) return scanned;
  return expiries_.load();
}

// ---- changes

Positions::Stored Positions::read(const LayerId& layer, std::string_view member, const LayerHead& head,
                                  std::uint64_t tick_ms) {
  auto bytes = state_.get(keys::position(layer, member));
  if (!bytes) {
    require_readable(fail(bytes.error()), damaged_met_);
    // Where the member was is not known any more; it was somewhere, and counted.
    return {PositionRecord{}, true, false};
  }
  if (!bytes->has_value()) return {};
  auto record = decode_position_record(**bytes);
  if (!record) {
    ++damaged_met_;
    return {PositionRecord{}, true, false};
  }
  const bool is_counted = !is_dead(*record, head);
  return {*record, is_counted, is_counted && !is_over(*record, tick_ms)};
}

Result<std::vector<PositionOutcome>> Positions::set(const SetPositionsCommand& command, std::uint64_t tick_ms,
                                                    std::uint64_t now_ms, std::uint64_t& version, Effects& effects) {
  Heads::Entry& entry = heads_.require(command.layer);
  const bool is_new = entry.get() == nullptr && !entry.is_damaged();
  if (is_new && layers_ >= limits_.layers_max)
    return fail(Error{ErrorCode::kOverloaded, "layer",
                      "the shard has members of " + std::to_string(limits_.layers_max) + " layers, the most it may",
                      limits::kRetryAfterMs});
  if (is_new) ++layers_;
  LayerHead& head = heads_.edit(entry);
  std::vector<PositionOutcome> outcomes;
  outcomes.reserve(command.items.size());
  for (const auto& item : command.items)
    outcomes.push_back(set_one(command, item, head, tick_ms, now_ms, version, effects));
  settle(command.layer);
  return outcomes;
}

PositionOutcome Positions::set_one(const SetPositionsCommand& command, const SetPositionsCommand::Item& item,
                                   LayerHead& head, std::uint64_t tick_ms, std::uint64_t now_ms, std::uint64_t& version,
                                   Effects& effects) {
  const Stored old = read(command.layer, item.member, head, tick_ms);
  if (command.condition != PositionCondition::kAlways &&
      old.is_live != (command.condition == PositionCondition::kIfExists))
    return PositionOutcome::kSkipped;
  const bool stays = old.is_live && old.record->score == item.score;
  const bool is_same = stays && old.record->hidden == item.hidden;
  if (is_same && old.record->expires_at_ms == 0 && item.ttl_ms == 0) {
    if (command.accepted) tell_set(command, item, old.record->version, effects);
    return PositionOutcome::kUnchanged;
  }

  PositionRecord record{item.score, ++version, 0, item.hidden};
  if (item.ttl_ms != 0) record.expires_at_ms = now_ms + std::min(item.ttl_ms, UINT64_MAX - now_ms);
  if (old.record && old.record->expires_at_ms != 0)
    expiries_.remove({old.record->expires_at_ms, command.layer, item.member});
  if (record.expires_at_ms != 0) expiries_.add({record.expires_at_ms, command.layer, item.member});
  state_.put(keys::position(command.layer, item.member), encode(record));
  if (!old.is_counted) ++head.members;
  if (old.record && !old.is_counted) head.dead -= std::min<std::uint64_t>(head.dead, 1);
  tell_set(command, item, record.version, effects);
  if (!old.is_live) return PositionOutcome::kAdded;
  return stays ? PositionOutcome::kUnchanged : PositionOutcome::kChanged;
}

std::uint64_t Positions::clear(const ClearPositionsCommand& command, std::uint64_t tick_ms, std::uint64_t& version,
                               Effects& effects) {
  Heads::Entry& entry = heads_.require(command.layer);
  if (entry.get() == nullptr) return 0;
  LayerHead& head = heads_.edit(entry);
  std::uint64_t cleared = 0;
  for (const std::string& member : command.members) {
    const Stored old = read(command.layer, member, head, tick_ms);
    if (!old.is_counted) continue;
    erase(command.layer, member, *old.record);
    head.members -= std::min<std::uint64_t>(head.members, 1);
    effects.moves.push_back({command.layer, member, std::nullopt, ++version});
    if (old.is_live) ++cleared;
  }
  settle(command.layer);
  return cleared;
}

std::uint64_t Positions::clear_layer(const LayerId& layer, std::uint64_t& version, Effects& effects) {
  Heads::Entry& entry = heads_.require(layer);
  if (entry.get() == nullptr || entry.get()->members == 0) return 0;
  LayerHead& head = heads_.edit(entry);
  const std::uint64_t members = std::exchange(head.members, 0);
  head.dead += members;
  head.cleared_through = ++version;
  head.swept_through.clear();
  with_dead_.insert(layer);
  effects.cleared_layers.push_back({layer, version});
  return members;
}

void Positions::erase(const LayerId& layer, std::string_view member, const PositionRecord& record) {
  state_.erase(keys::position(layer, member));
  if (record.expires_at_ms != 0) expiries_.remove({record.expires_at_ms, layer, std::string(member)});
}

// The head's invariants.
void Positions::settle(const LayerId& layer) {
  const LayerHead* head = heads_.require(layer).get();
  if (head == nullptr || head->dead > 0) return;
  with_dead_.erase(layer);
  if (head->members > 0) return;
  heads_.erase(layer);
  --layers_;
}

// ---- ticks

void Positions::step(std::uint64_t tick_ms, std::uint64_t& version, Effects& effects) {
  end_due(tick_ms, version, effects);
  sweep_dead();
}

void Positions::end_due(std::uint64_t tick_ms, std::uint64_t& version, Effects& effects) {
  for (const keys::PositionExpiry& mark : expiries_.due(tick_ms, limits_.expiries_per_entry_max)) {
    expiries_.remove(mark);
    Heads::Entry& entry = heads_.require(mark.layer);
    if (entry.get() == nullptr) continue;
    LayerHead& head = heads_.edit(entry);
    const Stored old = read(mark.layer, mark.member, head, tick_ms);
    if (!old.record || old.record->expires_at_ms != mark.at_ms) continue;
    state_.erase(keys::position(mark.layer, mark.member));
    std::uint64_t& counted = old.is_counted ? head.members : head.dead;
    counted -= std::min<std::uint64_t>(counted, 1);
    if (old.is_counted) effects.moves.push_back({mark.layer, mark.member, std::nullopt, ++version});
    settle(mark.layer);
  }
}

void Positions::sweep_dead() {
  if (with_dead_.empty()) return;
  const LayerId layer = *with_dead_.begin();
  LayerHead& head = heads_.edit(heads_.require(layer));
  std::vector<std::pair<std::string, PositionRecord>> dead;
  std::size_t looked = 0;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (looked++ == limits_.sweep_records_per_entry_max) return false;
    const std::string_view member = keys::member_of(key);
    head.swept_through = member;
    const auto record = value ? decode_position_record(*value) : fail(ErrorCode::kCorrupt, "positionRecord", "");
    if (!record) {
      ++damaged_met_;
    } else if (is_dead(*record, head)) {
      dead.emplace_back(member, *record);
    }
    return true;
  };
  const std::string from =
      keys::position(layer, head.swept_through) + (head.swept_through.empty() ? "" : std::string(1, '\0'));
  require_readable(state_.scan(from, keys::positions_to(layer), visit), damaged_met_);
  for (const auto& [member, record] : dead) erase(layer, member, record);
  head.dead -= std::min<std::uint64_t>(head.dead, dead.size());
  // Through to the end: whatever damage made of the count, no more are there.
  if (looked <= limits_.sweep_records_per_entry_max) head.dead = 0;
  settle(layer);
}

std::uint64_t Positions::next_due_ms(std::uint64_t tick_ms) const {
  return with_dead_.empty() ? expiries_.next_ms() : tick_ms;
}

// ---- reading

Result<std::optional<Position>> Positions::find(const LayerId& layer, std::string_view member, std::uint64_t tick_ms) {
  const auto entry = heads_.load(layer);
  if (!entry) return fail(entry.error());
  if ((*entry)->is_damaged()) return fail(ErrorCode::kCorrupt, "layer", "the head of the layer is damaged");
  if ((*entry)->get() == nullptr) return std::optional<Position>{};
  const LayerHead head = *(*entry)->get();
  auto bytes = state_.get(keys::position(layer, member));
  if (!bytes) return fail(std::move(bytes.error()));
  if (!bytes->has_value()) return std::optional<Position>{};
  const auto record = decode_position_record(**bytes);
  if (!record) return fail(record.error());
  if (is_dead(*record, head) || is_over(*record, tick_ms)) return std::optional<Position>{};
  return std::optional(Position{layer, std::string(member), record->score, record->version, record->hidden});
}

Result<PositionPage> Positions::scan(const std::string& from, std::size_t limit, std::uint64_t tick_ms) {
  const std::string start = from.empty() ? "G" : from;
  PositionPage page;
  std::size_t looked = 0;
  std::string last;
  Status heads_read;
  std::optional<LayerId> layer;
  std::optional<LayerHead> head;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (looked++ == limit) {
      page.next = key;
      return false;
    }
    last = key;
    if (LayerId of = keys::layer_of(key); !layer || of != *layer) {
      const auto entry = heads_.load(of);
      if (!entry) heads_read = fail(entry.error());
      if (!entry) return false;
      page.is_damaged |= (*entry)->is_damaged();  // of its members nobody knows who was cleared
      head = (*entry)->get() != nullptr ? std::optional(*(*entry)->get()) : std::nullopt;
      layer = std::move(of);
    }
    const auto record = value ? decode_position_record(*value) : fail(ErrorCode::kCorrupt, "positionRecord", "");
    if (!record) page.is_damaged = true;
    if (!record || (head && is_dead(*record, *head)) || is_over(*record, tick_ms)) return true;
    page.positions.push_back(
        {*layer, std::string(keys::member_of(key)), record->score, record->version, record->hidden});
    return true;
  };
  const Status scanned = state_.scan(start, "H", visit);
  if (!heads_read) return fail(heads_read.error());
  if (!scanned && scanned.error().code != ErrorCode::kCorrupt) return fail(scanned.error());
  if (!scanned) {
    page.is_damaged = true;
    page.next = behind(last.empty() ? start.substr(0, start.size() - 1) : last);
    if (!page.next.starts_with('G')) page.next.clear();
  }
  return page;
}

Result<std::vector<LayerSize>> Positions::layers(const LayerId& after, std::size_t limit) {
  write_back();
  std::vector<LayerSize> layers;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    const auto head = value ? decode_layer_head(*value) : fail(ErrorCode::kCorrupt, "layerHead", "");
    if (head && head->members > 0) layers.push_back({keys::layer_of(key), head->members});
    return layers.size() < limit;
  };
  const std::string from = after.empty() ? std::string("Y") : keys::layer_head(after) + '\0';
  if (auto scanned = state_.scan(from, "Z", visit); !scanned) return fail(scanned.error());
  return layers;
}

}  // namespace earshot::cluster
