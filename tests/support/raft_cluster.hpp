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
#include "cluster/pulse.hpp"
#include "cluster/replica.hpp"
#include "tests/support/model_log_disk.hpp"
#include "tests/support/raft_checker.hpp"

namespace earshot::tests {

// Several replicas of one group in one thread, on virtual time, from one seed: a network that delays, drops, doubles,
// reorders and cuts links one way or both; disks that sync late and lose on a crash what was not synced; state that is
// flushed late; states that are fetched from whoever leads, and take a while. Everything that happens is an event in
// one queue. What goes wrong is raft_faults.hpp, who belongs to the group raft_operator.hpp.
//
// A node has a place (0, 1, …) and an id; who comes to the place of a node that left has another id.
class RaftCluster {
 public:
  struct Settings {
    std::size_t replicas = 3;  // voters to begin with
    std::size_t places = 3;    // nodes there may be at once
    std::uint64_t seed = 1;
    std::uint64_t trailing_entries = 8;
    std::size_t tail_bytes_max = 1'000;
    bool pulses = true;  // nodes say heartbeats for replicas that rest
    cluster::ReplicaFaults faults;
  };

  explicit RaftCluster(const Settings& settings) : settings_(settings), random_(settings.seed) {
    for (std::size_t i = 0; i < settings.places; ++i) nodes_.push_back(std::make_unique<Node>(*this));
    for (std::size_t i = 0; i < settings.replicas; ++i) {
      nodes_[i]->id = NodeId(i + 1);
      nodes_[i]->bootstraps = true;
    }
    for (std::size_t i = 0; i < settings.replicas; ++i) start(*nodes_[i]);
    if (settings.pulses) pulse_later();
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
  void after(std::uint64_t ms, std::function<void()> action) {
    events_.push({now_ms_ + ms, ++event_number_, std::move(action)});
  }

  // ---- faults

  void crash(std::size_t i) {
    Node& node = *nodes_[i];
    if (!node.replica) return;
    node.replica.reset();
    node.end_life();
    node.disk.crash(random_);
    node.state = node.durable;
  }
  void restart(std::size_t i) {
    if (nodes_[i]->id.value != 0 && !nodes_[i]->replica) start(*nodes_[i]);
  }
  // Stands still, and then goes on as if nothing had been.
  void pause(std::size_t i, std::uint64_t ms) { nodes_[i]->paused_until_ms = now_ms_ + ms; }
  // The state turns out damaged, unless too many are without one already: nobody could lead.
  void lose_state(std::size_t i) {
    Node& node = *nodes_[i];
    if (node.id.value == 0 || node.missing) return;
    node.missing = true;
    const bool suffice =
        std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& other) { return states_suffice(other->members); });
    if (!suffice || (node.replica && !node.replica->state_lost(now_ms_))) {
      node.missing = false;
      return;
    }
    ++states_lost_;
    ++node.state_epoch;
    node.reads.clear();
    node.state = node.durable = State{};
    if (node.replica) fetch_later(node);
  }
  void block(std::size_t from, std::size_t to) { blocked_.insert({from, to}); }
  void heal() { blocked_.clear(); }
  void set_disk_ms(std::size_t i, std::uint64_t ms) { nodes_[i]->disk_ms = ms; }
  void set_network(double drop, double twice, std::uint64_t delay_ms_max) {
    drop_ = drop, twice_ = twice, delay_ms_max_ = delay_ms_max;
  }

  // ---- nodes that come and go

