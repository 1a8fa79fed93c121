#pragma once

#include <memory>

#include "actors/ports.hpp"
#include "actors/shard_budget.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Answer reads of a mailbox, or of positions, from the committed state. Sessions may be slower than their shard: what
// is on its way to them counts as the node's. False, and no answer, when damage is met that is not to be told, since
// other replicas have what is lost here.
bool answer_read(const ShardFetch& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets,
                 bool tells_damage);
bool answer_read(const ShardHistory& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets,
                 bool tells_damage);
bool answer_read(const ShardWhere& read, cluster::ShardMachine& machine, bool tells_damage);

}  // namespace earshot::actors
