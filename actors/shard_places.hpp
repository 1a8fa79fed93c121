#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/feed_source.hpp"
#include "actors/shard.hpp"
#include "actors/shard_waiters.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"
#include "cluster/effects.hpp"
#include "cluster/shard_machine.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// What a shard tells of where its members are, and of what its layers show: all of it after a start, page by page, and
// every change. With `feeds`, in a cluster, it tells them instead of the node's own places, whose pages each node gets
// as it takes them in. Thread: owned by the shard.
class ShardPlaces {
 public:
  ShardPlaces(ShardId self, cluster::ShardMachine& machine, ShardHost& host, Random random, FeedSource* feeds = nullptr)
      : self_(self), machine_(machine), host_(host), random_(random), feeds_(feeds) {}

  // The next page of what the state holds, when the one before it has been taken in: a view cannot keep up with shards
  // that read. What changes meanwhile is told as well: whoever listens knows by the version
  // which of the two is the newer one. A page that cannot be read is tried again later; what is damaged is passed over.
  void scan(std::uint64_t now_ms);
  // Says that all is told, once, after the scan and the ticks that end what was over by then: the last tick before the
  // start may be long ago, and what is over and shown would be wrong. `tick_ms` is what a tick would be now; 0: there
  // are none, and so nothing ends.
  [[nodiscard]] bool waits_for_ticks() const { return waits_for_ticks_; }
  void say_if_all_is_told(std::uint64_t tick_ms);
  // The time has come that wake_at() said.
  void wake(std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t wake_at() const { return again_at_ms_; }  // 0: never
  // What an entry has changed; takes it out of the effects.
  void tell(cluster::Effects& effects, std::uint64_t now_ms);
  // What feeds want of their scans, as far as it can be had now. `is_alone`: nobody else has the state, and what is
  // damaged is passed over; else nothing more comes of it.
  void feed(std::uint64_t tick_ms, bool is_alone, std::uint64_t now_ms);
  [[nodiscard]] bool met_damage() const { return damaged_parts_ > 0; }
  // Moves that are not in the log yet. Whoever waits for them there has to take them back if they do not get in.
  AheadWaiter tell_ahead(const SetPositionsCommand& accepted, std::uint64_t number, std::uint64_t now_ms);
  // They did not. Told by the next tell_taken_back().
  void take_back(AheadWaiter ahead) { refused_.push_back(std::move(ahead)); }
  // Who was taken back is where the state says: only when everything that led to that state has been told, or what is
  // told afterwards is taken for older than this.
  void tell_taken_back(std::uint64_t now_ms);

 private:
  void tell_moves(std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared, std::uint64_t now_ms);
  // From `from` on, moved to where the next one begins. None: it cannot be read, which is tried again later.
  std::optional<std::vector<cluster::Move>> read_page(std::string& from, std::uint64_t now_ms);
  // Something is shown that was over by then: the tick that ends it is still to come.
  [[nodiscard]] bool shows_what_is_over(std::uint64_t tick_ms, std::uint64_t over_by_ms) const;

  const ShardId self_;
  cluster::ShardMachine& machine_;
  ShardHost& host_;
  Random random_;
  FeedSource* const feeds_;          // none: the node is alone
  std::string told_;                 // up to where scan() has come
  std::uint32_t failures_ = 0;       // of the next page, one after the other
  std::uint64_t again_at_ms_ = 0;    // then it is tried again; 0: it is not waited for
  std::uint64_t damaged_parts_ = 0;  // passed over
  bool waits_for_ticks_ = false;     // scanned, and not said yet …
  std::uint64_t over_by_ms_ = 0;     // … until nothing is left that ends by then
  std::vector<AheadWaiter> refused_;
};

}  // namespace earshot::actors