  // A new node in a free place, with nothing on its disk; nullopt: no place is free.
  std::optional<std::size_t> create() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->id.value != 0) continue;
      nodes_[i]->id = NodeId(i + 1 + kPlacesMax * ++incarnations_);
      start(*nodes_[i]);
      return i;
    }
    return std::nullopt;
  }
  void discard(std::size_t i) {
    crash(i);
    nodes_[i]->end_life();
    nodes_[i]->forget_all();
  }
  // Whether the members' say went on without this node for good: ids never come back.
  [[nodiscard]] bool was_removed(std::size_t i) const {
    const auto& all = checker_.configurations();
    const auto has = [&](const auto& each) {
      return std::any_of(each.second.begin(), each.second.end(),
                         [&](const auto& member) { return member.node == nodes_[i]->id; });
    };
    return !all.empty() && !has(*all.rbegin()) && std::any_of(all.begin(), all.end(), has);
  }
  // Whether a majority of these voters has a state.
  [[nodiscard]] bool states_suffice(const std::vector<cluster::Member>& members) const {
    std::size_t voters = 0;
    std::size_t missing = 0;
    for (const auto& member : members) {
      if (!member.voter) continue;
      ++voters;
      const Node& node = *nodes_[place_of(member.node)];
      missing += node.id == member.node && node.missing ? 1 : 0;
    }
    return missing * 2 < voters || members.empty();
  }

  // ---- workload

  // Submits to one of those who believe to lead, if any takes it: where the entry will be.
  std::optional<std::pair<LogIndex, Term>> submit(std::size_t commands = 1) {
    Node* node = a_leader();
    if (node == nullptr) return std::nullopt;
    cluster::Replica& leader = *node->replica;
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
  // Reads where somebody believes to lead, once that is confirmed.
  void read() {
    Node* node = a_leader();
    if (node == nullptr || node->paused_until_ms > now_ms_) return;
    const auto check = node->replica->begin_check(now_ms_);
    if (!check) return;
    node->reads.push_back({check->number, check->index, checker_.applied_through(), check->confirmed});
  }

  // ---- what is there

  [[nodiscard]] RaftChecker& checker() { return checker_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] cluster::Replica* replica(std::size_t i) { return nodes_[i]->replica.get(); }
  [[nodiscard]] NodeId id(std::size_t i) const { return nodes_[i]->id; }
  [[nodiscard]] std::uint64_t installs() const { return installs_; }
  [[nodiscard]] std::uint64_t truncations() const { return truncations_; }
  [[nodiscard]] std::uint64_t states_lost() const { return states_lost_; }
  [[nodiscard]] std::uint64_t log_reads() const { return log_reads_; }
  // That nodes have said for a replica that leads.
  [[nodiscard]] std::uint64_t pulses() const { return pulses_; }
  // Of the newest term.
  [[nodiscard]] std::optional<std::size_t> leader() const {
    std::optional<std::size_t> leader;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i]->replica || nodes_[i]->replica->role() != cluster::Role::kLeader) continue;
      if (!leader || nodes_[*leader]->replica->term() < nodes_[i]->replica->term()) leader = i;
    }
    return leader;
  }
  // For whoever looks into a seed.
  [[nodiscard]] std::string description() const {
    std::string text = "at " + std::to_string(now_ms_) + " ms:";
    for (const auto& node : nodes_) {
      if (node->id.value == 0) continue;
      text += "\n  node " + std::to_string(node->id.value);
      if (node->replica) {
        const cluster::Replica& replica = *node->replica;
        text += " role " + std::to_string(static_cast<int>(replica.role())) + ", term " +
                std::to_string(replica.term().value) + ", follows " + std::to_string(replica.leader().value) +
                ", log " + std::to_string(replica.snapshot_index().value) + ".." +
                std::to_string(replica.last_index().value) + ", synced " +
                std::to_string(replica.synced_index().value) + ", committed " +
                std::to_string(replica.commit_index().value) + ", applied " +
                std::to_string(replica.applied_index().value) + (replica.is_passive() ? ", passive" : "") +
                (node->installs ? ", installs" : "");
      } else {
        text += " is down";
      }
      text += ", members at " + std::to_string(node->members_index.value) + ":";
      for (const auto& member : node->members) {
        text += " " + std::to_string(member.node.value) + (member.voter ? "" : "s");
      }
    }
    return text;
  }
  // Every member runs and has applied the same log to its end.
  [[nodiscard]] bool converged() const {
    const auto leads = leader();
    if (!leads || !nodes_[*leads]->replica->members_committed()) return false;
    const Node& leader = *nodes_[*leads];
    for (const auto& member : leader.replica->members()) {
      const Node& node = *nodes_[place_of(member.node)];
      if (!node.replica || node.replica->applied_index() != leader.replica->last_index()) return false;
      if (node.replica->last_index() != node.replica->applied_index()) return false;
      if (node.state.hash != leader.state.hash) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kPlacesMax = 16;

  struct State {
    LogIndex index;
    std::uint64_t hash = 0;
  };
  struct Read {
    std::uint64_t check = 0;
    LogIndex index;
    LogIndex must_show;
    bool confirmed = false;
  };

  // A replica's surroundings: what outlives a crash (disk, durable state) and what does not.
  struct Node final : cluster::ReplicaHost {
    explicit Node(RaftCluster& owner) : cluster(owner) {}

    void write_log(storage::LogWrite write) override {
      if (write.truncate_from) ++cluster.truncations_;
      disk.queue(std::move(write));
      cluster.start_disk(*this);
    }
    void send(cluster::PeerMessage message) override { cluster.transmit(message); }
    void apply(const storage::LogEntry& entry) override {
      state = {entry.index, RaftChecker::chain(state.hash, entry)};
      cluster.checker_.applied(id, entry, state.hash, disk.holds(entry.index, entry.term),
                               cluster.is_held_by_majority(entry));
    }
    void role_changed(cluster::Role role, Term term) override {
      if (role != cluster::Role::kLeader) return;
      cluster.checker_.leads(id, term);
      if (missing) cluster.checker_.violate("node " + std::to_string(id.value) + " leads without a state");
    }
    void leader_changed(NodeId leader, Term term) override {
      if (leader.value != 0) cluster.checker_.leads(leader, term);
    }
    void members_changed(const std::vector<cluster::Member>& now, LogIndex index, bool committed) override {
      members = now;
      members_index = index;
      if (committed) cluster.checker_.members_committed(id, index, now);
    }
    void checked(std::uint64_t number, bool confirmed) override {
      if (!confirmed) std::erase_if(reads, [&](const Read& read) { return read.check <= number; });
      for (Read& read : reads) read.confirmed |= read.check <= number;
    }
    Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
      if (cluster.random_.chance(0.1)) return fail(ErrorCode::kUnavailable, "log", "busy");
      ++cluster.log_reads_;
      return disk.read(first, last, std::min<std::size_t>(bytes_max, cluster.random_.between(1, 3'000)));
    }
    void wake_at(std::uint64_t monotonic_ms) override {
      wake_ms = monotonic_ms;
      cluster.at(*this, monotonic_ms, [this, monotonic_ms] {
        if (wake_ms == monotonic_ms) replica->tick(cluster.now_ms_);
      });
    }
    void install_snapshot(const storage::SnapshotMetadata& metadata) override {
      ++cluster.installs_;
      installs = metadata.index;
      cluster.fetch_later(*this);
    }

    void end_life() {
      ++life;
      ++state_epoch;
      installs.reset();
      fetching = false;
      reads.clear();
      paused_until_ms = 0;
    }
    void forget_all() {
      id = NodeId{};
      bootstraps = missing = false;
      members.clear();
      members_index = LogIndex{};
      disk = ModelLogDisk();
      state = durable = State{};
    }

    RaftCluster& cluster;
    NodeId id;  // 0: the place is free
    bool bootstraps = false;
    std::unique_ptr<cluster::Replica> replica;
    std::shared_ptr<cluster::GroupPulse> pulse;
    std::uint64_t life = 0;  // events of an earlier life are dropped
    ModelLogDisk disk;
    std::uint64_t disk_ms = 2;
    bool disk_busy = false;
    State state;                           // in memory
    State durable;                         // in the state environment, synced
    bool missing = false;                  // neither is good for anything
    std::uint64_t state_epoch = 0;         // what was begun with an earlier state is dropped
    bool fetching = false;                 // another one
    std::optional<LogIndex> installs;      // … at this index or above, for a snapshot
    std::vector<cluster::Member> members;  // as told ...
    LogIndex members_index;
    std::vector<Read> reads;
    std::uint64_t wake_ms = 0;
    std::uint64_t paused_until_ms = 0;
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
      if (node->replica && !node->reads.empty()) serve_reads(*node);
    }
  }

  void serve_reads(Node& node) {
    std::erase_if(node.reads, [&](const Read& read) {
      if (!read.confirmed || node.replica->applied_index() < read.index) return false;
      checker_.read(node.id, node.replica->applied_index(), read.must_show);
      return true;
    });
  }

  // Happens unless the node crashes before.
  void at(Node& node, std::uint64_t ms, std::function<void()> action) {
    after(ms > now_ms_ ? ms - now_ms_ : 0, [this, &node, life = node.life, action = std::move(action)]() mutable {
      if (node.life != life || !node.replica) return;
      if (node.paused_until_ms > now_ms_) return at(node, node.paused_until_ms, std::move(action));
      action();
    });
  }

  void start(Node& node) {
    node.end_life();
    node.disk_busy = false;
    node.wake_ms = 0;
    cluster::Replica::Options options;
    options.self = node.id;
    options.address = address_of(node.id);
    options.seed = static_cast<std::uint32_t>(random_.next());
    options.trailing_entries = settings_.trailing_entries;
    options.tail_bytes_max = settings_.tail_bytes_max;
    options.faults = settings_.faults;
    if (settings_.pulses) options.pulse = node.pulse = std::make_shared<cluster::GroupPulse>();
    for (std::size_t i = 1; node.bootstraps && i <= settings_.replicas; ++i) {
      options.bootstrap.push_back({NodeId(i), address_of(NodeId(i)), true});
    }
    std::optional<LogIndex> applied;
    if (!node.missing) {
      checker_.holds_state(node.id, node.state.index, node.state.hash);
      applied = node.state.index;
    }
    auto replica = cluster::Replica::start(options, node, node.disk.synced(), applied, now_ms_);
    if (!replica) {
      checker_.violate("node " + std::to_string(node.id.value) + " does not start: " + replica.error().to_string());
      return;
    }
    node.replica = std::move(*replica);
    if (node.replica->is_passive()) fetch_later(node);
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
      if (node.missing || copy.index <= node.durable.index) return flush_later(node);
      at(node, now_ms_ + random_.between(1, 50), [this, &node, copy, epoch = node.state_epoch] {
        if (node.state_epoch != epoch) return flush_later(node);
        // An install that ended meanwhile is newer.
        if (copy.index > node.durable.index) node.durable = copy;
        at(node, now_ms_ + random_.below(10), [this, &node, index = node.durable.index, epoch] {
          if (node.state_epoch == epoch) node.replica->snapshot_flushed(index, now_ms_);
          flush_later(node);
        });
      });
    });
  }

  void fetch_later(Node& node) {
    if (node.fetching) return;
    node.fetching = true;
    fetch(node);
  }

  // From whoever leads and has applied enough; nobody does at this moment: later.
  void fetch(Node& node) {
    const std::uint64_t ms = random_.chance(0.1) ? random_.between(500, 4'000) : random_.between(1, 60);
    at(node, now_ms_ + ms, [this, &node] {
      const LogIndex at_least = std::max(node.installs.value_or(LogIndex{}), node.replica->snapshot_index());
      const auto giver = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& other) {
        return other.get() != &node && other->replica && other->replica->role() == cluster::Role::kLeader &&
               other->replica->applied_index() >= at_least &&
               !blocked_.contains({place_of(other->id), place_of(node.id)});
      });
      // Whom to ask is said by what makes the log begin.
      const bool log_begins = !(node.disk.synced().hard_state == storage::HardState{});
      if (giver == nodes_.end() || !log_begins) return fetch(node);
      node.durable = node.state = State{(*giver)->replica->applied_index(), (*giver)->state.hash};
      node.missing = false;
      // The swap is done; a crash may still come before the replica hears of it.
      at(node, now_ms_ + random_.below(20), [this, &node, epoch = ++node.state_epoch] {
        if (node.state_epoch == epoch && take_fetched(node)) {
          node.fetching = false;
        } else {
          fetch(node);
        }
      });
    });
  }

  bool take_fetched(Node& node) {
    if (node.installs) {
      if (node.durable.index < *node.installs) return false;
      node.installs.reset();
      node.replica->snapshot_installed(node.durable.index, now_ms_);
      return true;
    }
    if (node.replica->state_ready(node.durable.index, now_ms_)) return true;
    node.missing = true;
    return false;
  }

  // By those of any configuration that may be in force.
  [[nodiscard]] bool is_held_by_majority(const storage::LogEntry& entry) const {
    const auto holds = [&](const std::vector<cluster::Member>& members) {
      std::size_t voters = 0;
      std::size_t holders = 0;
      for (const auto& member : members) {
        if (!member.voter) continue;
        const Node& node = *nodes_[place_of(member.node)];
        ++voters;
        holders += node.id == member.node && node.disk.holds(entry.index, entry.term) ? 1 : 0;
      }
      return holders * 2 > voters;
    };
    const auto& committed = checker_.configurations();
    auto from = committed.upper_bound(entry.index);
    if (from != committed.begin()) --from;
    const LogIndex newest = committed.empty() ? LogIndex{} : committed.rbegin()->first;
    return std::any_of(from, committed.end(), [&](const auto& each) { return holds(each.second); }) ||
           std::any_of(nodes_.begin(), nodes_.end(),
                       [&](const auto& node) { return node->members_index > newest && holds(node->members); });
  }

  void transmit(const cluster::PeerMessage& message) {
    const std::size_t from = place_of(message.from);
    const std::size_t to = place_of(message.to);
    const int copies = random_.chance(twice_) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      if (random_.chance(drop_)) continue;
      after(random_.between(1, delay_ms_max_), [this, message, from, to] { deliver(message, from, to); });
    }
  }
  void deliver(const cluster::PeerMessage& message, std::size_t from, std::size_t to) {
    Node& node = *nodes_[to];
    if (blocked_.contains({from, to}) || !node.replica || node.id != message.to) return;
    if (node.paused_until_ms > now_ms_) {
      return after(node.paused_until_ms - now_ms_, [this, message, from, to] { deliver(message, from, to); });
    }
    node.replica->receive(message, now_ms_);
  }

  // Every node's, at the multiples of a heartbeat that leaders leave to it.
  void pulse_later() {
    const std::uint64_t number = now_ms_ / limits::kHeartbeatMs + 1;
    after(number * limits::kHeartbeatMs - now_ms_, [this, number] {
      for (const auto& from : nodes_)
        for (const auto& to : nodes_)
          if (number % limits::kRestBeats != 0 && from != to && to->id.value != 0) pulse(*from, to->id);
      pulse_later();
    });
  }
  void pulse(const Node& from, NodeId to) {
    cluster::GroupBeat beat;
    if (!from.replica || from.paused_until_ms > now_ms_ || !from.pulse->beats_for(to, now_ms_, beat)) return;
    ++pulses_;
    transmit_pulse(from.id, to, beat, true);
  }
  void transmit_pulse(NodeId from, NodeId to, const cluster::GroupBeat& beat, bool from_leader) {
    const int copies = random_.chance(twice_) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      if (random_.chance(drop_)) continue;
      after(random_.between(1, delay_ms_max_), [=, this] {
        const Node& node = *nodes_[place_of(to)];
        if (blocked_.contains({place_of(from), place_of(to)}) || !node.replica || node.id != to) return;
        if (node.paused_until_ms > now_ms_ || !node.pulse->heard(from, beat, from_leader, now_ms_)) return;
        if (from_leader) transmit_pulse(to, from, beat, false);
      });
    }
  }

  [[nodiscard]] Node* a_leader() {
    std::vector<Node*> leaders;
    for (auto& node : nodes_) {
      if (node->replica && node->replica->role() == cluster::Role::kLeader) leaders.push_back(node.get());
    }
    return leaders.empty() ? nullptr : leaders[random_.below(leaders.size())];
  }

  [[nodiscard]] static std::string address_of(NodeId id) { return "node-" + std::to_string(id.value); }

 public:
  [[nodiscard]] static std::size_t place_of(NodeId id) { return (id.value - 1) % kPlacesMax; }
  [[nodiscard]] cluster::Member as_standby(std::size_t i) const {
    return {nodes_[i]->id, address_of(nodes_[i]->id), false};
  }

 private:
  const Settings settings_;
  Random random_;
  RaftChecker checker_;
  std::uint64_t now_ms_ = 1'000;
  std::uint64_t event_number_ = 0;
  std::uint64_t incarnations_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t installs_ = 0;
  std::uint64_t truncations_ = 0;
  std::uint64_t states_lost_ = 0;
  std::uint64_t log_reads_ = 0;
  std::uint64_t pulses_ = 0;
  double drop_ = 0;
  double twice_ = 0;
  std::uint64_t delay_ms_max_ = 5;
  std::set<std::pair<std::size_t, std::size_t>> blocked_;
  std::priority_queue<Event> events_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace earshot::tests
