#include "schema/meta.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/random.hpp"
#include "schema/flat.hpp"
#include "schema/meta.capnp.h"
#include "tests/support/seed.hpp"

namespace earshot::tests {
namespace {

// Random values that keep every rule.
class MetaValues {
 public:
  explicit MetaValues(std::uint64_t seed) : random(seed) {}

  Random random;

  std::uint64_t number() { return random.chance(0.1) ? UINT64_MAX : random.next() >> random.below(64); }
  std::uint64_t positive() { return std::max<std::uint64_t>(number(), 1); }
  std::vector<std::string> list() {
    std::vector<std::string> addresses(random.below(limits::kAddressesPerNodeMax + 1));
    for (std::string& address : addresses)
      address = std::string(random.chance(0.1) ? limits::kAddressBytesMax : random.below(30), 'h');
    return addresses;
  }
  NodeAddresses addresses() { return {list(), list()}; }
  NodeState node_state() { return static_cast<NodeState>(random.below(3)); }
  Placement placement(std::size_t rows) {
    Placement placement(rows);
    for (auto& row : placement) {
      for (std::uint64_t count = random.below(limits::kReplicasMax + 1); count > 0; --count)
        row.emplace_back(positive());
    }
    return placement;
  }
  MetaState state() {
    MetaState state;
    state.cluster_id = number();
    state.shard_count = static_cast<std::uint16_t>(random.chance(0.05) ? limits::kShardsMax : random.below(70));
    state.replicas = static_cast<std::uint8_t>(random.below(limits::kReplicasMax + 1));
    state.version = number();
    for (std::uint64_t count = random.below(random.chance(0.05) ? 129 : 8); count > 0; --count) {
      state.next_node += random.below(3);
      state.nodes.push_back({NodeId(state.next_node++), addresses(), node_state(), random.message_id()});
    }
    state.placement = placement(state.shard_count);
    return state;
  }
  MetaRecord record() { return {LogIndex(number()), Term(number()), state()}; }
  MetaCommand command() {
    switch (random.below(5)) {
      case 0: {
        const auto shards = static_cast<std::uint16_t>(number());
        return CreateCluster{number(), shards, static_cast<std::uint8_t>(number()), NodeId(number()), addresses()};
      }
      case 1: return AddNode{random.message_id(), addresses()};
      case 2: return SetAddresses{NodeId(number()), addresses()};
      case 3: return SetNodeState{NodeId(number()), node_state()};
      default: return SetPlacement{number(), placement(random.below(20))};
    }
  }
  JoinRequest join_request() {
    const auto half = [this] { return static_cast<std::uint16_t>(number()); };
    return {half(), half(), "earshotd 1.2.3", random.message_id(), addresses()};
  }
  JoinAnswer join_answer() {
    switch (random.below(3)) {
      case 0: {
        JoinAccepted accepted{positive(), NodeId(positive()), 64, {}};
        for (std::uint64_t count = random.below(kJoinNodesMax + 1); count > 0; --count)
          accepted.nodes.push_back({NodeId(positive()), list()});
        return accepted;
      }
      case 1: return JoinRedirect{list()};
      default: return JoinRefused{"a reason", random.chance(0.5)};
    }
  }
  ClusterMessage cluster_message() {
    switch (random.below(3)) {
      case 0: return TellAddresses{addresses()};
      case 1: return AskMetaState{number()};
      default: return MetaStateAnswer{number(), record()};
    }
  }
};

struct Kind {
  const char* name;
  std::function<std::string(MetaValues&)> encoded;
  std::function<bool(MetaValues&)> returns;            // a random value comes back
  std::function<ErrorCode(std::string_view)> refusal;  // kInternal: there was none
};

template <class Value>
Kind kind(const char* name, Value (MetaValues::*make)(), Result<Value> (*decode)(std::string_view)) {
  return {name, [=](MetaValues& values) { return encode((values.*make)()); },
          [=](MetaValues& values) {
            const Value value = (values.*make)();
            const auto back = decode(encode(value));
            EXPECT_TRUE(back.has_value()) << (back ? "" : back.error().to_string());
            return back && *back == value;
          },
          [=](std::string_view bytes) {
            const auto value = decode(bytes);
            return value ? ErrorCode::kInternal : value.error().code;
          }};
}

const std::vector<Kind>& kinds() {
  using V = MetaValues;
  static const std::vector<Kind> all{
      kind("metaRecord", &V::record, &decode_meta_record),
      kind("metaCommand", &V::command, &decode_meta_command),
      kind("joinRequest", &V::join_request, &decode_join_request),
      kind("joinAnswer", &V::join_answer, &decode_join_answer),
      kind("clusterMessage", &V::cluster_message, &decode_cluster_message),
  };
  return all;
}

TEST(Meta, EverythingComesBackAsItWas) {
  MetaValues values(seed_of_test());
  for (const Kind& kind : kinds()) {
    for (int round = 0; round < 300; ++round) ASSERT_TRUE(kind.returns(values)) << kind.name << ", round " << round;
  }
}

TEST(Meta, CutBytesAreRefusedAndAlteredOnesHarmNobody) {
  MetaValues values(seed_of_test());
  for (const Kind& kind : kinds()) {
    for (int round = 0; round < 60; ++round) {
      std::string bytes = kind.encoded(values);
      for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 8)
        EXPECT_EQ(kind.refusal(std::string_view(bytes).substr(0, size)), ErrorCode::kCorrupt) << kind.name;
      for (int flips = 0; flips < 30; ++flips) {
        bytes[values.random.below(bytes.size())] ^= static_cast<char>(1 << values.random.below(8));
        (void)kind.refusal(bytes);
      }
    }
  }
}

TEST(Meta, ACommandOfANewerReleaseIsNamedAsSuch) {
  MetaValues values(1);
  std::string bytes = encode(MetaCommand(SetNodeState{NodeId(1), NodeState::kUp}));
  // The union's tag is the only word of the root's data: it says 3.
  std::size_t changed = 0;
  for (std::size_t at = 16; at < bytes.size(); at += 8) {
    if (bytes[at] == 3 && bytes[at + 1] == 0 && changed == 0) bytes[at] = 99, ++changed;
  }
  ASSERT_EQ(changed, 1u);
  const auto command = decode_meta_command(bytes);
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().code, ErrorCode::kUnsupportedVersion);
}

