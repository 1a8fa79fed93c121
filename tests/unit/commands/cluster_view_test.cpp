// What several nodes know of their cluster, put together and shown.
#include "app/cluster_view.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "app/cluster_text.hpp"

namespace earshot::app {
namespace {

std::string address_of(std::uint64_t node) { return "127.0.0.1:740" + std::to_string(node); }

// What node `self` of three knows: one shard, in this term, and who leads that.
ClusterStatus told_by(std::uint64_t self, std::uint64_t leader, std::uint64_t term) {
  ClusterStatus status;
  status.node = NodeId(self);
  status.cluster_id = 0xc1;
  status.epoch = 5;
  status.replicas = 3;
  status.meta_leader = NodeId(1);
  status.sessions = self;
  status.cell_nodes = {NodeId(1), NodeId(2), NodeId(3)};
  ShardStatus shard;
  shard.leader = NodeId(leader);
  shard.term = Term(term);
  shard.committed = LogIndex(100);
  shard.applied = LogIndex(100);
  shard.wanted = {NodeId(1), NodeId(2), NodeId(3)};
  for (std::uint64_t node = 1; node <= 3; ++node) {
    status.nodes.push_back({NodeId(node), NodeState::kUp, {address_of(node)}, {}, true});
    shard.members.push_back({NodeId(node), true, self == leader ? LogIndex(100) : LogIndex()});
  }
  status.shards = {shard};
  return status;
}

AskedNode answer(ClusterStatus status) {
  const std::string address = address_of(status.node.value);
  return {address, std::move(status)};
}
AskedNode silence(std::uint64_t node) {
  return {address_of(node), fail(ErrorCode::kUnavailable, "", "Connection refused")};
}

const ClusterView::Replica& replica(const ClusterView& view, std::uint64_t node) {
  return view.shards.at(0).replicas.at(node - 1);
}

TEST(ClusterViewMerge, ThreeNodesThatAgreeAreHealthy) {
  const ClusterView view = merge({answer(told_by(1, 2, 4)), answer(told_by(2, 2, 4)), answer(told_by(3, 2, 4))});
  EXPECT_TRUE(view.is_healthy());
  EXPECT_EQ(view.shards.at(0).leader, NodeId(2));
  EXPECT_EQ(view.nodes.at(1).leads, 1u);
  EXPECT_EQ(view.nodes.at(0).leads, 0u);
  EXPECT_EQ(view.nodes.at(2).sessions, 3u);
  for (std::uint64_t node = 1; node <= 3; ++node) EXPECT_EQ(replica(view, node).lag, 0u);
}

// The old leader was cut off, and does not know that it leads no more.
TEST(ClusterViewMerge, TheNewestTermSaysWhoLeads) {
  const ClusterView view = merge({answer(told_by(1, 1, 4)), answer(told_by(2, 2, 5)), answer(told_by(3, 2, 5))});
  EXPECT_EQ(view.shards.at(0).leader, NodeId(2));
  EXPECT_EQ(view.shards.at(0).term, Term(5));
}

// Somebody stands for election, and has voted for itself.
TEST(ClusterViewMerge, OfOneTermWhoLeadsCountsMoreThanWhoKnowsNone) {
  const ClusterView view = merge({answer(told_by(1, 0, 5)), answer(told_by(2, 3, 5))});
  EXPECT_EQ(view.shards.at(0).leader, NodeId(3));
}

TEST(ClusterViewMerge, TheLeaderSaysHowFarTheOthersAreAndTheyWhatTheyHaveApplied) {
  ClusterStatus leader = told_by(2, 2, 4);
  leader.shards[0].members[0].stored = LogIndex(93);
  ClusterStatus follower = told_by(1, 2, 4);
  follower.shards[0].applied = LogIndex(90);
  const ClusterView view = merge({answer(follower), answer(leader), silence(3)});
  EXPECT_EQ(replica(view, 1).stored, LogIndex(93));
  EXPECT_EQ(replica(view, 1).applied, LogIndex(90));
  EXPECT_EQ(replica(view, 1).lag, 7u);
  EXPECT_EQ(view.nodes[0].lag, 7u);
  EXPECT_EQ(replica(view, 3).stored, LogIndex(100)) << "the leader knows, though the node itself says nothing";
  EXPECT_FALSE(replica(view, 3).applied);
}

TEST(ClusterViewMerge, OfALeaderThatIsNotReachedTheFollowersOwnWordCounts) {
  ClusterStatus behind = told_by(1, 2, 4);
  behind.shards[0].applied = LogIndex(40);
  const ClusterView view = merge({answer(behind), silence(2), answer(told_by(3, 2, 4))});
  EXPECT_EQ(replica(view, 1).lag, 60u);
  EXPECT_FALSE(replica(view, 2).lag) << "nothing is known of it: that is not the same as no lag";
  EXPECT_FALSE(view.nodes[1].lag);
  EXPECT_FALSE(view.is_healthy());
}

// A leader that has just been elected has not heard from everybody.
TEST(ClusterViewMerge, WhatTheLeaderDoesNotKnowIsNotTakenForNoLag) {
  ClusterStatus leader = told_by(2, 2, 4);
  leader.shards[0].members[2].stored = LogIndex();
  EXPECT_FALSE(replica(merge({answer(leader), answer(told_by(3, 2, 4))}), 3).lag);
}

TEST(ClusterViewMerge, WhoWasNotReachedIsNamedWithItsTrouble) {
  const ClusterView view =
      merge({answer(told_by(1, 1, 4)), silence(2), {"nowhere:1", fail(ErrorCode::kUnavailable, "", "gone")}});
  EXPECT_TRUE(view.nodes[0].reached);
  EXPECT_FALSE(view.nodes[1].reached);
  EXPECT_NE(view.nodes[1].trouble.find("Connection refused"), std::string::npos);
  EXPECT_FALSE(view.nodes[2].reached);
  EXPECT_EQ(view.nodes[2].trouble, "") << "it was not asked";
  ASSERT_EQ(view.unreached.size(), 1u) << "of an address that is of no node";
  EXPECT_EQ(view.unreached[0].address, "nowhere:1");
  EXPECT_FALSE(view.is_healthy());
}

// A name and a number of the same node.
TEST(ClusterViewMerge, ANodeThatAnswersTwiceCountsOnce) {
  AskedNode twice = answer(told_by(1, 1, 4));
  twice.address = "localhost:7401";
  const ClusterView view = merge({answer(told_by(1, 1, 4)), twice, answer(told_by(2, 1, 4)), answer(told_by(3, 1, 4))});
  EXPECT_EQ(view.nodes.size(), 3u);
  EXPECT_TRUE(view.is_healthy());
}

TEST(ClusterViewMerge, TheNewestMapCountsAndAnOlderOneIsNoted) {
  ClusterStatus old = told_by(1, 2, 4);
  old.epoch = 3;
  old.nodes.pop_back();
  const ClusterView view = merge({answer(old), answer(told_by(2, 2, 4)), answer(told_by(3, 2, 4))});
  EXPECT_EQ(view.epoch, 5u);
  EXPECT_EQ(view.nodes.size(), 3u);
  ASSERT_EQ(view.notes.size(), 1u);
  EXPECT_NE(view.notes[0].find("node 1 has the map of epoch 3"), std::string::npos);
}

TEST(ClusterViewMerge, ANodeOfAnotherClusterIsLeftOutAndNoted) {
  ClusterStatus other = told_by(2, 2, 9);
  other.cluster_id = 0xc2;
  const ClusterView view = merge({answer(told_by(1, 1, 4)), answer(other)});
  EXPECT_EQ(view.shards[0].leader, NodeId(1));
  EXPECT_FALSE(view.nodes[1].reached);
  ASSERT_EQ(view.notes.size(), 1u);
}

TEST(ClusterViewMerge, ANodeAloneIsShownWithTheAddressThatItWasAskedAt) {
  ClusterStatus alone;
  alone.node = NodeId(1);
  alone.nodes = {{NodeId(1), NodeState::kUp, {}, {}, true}};
  alone.shards = {
      {ShardId(0), NodeId(1), Term(1), LogIndex(3), LogIndex(3), false, {{NodeId(1), true, LogIndex(3)}}, {}}};
  const ClusterView view = merge({answer(alone)});
  EXPECT_TRUE(view.is_healthy());
  EXPECT_EQ(view.nodes[0].addresses, std::vector<std::string>{address_of(1)});
  EXPECT_NE(to_lines(view)[0].find("a node alone: 1 of 1 nodes reached"), std::string::npos);
}

TEST(ClusterViewMerge, OfNobodyNothingIsKnown) {
  const ClusterView view = merge({silence(1), silence(2)});
  EXPECT_FALSE(view.is_known());
  EXPECT_FALSE(view.is_healthy());
  EXPECT_EQ(view.unreached.size(), 2u);
  EXPECT_EQ(to_lines(view).size(), 2u);
}

// Each address is asked once, and a node that has told is asked no more.
TEST(ClusterViewMerge, NodesAreAskedAtOneAddressAfterTheOther) {
  ClusterStatus first = told_by(1, 1, 4);
  first.nodes[1].clients = {"b1:1", "b2:1"};
  std::vector<AskedNode> asked{answer(first)};
  EXPECT_EQ(still_to_ask(merge(asked), asked), (std::vector<std::string>{"b1:1", address_of(3)}));
  asked.push_back({"b1:1", fail(ErrorCode::kUnavailable, "", "gone")});
  asked.push_back(silence(3));
  EXPECT_EQ(still_to_ask(merge(asked), asked), (std::vector<std::string>{"b2:1"}));
  asked.push_back({"b2:1", told_by(2, 1, 4)});
  EXPECT_TRUE(still_to_ask(merge(asked), asked).empty());
}

TEST(ClusterViewText, WhatIsNotKnownIsNullInJson) {
  const auto json = to_json(merge({answer(told_by(1, 0, 4)), silence(2)}));
  EXPECT_EQ(json["healthy"], false);
  EXPECT_EQ(json["cluster"], "00000000000000c1");
  EXPECT_TRUE(json["shards"][0]["leader"].is_null());
  EXPECT_TRUE(json["nodes"][1]["sessions"].is_null());
  EXPECT_TRUE(json["shards"][0]["replicas"][1]["lag"].is_null());
  EXPECT_EQ(json["shards"][0]["voters"], (std::vector<int>{1, 2, 3}));
}

// The words of a node that lies must not get at the terminal of who watches.
TEST(ClusterViewText, TroubleIsPrintable) {
  ClusterView view = merge({answer(told_by(1, 1, 4)), {"x", fail(ErrorCode::kUnavailable, "", "a\x1b[2Jb\nc")}});
  for (const std::string& line : to_lines(view)) EXPECT_EQ(line.find_first_of("\x1b\n"), std::string::npos);
  EXPECT_EQ(to_json(view)["unreached"][0]["trouble"].get<std::string>().find('\x1b'), std::string::npos);
}

TEST(ClusterViewText, LagAndStandbysAreSaidOfTheReplicaAtFault) {
  ClusterStatus leader = told_by(1, 1, 4);
  leader.shards[0].members[1].stored = LogIndex(58);
  leader.shards[0].members[2].voter = false;
  ClusterStatus third = told_by(3, 1, 4);
  third.shards[0].fetching = true;
  third.shards[0].applied = LogIndex(0);
  const auto lines = to_lines(merge({answer(leader), answer(told_by(2, 1, 4)), answer(third)}));
  EXPECT_NE(lines.back().find("1 @100, 2 @100 -42, 3 standby fetching @0"), std::string::npos) << lines.back();
}

}  // namespace
}  // namespace earshot::app
