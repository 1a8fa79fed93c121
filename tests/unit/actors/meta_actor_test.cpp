#include "actors/meta_actor.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <caf/all.hpp>
#include <gtest/gtest.h>

#include "actors/interfaces.hpp"
#include "actors/log_writer.hpp"
#include "actors/state_writer.hpp"
#include "cluster/meta_plan.hpp"
#include "storage/model_environment.hpp"
#include "storage/state_store.hpp"

namespace earshot::actors {
namespace {

NodeAddresses addresses_of(std::uint64_t node) { return {{"host-" + std::to_string(node) + ":7401"}, {}}; }

// The meta groups of two nodes as actors, with the real writers, under CAF's testing scheduler: one thread, virtual
// time.
class MetaActorTest : public testing::Test {
 protected:
  struct Config : caf::actor_system_config {
    Config() {
      add_message_types<caf::id_block::earshot>();
      set("scheduler.policy", caf::atom("testing"));
    }
  };
  struct Node final : cluster::Peers {
    Node(MetaActorTest& test_of, NodeId id) : test(test_of), id(id) {}

    bool send(NodeId to, cluster::PeerFrame frame) override {
      if (!is_up(to)) return false;
      EXPECT_EQ(frame.group, storage::kMetaGroup);
      caf::anon_send(test.nodes_.at(to)->group, FromPeer{id, frame.topic, frame.body});
      return true;
    }
    [[nodiscard]] bool is_up(NodeId node) const override { return test.nodes_.contains(node); }
    void set_nodes(std::vector<cluster::PeerNode>) override {}

    MetaActorTest& test;
    const NodeId id;
    storage::ModelDisk log_disk{storage::LogStore::tables().size()};
    storage::ModelDisk state_disk{storage::state_tables().size()};
    std::unique_ptr<storage::Environment> log_environment = log_disk.open();
    std::unique_ptr<storage::Environment> state_environment = state_disk.open();
    std::unique_ptr<storage::LogStore> store = storage::LogStore::open(*log_environment).value();
    std::shared_ptr<NodeBudgets> budgets = std::make_shared<NodeBudgets>();
    caf::actor log_writer;
    caf::actor state_writer;
    caf::actor group;
    std::optional<Status> opened;
    std::shared_ptr<const MetaState> state;
    NodeId leader;
  };

  ~MetaActorTest() override {
    for (const auto& [id, node] : nodes_) caf::anon_send(node->group, StopShard{});
    advance(20'000);
    for (const auto& [id, node] : nodes_) {
      caf::anon_send(node->log_writer, StopWriter{});
      caf::anon_send(node->state_writer, StopWriter{});
    }
    advance(100'000);  // CAF waits for what its timers hold
  }

  Node& start(std::uint64_t number, bool founds) {
    const NodeId id(number);
    auto owned = std::make_unique<Node>(*this, id);
    Node& node = *owned;
    const WriterSetup writers{node.budgets, &clock_, 1, false};
    node.log_writer = spawn_log_writer(system_, *node.store, writers);
    node.state_writer = spawn_state_writer(system_, *node.state_environment, writers);
    MetaSetup setup;
    setup.options.replica.group = storage::kMetaGroup;
    setup.options.replica.self = id;
    setup.options.replica.address = cluster::member_address(id);
    setup.options.addresses = addresses_of(number);
    if (founds) {
      setup.options.replica.bootstrap = {cluster::Member{id, cluster::member_address(id), true}};
      setup.options.create = CreateCluster{7, 4, 3, id, addresses_of(number)};
    }
    setup.state = node.state_environment.get();
    setup.store = node.store.get();
    setup.log = node.store->load(storage::kMetaGroup).value();
    setup.clock = &clock_;
    setup.peers = &node;
    setup.log_writer = node.log_writer;
    setup.state_writer = node.state_writer;
    setup.state_changed = [&node](std::shared_ptr<const MetaState> state) { node.state = std::move(state); };
    setup.leader_changed = [&node](NodeId leader, Term) { node.leader = leader; };
    setup.opened = [&node](Status status) { node.opened = std::move(status); };
    node.group = spawn_meta_group(system_, std::move(setup));
    nodes_.emplace(id, std::move(owned));
    run();
    return node;
  }

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }
  void run() { scheduler().run(); }
  void advance(std::uint64_t ms) {
    for (std::uint64_t passed = 0; passed < ms; passed += 10) {
      clock_.advance(10);
      scheduler().advance_time(std::chrono::milliseconds(10));
      run();
    }
  }

  Config config_;
  ManualClock clock_;
  caf::actor_system system_{config_};
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
};

TEST_F(MetaActorTest, OneFoundsAnotherJoinsBothKnowAndEnd) {
  const Node& first = start(1, true);
  ASSERT_TRUE(first.opened && first.opened->has_value());
  ASSERT_TRUE(first.state);
  EXPECT_EQ(first.leader, NodeId(1));

  std::optional<JoinAnswer> answer;
  MetaPort(first.group).join(encode(JoinRequest{1, 1, "test", {5, 6}, addresses_of(2)}), [&answer](std::string bytes) {
    answer = decode_join_answer(bytes).value();
  });
  run();
  ASSERT_TRUE(answer && std::holds_alternative<JoinAccepted>(*answer));
  EXPECT_EQ(std::get<JoinAccepted>(*answer).node, NodeId(2));

  const Node& second = start(2, false);
  advance(20'000);
  ASSERT_TRUE(second.state);
  EXPECT_EQ(*second.state, *first.state);
  EXPECT_EQ(second.leader, NodeId(1));
  EXPECT_EQ(second.state->node(NodeId(2))->state, NodeState::kUp);
  for (const auto& row : second.state->placement) EXPECT_EQ(row.size(), 2u);

  std::optional<MetaStatus> status;
  MetaPort(second.group).status([&status](MetaStatus told) { status = std::move(told); });
  run();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->members.size(), 2u);
  EXPECT_TRUE(status->has_state);
}

TEST_F(MetaActorTest, ARecordThatNobodyElseHasEndsTheActorWithTheReason) {
  {
    auto owned = std::make_unique<Node>(*this, NodeId(1));
    storage::LogWrite write;
    write.group = storage::kMetaGroup;
    write.hard_state = storage::HardState{Term(1), NodeId(1)};
    const std::vector<cluster::Member> sole{{NodeId(1), "node-1", true}};
    write.snapshot = storage::SnapshotMetadata{LogIndex(5), Term(1), cluster::encode_members(sole), LogIndex(1)};
    ASSERT_TRUE(owned->store->write({&write, 1}));
    auto overlay = std::make_shared<storage::FrozenOverlay>();
    overlay->shard = storage::kMetaGroup;
    overlay->changes.put("N", "no record");
    ASSERT_TRUE(storage::write_overlays(*owned->state_environment,
                                        std::vector<std::shared_ptr<const storage::FrozenOverlay>>{overlay}));
    MetaSetup setup;
    setup.options.replica.group = storage::kMetaGroup;
    setup.state = owned->state_environment.get();
    setup.store = owned->store.get();
    setup.log = owned->store->load(storage::kMetaGroup).value();
    setup.clock = &clock_;
    setup.opened = [node = owned.get()](Status status) { node->opened = std::move(status); };
    const caf::actor group = spawn_meta_group(system_, std::move(setup));
    run();
    ASSERT_TRUE(owned->opened && !owned->opened->has_value());
    EXPECT_EQ(owned->opened->error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace earshot::actors
