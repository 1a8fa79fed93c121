#include "actors/meta_group.hpp"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/placement_plan.hpp"
#include "cluster/raft_message.hpp"
#include "tests/support/meta_world.hpp"

namespace earshot::tests {
namespace {

using actors::MetaGroup;
using Outcome = cluster::MetaMachine::Outcome;

class MetaGroupTest : public testing::Test {
 protected:
  // Nodes 1 .. count, all up.
  void make(std::uint64_t count) {
    world.found();
    while (world.nodes().size() < count) world.join();
    settle();
  }
  // Until members and placement are as planned.
  void settle() {
    EXPECT_TRUE(world.run_until([this] { return is_settled(); })) << "it does not come to rest";
  }
  bool is_settled() {
    const NodeId leader = world.leader();
    if (leader == NodeId()) return false;
    const MetaState& state = world.node(leader.value)->state();
    if (!state.exists()) return false;
    std::vector<NodeId> up;
    for (const MetaNode& node : state.nodes) {
      if (node.state == NodeState::kUp) up.push_back(node.id);
    }
    const bool is_as_planned = cluster::plan_placement(up, MetaWorld::kShards, 3, state.placement) == state.placement;
    return is_as_planned && world.voters() == std::min<std::size_t>(up.size(), limits::kMetaVotersMax) &&
           all_know(state.version);
  }
  bool all_know(std::uint64_t version) {
    return std::ranges::all_of(world.nodes(), [version](const auto& one) {
      return !one.second->is_running() || (one.second->told && one.second->told->version == version);
    });
  }
  std::uint64_t follower() {
    for (const auto& [id, node] : world.nodes()) {
      if (node->is_running() && id != world.leader()) return id.value;
    }
    return 0;
  }
  // What comes of asking a node to have one removed.
  Result<RemovalAnswer> remove(std::uint64_t asked, std::uint64_t node) {
    std::optional<Result<RemovalAnswer>> answer;
    world.node(asked)->remove(NodeId(node), {}, [&answer](Result<RemovalAnswer> given) { answer = std::move(given); });
    EXPECT_TRUE(world.run_until([&answer] { return answer.has_value(); }));
    return answer.value_or(fail(ErrorCode::kInternal, "", "no answer"));
  }
  // The field that it is refused for.
  std::string refusal(std::uint64_t asked, std::uint64_t node) {
    const auto answer = remove(asked, node);
    return answer ? "none" : answer.error().field;
  }
  Outcome propose(std::uint64_t node, MetaCommand command) {
    std::optional<Outcome> outcome;
    world.node(node)->propose(std::move(command), [&outcome](Outcome done) { outcome = std::move(done); });
    EXPECT_TRUE(world.run_until([&outcome] { return outcome.has_value(); }));
    return outcome.value_or(NodeId());
  }
  // The record of a node that does not run, with a bit turned over.
  void damage_record(std::uint64_t node) {
    EXPECT_TRUE(world.node(node).state_disk.damage(
        storage::kStateTable, storage::state_key(storage::kMetaGroup, storage::keys::meta_record()), 77));
  }

