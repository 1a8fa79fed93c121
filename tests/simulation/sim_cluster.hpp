#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/peer_network.hpp"
#include "tests/simulation/sim_node.hpp"

namespace earshot::simulation {

// The nodes of one cluster, and the network between them.
class SimCluster {
 public:
  SimCluster(World& world, std::uint32_t nodes, const NodeOptions& options,
             const std::function<void(const Error&)>& failed);

  // All of them; of a cluster that grows, those that are in it by now. The others join later.
  void start();
  void crash();
  [[nodiscard]] bool accepts() const;

  [[nodiscard]] std::vector<SimNode*> nodes() const;
  [[nodiscard]] std::vector<Host*> hosts() const;
  SimNode& any(Random& random) { return *nodes_[nodes_.size() == 1 ? 0 : random.below(nodes_.size())]; }
  [[nodiscard]] bool grows() const { return grows_; }
  // How many members each shard comes to have.
  [[nodiscard]] std::size_t replicas() const { return replicas_; }
  // Null: there is only one.
  [[nodiscard]] PeerNetwork* network() { return network_ ? &*network_ : nullptr; }

  // ---- for checkers: as SimNode's, of whichever node leads
  [[nodiscard]] std::uint64_t committed_ms_max() const;
  [[nodiscard]] bool tells_a_tick(std::uint64_t stored_at_ms) const;
  [[nodiscard]] std::uint64_t starts() const;
  // Hears what breaks a rule of Raft: two leaders of a shard in one term.
  std::function<void(const std::string&)> found_wrong = [](const std::string&) {};

 private:
  void note(NodeId from, const cluster::PeerFrame& frame);
  // The next node that is not in the cluster asks to join, until it is; then the next one.
  void join_later(std::size_t node, std::uint64_t delay_ms);
  void join(std::size_t node);

  World& world_;
  Random random_;
  std::optional<PeerNetwork> network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::map<std::pair<ShardId, Term>, NodeId> leaders_;
  const std::uint16_t shard_count_;
  const bool grows_;
  const std::size_t replicas_;
  bool has_begun_ = false;
};

}  // namespace earshot::simulation
