#pragma once

#include <string>
#include <utility>
#include <vector>

#include "actors/shard.hpp"
#include "actors/shard_waiters.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"
#include "cluster/shard_machine.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// What a shard tells of where its members are, and of what its layers show: all of it after a start, page by page, and
// every change. Thread: owned by the shard.
class ShardPlaces {
 public:
  ShardPlaces(ShardId self, cluster::ShardMachine& machine, ShardHost& host)
      : self_(self), machine_(machine), host_(host) {}

  // The next page of what the state holds. What changes meanwhile is told as well: whoever listens knows by the version
  // which of the two is the newer one.
  void scan();
  // What an entry has changed; takes it out of the effects.
  void tell(cluster::Effects& effects);
  // Moves that are not in the log yet. Whoever waits for them there has to take them back if they do not get in.
  AheadWaiter tell_ahead(const SetPositionsCommand& accepted);
  // They did not. Told by the next tell_taken_back().
  void take_back(AheadWaiter ahead) { refused_.push_back(std::move(ahead)); }
  // Who was taken back is where the state says: only when everything that led to that state has been told, or what is
  // told afterwards is taken for older than this.
  void tell_taken_back();

 private:
  const ShardId self_;
  cluster::ShardMachine& machine_;
  ShardHost& host_;
  std::string told_;  // up to where scan() has come
  std::vector<AheadWaiter> refused_;
};

}  // namespace earshot::actors
