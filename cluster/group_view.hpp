#pragma once

#include <cstdint>
#include <functional>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/group_keeper.hpp"
#include "cluster/replica.hpp"

// Between a keeper and the replica that leads the group.
namespace earshot::cluster {

// The group as its leader sees it now. `is_up`: whether there is a link to a node, without which nobody counts as
// heard; a member must have said something within some heartbeats, too. Valid as long as the replica, until its next
// event.
GroupView view_of(const Replica& replica, NodeId self, std::function<bool(NodeId)> is_up, std::uint64_t now_ms);

// Whether a member was heard within some seconds, as the leader knows, whatever became of its link.
bool may_be_there(const Replica& replica, NodeId member, std::uint64_t now_ms);

// Lets the replica do the step. A refusal needs no answer: the keeper asks again.
Status do_step(Replica& replica, const GroupStep& step, std::uint64_t now_ms);

// Whether the node is a member that was heard lately and lags by little.
bool follows(const GroupView& view, NodeId node);

}  // namespace earshot::cluster
