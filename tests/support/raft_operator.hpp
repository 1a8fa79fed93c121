#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/support/raft_cluster.hpp"

namespace earshot::tests {

// Who decides on the members of a RaftCluster: it lets the group grow and shrink between one and five voters, and moves
// leadership about.
class RaftOperator {
 public:
  explicit RaftOperator(RaftCluster& cluster) : cluster_(cluster), voters_wanted_(3) {}

  // One step, at whoever leads.
  void act() {
    clear_away();
    if (random().chance(0.1)) voters_wanted_ = 1 + 2 * random().below(3);
    const auto leader = cluster_.leader();
    if (!leader) return;
    cluster::Replica& replica = *cluster_.replica(*leader);
    const auto members = replica.members();
    const auto voters = static_cast<std::size_t>(
        std::count_if(members.begin(), members.end(), [](const auto& member) { return member.voter; }));
    if (random().chance(0.2)) {
      transfer(replica, members);
    } else if (voters > voters_wanted_) {
      remove(replica, members);
    } else if (voters < voters_wanted_ && members.size() > voters) {
      promote(replica, members);
    } else if (voters < voters_wanted_) {
      add(replica);
    }
  }

  [[nodiscard]] std::uint64_t transfers() const { return transfers_; }

 private:
  using Members = std::vector<cluster::Member>;

  // Nodes that were removed stay for a while: they must not disturb the group.
  void clear_away() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (cluster_.id(i).value != 0 && cluster_.was_removed(i) && random().chance(0.2)) cluster_.discard(i);
    }
  }

  void add(cluster::Replica& leader) {
    auto newcomer = one_outside(leader.members());
    if (!newcomer) newcomer = cluster_.create();
    if (newcomer) (void)leader.add(cluster_.as_standby(*newcomer), cluster_.now_ms());
  }
  // Added once already, perhaps, and taken back, or still to be committed.
  [[nodiscard]] std::optional<std::size_t> one_outside(const Members& members) {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      const bool inside = std::any_of(members.begin(), members.end(),
                                      [&](const auto& member) { return member.node == cluster_.id(i); });
      if (cluster_.id(i).value != 0 && !inside && !cluster_.was_removed(i)) return i;
    }
    return std::nullopt;
  }
  void promote(cluster::Replica& leader, const Members& members) {
    std::vector<NodeId> standbys;
    for (const auto& member : members) {
      if (!member.voter) standbys.push_back(member.node);
    }
    const NodeId standby = standbys[random().below(standbys.size())];
    Members then = members;
    for (auto& member : then) member.voter |= member.node == standby;
    if (random().chance(0.1)) {
      (void)leader.remove(standby, cluster_.now_ms());
    } else if (cluster_.states_suffice(then)) {
      (void)leader.promote(standby, cluster_.now_ms());
    }
  }
  void remove(cluster::Replica& leader, const Members& members) {
    const auto& leaving = members[random().below(members.size())];
    Members then = members;
    std::erase_if(then, [&](const auto& member) { return member.node == leaving.node; });
    if (cluster_.states_suffice(then)) (void)leader.remove(leaving.node, cluster_.now_ms());
  }
  void transfer(cluster::Replica& leader, const Members& members) {
    if (leader.transfer(members[random().below(members.size())].node, cluster_.now_ms())) ++transfers_;
  }
  [[nodiscard]] Random& random() { return cluster_.random(); }

  RaftCluster& cluster_;
  std::size_t voters_wanted_;
  std::uint64_t transfers_ = 0;
};

}  // namespace earshot::tests
