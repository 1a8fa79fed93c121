#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cluster/replica.hpp"
#include "tests/support/model_log_disk.hpp"
#include "tests/support/raft_checker.hpp"

namespace earshot::tests {

// Several replicas of one group in one thread, on virtual time, from one seed: a network that delays, drops, doubles,
// reorders and cuts links one way or both; disks that sync late and lose on a crash what was not synced; state that is
// flushed late; states that are fetched from whoever leads, and take a while. Everything that happens is an event in
// one queue.
class RaftCluster {
 public:
  struct Settings {
    std::size_t replicas = 3;
    std::uint64_t seed = 1;
    std::uint64_t trailing_entries = 8;
    cluster::ReplicaFaults faults;
  };

  explicit RaftCluster(const Settings& settings) : settings_(settings), random_(settings.seed) {
    for (std::size_t i = 1; i <= settings.replicas; ++i) nodes_.push_back(std::make_unique<Node>(*this, NodeId(i)));
    for (auto& node : nodes_) start(*node);
  }

  // ---- time

  void run_for(std::uint64_t ms) {
    const std::uint64_t end = now_ms_ + ms;
    while (!events_.empty() && events_.top().at_ms <= end && checker_.violation().empty()) step();
    now_ms_ = std::max(now_ms_, end);
  }
  // False when `done` did not come true within `ms`.
  bool run_until(const std::function<bool()>& done, std::uint64_t ms) {
    const std::uint64_t end = now_ms_ + ms;
    while (!done()) {
      if (events_.empty() || events_.top().at_ms > end || !checker_.violation().empty()) return false;
      step();
    }
    return true;
  }

  // ---- faults

  void crash(std::size_t i) {
    Node& node = *nodes_[i];
    if (!node.replica) return;
    node.replica.reset();
    ++node.life;
    node.disk.crash(random_);
    node.state = node.durable;
  }
  void restart(std::size_t i) {
    if (!nodes_[i]->replica) start(*nodes_[i]);
  }
  void block(std::size_t from, std::size_t to) { blocked_.insert({from, to}); }
  void heal() { blocked_.clear(); }
  void set_disk_ms(std::size_t i, std::uint64_t ms) { nodes_[i]->disk_ms = ms; }
  void set_network(double drop, double twice, std::uint64_t delay_ms_max) {
    drop_ = drop, twice_ = twice, delay_ms_max_ = delay_ms_max;
  }

  // The leader keeps taking commands that nobody else hears of, and its disk is slow: what it appends will be
  // truncated, some of it after the truncation only reported as synced.
  void strand_leader() {
    const auto stranded = leader();
    if (!stranded) return;
    heal();
    set_disk_ms(*stranded, random_.between(50, 600));
    for (std::size_t j = 0; j < nodes_.size(); ++j) {
      block(*stranded, j);
      if (random_.chance(0.5)) block(j, *stranded);
    }
    after(random_.between(300, 1'500), [this] { heal(); });
  }

  // A node that is back before the others miss it may have forgotten whom it voted for: its disk is slow.
  void flicker() {
    const std::size_t i = random_.below(nodes_.size());
    set_disk_ms(i, random_.between(100, 600));
    crash(i);
    after(random_.between(1, 60), [this, i] { restart(i); });
  }

  // One random fault, or the end of one.
  void misbehave() {
    const std::size_t i = random_.below(nodes_.size());
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2:
        crash(i);
        after(random_.between(1, 1'500), [this, i] { restart(i); });
        break;
      case 3:
        for (std::size_t j = 0; j < nodes_.size(); ++j) {
          if (random_.chance(0.7)) block(i, j);
          if (random_.chance(0.7)) block(j, i);
        }
        break;
      case 10:
      case 11: strand_leader(); break;
      case 12: flicker(); break;
      case 4: block(i, random_.below(nodes_.size())); break;
      case 5: heal(); break;
      case 6: set_disk_ms(i, random_.between(50, 600)); break;
      case 7: set_disk_ms(i, 2); break;
      case 8: set_network(random_.chance(0.5) ? 0.2 : 0.02, 0.1, random_.between(2, 200)); break;
      default: heal(), set_network(0.01, 0.02, 5); break;
    }
  }

  void end_faults() {
    heal();
    set_network(0, 0, 5);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      set_disk_ms(i, 2);
      restart(i);
    }
  }

  // ---- workload

  // Submits to one of those who believe to lead, if any takes it: where the entry will be.
  std::optional<std::pair<LogIndex, Term>> submit(std::size_t commands = 1) {
    std::vector<Node*> leaders;
    for (auto& node : nodes_) {
      if (node->replica && node->replica->role() == cluster::Role::kLeader) leaders.push_back(node.get());
    }
    if (leaders.empty()) return std::nullopt;
    cluster::Replica& leader = *leaders[random_.below(leaders.size())]->replica;
    if (leader.last_index().value - leader.commit_index().value > 64) return std::nullopt;
    std::vector<storage::SharedBytes> batch;
    for (; commands > 0; --commands) {
      batch.push_back(std::make_shared<const std::string>("command " + std::to_string(++submitted_) +
                                                          std::string(random_.below(200), '.')));
    }
    const Term term = leader.term();
    const auto index = leader.submit(std::move(batch), now_ms_);
    if (!index) return std::nullopt;
    return std::pair{*index, term};
  }

  // ---- what is there

  [[nodiscard]] RaftChecker& checker() { return checker_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] cluster::Replica* replica(std::size_t i) { return nodes_[i]->replica.get(); }
  [[nodiscard]] ModelLogDisk& disk(std::size_t i) { return nodes_[i]->disk; }
  [[nodiscard]] std::uint64_t installs() const { return installs_; }
  [[nodiscard]] std::uint64_t truncations() const { return truncations_; }
  [[nodiscard]] std::optional<std::size_t> leader() const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->replica && nodes_[i]->replica->role() == cluster::Role::kLeader) return i;
    }
    return std::nullopt;
  }
  // Every replica runs and has applied the same log to its end.
  [[nodiscard]] bool converged() const {
    for (const auto& node : nodes_) {
      if (!node->replica || node->replica->applied_index() != nodes_[0]->replica->last_index()) return false;
      if (node->replica->last_index() != node->replica->applied_index()) return false;
      if (node->state.hash != nodes_[0]->state.hash) return false;
    }
    return true;
  }
  void after(std::uint64_t ms, std::function<void()> action) {
    events_.push({now_ms_ + ms, ++event_number_, std::move(action)});
  }

