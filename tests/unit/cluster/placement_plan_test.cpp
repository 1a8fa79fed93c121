#include "cluster/placement_plan.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::cluster {
namespace {

std::vector<NodeId> nodes_of(std::initializer_list<std::uint64_t> ids) {
  std::vector<NodeId> nodes;
  for (const std::uint64_t id : ids) nodes.emplace_back(id);
  return nodes;
}
std::vector<NodeId> nodes_to(std::uint64_t last) {
  std::vector<NodeId> nodes;
  for (std::uint64_t id = 1; id <= last; ++id) nodes.emplace_back(id);
  return nodes;
}

bool has(const std::vector<NodeId>& row, NodeId node) { return std::ranges::find(row, node) != row.end(); }

std::map<NodeId, std::size_t> replicas_of(const Placement& placement, const std::vector<NodeId>& nodes) {
  std::map<NodeId, std::size_t> counts;
  for (const NodeId node : nodes) counts[node] = 0;
  for (const auto& row : placement) {
    for (const NodeId node : row) ++counts[node];
  }
  return counts;
}
std::map<NodeId, std::size_t> leads_of(const Placement& placement, const std::vector<NodeId>& nodes) {
  std::map<NodeId, std::size_t> counts;
  for (const NodeId node : nodes) counts[node] = 0;
  for (const auto& row : placement) ++counts[row.front()];
  return counts;
}
std::size_t unevenness(const std::map<NodeId, std::size_t>& counts) {
  const auto [least, most] = std::ranges::minmax_element(counts, {}, [](const auto& count) { return count.second; });
  return most->second - least->second;
}
// Replicas of `after` that `before` has not.
std::size_t made_anew(const Placement& before, const Placement& after) {
  std::size_t count = 0;
  for (std::size_t shard = 0; shard < after.size(); ++shard) {
    for (const NodeId node : after[shard]) count += shard < before.size() && has(before[shard], node) ? 0 : 1;
  }
  return count;
}
std::size_t leaders_changed(const Placement& before, const Placement& after) {
  std::size_t count = 0;
  for (std::size_t shard = 0; shard < after.size(); ++shard) count += before[shard].front() != after[shard].front();
  return count;
}

// No plan that is even can make fewer anew: of what a node has it can keep no more than its share, and of the shares
// the larger ones go to those that have the most.
std::size_t fewest_anew(const Placement& before, const std::vector<NodeId>& nodes, std::size_t shards,
                        std::size_t replicas) {
  std::vector<std::size_t> loads;
  Placement kept(shards);
  for (std::size_t shard = 0; shard < std::min(before.size(), shards); ++shard) {
    for (const NodeId node : before[shard]) {
      if (has(nodes, node) && !has(kept[shard], node)) kept[shard].push_back(node);
    }
  }
  for (const auto& [node, count] : replicas_of(kept, nodes)) loads.push_back(count);
  std::ranges::sort(loads, std::ranges::greater());
  const std::size_t slots = shards * std::min(replicas, nodes.size());
  const std::size_t share = slots / nodes.size();
  std::size_t larger = slots % nodes.size();
  std::size_t can_stay = 0;
  for (const std::size_t load : loads) {
    can_stay += std::min(load, share + (larger > 0 ? 1 : 0));
    if (larger > 0) --larger;
  }
  return slots - can_stay;
}

std::vector<NodeId> some_nodes(Random& random) {
  std::vector<NodeId> nodes;
  for (std::uint64_t id = 1; id <= 9; ++id) {
    if (random.chance(0.6)) nodes.emplace_back(id);
  }
  if (nodes.empty()) nodes.emplace_back(3);
  return nodes;
}

void expect_sound(const Placement& plan, const std::vector<NodeId>& nodes, std::size_t shards, std::size_t replicas) {
  ASSERT_EQ(plan.size(), shards);
  for (const auto& row : plan) {
    EXPECT_EQ(row.size(), std::min(replicas, nodes.size()));
    EXPECT_EQ(std::set(row.begin(), row.end()).size(), row.size()) << "a node is named twice";
    for (const NodeId node : row) EXPECT_TRUE(has(nodes, node));
  }
  EXPECT_LE(unevenness(replicas_of(plan, nodes)), 1u);
}

TEST(PlacementPlan, ASingleNodeHasEverything) {
  const auto nodes = nodes_of({1});
  EXPECT_EQ(plan_placement(nodes, 4, 3, {}), Placement(4, {NodeId(1)}));
}

TEST(PlacementPlan, WithoutNodesThereIsNothingToPlan) {
  EXPECT_EQ(plan_placement({}, 4, 3, Placement(4, {NodeId(1)})), Placement(4));
}

TEST(PlacementPlan, ThreeNodesShareReplicasAndLeadersWhenTwoJoinTheFirst) {
  Placement placement(64, {NodeId(1)});
  for (std::uint64_t last = 2; last <= 3; ++last) {
    const auto nodes = nodes_to(last);
    const Placement next = plan_placement(nodes, 64, 3, placement);
    expect_sound(next, nodes, 64, 3);
    EXPECT_LE(unevenness(leads_of(next, nodes)), 1u);
    EXPECT_EQ(made_anew(placement, next), 64u) << "the new one gets all, and nobody else moves";
    placement = next;
  }
}

TEST(PlacementPlan, ANodeThatIsGoneLeavesNoRowUnledAndItsReplicasGoToTheOthersEvenly) {
  const auto before = nodes_to(5);
  const auto after = nodes_of({1, 2, 4, 5});
  const Placement placement = plan_placement(before, 60, 3, {});
  const Placement next = plan_placement(after, 60, 3, placement);
  expect_sound(next, after, 60, 3);
  EXPECT_LE(unevenness(leads_of(next, after)), 1u);
  EXPECT_EQ(made_anew(placement, next), 36u) << "as many as the node had";
}

TEST(PlacementPlan, WhatIsEvenAlreadyStaysAsItIs) {
  for (std::uint64_t last = 1; last <= 8; ++last) {
    const auto nodes = nodes_to(last);
    const Placement placement = plan_placement(nodes, 64, 3, {});
    EXPECT_EQ(plan_placement(nodes, 64, 3, placement), placement);
  }
}

TEST(PlacementPlan, FewerReplicasAreTakenFromThoseThatHaveMost) {
  const auto nodes = nodes_to(4);
  const Placement placement = plan_placement(nodes, 64, 3, {});
  const Placement next = plan_placement(nodes, 64, 1, placement);
  expect_sound(next, nodes, 64, 1);
  EXPECT_EQ(made_anew(placement, next), 0u);
}

// Else the death of one node doubles the load of its two neighbours, and leaves the others as they were.
TEST(PlacementPlan, ReplicasOfANodeHaveTheirOthersOnAllNodes) {
  const auto nodes = nodes_to(8);
  const Placement placement = plan_placement(nodes, 512, 3, {});
  std::map<NodeId, std::size_t> shared;
  for (const auto& row : placement) {
    if (!has(row, NodeId(1))) continue;
    for (const NodeId node : row) ++shared[node];
  }
  shared.erase(NodeId(1));
  EXPECT_EQ(shared.size(), 7u);
  for (const auto& [node, count] : shared) EXPECT_GT(count, 30u) << "of 54 with node " << node.value;
}

TEST(PlacementPlan, IsSoundAndEvenWhateverThereWasBefore) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 3'000; ++round) {
    const std::uint16_t shards = static_cast<std::uint16_t>(1 + random.below(24));
    const std::size_t replicas = 1 + random.below(5);
    const std::vector<NodeId> nodes = some_nodes(random);
    Placement before(random.below(30));
    for (auto& row : before) {
      for (std::uint64_t count = random.below(6); count > 0; --count) row.emplace_back(random.below(11));
    }
    const Placement plan = plan_placement(nodes, shards, replicas, before);
    expect_sound(plan, nodes, shards, replicas);
    EXPECT_EQ(plan, plan_placement(nodes, shards, replicas, before));
    EXPECT_EQ(plan_placement(nodes, shards, replicas, plan), plan) << "a plan that was carried out needs no other";
  }
}