  MetaWorld world;
};

TEST_F(MetaGroupTest, TheFirstNodeCreatesTheClusterAndHasEverything) {
  const auto& node = world.found();
  EXPECT_EQ(node.told->cluster_id, MetaWorld::kClusterId);
  EXPECT_EQ(node.told->placement, Placement(MetaWorld::kShards, {NodeId(1)}));
}

TEST_F(MetaGroupTest, WhatWasCreatedIsThereAfterACrashFlushedOrNot) {
  const MetaState created = *world.found().told;
  world.crash(1);
  world.start(1);
  EXPECT_TRUE(world.run_until([&] { return world.node(1)->state() == created; }));
  world.run(5'000);
  world.crash(1);
  world.start(1);
  EXPECT_EQ(*world.node(1).told, created) << "the record was flushed, and is told at once";
}

TEST_F(MetaGroupTest, AnIdleNodeThatIsAloneDoesNothing) {
  auto& node = world.found();
  world.run(10'000);
  const std::uint64_t wakes = node.wakes;
  world.run(3'600'000);
  EXPECT_EQ(node.wakes, wakes);
}

TEST_F(MetaGroupTest, NodesThatJoinVoteAndGetTheirShare) {
  make(3);
  const Placement& placement = world.node(1).told->placement;
  std::vector<std::size_t> leads(4);
  for (const auto& row : placement) {
    EXPECT_EQ(row.size(), 3u);
    ++leads[row.front().value];
  }
  EXPECT_EQ(leads, (std::vector<std::size_t>{0, 4, 4, 4}));
}

TEST_F(MetaGroupTest, TheSixthNodeFollowsAndHasReplicasAllTheSame) {
  make(7);
  EXPECT_EQ(world.voters(), 5u);
  EXPECT_EQ(world.node(world.leader().value)->status().members.size(), 7u);
  const auto has_replica = [](const std::vector<NodeId>& row) {
    return std::ranges::find(row, NodeId(7)) != row.end();
  };
  EXPECT_GT(std::ranges::count_if(world.node(7).told->placement, has_replica), 0);
}

TEST_F(MetaGroupTest, WhoAsksAFollowerIsSentToTheLeader) {
  make(3);
  const auto answer = world.ask(follower(), MetaWorld::request_of(9, addresses_of(9)));
  EXPECT_EQ(answer, JoinAnswer(JoinRedirect{addresses_of(world.leader().value).peers}));
}

TEST_F(MetaGroupTest, TheSameNonceGetsTheSameIdWhateverHappensBetween) {
  make(3);
  const auto request = MetaWorld::request_of(9, addresses_of(9));
  // The leader dies right after it has taken the question in: whether the id was given is open.
  const std::uint64_t first = world.leader().value;
  world.node(first)->join(encode(request), [](const std::string&) { ADD_FAILURE() << "it is dead"; });
  world.run(2);
  world.crash(first);
  ASSERT_TRUE(world.run_until([this] { return world.leader() != NodeId(); }));
  const auto answer = world.ask(world.leader().value, request);
  ASSERT_TRUE(answer && std::holds_alternative<JoinAccepted>(*answer));
  EXPECT_EQ(world.ask(world.leader().value, request), answer);
  world.start(first);
  world.run(5'000);
  std::size_t with_nonce = 0;
  for (const MetaNode& node : world.node(first).told->nodes) with_nonce += node.nonce == request.nonce;
  EXPECT_EQ(with_nonce, 1u);
}

TEST_F(MetaGroupTest, AnAnswerIsNotGivenBeforeAMajorityHasIt) {
  make(3);
  const std::uint64_t leader = world.leader().value;
  world.isolate(leader);
  bool is_accepted = false;
  world.node(leader)->join(encode(MetaWorld::request_of(9, addresses_of(9))), [&is_accepted](const std::string& bytes) {
    is_accepted = std::holds_alternative<JoinAccepted>(*decode_join_answer(bytes));
  });
  world.run(5'000);
  EXPECT_FALSE(is_accepted);
  world.heal();
  settle();
  EXPECT_FALSE(is_accepted);
}

TEST_F(MetaGroupTest, ANodeThatDoesNotComeIsKnownAndHasNothing) {
  make(1);
  const auto answer = world.ask(1, MetaWorld::request_of(9, addresses_of(9)));
  ASSERT_TRUE(answer && std::holds_alternative<JoinAccepted>(*answer));
  world.run(30'000);
  EXPECT_EQ(world.node(1).told->node(NodeId(2))->state, NodeState::kJoining);
  for (const auto& row : world.node(1).told->placement) EXPECT_EQ(row.size(), 1u);
  EXPECT_EQ(world.voters(), 1u) << "a voter that was never there would cost the majority";
}

TEST_F(MetaGroupTest, WhereANodeIsNowIsToldToAll) {
  make(3);
  for (const std::uint64_t moves : {follower(), world.leader().value}) {
    world.crash(moves);
    world.node(moves).addresses = addresses_of(100 + moves);
    world.start(moves);
    EXPECT_TRUE(world.run_until([&] {
      return std::ranges::all_of(world.nodes(), [&](const auto& one) {
        return one.second->told && one.second->told->node(NodeId(moves))->addresses == addresses_of(100 + moves);
      });
    }));
    settle();
  }
}

TEST_F(MetaGroupTest, ANodeThatIsAloneAndMovesSaysSo) {
  make(1);
  world.crash(1);
  world.node(1).addresses = addresses_of(101);
  world.start(1);
  EXPECT_TRUE(world.run_until(
      [this] { return world.node(1).told && world.node(1).told->node(NodeId(1))->addresses == addresses_of(101); }));
}

TEST_F(MetaGroupTest, TheOthersGoOnWhenTheLeaderIsGone) {
  make(3);
  const std::uint64_t first = world.leader().value;
  world.crash(first);
  ASSERT_TRUE(world.run_until([this] { return world.leader() != NodeId(); }));
  EXPECT_NE(world.leader().value, first);
  const auto answer = world.ask(world.leader().value, MetaWorld::request_of(4, addresses_of(4)));
  ASSERT_TRUE(answer && std::holds_alternative<JoinAccepted>(*answer));
  EXPECT_TRUE(world.add(NodeId(4)).start());
  EXPECT_TRUE(world.run_until([this] { return world.is_up_everywhere(NodeId(4)); }));
  world.start(first);
  settle();
}

TEST_F(MetaGroupTest, OnlyTheLeaderTakesCommandsAndAnotherOneSaysSoAtOnce) {
  make(3);
  const auto outcome = propose(follower(), SetNodeState{NodeId(3), NodeState::kRemoved});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(outcome.error().field, "leader");
}

TEST_F(MetaGroupTest, WhoHasProposedToALeaderThatIsNoneAnyMoreHearsOfIt) {
  make(3);
  const std::uint64_t first = world.leader().value;
  world.isolate(first);
  std::optional<Outcome> outcome;
  world.node(first)->propose(SetAddresses{NodeId(3), addresses_of(33)},
                             [&outcome](Outcome done) { outcome = std::move(done); });
  world.run(5'000);
  world.heal();
  ASSERT_TRUE(world.run_until([&outcome] { return outcome.has_value(); }));
  ASSERT_FALSE(*outcome);
  EXPECT_EQ(outcome->error().code, ErrorCode::kUnavailable);
}

TEST_F(MetaGroupTest, ACommandThatIsRefusedIsAnsweredWithTheReason) {
  make(1);
  const auto outcome = propose(1, SetAddresses{NodeId(9), addresses_of(9)});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kNotFound);
}

TEST_F(MetaGroupTest, ACommandThatNobodyCouldReadDoesNotGetIntoTheLog) {
  make(1);
  const NodeAddresses many{std::vector<std::string>(limits::kAddressesPerNodeMax + 1, "h:1"), {}};
  const auto outcome = propose(1, SetAddresses{NodeId(1), many});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().field, "peers");
  EXPECT_FALSE(propose(1, SetPlacement{1, Placement(MetaWorld::kShards, {NodeId(0)})}));
  EXPECT_TRUE(propose(1, SetAddresses{NodeId(1), addresses_of(1)}));
}

TEST_F(MetaGroupTest, ARemovedNodeLosesItsReplicasAndItsSeat) {
  make(4);
  const std::uint64_t gone = follower();
  EXPECT_TRUE(propose(world.leader().value, SetNodeState{NodeId(gone), NodeState::kRemoved}));
  world.crash(gone);
  EXPECT_TRUE(world.run_until([&] { return world.node(world.leader().value)->status().members.size() == 3; }));
  settle();
  for (const auto& row : world.node(world.leader().value).told->placement)
    EXPECT_EQ(std::ranges::find(row, NodeId(gone)), row.end());
}

// It would be committed and then stop every node that applies it, at each start.
TEST_F(MetaGroupTest, AnEntryThatIsNoCommandIsRefusedBeforeItIsStored) {
  make(3);
  const std::uint64_t leader = world.leader().value, victim = follower();
  const auto status = world.node(victim)->status();
  cluster::RaftMessage forged;
  forged.term = status.term;
  const auto garbage = std::make_shared<const std::string>("no command");
  forged.content =
      cluster::AppendEntries{status.applied,
                             status.term,
                             status.applied.next(),
                             {{status.applied.next(), status.term, storage::EntryType::kCommand, garbage}}};
  world.node(victim)->receive(NodeId(leader), cluster::PeerTopic::kRaft,
                              std::make_shared<const std::string>(encode(forged)));
  world.run(100);
  EXPECT_EQ(world.node(victim)->status().applied, status.applied);
  EXPECT_TRUE(propose(leader, SetAddresses{NodeId(victim), addresses_of(50)}));
  settle();
}

TEST_F(MetaGroupTest, ANodeThatIsGoneForGoodIsReplacedByOneThatJoins) {
  make(3);
  const std::uint64_t gone = follower();
  const auto of_gone = [&](const std::vector<NodeId>& row) {
    return std::ranges::find(row, NodeId(gone)) != row.end();
  };
  EXPECT_EQ(refusal(world.leader().value, gone), "node") << "while it is there";
  world.crash(gone);
  world.run(5'000);
  const std::uint64_t leader = world.leader().value;
  EXPECT_EQ(refusal(leader, 9), "node");
  EXPECT_EQ(refusal(leader, leader), "node") << "whoever asks is there";
  EXPECT_EQ(remove(leader, gone), RemovalAnswer(NodeRemoved{false}));
  EXPECT_EQ(remove(leader, gone), RemovalAnswer(NodeRemoved{true}));
  settle();
  EXPECT_EQ(world.node(leader)->status().members.size(), 2u);
  EXPECT_TRUE(std::ranges::none_of(world.node(leader).told->placement, of_gone));

  world.join();
  settle();
  EXPECT_EQ(world.voters(), 3u);
  for (const auto& row : world.node(leader).told->placement) {
    EXPECT_EQ(row.size(), 3u);
    EXPECT_FALSE(of_gone(row));
  }
}

TEST_F(MetaGroupTest, WhoDoesNotLeadPointsToTheOneThatRemoves) {
  make(3);
  EXPECT_EQ(remove(follower(), 9), RemovalAnswer(AskLeader{addresses_of(world.leader().value).clients}));
  world.isolate(follower());
  const std::uint64_t alone = follower();
  world.run(5'000);
  EXPECT_EQ(refusal(alone, 9), "leader") << "it knows of none any more";
}

TEST_F(MetaGroupTest, ANodeThatWasAwayForLongIsGivenTheStateWhole) {
  make(3);
  const std::uint64_t away = follower();
  world.crash(away);
  for (std::uint64_t i = 0; i < 40; ++i) {
    EXPECT_TRUE(propose(world.leader().value, SetAddresses{NodeId(away), addresses_of(200 + i)}));
    world.run(1'500);
  }
  ASSERT_GT(world.node(world.leader().value)->status().applied.value, 40u);
  world.node(away).addresses = addresses_of(239);
  world.start(away);
  settle();
  EXPECT_EQ(world.node(away).told->node(NodeId(away))->addresses, addresses_of(239));
  const MetaState state = *world.node(away).told;
  world.crash(away);
  world.start(away);
  settle();
  EXPECT_EQ(*world.node(away).told, state);
}

TEST_F(MetaGroupTest, APowerCutWhileTheStateIsFetchedLosesNothing) {
  make(3);
  const std::uint64_t away = follower();
  world.crash(away);
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(propose(world.leader().value, SetAddresses{NodeId(away), addresses_of(200 + i)}));
    world.run(1'500);
  }
  world.node(away).addresses = addresses_of(219);
  for (std::uint64_t ms = 1; ms < 400; ms += 7) {
    world.start(away);
    world.run(ms);
    world.crash(away);
  }
  world.start(away);
  settle();
}

// A node that knows nobody's address waits to be found, and so would all of them.
TEST_F(MetaGroupTest, AllThatDieBeforeTheirStateIsOnTheDiskLookForWhomTheirLogsName) {
  world.flush_delay_ms = 3'600'000;
  make(3);
  for (std::uint64_t node = 1; node <= 3; ++node) world.crash(node);
  world.start(1);
  ASSERT_FALSE(world.node(1).told != nullptr && world.node(1).told->node(NodeId(2)) != nullptr) << "it had not flushed";
  ASSERT_TRUE(world.node(1).expected);
  ASSERT_NE(world.node(1).expected->node(NodeId(2)), nullptr);
  EXPECT_EQ(world.node(1).expected->node(NodeId(2))->addresses, addresses_of(2));
  for (std::uint64_t node = 2; node <= 3; ++node) world.start(node);
  settle();
}

TEST_F(MetaGroupTest, ADamagedRecordIsFetchedFromAnotherNode) {
  make(3);
  world.run(5'000);
  const std::uint64_t victim = follower();
  world.crash(victim);
  damage_record(victim);
  world.start(victim);
  EXPECT_FALSE(world.node(victim)->status().has_state);
  settle();
  EXPECT_TRUE(world.node(victim)->status().has_state);
  world.crash(victim);
  world.start(victim);
  EXPECT_TRUE(world.node(victim).told) << "what was fetched is on the disk";
}

TEST_F(MetaGroupTest, ADamagedRecordThatNobodyElseHasKeepsTheNodeFromStarting) {
  make(1);
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(propose(1, SetAddresses{NodeId(1), addresses_of(200 + i)}));
    world.run(1'500);
  }
  world.crash(1);
  damage_record(1);
  const auto started = world.node(1).start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kCorrupt);
}

TEST_F(MetaGroupTest, AStopFlushesAndEnds) {
  auto& node = world.found();
  node->stop();
  EXPECT_TRUE(world.run_until([&node] { return node->drained(); }, 1'000));
  bool is_refused = false;
  node->join(encode(MetaWorld::request_of(9, addresses_of(9))), [&is_refused](const std::string& bytes) {
    const auto refused = std::get<JoinRefused>(*decode_join_answer(bytes));
    is_refused = !refused.is_final;
  });
  EXPECT_TRUE(is_refused) << "it is to ask again";
  world.crash(1);
  world.start(1);
  EXPECT_TRUE(node.told) << "nothing had to be applied again";
}

TEST_F(MetaGroupTest, FramesThatMakeNoSenseAreCountedAndDropped) {
  make(1);
  const auto frame = std::make_shared<const std::string>("no message at all");
  world.node(1)->receive(NodeId(9), cluster::PeerTopic::kCluster, frame);
  EXPECT_EQ(world.node(1)->malformed(), 1u);
  world.node(1)->receive(NodeId(9), cluster::PeerTopic::kRaft, frame);
  world.node(1)->receive(NodeId(9), cluster::PeerTopic::kCall, frame);
  // An answer that nobody asked for.
  MetaRecord other;
  other.applied = LogIndex(1'000'000);
  other.state.cluster_id = 666;
  const std::string answer = encode(ClusterMessage(MetaStateAnswer{0, other}));
  world.node(1)->receive(NodeId(9), cluster::PeerTopic::kCluster, std::make_shared<const std::string>(answer));
  world.run(1'000);
  EXPECT_EQ(world.node(1)->state().cluster_id, MetaWorld::kClusterId);
}

}  // namespace
}  // namespace earshot::tests
