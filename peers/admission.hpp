#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "peers/greeting.hpp"

// Who may be linked to this node, and which of two connections between the same two nodes stays. Pure.
//
// Both ends dial. Of two connections the one stays that the node with the lower id has dialled: each end decides that
// by itself, and both the same way. A connection that is made anew by who made the one that stands replaces it: nobody
// dials who does not know the link for gone.
namespace earshot::peers {

struct Self {
  std::uint64_t cluster_id = 0;
  NodeId node;
  std::uint64_t boot = 0;
  ProtocolRange protocol;
};

// What this node has of the one that greets.
struct Standing {
  struct Up {
    std::uint64_t boot = 0;
    bool dialled_here = false;
  };
  bool is_known = false;
  bool was_removed = false;  // from the cluster
  std::optional<Up> up;
  bool own_dial_greets = false;  // this node has said hello to it on another connection, and waits for the answer
};

struct Admit {
  bool replaces = false;  // the connection that stands
};
struct Probe {};  // a connection stands with another process of that identity: it must show that it is there
using Decision = std::variant<Admit, Probe, Refusal>;

// Of a hello that came in on a connection that the other end dialled.
Decision judge_hello(const Self& self, const Hello& hello, const Standing& standing);
// Of the welcome that `dialled` answers with. Nothing: it is the right one.
std::optional<Refusal> judge_welcome(const Self& self, NodeId dialled, const Hello& hello);
// Of a joiner: only whether the two understand each other.
std::optional<Refusal> judge_protocol(const Self& self, const Hello& hello);

}  // namespace earshot::peers
