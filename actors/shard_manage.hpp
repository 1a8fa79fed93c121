#pragma once

#include <cstdint>
#include <optional>

#include "actors/damage.hpp"
#include "actors/ports.hpp"
#include "actors/presence.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// What a request that looks after mailboxes is to its shard: the command that it becomes, or nothing when it only asks.
std::optional<Command> command_of(ShardManage& request);

// Answers a request that only asks, from the committed state and from who is connected. An explanation is completed by
// the sessions of the user: they are asked here, and answer the one who asked. Anything but kAnswered: nothing was
// told.
ReadOutcome answer_question(const ShardManage& question, NodeId node, cluster::ShardMachine& machine,
                            const Presence& presence, Tells tells);

}  // namespace earshot::actors
