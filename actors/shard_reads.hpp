#pragma once

#include <memory>

#include "actors/damage.hpp"
#include "actors/ports.hpp"
#include "actors/shard_budget.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Answer reads of a mailbox, or of positions, from the committed state. Sessions may be slower than their shard: what
// is on its way to them counts as the node's. Anything but kAnswered: nothing was told.
ReadOutcome answer_read(const ShardFetch& read, cluster::ShardMachine& machine,
                        const std::shared_ptr<NodeBudgets>& budgets, Tells tells);
ReadOutcome answer_read(const ShardHistory& read, cluster::ShardMachine& machine,
                        const std::shared_ptr<NodeBudgets>& budgets, Tells tells);
ReadOutcome answer_read(const ShardWhere& read, cluster::ShardMachine& machine, Tells tells);

}  // namespace earshot::actors
