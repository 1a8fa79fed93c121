#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"

// A node that is gone for good is taken out of its cluster.
namespace earshot {

struct RemoveNodeRequest {
  std::string token;
  NodeId node;
  bool operator==(const RemoveNodeRequest&) const = default;
};

struct NodeRemoved {
  bool was_before = false;  // it had been removed already, and nothing has changed
  bool operator==(const NodeRemoved&) const = default;
};
struct AskLeader {
  std::vector<std::string> clients;  // host:port, of the node that leads the meta group: that is the one to ask
  bool operator==(const AskLeader&) const = default;
};
using RemovalAnswer = std::variant<NodeRemoved, AskLeader>;

}  // namespace earshot
