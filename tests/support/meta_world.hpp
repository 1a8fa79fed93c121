#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "actors/meta_group.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "cluster/meta_plan.hpp"
#include "storage/keys.hpp"
#include "storage/log_store.hpp"
#include "storage/model_environment.hpp"
#include "storage/state_store.hpp"

namespace earshot::tests {

inline NodeAddresses addresses_of(std::uint64_t node) {
  const std::string host = "host-" + std::to_string(node);
  return {{host + ":7401"}, {host + ":7400"}};
}

// The meta groups of a cluster's nodes, on modelled disks and a modelled network, on virtual time: frames take a while,
// get lost as far as `losses` says, and overtake each other; disks are late.
class MetaWorld {
 public:
  static constexpr std::uint16_t kShards = 12;
  static constexpr std::uint64_t kClusterId = 77;

  explicit MetaWorld(std::uint64_t seed = 1) : random(seed) {}

  std::uint64_t flush_delay_ms = actors::MetaGroupOptions().flush_delay_ms;  // of nodes that start

  class Node final : private actors::MetaGroupHost {
   public:
    Node(MetaWorld& world, NodeId id) : addresses(addresses_of(id.value)), world_(world), id_(id) {}

    actors::MetaGroup& operator*() { return *group_; }
    actors::MetaGroup* operator->() { return group_.get(); }
    [[nodiscard]] bool is_running() const { return group_ != nullptr; }
    [[nodiscard]] NodeId id() const { return id_; }

    Status start() {
      log_environment_ = log_disk.open();
      state_environment_ = state_disk.open();
      store_ = std::move(storage::LogStore::open(*log_environment_).value());
      actors::MetaGroupOptions options;
      options.replica.group = storage::kMetaGroup;
      options.replica.self = id_;
      options.replica.address = cluster::member_address(id_);
      options.replica.seed = static_cast<std::uint32_t>(world_.random.next());
      options.replica.trailing_entries = 4;
      options.addresses = addresses;
      options.flush_delay_ms = world_.flush_delay_ms;
      if (founds) {
        options.replica.bootstrap = {cluster::Member{id_, cluster::member_address(id_), true}};
        options.create = CreateCluster{kClusterId, kShards, 3, id_, addresses};
      }
      auto opened = actors::MetaGroup::open(options, *this, *state_environment_,
                                            store_->load(storage::kMetaGroup).value(), world_.clock);
      if (!opened) {
        crash();
        return fail(std::move(opened.error()));
      }
      group_ = std::move(*opened);
      return {};
    }
    // What is not on the disk is gone.
    void crash() {
      group_.reset(), store_.reset(), log_environment_.reset(), state_environment_.reset();
      writes_.clear(), overlays_.clear();
      wake_at_ms_ = 0, told = nullptr, expected.reset(), leader = NodeId();
    }

    // Does the oldest of what is due now, if there is anything.
    bool step(std::uint64_t now_ms) {
      if (!is_running()) return false;
      if (!writes_.empty() && writes_.front().first <= now_ms) return sync(), true;
      if (!overlays_.empty() && overlays_.front().first <= now_ms) return write_overlay(), true;
      if (wake_at_ms_ == 0 || wake_at_ms_ > now_ms) return false;
      wake_at_ms_ = 0;
      group_->wake();
      return true;
    }
    [[nodiscard]] std::uint64_t next_at_ms() const {
      std::uint64_t at_ms = is_running() && wake_at_ms_ != 0 ? wake_at_ms_ : UINT64_MAX;
      if (!writes_.empty()) at_ms = std::min(at_ms, writes_.front().first);
      if (!overlays_.empty()) at_ms = std::min(at_ms, overlays_.front().first);
      return at_ms;
    }

    NodeAddresses addresses;
    bool founds = false;
    std::shared_ptr<const MetaState> told;
    std::optional<MetaState> expected;
    NodeId leader;
    std::uint64_t wakes = 0;
    storage::ModelDisk log_disk{storage::LogStore::tables().size()};
    storage::ModelDisk state_disk{storage::state_tables().size()};

