#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/ids.hpp"
#include "cluster/meta_machine.hpp"
#include "schema/meta.hpp"

// What a node answers to a process that wants to join, as pure functions.
namespace earshot::cluster {

struct JoinDesk {
  NodeId self;
  std::uint16_t protocol_min = 1;  // that this node speaks with others
  std::uint16_t protocol_max = 1;
  NodeId leader;       // of the meta group; 0: not known
  bool leads = false;  // and it is this node, and takes commands
};

// The command that the request leads to, or the answer that it gets without one.
std::variant<AddNode, JoinAnswer> judge_join(const JoinDesk& desk, const MetaState& state, std::string_view request);

// What became of the command; `state` has it applied.
JoinAnswer answer_join(const JoinDesk& desk, const MetaState& state, const MetaMachine::Outcome& outcome);

}  // namespace earshot::cluster
