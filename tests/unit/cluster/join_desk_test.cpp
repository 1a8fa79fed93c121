#include "cluster/join_desk.hpp"

#include <string>
#include <variant>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

NodeAddresses at(const std::string& host) { return {{host + ":7401"}, {host + ":7400"}}; }

class JoinDeskTest : public testing::Test {
 protected:
  JoinDeskTest() {
    state.cluster_id = 7;
    state.shard_count = 4;
    state.next_node = 3;
    state.nodes = {{NodeId(1), at("a"), NodeState::kUp, {}}, {NodeId(2), at("b"), NodeState::kUp, {}}};
  }
  [[nodiscard]] std::variant<AddNode, JoinAnswer> judge() const { return judge_join(desk, state, encode(request)); }
  [[nodiscard]] JoinRefused refusal() const {
    const auto judged = judge();
    EXPECT_TRUE(std::holds_alternative<JoinAnswer>(judged));
    return std::get<JoinRefused>(std::get<JoinAnswer>(judged));
  }

  JoinDesk desk{NodeId(1), 2, 4, NodeId(1), true};
  MetaState state;
  JoinRequest request{1, 2, "earshotd 1.2.3", {5, 6}, at("c")};
};

TEST_F(JoinDeskTest, TheLeaderMakesARequestACommand) {
  EXPECT_EQ(std::get<AddNode>(judge()), (AddNode{{5, 6}, at("c")}));
}

TEST_F(JoinDeskTest, AnotherNodePointsToTheLeader) {
  desk = {NodeId(2), 2, 4, NodeId(1), false};
  EXPECT_EQ(std::get<JoinRedirect>(std::get<JoinAnswer>(judge())).peers, at("a").peers);
}

TEST_F(JoinDeskTest, WithoutALeaderWhoAsksIsToAskAgain) {
  desk.leads = false;
  desk.leader = NodeId();
  EXPECT_FALSE(refusal().is_final);
  desk.leader = NodeId(1);  // itself, which is stopping
  EXPECT_FALSE(refusal().is_final);
  desk.leader = NodeId(9);  // which this node has not heard of yet
  EXPECT_FALSE(refusal().is_final);
}

TEST_F(JoinDeskTest, ProtocolsThatDoNotMeetAreRefusedAndNamed) {
  request.protocol_max = 1;
  EXPECT_TRUE(refusal().is_final);
  EXPECT_NE(refusal().reason.find("1..1"), std::string::npos);
  EXPECT_NE(refusal().reason.find("2..4"), std::string::npos);
  request.protocol_min = request.protocol_max = 5;
  EXPECT_TRUE(refusal().is_final);
  request.protocol_min = 4;
  EXPECT_TRUE(std::holds_alternative<AddNode>(judge()));
}

TEST_F(JoinDeskTest, WhatCannotBeReachedOrHasNoNonceIsRefused) {
  request.addresses.peers.clear();
  EXPECT_TRUE(refusal().is_final);
  request.addresses = at("c d");
  EXPECT_TRUE(refusal().is_final);
  request.addresses = at("c");
  request.nonce = {};
  EXPECT_TRUE(refusal().is_final);
  EXPECT_TRUE(std::get<JoinRefused>(std::get<JoinAnswer>(judge_join(desk, state, "no message"))).is_final);
}

TEST_F(JoinDeskTest, AClusterThatIsBeingCreatedTakesNobodyYet) {
  state = {};
  EXPECT_FALSE(refusal().is_final);
}

TEST_F(JoinDeskTest, WhoIsAcceptedLearnsOfTheOthersTheLeaderFirst) {
  desk.self = NodeId(2);
  state.nodes.push_back({NodeId(3), at("c"), NodeState::kJoining, {5, 6}});
  state.nodes.push_back({NodeId(4), {}, NodeState::kRemoved, {}});
  const auto accepted = std::get<JoinAccepted>(answer_join(desk, state, NodeId(3)));
  EXPECT_EQ(accepted, (JoinAccepted{7, NodeId(3), 4, {{NodeId(2), at("b").peers}, {NodeId(1), at("a").peers}}}));
}

TEST_F(JoinDeskTest, OfManyNodesOnlySomeAreTold) {
  for (std::uint64_t id = 3; id <= 40; ++id) state.nodes.push_back({NodeId(id), at("x"), NodeState::kUp, {}});
  desk.self = NodeId(40);
  const auto accepted = std::get<JoinAccepted>(answer_join(desk, state, NodeId(3)));
  ASSERT_EQ(accepted.nodes.size(), kJoinNodesMax);
  EXPECT_EQ(accepted.nodes.front().id, NodeId(40));
}

TEST_F(JoinDeskTest, ALostLeadershipIsNoRefusalForGoodAndAFullClusterIs) {
  const auto lost = answer_join(desk, state, fail(ErrorCode::kUnavailable, "leader", "changed"));
  EXPECT_FALSE(std::get<JoinRefused>(lost).is_final);
  const auto full = answer_join(desk, state, fail(ErrorCode::kOverloaded, "nodes", "full"));
  EXPECT_TRUE(std::get<JoinRefused>(full).is_final);
}

}  // namespace
}  // namespace earshot::cluster