TEST(PlacementPlan, MovesNoMoreThanItMustWhenNodesComeAndGo) {
  Random random(tests::seed_of_test());
  int more_than_it_must = 0;
  for (int round = 0; round < 300; ++round) {
    const std::uint16_t shards = static_cast<std::uint16_t>(1 + random.below(40));
    const std::size_t replicas = 1 + random.below(5);
    Placement placement;
    for (int change = 0; change < 10; ++change) {
      const std::vector<NodeId> nodes = some_nodes(random);
      const Placement plan = plan_placement(nodes, shards, replicas, placement);
      expect_sound(plan, nodes, shards, replicas);
      const std::size_t anew = made_anew(placement, plan);
      const std::size_t fewest = fewest_anew(placement, nodes, shards, replicas);
      EXPECT_LE(anew, fewest + 2) << "round " << round;
      more_than_it_must += anew > fewest ? 1 : 0;
      placement = plan;
    }
  }
  EXPECT_LE(more_than_it_must, 30) << "of 3000 plans";
}

// Whether rows allow every node to lead `least` to `most` shards, by trying all ways.
bool can_lead(const Placement& plan, std::map<NodeId, std::size_t>& leads, std::size_t shard, std::size_t most) {
  if (shard == plan.size()) return unevenness(leads) <= 1;
  for (const NodeId node : plan[shard]) {
    if (leads[node] == most) continue;
    ++leads[node];
    const bool can = can_lead(plan, leads, shard + 1, most);
    --leads[node];
    if (can) return true;
  }
  return false;
}

