#include "cluster/meta_plan.hpp"

#include <algorithm>
#include <set>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "cluster/meta_machine.hpp"

namespace earshot::cluster {
namespace {

class MetaPlanTest : public testing::Test {
 protected:
  MetaPlanTest() { EXPECT_TRUE(machine.apply(CreateCluster{7, 12, 3, NodeId(1), {}})); }
  NodeId join() { return *machine.apply(AddNode{{1, ++nonces}, {}}); }
  std::optional<MetaCommand> next() {
    return planner.next(machine.state(), [this](NodeId node) { return followers.contains(node); });
  }
  // Until there is nothing left to do.
  void carry_out() {
    for (int i = 0; i < 100; ++i) {
      const auto command = next();
      if (!command) return;
      EXPECT_TRUE(machine.apply(*command));
    }
    ADD_FAILURE() << "there is always something to do";
  }

  MetaMachine machine;
  MetaPlanner planner;
  std::set<NodeId> followers;
  std::uint64_t nonces = 0;
};

TEST_F(MetaPlanTest, OneNodeNeedsNoPlan) { EXPECT_EQ(next(), std::nullopt); }

TEST_F(MetaPlanTest, NothingIsPlannedWithoutACluster) {
  machine = MetaMachine();
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(MetaPlanTest, ANodeHasNoReplicasBeforeItFollows) {
  const NodeId node = join();
  EXPECT_EQ(next(), std::nullopt);
  followers.insert(node);
  EXPECT_EQ(next(), MetaCommand(SetNodeState{node, NodeState::kUp}));
  carry_out();
  for (const auto& row : machine.state().placement) EXPECT_EQ(row.size(), 2u);
}

TEST_F(MetaPlanTest, ThePlacementFollowsWhoIsThere) {
  for (int i = 0; i < 4; ++i) followers.insert(join());
  carry_out();
  for (const auto& row : machine.state().placement) EXPECT_EQ(row.size(), 3u);
  EXPECT_TRUE(machine.apply(SetNodeState{NodeId(2), NodeState::kRemoved}));
  carry_out();
  for (const auto& row : machine.state().placement) {
    EXPECT_EQ(row.size(), 3u);
    EXPECT_EQ(std::ranges::find(row, NodeId(2)), row.end());
  }
}

TEST_F(MetaPlanTest, OfTheMetaGroupsMembersTheFirstVoteAndTheLeaderStays) {
  for (int i = 0; i < 6; ++i) join();
  const std::vector<Member> members = {{NodeId(1), "", true}, {NodeId(3), "", true}};
  const auto wanted = wanted_meta_members(machine.state(), members, NodeId(3));
  EXPECT_EQ(wanted.size(), 7u);
  EXPECT_EQ(wanted.front(), (WantedMember{NodeId(3), true}));
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count_if(wanted, &WantedMember::voter)), limits::kMetaVotersMax);
}

TEST_F(MetaPlanTest, WhoIsRemovedIsNoMember) {
  const NodeId node = join();
  EXPECT_TRUE(machine.apply(SetNodeState{node, NodeState::kRemoved}));
  EXPECT_EQ(wanted_meta_members(machine.state(), {}, NodeId(1)), (std::vector<WantedMember>{{NodeId(1), true}}));
}

TEST_F(MetaPlanTest, AShardsMembersAreItsRow) {
  EXPECT_EQ(wanted_shard_members(machine.state(), ShardId(11)), (std::vector<WantedMember>{{NodeId(1), true}}));
  EXPECT_TRUE(wanted_shard_members(machine.state(), ShardId(12)).empty());
  EXPECT_TRUE(wanted_shard_members(MetaState(), ShardId(0)).empty());
}

}  // namespace
}  // namespace earshot::cluster
