#pragma once

#include <memory>

#include "actors/ports.hpp"
#include "actors/shard_budget.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Answer a session's reads of a mailbox from the committed state. Sessions may be slower than their shard: what is on
// its way to them counts as the node's.
void answer_read(const ShardFetch& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets);
void answer_read(const ShardHistory& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets);

}  // namespace earshot::actors