TEST(Meta, MoreThanALimitIsRefusedByItsField) {
  const auto field_of = [](const auto& result) { return result ? std::string("none") : result.error().field; };
  MetaState state;
  state.shard_count = 1;
  state.placement = {std::vector(limits::kReplicasMax + 1, NodeId(1))};
  EXPECT_EQ(field_of(decode_meta_record(encode(MetaRecord{{}, {}, state}))), "placement");
  state.placement = {{NodeId(1)}, {NodeId(1)}};
  EXPECT_EQ(field_of(decode_meta_record(encode(MetaRecord{{}, {}, state}))), "placement") << "a row more than shards";
  state.placement.pop_back();
  for (std::uint64_t id = 1; id <= limits::kClusterNodesMax + kRemovedNodesMax + 1; ++id)
    state.nodes.push_back({NodeId(id), {}, NodeState::kUp, {}});
  state.next_node = 1'000;
  EXPECT_EQ(field_of(decode_meta_record(encode(MetaRecord{{}, {}, state}))), "nodes");
  state.nodes.resize(2);
  state.next_node = 2;
  EXPECT_EQ(field_of(decode_meta_record(encode(MetaRecord{{}, {}, state}))), "nextNode");
  std::swap(state.nodes[0], state.nodes[1]);
  EXPECT_EQ(field_of(decode_meta_record(encode(MetaRecord{{}, {}, state}))), "nodes") << "in disorder";

  const std::vector<std::string> many(limits::kAddressesPerNodeMax + 1, "h:1");
  EXPECT_EQ(field_of(decode_join_request(encode(JoinRequest{1, 1, "", {}, {many, {}}}))), "peers");
  EXPECT_EQ(field_of(decode_join_request(encode(JoinRequest{1, 1, "", {}, {{}, many}}))), "clients");
  EXPECT_EQ(field_of(decode_join_answer(encode(JoinAnswer(JoinRedirect{many})))), "redirect");
  EXPECT_EQ(field_of(decode_join_answer(encode(JoinAnswer(JoinAccepted{0, NodeId(1), 1, {}})))), "clusterId");
  EXPECT_EQ(field_of(decode_join_answer(encode(JoinAnswer(JoinAccepted{1, NodeId(0), 1, {}})))), "node");
  EXPECT_EQ(field_of(decode_join_answer(encode(JoinAnswer(JoinAccepted{1, NodeId(1), 0, {}})))), "shardCount");
}

// Between nodes a question of a joiner and its answer are no larger than this.
TEST(Meta, TheLargestAnswerToAJoinerFitsAPeersRequest) {
  const std::vector<std::string> peers(limits::kAddressesPerNodeMax, std::string(limits::kAddressBytesMax, 'h'));
  const JoinAccepted accepted{1, NodeId(1), 64, std::vector(kJoinNodesMax, JoinNode{NodeId(1), peers})};
  EXPECT_LE(encode(JoinAnswer(accepted)).size(), std::size_t{64} << 10);
  EXPECT_LE(encode(JoinRequest{1, 1, "earshotd 1.2.3", {}, {peers, peers}}).size(), std::size_t{64} << 10);
}

TEST(Meta, TheLargestStateFitsALogEntryWithRoom) {
  MetaState state;
  const std::vector<std::string> most(limits::kAddressesPerNodeMax, std::string(limits::kAddressBytesMax, 'h'));
  state.shard_count = limits::kShardsMax;
  state.placement.assign(limits::kShardsMax, std::vector(limits::kReplicasMax, NodeId(1)));
  for (std::uint64_t id = 1; id <= limits::kClusterNodesMax; ++id)
    state.nodes.push_back({NodeId(id), {most, most}, NodeState::kUp, {}});
  state.next_node = limits::kClusterNodesMax + 1;
  const std::string bytes = encode(MetaRecord{LogIndex(1), Term(1), state});
  EXPECT_LT(bytes.size(), std::size_t{256} << 10);
  EXPECT_TRUE(decode_meta_record(bytes));
}

TEST(Meta, NodeStatesHaveTheSameNumbersInTheSchema) {
  EXPECT_EQ(static_cast<int>(schema::NodeState::JOINING), static_cast<int>(NodeState::kJoining));
  EXPECT_EQ(static_cast<int>(schema::NodeState::UP), static_cast<int>(NodeState::kUp));
  EXPECT_EQ(static_cast<int>(schema::NodeState::REMOVED), static_cast<int>(NodeState::kRemoved));
}

}  // namespace
}  // namespace earshot::tests
