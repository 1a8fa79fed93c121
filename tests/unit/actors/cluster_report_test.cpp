#include "actors/cluster_report.hpp"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actors/group_gauge.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

ShardStatus shard(std::uint16_t id) {
  ShardStatus status;
  status.shard = ShardId(id);
  status.leader = NodeId(1);
  return status;
}

MetaState three_nodes() {
  MetaState map;
  map.cluster_id = 0xc1;
  map.shard_count = 2;
  map.replicas = 3;
  map.version = 12;
  map.nodes = {{NodeId(1), {{"a:7500"}, {"a:7400"}}, NodeState::kUp, {}},
               {NodeId(2), {{"b:7500"}, {"b:7400"}}, NodeState::kUp, {}},
               {NodeId(3), {{"c:7500"}, {"c:7400"}}, NodeState::kRemoved, {}}};
  map.placement = {{NodeId(1), NodeId(2)}, {NodeId(2), NodeId(1)}};
  return map;
}

ClusterFacts facts_of(const MetaState* map) {
  ClusterFacts facts;
  facts.self = NodeId(1);
  facts.map = map;
  facts.shards = {shard(0), shard(1)};
  facts.sessions = 4;
  return facts;
}

const auto kNobody = [](NodeId) { return false; };

TEST(ClusterReport, ANodeAloneTellsOfItselfAndItsShards) {
  const ClusterStatus status = cluster_status(facts_of(nullptr), kNobody);
  EXPECT_EQ(status.node, NodeId(1));
  EXPECT_EQ(status.cluster_id, 0u);
  ASSERT_EQ(status.nodes.size(), 1u);
  EXPECT_EQ(status.nodes[0].id, NodeId(1));
  EXPECT_TRUE(status.nodes[0].linked);
  EXPECT_EQ(status.shards.size(), 2u);
  EXPECT_EQ(status.sessions, 4u);
}

// A node that joins has a map before the map has a cluster.
TEST(ClusterReport, AMapOfNoClusterIsNone) {
  const MetaState map;
  EXPECT_EQ(cluster_status(facts_of(&map), kNobody), cluster_status(facts_of(nullptr), kNobody));
}

TEST(ClusterReport, TheMapSaysWhereShardsShouldBeAndWhoIsThere) {
  const MetaState map = three_nodes();
  const ClusterStatus status = cluster_status(facts_of(&map), kNobody);
  EXPECT_EQ(status.cluster_id, 0xc1u);
  EXPECT_EQ(status.epoch, 12u);
  EXPECT_EQ(status.replicas, 3u);
  ASSERT_EQ(status.nodes.size(), 2u) << "a removed node is none";
  EXPECT_EQ(status.nodes[1].clients, std::vector<std::string>{"b:7400"});
  EXPECT_EQ(status.shards[1].wanted, (std::vector{NodeId(2), NodeId(1)}));
}

TEST(ClusterReport, WhoHasNoLinkIsSaidToHaveNone) {
  const MetaState map = three_nodes();
  const auto linked = [&](const std::function<bool(NodeId)>& is_linked) {
    return cluster_status(facts_of(&map), is_linked).nodes[1].linked;
  };
  EXPECT_FALSE(linked(kNobody));
  EXPECT_TRUE(linked([](NodeId node) { return node == NodeId(2); }));
  EXPECT_TRUE(cluster_status(facts_of(&map), kNobody).nodes[0].linked) << "it needs none to itself";
}

cluster::Member member(std::uint64_t node, bool voter = true) { return {NodeId(node), "", voter}; }

TEST(ShardGaugeMembers, ComeAsTheyWereShown) {
  GroupGauge gauge;
  EXPECT_TRUE(gauge.read().empty());
  gauge.show(std::vector{member(1), member(7, false)}, [](NodeId node) { return LogIndex(node.value * 10); });
  EXPECT_EQ(gauge.read(),
            (std::vector<ReplicaStatus>{{NodeId(1), true, LogIndex(10)}, {NodeId(7), false, LogIndex(70)}}));
}

TEST(ShardGaugeMembers, WhoHasLeftIsToldOfNoMore) {
  GroupGauge gauge;
  const auto nothing = [](NodeId) { return LogIndex(); };
  gauge.show(std::vector{member(1), member(2), member(3)}, nothing);
  gauge.show(std::vector{member(3)}, nothing);
  EXPECT_EQ(gauge.read(), (std::vector<ReplicaStatus>{{NodeId(3), true, {}}}));
  gauge.show(std::vector<cluster::Member>{}, nothing);
  EXPECT_TRUE(gauge.read().empty());
}

TEST(ShardGaugeMembers, MoreThanAreToldAreLeftOut) {
  GroupGauge gauge;
  std::vector<cluster::Member> many;
  for (std::uint64_t node = 1; node <= limits::kShardMembersTold + 1; ++node) many.push_back(member(node));
  gauge.show(many, [](NodeId) { return LogIndex(); });
  EXPECT_EQ(gauge.read().size(), limits::kShardMembersTold);
}

}  // namespace
}  // namespace earshot::actors
