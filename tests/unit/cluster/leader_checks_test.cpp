#include "cluster/leader_checks.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

std::vector<Member> voters(std::uint64_t count) {
  std::vector<Member> all;
  for (std::uint64_t i = 1; i <= count; ++i) all.push_back({NodeId(i), "node-" + std::to_string(i), true});
  return all;
}

TEST(LeaderChecksTest, SoleVoterConfirmsItself) {
  LeaderChecks checks;
  EXPECT_EQ(checks.confirmed(voters(1), NodeId(1)), 0u);
  const std::uint64_t number = checks.begin();
  EXPECT_EQ(checks.confirmed(voters(1), NodeId(1)), number);
}

TEST(LeaderChecksTest, HalfIsNoMajority) {
  LeaderChecks checks;
  const std::uint64_t number = checks.begin();
  EXPECT_EQ(checks.confirmed(voters(4), NodeId(1)), 0u);
  checks.answered(NodeId(2), number);
  EXPECT_EQ(checks.confirmed(voters(4), NodeId(1)), 0u);
  checks.answered(NodeId(3), number);
  EXPECT_EQ(checks.confirmed(voters(4), NodeId(1)), number);
}

TEST(LeaderChecksTest, OneAnswerTwiceCountsOnce) {
  LeaderChecks checks;
  const std::uint64_t number = checks.begin();
  for (int i = 0; i < 2; ++i) checks.answered(NodeId(2), number);
  EXPECT_EQ(checks.confirmed(voters(5), NodeId(1)), 0u);
}

TEST(LeaderChecksTest, ANewerAnswerConfirmsOlderChecks) {
  LeaderChecks checks;
  const std::uint64_t first = checks.begin();
  const std::uint64_t second = checks.begin();
  checks.answered(NodeId(2), first);
  checks.answered(NodeId(3), second);
  EXPECT_EQ(checks.confirmed(voters(5), NodeId(1)), first);
  checks.answered(NodeId(2), second);
  EXPECT_EQ(checks.confirmed(voters(5), NodeId(1)), second);
}

TEST(LeaderChecksTest, LeaderThatLeavesIsNotOfTheMajority) {
  LeaderChecks checks;
  const std::uint64_t number = checks.begin();
  checks.answered(NodeId(2), number);
  EXPECT_EQ(checks.confirmed(voters(3), NodeId(1)), number);
  EXPECT_EQ(checks.confirmed(voters(3), NodeId(9)), 0u);
}

TEST(LeaderChecksTest, StandbysAndStrangersHaveNoSay) {
  LeaderChecks checks;
  const std::uint64_t number = checks.begin();
  std::vector<Member> members = voters(3);
  members[2].voter = false;
  members.push_back({NodeId(4), "node-4", true});
  checks.answered(NodeId(3), number);
  checks.answered(NodeId(77), number);
  EXPECT_EQ(checks.confirmed(members, NodeId(1)), 0u);
}

TEST(LeaderChecksTest, AnswersOfAnEarlierLeadershipAreNone) {
  LeaderChecks checks;
  const std::uint64_t before = checks.begin();
  checks.end();
  checks.answered(NodeId(2), before);
  EXPECT_EQ(checks.confirmed(voters(3), NodeId(1)), 0u);
  const std::uint64_t now = checks.begin();
  checks.answered(NodeId(2), before);
  EXPECT_EQ(checks.confirmed(voters(3), NodeId(1)), 0u);
  checks.answered(NodeId(2), now);
  EXPECT_EQ(checks.confirmed(voters(3), NodeId(1)), now);
}

TEST(LeaderChecksTest, AnswersToWhatWasNeverAskedAreNone) {
  LeaderChecks checks;
  checks.answered(NodeId(2), 5);
  const std::uint64_t number = checks.begin();
  EXPECT_EQ(checks.confirmed(voters(3), NodeId(1)), 0u) << number;
}

}  // namespace
}  // namespace earshot::cluster
