#include "actors/node_watch.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class NodeWatchTest : public testing::Test {
 protected:
  NodeWatch::Look after(std::uint64_t ms) {
    now_ms_ += ms;
    return watch_.look(
        others_, joining_, [this](NodeId node) { return !down_.contains(node); }, is_leader_out_of_reach_, now_ms_);
  }

  std::vector<NodeId> others_{NodeId(2), NodeId(3)};
  std::vector<NodeId> joining_;
  std::set<NodeId> down_;
  bool is_leader_out_of_reach_ = false;
  std::uint64_t now_ms_ = 1'000;
  NodeWatch watch_;
};

TEST_F(NodeWatchTest, ANodeIsGoneWhenItWasWithoutALinkForLong) {
  down_ = {NodeId(3)};
  EXPECT_THAT(after(0).gone, IsEmpty());
  EXPECT_THAT(after(limits::kNodeGoneMs - 1).gone, IsEmpty());
  EXPECT_THAT(after(1).gone, ElementsAre(NodeId(3)));
  down_ = {};
  EXPECT_THAT(after(1).gone, IsEmpty());
  down_ = {NodeId(3)};
  after(1'000);
  EXPECT_THAT(after(limits::kNodeGoneMs - 1).gone, IsEmpty()) << "it counts from when the link was lost again";
}

TEST_F(NodeWatchTest, CutOffFromMostItSendsItsClientsAwayAndLaterThoseWhoCame) {
  down_ = {NodeId(2), NodeId(3)};
  EXPECT_TRUE(after(0).is_cut_off);
  EXPECT_FALSE(after(limits::kCutOffMs - 1).should_send_away);
  EXPECT_TRUE(after(1).should_send_away);
  EXPECT_FALSE(after(1'000).should_send_away);
  EXPECT_TRUE(after(limits::kCutOffAgainMs).should_send_away);
  down_ = {NodeId(2)};
  EXPECT_FALSE(after(limits::kCutOffAgainMs).is_cut_off);
  down_ = {NodeId(2), NodeId(3)};
  EXPECT_FALSE(after(limits::kCutOffAgainMs).should_send_away) << "it waits anew";
}

// Where it died, or is refused, before it came to vote anywhere, nobody needs it for anything.
TEST_F(NodeWatchTest, ANodeThatHasNotComeYetCutsNobodyOff) {
  others_ = {NodeId(2)};
  joining_ = {NodeId(2)};
  down_ = {NodeId(2)};
  EXPECT_FALSE(after(0).is_cut_off);
  EXPECT_FALSE(after(60'000).should_send_away);
  joining_ = {};
  EXPECT_TRUE(after(0).is_cut_off) << "one of two";
  others_ = {NodeId(2), NodeId(3), NodeId(4)};
  joining_ = {NodeId(4)};
  down_ = {NodeId(3), NodeId(4)};
  EXPECT_FALSE(after(0).is_cut_off) << "two of three";
  down_ = {NodeId(2), NodeId(3)};
  EXPECT_TRUE(after(0).is_cut_off) << "the new one does not make up for them";
}

TEST_F(NodeWatchTest, WithAMajorityNobodyIsSentAway) {
  down_ = {NodeId(2)};
  after(0);
  EXPECT_FALSE(after(60'000).should_send_away);
}

TEST_F(NodeWatchTest, WhatOnlyOthersReachIsSentAwayFor) {
  down_ = {NodeId(2)};
  is_leader_out_of_reach_ = true;
  EXPECT_FALSE(after(0).is_cut_off);
  EXPECT_FALSE(after(limits::kCutOffMs - 1).should_send_away);
  EXPECT_TRUE(after(1).should_send_away);
  is_leader_out_of_reach_ = false;
  EXPECT_FALSE(after(limits::kCutOffAgainMs).should_send_away);
}

TEST_F(NodeWatchTest, HalfOfTheNodesAreNoMajority) {
  others_ = {NodeId(2)};
  down_ = {NodeId(2)};
  after(0);
  EXPECT_TRUE(after(limits::kCutOffMs).should_send_away);
}

TEST_F(NodeWatchTest, ANodeAloneIsNotCutOff) {
  others_ = {};
  EXPECT_FALSE(after(60'000).is_cut_off);
}

}  // namespace
}  // namespace earshot::actors
