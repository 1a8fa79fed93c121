#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"
#include "cluster/expiry_index.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/state_cache.hpp"
#include "schema/commands.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

struct LayerHeadTraits {
  using Key = LayerId;
  using Value = LayerHead;
  using Hash = std::hash<LayerId>;
  static std::string key_of(const LayerId& layer) { return storage::keys::layer_head(layer); }
  static Result<LayerHead> decode(std::string_view bytes) { return decode_layer_head(bytes); }
  static std::string encode(const LayerHead& head) { return earshot::encode(head); }
  static std::size_t bytes_of(const LayerHead& head) { return sizeof(LayerHead) + head.swept_through.capacity(); }
};

struct PositionExpiries {
  using Mark = storage::keys::PositionExpiry;
  static constexpr std::string_view kFirstKey = "X";
  static std::string key_of(const Mark& mark) { return storage::keys::position_expiry(mark); }
  static Mark mark_of(std::string_view key) { return storage::keys::position_expiry_of(key); }
  static std::string end_of(std::uint64_t at_ms) { return storage::keys::position_expiries_to(at_ms); }
};

// Where one member is, with everything that tells which of two such tidings is the newer one.
struct Position {
  LayerId layer;
  std::string member;
  double score = 0;
  std::uint64_t version = 0;
  bool hidden = false;
  bool operator==(const Position&) const = default;
};

// Part of a walk through all positions of a shard.
struct PositionPage {
  std::vector<Position> positions;
  std::string next;         // where to go on; empty: that was all
  bool is_damaged = false;  // some of what the disk has up to `next` cannot be read, and is passed over
};

struct LayerSize {
  LayerId layer;
  std::uint64_t members = 0;
  bool operator==(const LayerSize&) const = default;
};

// The positions of one shard's members: the copy that is the truth. Every change gets the next version, so that views
// can tell an old tiding from a new one.
//
// A layer is cleared at once, however many members it has: its head remembers the version, and what is older is dead
// for readers from then on; a bounded number of dead records go with each tick. A position whose time has come is gone
// for readers at the tick, whenever its record goes.
//
// Invariants: LayerHead::members counts the records that are not dead, LayerHead::dead the others; a layer without
// either has no head.
class Positions {
 public:
  Positions(storage::ShardState& state, const MachineLimits& limits);

  Status load();

  // `now_ms` is what a time to live counts from: the caller has seen to it that it is known where one is given.
  // kOverloaded when the shard has as many layers as it may. `version` is the newest given so far.
  Result<std::vector<PositionOutcome>> set(const SetPositionsCommand& command, std::uint64_t tick_ms,
                                           std::uint64_t now_ms, std::uint64_t& version, Effects& effects);
  // How many had a position.
  std::uint64_t clear(const ClearPositionsCommand& command, std::uint64_t tick_ms, std::uint64_t& version,
                      Effects& effects);
  std::uint64_t clear_layer(const LayerId& layer, std::uint64_t& version, Effects& effects);

  // At every tick: ends what is due, and clears some of the dead away.
  void step(std::uint64_t tick_ms, std::uint64_t& version, Effects& effects);
  // After every entry.
  void refresh(std::uint64_t tick_ms) { expiries_.refresh(tick_ms); }
  // When step() has something to do, not before `tick_ms`; 0: never.
  [[nodiscard]] std::uint64_t next_due_ms(std::uint64_t tick_ms) const;

  // When the next position ends; 0: none does.
  [[nodiscard]] std::uint64_t next_end_ms() const { return expiries_.next_ms(); }

  // ---- for reading; `tick_ms` decides what has ended
  Result<std::optional<Position>> find(const LayerId& layer, std::string_view member, std::uint64_t tick_ms);
  // From a page's `next`, or the empty string; looks at no more than `limit` records. Behind damage it goes on where
  // the disk can be read again: it tries there by ever wider steps, one a page.
  Result<PositionPage> scan(const std::string& from, std::size_t limit, std::uint64_t tick_ms);
  // Names greater than `after`, ascending, at most `limit`.
  Result<std::vector<LayerSize>> layers(const LayerId& after, std::size_t limit);

  void write_back() { heads_.write_back(); }
  [[nodiscard]] std::size_t dirty_bytes() const { return heads_.dirty_bytes(); }
  [[nodiscard]] std::uint64_t damaged_met() const {
    return heads_.damaged_met() + expiries_.damaged_met() + damaged_met_;
  }

 private:
  using Heads = StateCache<LayerHeadTraits>;
  struct Stored {
    std::optional<PositionRecord> record;
    bool is_counted = false;  // by LayerHead::members
    bool is_live = false;     // readers see it
  };

  Stored read(const LayerId& layer, std::string_view member, const LayerHead& head, std::uint64_t tick_ms);
  PositionOutcome set_one(const SetPositionsCommand& command, const SetPositionsCommand::Item& item, LayerHead& head,
                          std::uint64_t tick_ms, std::uint64_t now_ms, std::uint64_t& version, Effects& effects);
  void erase(const LayerId& layer, std::string_view member, const PositionRecord& record);
  void settle(const LayerId& layer);
  void end_due(std::uint64_t tick_ms, std::uint64_t& version, Effects& effects);
  void sweep_dead();

  storage::ShardState& state_;
  const MachineLimits limits_;
  Heads heads_;
  ExpiryIndex<PositionExpiries> expiries_;
  std::size_t layers_ = 0;
  std::set<LayerId> with_dead_;
  std::uint64_t damaged_met_ = 0;
};

}  // namespace earshot::cluster
