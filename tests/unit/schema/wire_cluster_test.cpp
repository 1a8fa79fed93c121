#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/cluster_status.hpp"
#include "schema/wire.hpp"
#include "schema/wire_size.hpp"
#include "tests/unit/schema/cluster_status_values.hpp"
#include "tests/unit/schema/wire_through.hpp"

namespace earshot::tests {
namespace {

using Answer = schema::ClusterStatusAnswer;

TEST(WireCluster, AStatusComesBackWhole) {
  ClusterStatus least;
  least.node = NodeId(1);
  for (const ClusterStatus& status : {some_cluster_status(), least})
    EXPECT_EQ(through<Answer>(Result<ClusterStatus>(status)).value(), status);
}

TEST(WireCluster, AnErrorComesBackAsOne) {
  const Error error{ErrorCode::kPermissionDenied, "token", "no", 0, 0};
  EXPECT_EQ(through<Answer>(Result<ClusterStatus>(fail(error))).error(), error);
}

TEST(WireCluster, TheFieldAtFaultIsNamed) {
  const auto tell = [](const std::function<void(schema::ClusterStatus::Builder)>& breaks,
                       ErrorCode code = ErrorCode::kInvalidArgument) {
    return refused(through<Answer>(Result<ClusterStatus>(some_cluster_status()),
                                   [&](Answer::Builder answer) { breaks(answer.getStatus()); }),
                   code);
  };
  EXPECT_EQ(tell([](auto s) { s.setNode(0); }), "node");
  EXPECT_EQ(tell([](auto s) { s.getNodes()[0].setId(0); }), "nodes.id");
  EXPECT_EQ(tell([](auto s) { s.getNodes()[0].setState(schema::ClusterNode::State(9)); }), "nodes.state");
  EXPECT_EQ(tell([](auto s) { s.getNodes()[0].getClientAddresses().set(0, "a\x1b[2J:1"); }), "nodes.clientAddresses");
  EXPECT_EQ(tell([](auto s) { s.initNodes(limits::kClusterNodesMax + 1); }, ErrorCode::kTooLarge), "nodes");
  EXPECT_EQ(tell([](auto s) { s.initShards(limits::kShardsMax + 1); }, ErrorCode::kTooLarge), "shards");
  EXPECT_EQ(
      tell([](auto s) { s.getNodes()[0].initPeerAddresses(limits::kAddressesPerNodeMax + 1); }, ErrorCode::kTooLarge),
      "nodes.peerAddresses");
  EXPECT_EQ(tell([](auto s) { s.getShards()[0].initMembers(limits::kGroupMembersMax + 1); }, ErrorCode::kTooLarge),
            "shards.members");
  EXPECT_EQ(tell([](auto s) { s.getShards()[0].initWanted(limits::kReplicasMax + 1); }, ErrorCode::kTooLarge),
            "shards.wanted");
  EXPECT_EQ(tell([](auto s) { s.initCellNodes(limits::kClusterNodesMax + 1); }, ErrorCode::kTooLarge), "cellNodes");
}

TEST(WireCluster, ATokenIsBounded) {
  capnp::MallocMessageBuilder message;
  auto params = message.initRoot<schema::Broker::ClusterStatusParams>();
  params.setToken("alice");
  EXPECT_EQ(wire::read(params.asReader()).value(), "alice");
  params.setToken(std::string(limits::kTokenBytesMax + 1, 'x').c_str());
  EXPECT_EQ(refused(wire::read(params.asReader()), ErrorCode::kTooLarge), "token");
}

TEST(WireCluster, WhatBecomesOfARemovalComesBackWhole) {
  using Removal = schema::RemoveNodeAnswer;
  for (const RemovalAnswer& answer :
       {RemovalAnswer(NodeRemoved{true}), RemovalAnswer(NodeRemoved{}), RemovalAnswer(AskLeader{{"a:1", "b:2"}})}) {
    EXPECT_EQ(through<Removal>(Result<RemovalAnswer>(answer)).value(), answer);
    capnp::MallocMessageBuilder message;
    wire::write(Result<RemovalAnswer>(answer), message.initRoot<Removal>());
    EXPECT_GE(wire::words_of(answer) + capnp::sizeInWords<Removal>() + 2, message.sizeInWords());
  }
  const Error error{ErrorCode::kConflict, "node", "it is there", 0, 0};
  EXPECT_EQ(through<Removal>(Result<RemovalAnswer>(fail(error))).error(), error);
  const auto points_to = [](const std::function<void(Removal::Builder)>& breaks, ErrorCode code) {
    return refused(through<Removal>(Result<RemovalAnswer>(AskLeader{{"a:1"}}), breaks), code);
  };
  EXPECT_EQ(points_to([](auto answer) { answer.getAskLeader().set(0, "a\x1b[2J:1"); }, ErrorCode::kInvalidArgument),
            "askLeader");
  EXPECT_EQ(
      points_to([](auto answer) { answer.initAskLeader(limits::kAddressesPerNodeMax + 1); }, ErrorCode::kTooLarge),
      "askLeader");
}

TEST(WireCluster, ARemovalNamesItsNode) {
  capnp::MallocMessageBuilder message;
  auto params = message.initRoot<schema::Broker::RemoveNodeParams>();
  params.setToken("olga");
  EXPECT_EQ(refused(wire::read(params.asReader()), ErrorCode::kInvalidArgument), "node");
  params.setNode(3);
  EXPECT_EQ(wire::read(params.asReader()).value(), (RemoveNodeRequest{"olga", NodeId(3)}));
  params.setToken(std::string(limits::kTokenBytesMax + 1, 'x').c_str());
  EXPECT_EQ(refused(wire::read(params.asReader()), ErrorCode::kTooLarge), "token");
}

// What is asked for in one allocation is enough for the answer.
TEST(WireCluster, ItsSizeIsKnownAhead) {
  const ClusterStatus status = some_cluster_status();
  capnp::MallocMessageBuilder message;
  wire::write(Result<ClusterStatus>(status), message.initRoot<Answer>());
  EXPECT_GE(wire::words_of(status) + capnp::sizeInWords<Answer>() + 1, message.sizeInWords());
}

TEST(WireCluster, StatesHaveTheSameNamesOnBothSides) {
  const auto states = capnp::Schema::from<schema::ClusterNode::State>().getEnumerants();
  for (const auto state : states) EXPECT_EQ(name_of(NodeState(state.getOrdinal())), state.getProto().getName().cStr());
  EXPECT_EQ(name_of(NodeState(states.size())), "unknown");
}

}  // namespace
}  // namespace earshot::tests
