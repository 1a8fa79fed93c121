#include "cluster/meta_machine.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::cluster {
namespace {

NodeAddresses at(const std::string& host) { return {{host + ":7401"}, {host + ":7400"}}; }
JoinNonce nonce(std::uint64_t number) { return {9, number}; }
CreateCluster creation() { return {7, 4, 3, NodeId(1), at("a")}; }

ErrorCode code_of(const MetaMachine::Outcome& outcome) { return outcome ? ErrorCode::kInternal : outcome.error().code; }
std::string field_of(const MetaMachine::Outcome& outcome) { return outcome ? "" : outcome.error().field; }

class MetaMachineTest : public testing::Test {
 protected:
  MetaMachineTest() { EXPECT_TRUE(machine.apply(creation())); }
  NodeId join(std::uint64_t number) { return *machine.apply(AddNode{nonce(number), at("b")}); }
  NodeId join_and_rise(std::uint64_t number) {
    const NodeId node = join(number);
    EXPECT_TRUE(machine.apply(SetNodeState{node, NodeState::kUp}));
    return node;
  }
  // The command is refused and changes nothing.
  MetaMachine::Outcome refused(const MetaCommand& command) {
    const MetaState before = machine.state();
    auto outcome = machine.apply(command);
    EXPECT_FALSE(outcome);
    EXPECT_EQ(machine.state(), before);
    return outcome;
  }
  [[nodiscard]] std::uint64_t version() const { return machine.state().version; }