TEST(PlacementPlan, LeadersAreAsEvenAsTheRowsAllow) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 300; ++round) {
    const std::uint16_t shards = static_cast<std::uint16_t>(1 + random.below(8));
    const auto nodes = nodes_to(1 + random.below(5));
    Placement before(shards);
    for (auto& row : before) {
      for (std::uint64_t count = random.below(4); count > 0; --count) row.emplace_back(1 + random.below(5));
    }
    const Placement plan = plan_placement(nodes, shards, 1 + random.below(3), before);
    std::map<NodeId, std::size_t> leads;
    for (const NodeId node : nodes) leads[node] = 0;
    const std::size_t most = (shards + nodes.size() - 1) / nodes.size();
    if (can_lead(plan, leads, 0, most)) {
      EXPECT_LE(unevenness(leads_of(plan, nodes)), 1u);
    }
  }
}

TEST(PlacementPlan, FewLeadersChangeWhenANodeComes) {
  const auto before = plan_placement(nodes_to(3), 63, 3, {});
  const auto after = plan_placement(nodes_to(4), 63, 3, before);
  EXPECT_LE(leaders_changed(before, after), 20u) << "15 or 16 lead on the new one, and who leads least gives none away";
}

TEST(PlacementPlan, AsLargeAsACanBeItTakesNoTimeThatAnybodyWaitsFor) {
  const auto start = std::chrono::steady_clock::now();
  Placement placement(limits::kShardsMax, {NodeId(1)});
  for (std::uint64_t last = 2; last <= limits::kClusterNodesMax; ++last) {
    const auto nodes = nodes_to(last);
    placement = plan_placement(nodes, limits::kShardsMax, limits::kReplicasMax, placement);
    expect_sound(placement, nodes, limits::kShardsMax, limits::kReplicasMax);
    EXPECT_LE(unevenness(leads_of(placement, nodes)), 1u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(MetaVoters, AreTheFirstAndStayWhenAnotherOneComes) {
  EXPECT_EQ(plan_meta_voters(nodes_to(3), {}), nodes_to(3));
  EXPECT_EQ(plan_meta_voters(nodes_to(9), {}), nodes_to(limits::kMetaVotersMax));
  const auto voters = nodes_of({3, 4, 5, 6, 7});
  EXPECT_EQ(plan_meta_voters(nodes_to(9), voters), voters);
}

TEST(MetaVoters, OneThatIsGoneMakesRoomForTheNext) {
  const auto voters = nodes_of({1, 2, 3, 4, 5});
  const auto nodes = nodes_of({1, 2, 4, 5, 6, 7});
  EXPECT_EQ(plan_meta_voters(nodes, voters), nodes_of({1, 2, 4, 5, 6}));
}

}  // namespace
}  // namespace earshot::cluster
