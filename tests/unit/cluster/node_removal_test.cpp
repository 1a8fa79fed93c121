#include "cluster/node_removal.hpp"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

// Node 1 leads the meta group of four; the placement has three replicas of each of two shards.
class NodeRemoval : public testing::Test {
 protected:
  NodeRemoval() {
    state.cluster_id = 7;
    state.shard_count = 2;
    state.replicas = 3;
    state.next_node = 6;  // node 5 was removed so long ago that it is forgotten
    for (const std::uint64_t id : {1, 2, 3, 4}) state.nodes.push_back({NodeId(id), {}, NodeState::kUp, {}});
    state.placement = {row({1, 2, 3}), row({4, 3, 2})};
  }
  static std::vector<NodeId> row(const std::vector<std::uint64_t>& ids) { return {ids.begin(), ids.end()}; }
  static ShardStatus shard(std::uint16_t id, std::uint64_t leader, const std::vector<std::uint64_t>& voters) {
    ShardStatus status;
    status.shard = ShardId(id);
    status.leader = NodeId(leader);
    for (const std::uint64_t voter : voters) status.members.push_back({NodeId(voter), true, {}});
    return status;
  }
  [[nodiscard]] Result<std::optional<SetNodeState>> judge(std::uint64_t node) const {
    return judge_removal(NodeId(node), {NodeId(1), state, meta_voters, shards,
                                        [this](NodeId one) { return one == NodeId(1) || heard.contains(one.value); },
                                        [this](NodeId one) { return one == NodeId(1) || there.contains(one.value); }});
  }
  void expect_removed(std::uint64_t node) const {
    const auto judged = judge(node);
    ASSERT_TRUE(judged) << judged.error().to_string();
    EXPECT_EQ(*judged, (SetNodeState{NodeId(node), NodeState::kRemoved}));
  }
  void expect_refused(std::uint64_t node, ErrorCode code, const std::string& field,
                      const std::string& words = "") const {
    const auto judged = judge(node);
    ASSERT_FALSE(judged);
    EXPECT_EQ(judged.error().code, code);
    EXPECT_EQ(judged.error().field, field);
    EXPECT_NE(judged.error().detail.find(words), std::string::npos) << judged.error().detail;
  }

  MetaState state;
  std::vector<NodeId> meta_voters = row({1, 2, 3, 4});
  std::vector<ShardStatus> shards = {shard(0, 1, {1, 2, 3})};
  std::set<std::uint64_t> heard = {2, 4};
  std::set<std::uint64_t> there = {2, 4};
};

TEST_F(NodeRemoval, ANodeThatIsGoneIsRemoved) { expect_removed(3); }

TEST_F(NodeRemoval, WhoNeverWasIsNotFound) {
  expect_refused(6, ErrorCode::kNotFound, "node", "no node 6");
  expect_refused(0, ErrorCode::kInvalidArgument, "node");
}

TEST_F(NodeRemoval, WhoWasRemovedIsSoAlreadyAlsoWhenItIsForgotten) {
  state.nodes[2].state = NodeState::kRemoved;
  for (const std::uint64_t node : {3, 5}) {
    const auto judged = judge(node);
    ASSERT_TRUE(judged);
    EXPECT_FALSE(judged->has_value()) << node;
  }
}

TEST_F(NodeRemoval, ANodeThatIsThereStays) {
  for (const std::uint64_t node : {1, 2}) expect_refused(node, ErrorCode::kConflict, "node", "stop it");
  heard.erase(2);
  expect_refused(2, ErrorCode::kConflict, "node", "stop it");
}

TEST_F(NodeRemoval, TheOnlyOneStays) {
  for (MetaNode& node : state.nodes)
    if (node.id != NodeId(1)) node.state = NodeState::kJoining;
  expect_refused(1, ErrorCode::kConflict, "node", "only");
  expect_removed(3);
}

// It could not be brought to other members: whoever is missed for its majority must come back.
TEST_F(NodeRemoval, AShardThatHasNoMajorityWithoutItKeepsIt) {
  heard = there = {2, 3};
  expect_removed(4);
  heard = there = {2};
  meta_voters = row({1, 2});
  expect_refused(4, ErrorCode::kConflict, "shards", "shard 1 ");
  expect_refused(4, ErrorCode::kConflict, "shards", "nodes 4, 3, 2");
}

TEST_F(NodeRemoval, TheOnlyReplicaOfAShardStays) {
  state.placement[1] = row({3});
  expect_refused(3, ErrorCode::kConflict, "shards", "shard 1 ");
}

// The placement is what should be: a group may still be on its way there.
TEST_F(NodeRemoval, AGroupThatIsNotYetWhereItShouldBeIsJudgedByItsVoters) {
  shards = {shard(0, 1, {1, 3})};
  expect_refused(3, ErrorCode::kConflict, "shards", "shard 0 ");
  shards = {shard(0, 0, {1, 3})};
  expect_refused(3, ErrorCode::kConflict, "shards", "shard 0 ");
}

// It may need what the node has: without a state, or with a shorter log, those that are there cannot lead.
TEST_F(NodeRemoval, AShardThatNobodyLeadsKeepsAllWhoBelongToIt) {
  for (const std::uint64_t leader : {0, 3}) {
    shards = {shard(0, leader, {1, 2, 3})};
    expect_refused(3, ErrorCode::kConflict, "shards", "nobody leads shard 0");
  }
  shards = {shard(0, 0, {1, 2, 4})};
  expect_removed(3);
}

TEST_F(NodeRemoval, WhatAReplicaRemembersOfAGroupThatItHasLeftCountsNot) {
  shards = {shard(1, 0, {1, 3})};
  expect_removed(3);
  shards = {shard(1, 4, {4, 3})};
  expect_removed(3);
}

TEST_F(NodeRemoval, TheMetaGroupKeepsItsMajority) {
  meta_voters = row({1, 3});
  expect_refused(3, ErrorCode::kConflict, "meta");
}

}  // namespace
}  // namespace earshot::cluster