  MetaMachine machine;
};

TEST_F(MetaMachineTest, TheFirstNodeHasAllShards) {
  EXPECT_EQ(machine.state().placement, Placement(4, {NodeId(1)}));
  EXPECT_EQ(machine.state().node(NodeId(1))->state, NodeState::kUp);
}

TEST_F(MetaMachineTest, AClusterIsCreatedOnceAndSayingSoAgainIsNoFault) {
  const MetaState before = machine.state();
  EXPECT_EQ(machine.apply(creation()), MetaMachine::Outcome(NodeId(1)));
  EXPECT_EQ(machine.state(), before);
  CreateCluster other = creation();
  other.cluster_id = 8;
  EXPECT_EQ(code_of(refused(other)), ErrorCode::kConflict);
}

TEST(MetaMachine, NothingHappensBeforeAClusterWasCreated) {
  MetaMachine machine;
  EXPECT_EQ(code_of(machine.apply(AddNode{nonce(1), at("b")})), ErrorCode::kUnavailable);
  EXPECT_EQ(machine.state(), MetaState());
}

TEST(MetaMachine, AClusterOfImpossibleNumbersIsNotCreated) {
  MetaMachine machine;
  const auto with = [](auto change) {
    CreateCluster command = creation();
    change(command);
    return command;
  };
  const std::vector<CreateCluster> impossible = {
      with([](auto& c) { c.cluster_id = 0; }),
      with([](auto& c) { c.shard_count = 0; }),
      with([](auto& c) { c.shard_count = limits::kShardsMax + 1; }),
      with([](auto& c) { c.replicas = 0; }),
      with([](auto& c) { c.replicas = limits::kReplicasMax + 1; }),
      with([](auto& c) { c.node = NodeId(); }),
  };
  for (const CreateCluster& command : impossible)
    EXPECT_EQ(code_of(machine.apply(command)), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(machine.state().exists());
  EXPECT_TRUE(
      machine.apply(with([](auto& c) { c.replicas = limits::kReplicasMax, c.shard_count = limits::kShardsMax; })));
}

TEST_F(MetaMachineTest, TheSameNonceIsGivenTheSameIdAndAnotherOneAnother) {
  const NodeId first = join(1);
  EXPECT_EQ(first, NodeId(2));
  EXPECT_EQ(join(2), NodeId(3));
  const std::uint64_t before = version();
  EXPECT_EQ(join(1), first);
  EXPECT_EQ(version(), before) << "nothing has changed";
  EXPECT_EQ(machine.state().node(first)->state, NodeState::kJoining);
}

TEST_F(MetaMachineTest, WhoAsksAgainFromAnotherAddressIsKnownByThatOne) {
  const NodeId node = join(1);
  EXPECT_EQ(machine.apply(AddNode{nonce(1), at("c")}), MetaMachine::Outcome(node));
  EXPECT_EQ(machine.state().node(node)->addresses, at("c"));
}

TEST_F(MetaMachineTest, ARemovedNodesIdIsNeverGivenAgain) {
  const NodeId node = join(1);
  EXPECT_TRUE(machine.apply(SetNodeState{node, NodeState::kRemoved}));
  EXPECT_EQ(code_of(refused(SetNodeState{node, NodeState::kUp})), ErrorCode::kConflict);
  EXPECT_EQ(code_of(refused(SetAddresses{node, at("c")})), ErrorCode::kConflict);
  EXPECT_GT(join(1), node) << "the nonce of a removed node is of no node";
}

TEST_F(MetaMachineTest, WhatCouldNotBeAppliedIsKnownBeforeItIsStored) {
  EXPECT_FALSE(MetaMachine::objection_to(encode(MetaCommand(SetNodeState{NodeId(1), NodeState::kUp}))));
  EXPECT_TRUE(MetaMachine::objection_to(""));
  EXPECT_TRUE(MetaMachine::objection_to("no command"));
}

TEST_F(MetaMachineTest, RemovedNodesAreForgottenOldestFirstAndStayRemoved) {
  for (std::uint64_t i = 0; i < kRemovedNodesMax + 10; ++i)
    EXPECT_TRUE(machine.apply(SetNodeState{join(100 + i), NodeState::kRemoved}));
  EXPECT_EQ(machine.state().nodes.size(), kRemovedNodesMax + 1);
  EXPECT_EQ(machine.state().node(NodeId(2)), nullptr);
  EXPECT_TRUE(was_removed(machine.state(), NodeId(2))) << "forgotten, and removed all the same";
  EXPECT_TRUE(was_removed(machine.state(), machine.state().nodes.back().id));
  EXPECT_FALSE(was_removed(machine.state(), NodeId(1)));
  EXPECT_FALSE(was_removed(machine.state(), NodeId(machine.state().next_node))) << "it never was";
  EXPECT_FALSE(was_removed(machine.state(), NodeId(0)));
  EXPECT_EQ(code_of(refused(SetAddresses{NodeId(2), at("c")})), ErrorCode::kConflict);
  EXPECT_EQ(code_of(refused(SetAddresses{NodeId(1000), at("c")})), ErrorCode::kNotFound);
}

TEST_F(MetaMachineTest, AsManyNodesAsTheLimitAndOneMoreIsRefusedUntilOneIsRemoved) {
  for (std::uint64_t i = 2; i <= limits::kClusterNodesMax; ++i) EXPECT_EQ(join(i), NodeId(i));
  const auto outcome = refused(AddNode{nonce(1000), at("b")});
  EXPECT_EQ(code_of(outcome), ErrorCode::kOverloaded);
  EXPECT_EQ(field_of(outcome), "nodes");
  EXPECT_EQ(join(5), NodeId(5)) << "who is in already is still told so";
  EXPECT_TRUE(machine.apply(SetNodeState{NodeId(5), NodeState::kRemoved}));
  EXPECT_TRUE(machine.apply(AddNode{nonce(1000), at("b")}));
}

TEST_F(MetaMachineTest, AddressesAreBoundedAndSuchThatSomebodyCanConnect) {
  const std::string longest = std::string(limits::kAddressBytesMax - 2, 'h') + ":1";
  EXPECT_TRUE(machine.apply(SetAddresses{NodeId(1), {{longest}, {}}}));
  EXPECT_EQ(code_of(refused(SetAddresses{NodeId(1), {{"h" + longest}, {}}})), ErrorCode::kTooLarge);
  const std::vector<std::string> most(limits::kAddressesPerNodeMax, "h:1");
  EXPECT_TRUE(machine.apply(SetAddresses{NodeId(1), {most, most}}));
  std::vector<std::string> too_many = most;
  too_many.push_back("h:1");
  EXPECT_EQ(field_of(refused(SetAddresses{NodeId(1), {too_many, {}}})), "peers");
  EXPECT_EQ(field_of(refused(SetAddresses{NodeId(1), {{}, too_many}})), "clients");
  for (const char* wrong : {"", "host", ":1", "host:", "ho st:1", "host:1\n"})
    EXPECT_EQ(code_of(refused(AddNode{nonce(1), {{wrong}, {}}})), ErrorCode::kInvalidArgument) << wrong;
}

TEST_F(MetaMachineTest, ANodeDoesNotGoBackToJoining) {
  const NodeId node = join_and_rise(1);
  EXPECT_EQ(code_of(refused(SetNodeState{node, NodeState::kJoining})), ErrorCode::kConflict);
}

TEST_F(MetaMachineTest, APlanMadeFromAnOlderStateIsRefused) {
  const NodeId second = join_and_rise(1);
  const std::uint64_t planned_from = version();
  const Placement placement(4, {NodeId(1), second});
  join(2);
  EXPECT_EQ(field_of(refused(SetPlacement{planned_from, placement})), "version");
  EXPECT_TRUE(machine.apply(SetPlacement{version(), placement}));
  EXPECT_EQ(machine.state().placement, placement);
}

TEST_F(MetaMachineTest, APlacementNamesOnlyNodesThatAreUpEachOnceAndForEveryShard) {
  const NodeId up = join_and_rise(1);
  const NodeId joining = join(2);
  const auto refuses = [&](Placement placement) {
    EXPECT_EQ(field_of(refused(SetPlacement{version(), std::move(placement)})), "placement");
  };
  refuses(Placement(3, {NodeId(1)}));
  refuses(Placement(5, {NodeId(1)}));
  refuses(Placement(4, std::vector<NodeId>{}));
  refuses(Placement(4, {NodeId(1), joining}));
  refuses(Placement(4, {NodeId(1), NodeId(99)}));
  refuses(Placement(4, {up, up}));
  std::vector<NodeId> row;
  for (std::uint64_t i = 0; i < limits::kReplicasMax; ++i) row.push_back(join_and_rise(10 + i));
  EXPECT_TRUE(machine.apply(SetPlacement{version(), Placement(4, row)}));
  row.push_back(up);
  refuses(Placement(4, row));
}

MetaCommand random_command(Random& random) {
  const NodeId node(random.below(8));
  switch (random.below(6)) {
    case 0: return CreateCluster{1 + random.below(2), 3, 2, NodeId(1), at("a")};
    case 1:
    case 2: return AddNode{nonce(random.below(12)), at(std::string(1, static_cast<char>('a' + random.below(4))))};
    case 3: return SetAddresses{node, at("d")};
    case 4: return SetNodeState{node, static_cast<NodeState>(random.below(3))};
    default: return SetPlacement{random.below(30), Placement(3, {node.next()})};
  }
}

// A replica that was given the state half way is the same as one that has applied all of the log.
TEST(MetaMachine, EqualLogsGiveEqualStatesThroughTheDiskToo) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 200; ++round) {
    MetaMachine machine;
    MetaMachine other;
    for (std::uint64_t index = 1; index <= 60; ++index) {
      const std::string entry = encode(random_command(random));
      const auto outcome = machine.apply(LogIndex(index), Term(1), entry);
      EXPECT_EQ(outcome, other.apply(LogIndex(index), Term(1), entry));
      if (random.chance(0.2)) {
        const auto record = decode_meta_record(encode(other.record()));
        ASSERT_TRUE(record) << record.error().to_string();
        other = MetaMachine(*record);
      }
      ASSERT_EQ(machine.record(), other.record());
    }
  }
}

TEST(MetaMachineDeathTest, AnEntryOfALaterReleaseStopsTheNode) {
  MetaMachine machine;
  EXPECT_DEATH((void)machine.apply(LogIndex(1), Term(1), "not a command"), "is a command");
}

}  // namespace
}  // namespace earshot::cluster