 private:
  struct State {
    LogIndex index;
    std::uint64_t hash = 0;
  };

  // A replica's surroundings: what outlives a crash (disk, durable state) and what does not.
  struct Node final : cluster::ReplicaHost {
    Node(RaftCluster& owner, NodeId its_id) : cluster(owner), id(its_id) {}

    void write_log(storage::LogWrite write) override {
      if (write.truncate_from) ++cluster.truncations_;
      disk.queue(std::move(write));
      cluster.start_disk(*this);
    }
    void send(cluster::PeerMessage message) override { cluster.transmit(message); }
    void apply(const storage::LogEntry& entry) override {
      state = {entry.index, RaftChecker::chain(state.hash, entry)};
      const auto holders =
          static_cast<std::size_t>(std::count_if(cluster.nodes_.begin(), cluster.nodes_.end(), [&](const auto& node) {
            return node->disk.holds(entry.index, entry.term);
          }));
      cluster.checker_.applied(id, entry, state.hash, disk.holds(entry.index, entry.term), holders,
                               cluster.nodes_.size());
    }
    void role_changed(cluster::Role role, Term term) override {
      if (role == cluster::Role::kLeader) cluster.checker_.leads(id, term);
    }
    void leader_changed(NodeId leader, Term term) override {
      if (leader.value != 0) cluster.checker_.leads(leader, term);
    }
    void wake_at(std::uint64_t monotonic_ms) override {
      wake_ms = monotonic_ms;
      cluster.at(*this, monotonic_ms, [this, monotonic_ms] {
        if (wake_ms == monotonic_ms) replica->tick(cluster.now_ms_);
      });
    }
    void install_snapshot(const storage::SnapshotMetadata& metadata) override {
      ++cluster.installs_;
      cluster.fetch_later(*this, metadata.index);
    }

    RaftCluster& cluster;
    const NodeId id;
    std::unique_ptr<cluster::Replica> replica;
    std::uint64_t life = 0;  // events of an earlier life are dropped
    ModelLogDisk disk;
    std::uint64_t disk_ms = 2;
    bool disk_busy = false;
    State state;    // in memory
    State durable;  // in the state environment, synced
    std::uint64_t wake_ms = 0;
  };

  struct Event {
    std::uint64_t at_ms;
    std::uint64_t number;
    std::function<void()> action;
    bool operator<(const Event& other) const { return std::pair(at_ms, number) > std::pair(other.at_ms, other.number); }
  };

  void step() {
    const auto action = events_.top().action;
    now_ms_ = std::max(now_ms_, events_.top().at_ms);
    events_.pop();
    action();
    for (const auto& node : nodes_) {
      if (!node->disk.flaw().empty()) checker_.violate(node->disk.flaw());
    }
  }