   private:
    void sync() {
      const storage::LogWrite write = std::move(writes_.front().second);
      writes_.pop_front();
      EXPECT_TRUE(store_->write({&write, 1}).has_value());
      group_->persisted(write.ticket);
    }
    void write_overlay() {
      const auto overlay = std::move(overlays_.front().second);
      overlays_.pop_front();
      EXPECT_TRUE(storage::write_overlays(*state_environment_, {&overlay, 1}).has_value());
      group_->flushed();
    }

    void write_log(storage::LogWrite write) override {
      writes_.emplace_back(world_.disk_is_done_ms(), std::move(write));
    }
    void write_state(std::shared_ptr<const storage::FrozenOverlay> overlay) override {
      overlays_.emplace_back(world_.disk_is_done_ms(), std::move(overlay));
    }
    Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
      return store_->read(storage::kMetaGroup, first, last, bytes_max);
    }
    void wake_at(std::uint64_t monotonic_ms) override { wake_at_ms_ = monotonic_ms, ++wakes; }
    void send(NodeId to, cluster::PeerTopic topic, storage::SharedBytes body) override {
      world_.send(id_, to, topic, std::move(body));
    }
    bool is_up(NodeId node) override { return world_.is_linked(id_, node); }
    void nodes_expected(const MetaState& state) override { expected = state; }
    void state_changed(std::shared_ptr<const MetaState> state) override {
      EXPECT_TRUE(!told || state->version > told->version) << "what was told is not taken back";
      told = std::move(state);
      world_.check(id_, *told);
    }
    void leader_changed(NodeId node, Term term) override {
      leader = node;
      if (node == id_) world_.check_leader(id_, term);
    }

    MetaWorld& world_;
    const NodeId id_;
    std::unique_ptr<storage::Environment> log_environment_;
    std::unique_ptr<storage::Environment> state_environment_;
    std::unique_ptr<storage::LogStore> store_;
    std::unique_ptr<actors::MetaGroup> group_;
    std::deque<std::pair<std::uint64_t, storage::LogWrite>> writes_;
    std::deque<std::pair<std::uint64_t, std::shared_ptr<const storage::FrozenOverlay>>> overlays_;
    std::uint64_t wake_at_ms_ = 0;
  };

  Node& node(std::uint64_t id) { return *nodes_.at(NodeId(id)); }
  std::map<NodeId, std::unique_ptr<Node>>& nodes() { return nodes_; }
  [[nodiscard]] const std::map<NodeId, std::unique_ptr<Node>>& nodes() const { return nodes_; }
  // A new one, not started.
  Node& add(NodeId id) { return *(nodes_[id] = std::make_unique<Node>(*this, id)); }

  Node& found() {
    Node& first = add(NodeId(1));
    first.founds = true;
    EXPECT_TRUE(first.start());
    EXPECT_TRUE(run_until([&first] { return first->state().exists(); }));
    return first;
  }

  // Asks once, at `asked`, and goes on until there is an answer; nothing: none came in ten seconds.
  std::optional<JoinAnswer> ask(std::uint64_t asked, const JoinRequest& request) {
    const auto answer = std::make_shared<std::optional<JoinAnswer>>();
    node(asked)->join(encode(request), [answer](std::string bytes) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = decode_join_answer(bytes).value();
    });
    run_until([&answer] { return answer->has_value(); }, 10'000);
    return *answer;
  }
  static JoinRequest request_of(std::uint64_t nonce, NodeAddresses addresses) {
    return {1, 1, "test", JoinNonce{5, nonce}, std::move(addresses)};
  }
  // Joins at the leader, starts the node, and waits until it is up.
  NodeId join() {
    const std::uint64_t number = nodes_.size() + 1;
    const auto answer = ask(leader().value, request_of(number, addresses_of(number)));
    EXPECT_TRUE(answer && std::holds_alternative<JoinAccepted>(*answer));
    const NodeId id = std::get<JoinAccepted>(*answer).node;
    EXPECT_EQ(id.value, number);
    EXPECT_TRUE(add(id).start());
    EXPECT_TRUE(run_until([this, id] { return is_up_everywhere(id); }));
    return id;
  }

