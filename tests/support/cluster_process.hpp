#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/metrics_text.hpp"

namespace earshot::tests {

// What several nodes' metrics tell of a cluster at one moment.
class ClusterView {
 public:
  // By node, from 1; nothing: it was not asked, or has not answered.
  using Pages = std::vector<std::optional<MetricsText>>;
  explicit ClusterView(const Pages& pages);

  // Every node has answered, and of every shard they agree on one leader, one term and so many voters.
  [[nodiscard]] bool is_whole(std::size_t voters) const { return problem(voters).empty(); }
  // The first thing that is amiss; "" when it is whole.
  [[nodiscard]] std::string problem(std::size_t voters) const;
  // Shards that a node leads, as far as the node knows that knows the newest term. Nodes count from 1.
  [[nodiscard]] std::size_t led_by(std::size_t node) const;
  [[nodiscard]] std::size_t leads_most() const;
  // Shards of which nobody is known to lead, or this node.
  [[nodiscard]] std::size_t not_led_by_others(std::size_t node) const;
  // Every replica of every shard has applied as much as the others.
  [[nodiscard]] bool is_level() const;
  // Nothing waits in any node: not to get into a log, not to be delivered, not to be acked.
  [[nodiscard]] bool is_idle() const;

 private:
  struct Group {
    std::uint32_t leader = 0;
    std::uint64_t term = 0;
    std::uint64_t voters = 0;
    std::uint64_t applied = 0;
  };
  struct Node {
    std::vector<Group> groups;  // by shard
    double queued_bytes = 0;
  };

  // Of each shard, what the node knows that knows the newest term.
  [[nodiscard]] std::vector<Group> newest() const;

  std::vector<std::optional<Node>> nodes_;
};

struct ClusterOptions {
  std::string directory;          // there; data and logs go below it
  std::vector<std::string> more;  // of every node's command line
  // Of one node's, counted from 1: what goes before its command, and more of its command line.
  std::function<std::vector<std::string>(std::size_t node)> wrapper;
  std::function<std::vector<std::string>(std::size_t node)> more_of;
  std::vector<std::size_t> die_young;  // nodes that are killed once, so long after the last of all has joined
  std::uint64_t young_for_ms = 0;
  std::array<std::uint16_t, 3> peer_ports = {};  // 0: picked
  // Where a node's peers connect to, if not where it listens on loopback: "address:port".
  std::function<std::string(std::size_t node)> peer_address;
  // Does something from where a node's loopback is, if that is not the test's.
  std::function<void(std::size_t node, const std::function<void()>&)> inside;
};

// Three nodes, each a process of its own, that are one broker. Nodes count from 1, and these are their ids.
// Thread: one, which must live as long as the nodes; the kernel ends them with it.
class ClusterProcess {
 public:
  static constexpr std::size_t kNodes = 3;

  // Returns when every shard has a leader and three voters; throws when that does not come about within a minute.
  explicit ClusterProcess(ClusterOptions options);
  ~ClusterProcess();
  ClusterProcess(const ClusterProcess&) = delete;
  ClusterProcess& operator=(const ClusterProcess&) = delete;

  NodeProcess& node(std::size_t node) { return *nodes_.at(node - 1); }
  [[nodiscard]] std::vector<std::string> addresses() const;  // of clients
  [[nodiscard]] std::string data_of(std::size_t node) const {
    return options_.directory + "/node-" + std::to_string(node);
  }
  [[nodiscard]] std::uint16_t peer_port(std::size_t node) const { return peer_ports_.at(node - 1); }
  // All at once, by SIGKILL, and again with the same command lines.
  void kill(const std::vector<std::size_t>& nodes);
  void start(const std::vector<std::size_t>& nodes);
  // SIGTERM, one after the other; whether each ended in order, within a minute.
  bool stop();

  // Nodes that run and do not answer within a second are left out.
  [[nodiscard]] ClusterView view() const;
  // Until the view is whole; what was amiss to the last when it does not come to be within the time, else "".
  std::string wait_whole(std::uint64_t patience_ms = 60'000) const;
  // Until every shard is led by another node than this one, which is dead.
  std::string wait_led_without(std::size_t node, std::uint64_t patience_ms = 20'000) const;
  // Until nothing waits anywhere and all replicas have applied the same.
  std::string wait_level(std::uint64_t patience_ms = 60'000) const;
  // The last lines that each node logged.
  [[nodiscard]] std::string logs() const;

 private:
  [[nodiscard]] NodeOptions options_of(std::size_t node) const;
  [[nodiscard]] std::string log_of(std::size_t node) const;
  [[nodiscard]] std::optional<MetricsText> metrics_of(std::size_t node) const;

  const ClusterOptions options_;
  std::array<std::uint16_t, kNodes> peer_ports_, client_ports_{}, http_ports_{};
  std::vector<std::unique_ptr<NodeProcess>> nodes_;
};

}  // namespace earshot::tests