  // Happens unless the node crashes before.
  void at(Node& node, std::uint64_t ms, std::function<void()> action) {
    after(ms > now_ms_ ? ms - now_ms_ : 0, [&node, life = node.life, action = std::move(action)] {
      if (node.life == life && node.replica) action();
    });
  }

  void start(Node& node) {
    ++node.life;
    node.disk_busy = false;
    node.wake_ms = 0;
    cluster::Replica::Options options;
    options.self = node.id;
    options.address = "node-" + std::to_string(node.id.value);
    options.seed = static_cast<std::uint32_t>(random_.next());
    options.trailing_entries = settings_.trailing_entries;
    options.faults = settings_.faults;
    for (std::size_t i = 1; i <= settings_.replicas; ++i) {
      options.bootstrap.push_back({NodeId(i), "node-" + std::to_string(i), true});
    }
    checker_.holds_state(node.id, node.state.index, node.state.hash);
    auto replica = cluster::Replica::start(options, node, node.disk.synced(), node.state.index, now_ms_);
    if (!replica) {
      checker_.violate("node " + std::to_string(node.id.value) + " does not start: " + replica.error().to_string());
      return;
    }
    node.replica = std::move(*replica);
    flush_later(node);
  }

  // The disk takes what is queued, syncs it after a while and says so a little later.
  void start_disk(Node& node) {
    if (node.disk_busy || node.disk.queued() == 0) return;
    node.disk_busy = true;
    at(node, now_ms_ + random_.between(1, node.disk_ms), [this, &node, count = node.disk.queued()] {
      std::vector<std::uint64_t> tickets;
      for (std::size_t i = 0; i < count; ++i) tickets.push_back(node.disk.sync_one());
      at(node, now_ms_ + random_.below(8), [this, &node, tickets = std::move(tickets)] {
        node.disk_busy = false;
        for (const std::uint64_t ticket : tickets) node.replica->persisted(ticket, now_ms_);
        start_disk(node);
      });
    });
  }

  // The state is copied, synced later, and the replica told later still.
  void flush_later(Node& node) {
    at(node, now_ms_ + random_.between(30, 500), [this, &node] {
      const State copy{node.replica->applied_index(), node.state.hash};
      const bool news = copy.index > node.durable.index;
      if (!news) return flush_later(node);
      at(node, now_ms_ + random_.between(1, 50), [this, &node, copy] {
        // An install that ended meanwhile is newer.
        if (copy.index > node.durable.index) node.durable = copy;
        at(node, now_ms_ + random_.below(10), [this, &node, index = node.durable.index] {
          node.replica->snapshot_flushed(index, now_ms_);
          flush_later(node);
        });
      });
    });
  }

  // From whoever leads and has applied enough; nobody does at this moment: later.
  void fetch_later(Node& node, LogIndex at_least) {
    const std::uint64_t ms = random_.chance(0.1) ? random_.between(500, 4'000) : random_.between(1, 60);
    at(node, now_ms_ + ms, [this, &node, at_least] {
      const auto giver = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& other) {
        return other.get() != &node && other->replica && other->replica->role() == cluster::Role::kLeader &&
               other->replica->applied_index() >= at_least && !blocked_.contains({index_of(*other), index_of(node)});
      });
      if (giver == nodes_.end()) return fetch_later(node, at_least);
      node.durable = node.state = State{(*giver)->replica->applied_index(), (*giver)->state.hash};
      // The swap is done; a crash may still come before the replica hears of it.
      at(node, now_ms_ + random_.below(20),
         [this, &node] { node.replica->snapshot_installed(node.durable.index, now_ms_); });
    });
  }
  [[nodiscard]] static std::size_t index_of(const Node& node) { return node.id.value - 1; }

  void transmit(const cluster::PeerMessage& message) {
    const std::size_t from = message.from.value - 1;
    const std::size_t to = message.to.value - 1;
    const int copies = random_.chance(twice_) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      if (random_.chance(drop_)) continue;
      after(random_.between(1, delay_ms_max_), [this, message, from, to] {
        if (blocked_.contains({from, to}) || !nodes_[to]->replica) return;
        nodes_[to]->replica->receive(message, now_ms_);
      });
    }
  }

  const Settings settings_;
  Random random_;
  RaftChecker checker_;
  std::uint64_t now_ms_ = 1'000;
  std::uint64_t event_number_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t installs_ = 0;
  std::uint64_t truncations_ = 0;
  double drop_ = 0;
  double twice_ = 0;
  std::uint64_t delay_ms_max_ = 5;
  std::set<std::pair<std::size_t, std::size_t>> blocked_;
  std::priority_queue<Event> events_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace earshot::tests
