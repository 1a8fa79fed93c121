#pragma once

#include <functional>
#include <memory>

#include "actors/helper.hpp"
#include "actors/place_desk.hpp"
#include "actors/ports.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "schema/cluster_status.hpp"
#include "schema/node_removal.hpp"

namespace earshot::actors {

// A node as its gateways see it. Thread-safe.
class Broker {
 public:
  virtual ~Broker() = default;
  // Of the node, for people: in log lines.
  [[nodiscard]] virtual NodeId id() const { return {}; }
  // Starts a session for an authenticated user; the answer comes as client->logged_in(). Never null. After an error, or
  // closed(), the inbox leads nowhere.
  virtual std::shared_ptr<SessionInbox> open_session(Identity identity, LoginRequest request,
                                                     std::shared_ptr<ClientPort> client) = 0;
  // Where people are, for those who may ask about everybody. Null: this broker keeps no places.
  virtual std::shared_ptr<const PlaceDesk> place_desk() { return nullptr; }
  // What this node knows of its cluster, of about this moment: it is gathered from what its parts show of themselves,
  // and waits for none of them.
  [[nodiscard]] virtual ClusterStatus cluster_status() const { return {}; }
  // Has a node that is gone removed from the cluster (cluster/node_removal.hpp). `done` is called once, on any thread,
  // now or later; or let go without a call when this node ends first.
  virtual void remove_node(NodeId node, std::function<void(Result<RemovalAnswer>)> done) {
    (void)node;
    done(fail(ErrorCode::kConflict, "node", "this node is in no cluster"));
  }
  // The calling thread helps to run the sessions, and what is behind them, until it destroys what this returns. Null:
  // they need no help.
  virtual std::unique_ptr<Help> help(Helper /*helper*/) { return nullptr; }
};

}  // namespace earshot::actors
