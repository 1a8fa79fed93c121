#include "cluster/group_keeper.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

using Kind = GroupStep::Kind;

// A group as its leader, node 1, sees it; everybody is heard and has everything unless the test says otherwise.
class GroupKeeperTest : public testing::Test {
 protected:
  static constexpr LogIndex kLast{10'000};

  void voters(std::initializer_list<std::uint64_t> ids) { set(ids, true); }
  void standbys(std::initializer_list<std::uint64_t> ids) { set(ids, false); }
  void want(std::initializer_list<std::uint64_t> ids) {
    wanted.clear();
    for (const std::uint64_t id : ids) wanted.push_back({NodeId(id), true});
  }
  std::optional<GroupStep> next() {
    view.last_index = kLast;
    view.match_index = [this](NodeId node) { return behind.contains(node.value) ? LogIndex(1) : kLast; };
    view.is_heard = [this](NodeId node) { return !silent.contains(node.value); };
    return keeper.next(view, wanted, now_ms);
  }
  // After so long that voters who could be removed before are.
  std::optional<GroupStep> next_later() {
    (void)next();
    now_ms += 3'000;
    return next();
  }
  // After so long that who could lead before may.
  std::optional<GroupStep> next_much_later() {
    (void)next();
    now_ms += 60'000;
    return next();
  }
  static std::optional<GroupStep> step(Kind kind, std::uint64_t node) { return GroupStep{kind, NodeId(node)}; }

  GroupKeeper keeper{{}, 1};
  GroupView view{NodeId(1), {}, false, {}, {}, {}};
  std::vector<WantedMember> wanted;
  std::set<std::uint64_t> silent;
  std::set<std::uint64_t> behind;
  std::uint64_t now_ms = 1'000'000;

 private:
  void set(std::initializer_list<std::uint64_t> ids, bool voter) {
    std::erase_if(view.members, [voter](const Member& member) { return member.voter == voter; });
    for (const std::uint64_t id : ids) view.members.push_back({NodeId(id), "node-" + std::to_string(id), voter});
  }
};

TEST_F(GroupKeeperTest, AGroupThatIsAsItShouldBeIsLeftAlone) {
  voters({1, 2, 3}), want({1, 2, 3});
  EXPECT_EQ(next_much_later(), std::nullopt);
  EXPECT_EQ(keeper.look_at_ms(), 0u);
}

TEST_F(GroupKeeperTest, NothingIsDoneWhileItIsNotKnownWhoIsWanted) {
  voters({1, 2, 3});
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(keeper.look_at_ms(), 0u);
}

TEST_F(GroupKeeperTest, WhoIsMissingComesAsStandbyAndVotesWhenItHasCaughtUp) {
  voters({1}), want({1, 2, 3});
  EXPECT_EQ(next(), step(Kind::kAdd, 2));
  standbys({2}), behind = {2};
  EXPECT_EQ(next(), step(Kind::kAdd, 3)) << "one that is slow to catch up holds up nobody";
  standbys({2, 3}), behind = {2, 3};
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_NE(keeper.look_at_ms(), 0u) << "nobody tells when it has";
  behind = {3};
  EXPECT_EQ(next(), step(Kind::kPromote, 2));
}

TEST_F(GroupKeeperTest, OneStepAtATime) {
  voters({1}), want({1, 2, 3});
  view.is_changing = true;
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_GT(keeper.look_at_ms(), now_ms);
  view.is_changing = false;
  EXPECT_TRUE(next());
}

TEST_F(GroupKeeperTest, WhoIsNotHeardIsNeitherAddedNorPromoted) {
  voters({1, 2}), want({1, 2, 3, 4}), standbys({3});
  silent = {3, 4};
  EXPECT_EQ(next(), std::nullopt);
  silent = {3};
  EXPECT_EQ(next(), step(Kind::kAdd, 4));
}

TEST_F(GroupKeeperTest, NobodyIsRemovedBeforeAsManyVoteAsAreWanted) {
  voters({1, 2, 3}), want({1, 4, 5});
  EXPECT_EQ(next(), step(Kind::kAdd, 4));
  standbys({4});
  EXPECT_EQ(next(), step(Kind::kPromote, 4));
  voters({1, 2, 3, 4}), standbys({});
  EXPECT_EQ(next_later(), step(Kind::kRemove, 2));
  voters({1, 3, 4});
  EXPECT_EQ(next(), step(Kind::kAdd, 5));
}

TEST_F(GroupKeeperTest, WhoIsGoneIsRemovedBeforeWhoIsThere) {
  voters({1, 2, 3, 4}), want({1, 4, 5});
  silent = {3};
  EXPECT_EQ(next_later(), step(Kind::kRemove, 3));
}

TEST_F(GroupKeeperTest, NoRemovalLeavesAMajorityOfTheDead) {
  voters({1, 2, 3}), want({1, 3});
  silent = {3};
  EXPECT_EQ(next_later(), std::nullopt) << "node 1 alone would be one of two";
  silent = {};
  EXPECT_EQ(next_later(), step(Kind::kRemove, 2));
}

TEST_F(GroupKeeperTest, AVoterIsRemovedWhenItCouldHaveBeenForAWhile) {
  voters({1, 2, 3}), want({1, 2});
  EXPECT_EQ(next(), std::nullopt) << "the placement may be one of before";
  EXPECT_GT(keeper.look_at_ms(), now_ms);
  now_ms += 2'999;
  EXPECT_EQ(next(), std::nullopt);
  want({1, 2, 3});
  EXPECT_EQ(next(), std::nullopt);
  now_ms += 1;
  want({1, 2});
  EXPECT_EQ(next(), std::nullopt) << "it was wanted meanwhile";
  now_ms += 3'000;
  EXPECT_EQ(next(), step(Kind::kRemove, 3));
}

TEST_F(GroupKeeperTest, ANewLeaderWaitsAnew) {
  voters({1, 2, 3}), want({1, 2});
  EXPECT_EQ(next(), std::nullopt);
  now_ms += 3'000;
  keeper.reset();
  EXPECT_EQ(next(), std::nullopt);
  now_ms += 3'000;
  EXPECT_EQ(next(), step(Kind::kRemove, 3));
}

TEST_F(GroupKeeperTest, NoPromotionAsksForMoreThanAreAlive) {
  voters({1, 2, 3}), want({1, 2, 3, 4}), standbys({4});
  silent = {2, 3};
  EXPECT_EQ(next(), std::nullopt) << "two of four";
  silent = {3};
  EXPECT_EQ(next(), step(Kind::kPromote, 4)) << "three of four";
}

TEST_F(GroupKeeperTest, AStandbyThatNobodyWantsIsRemovedFirst) {
  voters({1, 2, 3}), want({1, 2, 3, 5}), standbys({4});
  EXPECT_EQ(next(), step(Kind::kRemove, 4));
}

TEST_F(GroupKeeperTest, WhoIsWantedAsStandbyIsNotPromotedAndAVoterStaysOne) {
  voters({1, 2}), standbys({3});
  wanted = {{NodeId(1), true}, {NodeId(2), false}, {NodeId(3), false}};
  EXPECT_EQ(next_much_later(), std::nullopt);
  wanted.push_back({NodeId(4), false});
  EXPECT_EQ(next(), step(Kind::kAdd, 4));
}

TEST_F(GroupKeeperTest, LeadershipGoesToWhoShouldHaveItOnceThatHasBeenReadyForAWhile) {
  voters({1, 2, 3}), want({2, 1, 3});
  EXPECT_EQ(next(), std::nullopt);
  now_ms += 9'999;
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_GT(keeper.look_at_ms(), now_ms);
  now_ms += 1;
  EXPECT_EQ(next(), step(Kind::kTransfer, 2));
}

TEST_F(GroupKeeperTest, WhoComesAndGoesDoesNotGetLeadership) {
  voters({1, 2, 3}), want({2, 1, 3});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(next(), std::nullopt);
    now_ms += 9'000;
    silent = {2};
    EXPECT_EQ(next(), std::nullopt);
    silent = {};
    behind = {2};
    EXPECT_EQ(next(), std::nullopt);
    behind = {};
  }
}

