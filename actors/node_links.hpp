#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/peers.hpp"

namespace earshot::actors {

// A node's way to the others of its cluster: peers/ behind it, opened when the node knows who it is. Until then nothing
// goes, and which nodes there are is kept for later. Thread-safe but for open().
class NodeLinks : public cluster::Peers {
 public:
  // One question to whatever node answers at "host:port", as a process that has no identity yet. Waits for the answer.
  // kUnavailable(peer), kUnsupportedVersion(peer).
  virtual Result<std::string> ask(const std::string& address, std::string request) = 0;
  // Once; `events` outlives stop(). kInvalidArgument(peer_…), kUnavailable(peer_port).
  virtual Status open(std::uint64_t cluster_id, NodeId self, cluster::PeerEvents& events) = 0;
  // Which nodes the cluster has removed: they are told so when they come. It must be certain, since they end then.
  virtual void set_removed(std::function<bool(NodeId)> was_removed) = 0;
  // Before open(): called when another node says that the cluster has removed this one, on a thread of the links.
  virtual void on_removed(std::function<void(NodeId by)> removed) = 0;
  // Where others connect to; 0: they cannot.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // Ends them, with link_down() of each; no event comes afterwards. Idempotent.
  virtual void stop() = 0;
};

}  // namespace earshot::actors