  // Who leads, as far as it knows itself; 0: nobody, or several.
  [[nodiscard]] NodeId leader() const {
    NodeId leads;
    for (const auto& [id, node] : nodes_) {
      if (!node->is_running() || node->leader != id) continue;
      if (leads != NodeId()) return {};
      leads = id;
    }
    return leads;
  }
  [[nodiscard]] bool is_up_everywhere(NodeId id) const {
    return std::ranges::all_of(nodes_, [id](const auto& one) {
      if (!one.second->is_running()) return true;
      const MetaNode* node = one.second->told ? one.second->told->node(id) : nullptr;
      return node != nullptr && node->state == NodeState::kUp;
    });
  }
  [[nodiscard]] std::size_t voters() {
    const auto members = node(leader().value)->status().members;
    return static_cast<std::size_t>(std::ranges::count_if(members, &cluster::Member::voter));
  }

  void run(std::uint64_t ms) {
    const std::uint64_t end_ms = clock.monotonic_ms() + ms;
    while (step(end_ms)) {
    }
  }
  // Whether it came to pass in that time.
  bool run_until(const std::function<bool()>& is_done, std::uint64_t ms_max = 60'000) {
    const std::uint64_t end_ms = clock.monotonic_ms() + ms_max;
    while (!is_done()) {
      if (!step(end_ms)) return is_done();
    }
    return true;
  }

  void crash(std::uint64_t id) { node(id).crash(); }
  void start(std::uint64_t id) { EXPECT_TRUE(node(id).start()); }
  void cut(std::uint64_t a, std::uint64_t b) { cuts_.insert(std::minmax(a, b)); }
  void isolate(std::uint64_t id) {
    for (const auto& [other, node] : nodes_)
      if (other.value != id) cut(id, other.value);
  }
  void heal() { cuts_.clear(); }
  [[nodiscard]] bool is_linked(NodeId a, NodeId b) const {
    const auto other = nodes_.find(b);
    return other != nodes_.end() && other->second->is_running() && !cuts_.contains(std::minmax(a.value, b.value));
  }

  ManualClock clock;
  Random random;
  double losses = 0;
  std::uint64_t disk_ms_max = 3;
  std::uint64_t frames = 0;

 private:
  struct Frame {
    NodeId from;
    NodeId to;
    cluster::PeerTopic topic;
    storage::SharedBytes body;
  };

  // False: nothing happens any more until then.
  bool step(std::uint64_t end_ms) {
    std::uint64_t next_ms = frames_.empty() ? UINT64_MAX : frames_.begin()->first;
    for (const auto& [id, node] : nodes_) next_ms = std::min(next_ms, node->next_at_ms());
    const std::uint64_t now_ms = clock.monotonic_ms();
    if (next_ms > end_ms) {
      clock.advance(end_ms - now_ms);
      return false;
    }
    if (next_ms > now_ms) clock.advance(next_ms - now_ms);
    if (!frames_.empty() && frames_.begin()->first <= clock.monotonic_ms()) return deliver(), true;
    for (const auto& [id, node] : nodes_) {
      if (node->step(clock.monotonic_ms())) return true;
    }
    return true;
  }
  void deliver() {
    const Frame frame = std::move(frames_.begin()->second);
    frames_.erase(frames_.begin());
    if (!is_linked(frame.from, frame.to)) return;
    ++frames;
    node(frame.to.value)->receive(frame.from, frame.topic, frame.body);
  }
  void send(NodeId from, NodeId to, cluster::PeerTopic topic, storage::SharedBytes body) {
    EXPECT_NE(from, to);
    if (!is_linked(from, to) || random.chance(losses)) return;
    frames_.emplace(clock.monotonic_ms() + 1 + random.below(losses > 0 ? 20 : 3),
                    Frame{from, to, topic, std::move(body)});
  }
  std::uint64_t disk_is_done_ms() { return clock.monotonic_ms() + random.below(disk_ms_max + 1); }

  // States of the same version are the same, whoever has them.
  void check(NodeId id, const MetaState& state) {
    const auto [known, is_new] = states_.try_emplace(state.version, state);
    EXPECT_TRUE(is_new || known->second == state) << "version " << state.version << " on node " << id.value;
  }
  void check_leader(NodeId id, Term term) {
    const auto [known, is_new] = leaders_.try_emplace(term, id);
    EXPECT_EQ(known->second, id) << "two leaders in term " << term.value;
  }

  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::multimap<std::uint64_t, Frame> frames_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> cuts_;
  std::map<std::uint64_t, MetaState> states_;
  std::map<Term, NodeId> leaders_;
};

}  // namespace earshot::tests