TEST_F(GroupKeeperTest, ALeaderThatIsNotWantedNeverRemovesItselfAndHandsOverLast) {
  voters({1, 2, 3}), want({4, 2, 3}), standbys({4});
  EXPECT_EQ(next(), step(Kind::kPromote, 4));
  voters({1, 2, 3, 4}), standbys({});
  silent = {4};
  EXPECT_EQ(next_much_later(), step(Kind::kTransfer, 2)) << "who should lead cannot";
}

TEST_F(GroupKeeperTest, ALeaderThatIsNotWantedStaysAsLongAsSomebodyIsMissing) {
  voters({1, 2, 3}), want({4, 2, 3});
  silent = {4};
  EXPECT_EQ(next_much_later(), std::nullopt);
}

TEST_F(GroupKeeperTest, AStepThatDoesNotWorkIsTriedAgainLessAndLessOften) {
  voters({1}), want({1, 2});
  std::uint64_t tries = 0;
  for (const std::uint64_t end_ms = now_ms + 600'000; now_ms < end_ms; now_ms += 100) tries += next() ? 1 : 0;
  EXPECT_GE(tries, 15u);
  EXPECT_LE(tries, 50u);
}

TEST_F(GroupKeeperTest, AStepThatDoesNotWorkHoldsUpNoOther) {
  voters({1}), want({1, 2, 3});
  EXPECT_EQ(next(), step(Kind::kAdd, 2));
  EXPECT_EQ(next(), step(Kind::kAdd, 3));
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(GroupKeeperTest, AStepThatIsNeededAgainLaterIsNotLate) {
  voters({1}), want({1, 2});
  for (int i = 0; i < 8; ++i) {
    (void)next();
    now_ms += 30'000;
  }
  standbys({2});
  EXPECT_EQ(next(), step(Kind::kPromote, 2));
  standbys({});
  EXPECT_EQ(next(), step(Kind::kAdd, 2)) << "it had worked, and was undone";
}

}  // namespace
}  // namespace earshot::cluster
