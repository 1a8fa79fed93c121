#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "cluster/peers.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// The network between the nodes, and what can happen to it. It keeps no more than cluster/peers.hpp promises: what is
// on its way may be lost, doubled or overtaken.
//
// A link is there when both of its nodes run and reach each other; each end hears of a change a little later, as real
// links do by their heartbeats.
class PeerNetwork {
 public:
  // One node's end.
  class End {
   public:
    virtual ~End() = default;
    [[nodiscard]] virtual bool runs() const = 0;
    [[nodiscard]] virtual std::uint64_t run() const = 0;  // counts its starts
    [[nodiscard]] virtual const std::uint64_t& sleeps_until_ms() const = 0;
    [[nodiscard]] virtual cluster::PeerEvents* events() = 0;  // null: it does not listen
  };
  struct Troubles {  // in parts of 10 000 frames
    std::uint32_t lost = 0;
    std::uint32_t doubled = 0;
    std::uint32_t late = 0;  // by up to two seconds
  };

  PeerNetwork(World& world, std::uint64_t delay_ms_max) : world_(world), random_(world.fork()), delay_ms_max_(delay_ms_max) {}

  // The way out of a node. Outlives its runs.
  std::unique_ptr<cluster::Peers> attach(NodeId node, End& end);
  // A node has started, is gone, or goes to sleep: its links follow.
  void started(NodeId node);
  void died(NodeId node);
  void sleeps(NodeId node);

  // ---- faults
  // What is sent from one to the other does not arrive, until allow_all().
  void block(NodeId from, NodeId to);
  void allow_all();
  void set_troubles(const Troubles& troubles) { troubles_ = troubles; }
  [[nodiscard]] std::vector<NodeId> nodes() const;

  // For the checkers: sees every frame as it is sent.
  std::function<void(NodeId from, NodeId to, const cluster::PeerFrame&)> sent =
      [](NodeId, NodeId, const cluster::PeerFrame&) {};

 private:
  class Way;
  using Pair = std::pair<NodeId, NodeId>;

  bool send(NodeId from, NodeId to, cluster::PeerFrame frame);
  void arrive_later(NodeId from, NodeId to, cluster::PeerFrame frame);
  [[nodiscard]] bool reach_each_other(NodeId a, NodeId b) const;
  // Whether the links of a node are as they can be.
  void look_later(NodeId node, std::uint64_t delay_ms);
  void look(NodeId a, NodeId b);
  void set_up(NodeId node, NodeId other, bool is_up);

  World& world_;
  Random random_;
  const std::uint64_t delay_ms_max_;
  std::map<NodeId, End*> ends_;
  std::set<Pair> up_;       // whose link, to whom: as that end knows it
  std::set<Pair> blocked_;  // from, to
  Troubles troubles_;
};

}  // namespace earshot::simulation
