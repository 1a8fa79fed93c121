#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/node_actors.hpp"
#include "storage/log_sweep.hpp"
#include "storage/model_environment.hpp"
#include "tests/simulation/machine.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/peer_network.hpp"
#include "tests/simulation/state_digests.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// Bugs planted on purpose, to see that the checkers see them. All false but in tests/simulation/mutation_test.cpp.
struct PlantedBugs {
  bool answers_before_sync = false;  // the log writer reports what its disk can still lose
  bool acks_before_commit = false;   // a device's database says "committed" before it is so
  actors::NodeFaults node;
};

struct NodeOptions {
  NodeId id{1};
  std::vector<cluster::Member> members;  // of the cluster; none: the node is alone, or …
  bool grows = false;         // … of a cluster that begins with node 1, and that others join: it has a meta group
  std::uint8_t replicas = 3;  // of each shard of a cluster that grows
  storage::LogSweepOptions log_sweep;
  std::uint16_t shard_count = 4;
  std::uint64_t flush_interval_ms = 1'000;
  std::uint64_t retransmit_first_ms = 2'000;
  std::uint64_t retransmit_max_ms = 60'000;
  PlantedBugs bugs;
};

// The node: the product's own actors (actors/node_actors.hpp) over model disks, as a process that can die and start
// again. What it had synced stays on its disks.
class SimNode final : public Host, public PeerNetwork::End {
 public:
  // `failed` hears when the node cannot open what its disks hold. `peers`: the way to the other nodes of its cluster.
  SimNode(World& world, NodeOptions options, PeerNetwork* peers, std::function<void(const Error&)> failed);
  ~SimNode() override;

  // Nothing happens to one that has not joined() the cluster that grows.
  void start();
  void joined() { is_member_ = true; }
  // Asks this node what one that wants to join asks.
  void ask_to_join(std::string request, std::function<void(std::string)> answer);
  // Power cut: every actor is gone between two of its steps, and what was not synced with it.
  void crash();
  // Ends in order, as on a signal; the network must have closed its connections. `stopped` is called when the process
  // is gone; not when it is cut off before.
  void stop(std::function<void()> stopped);
  // The node does not run; a bit of its log is flipped, it is started, and the bit is flipped back. It must refuse.
  void start_on_damaged_log(Random& random);
  [[nodiscard]] bool runs() const override { return actors_ != nullptr; }
  [[nodiscard]] NodeId id() const { return options_.id; }

  // ---- Host
  std::shared_ptr<actors::SessionInbox> open_session(Identity identity, LoginRequest request,
                                                     std::shared_ptr<actors::ClientPort> client) override {
    return actors_->open_session(std::move(identity), std::move(request), std::move(client));
  }
  [[nodiscard]] bool accepts() const override { return accepts_; }
  // Precondition: it accepts.
  std::shared_ptr<const actors::PlaceDesk> place_desk() override { return actors_->place_desk(); }
  [[nodiscard]] const std::uint64_t& sleeps_until_ms() const override { return sleeps_until_ms_; }
  [[nodiscard]] std::string address() const override { return address_of(options_.id); }

  // ---- PeerNetwork::End
  [[nodiscard]] std::uint64_t run() const override { return run_; }
  [[nodiscard]] cluster::PeerEvents* events() override { return listens_ ? actors_->exchange() : nullptr; }

  // ---- faults
  void sleep_until(std::uint64_t time_ms);  // the process is suspended
  void set_commit_ms_max(std::uint64_t log_ms, std::uint64_t state_ms);
  // Room for so many bytes more on one of the disks, then it is full.
  void fill(bool log, std::uint64_t bytes_left);
  void make_room();
  // The power is cut right after one of the next commits, before or after `turns` further turns of actors.
  void crash_after_commit(bool log, std::uint64_t turns, std::function<void()> crashed);
  // Flips a bit of a flushed message. Says whose and which.
  std::optional<std::pair<UserId, Sequence>> damage_a_message(Random& random);
  // Flips a bit of any record of a shard's state that was flushed.
  void damage_a_record(Random& random);
  // Flips a bit in the key of a flushed message: it is not found any more.
  void lose_a_message(Random& random);
  // The next time it starts, a bit of a record or of its key is found flipped, of those that a start looks at.
  void damage_at_next_start(Random random) { damage_at_start_ = random; }
  void disarm() { armed_.reset(); }
  ProcessClock& clock() { return clock_; }

  // ---- for checkers
  // Committed time is never beyond this: ticks come from the wall clock while it goes along with the time since start,
  // about. `is_set`: so does one of another node that was set, and was confirmed by this one's.
  [[nodiscard]] std::uint64_t committed_ms_max(bool is_set = false) const;
  // Since its start.
  [[nodiscard]] bool was_clock_set() const { return actors_ != nullptr && clock_.jumps() > jumps_at_start_; }
  // Whether a message stored at this time tells that the time is committed: a node that doubts its clock stores by a
  // time that no tick has told.
  [[nodiscard]] bool tells_a_tick(std::uint64_t stored_at_ms) const;
  [[nodiscard]] std::uint64_t starts() const { return run_; }
  // How often it ended out of order, or had something cut off.
  [[nodiscard]] std::uint64_t deaths() const { return deaths_; }
  [[nodiscard]] std::uint16_t shard_count() const { return options_.shard_count; }
  // Who leads each shard, and in which term, as this node knows; empty: it does not serve.
  [[nodiscard]] std::vector<std::pair<NodeId, Term>> leaders() const;
  // What its shards tell of themselves, for people.
  [[nodiscard]] std::string description() const;
  // Of the shards that lead here: what is on its way to other shards, as its disk has it.
  [[nodiscard]] std::uint64_t outbox_records() const;
  // Of every shard, each as it stands when it is its turn; by id.
  void digests(std::function<void(std::vector<StateDigest>)> done);
  [[nodiscard]] std::size_t sessions() const { return actors_ ? actors_->sessions().size() : 0; }
  [[nodiscard]] std::size_t open_calls() const {
    return actors_ && actors_->exchange() != nullptr ? actors_->exchange()->open_calls() : 0;
  }
  [[nodiscard]] const actors::NodeBudgets& budgets() const { return actors_->budgets(); }

 private:
  struct Disk {
    explicit Disk(std::size_t tables) : model(tables) {}
    storage::ModelDisk model;
    std::unique_ptr<storage::Environment> environment;
    std::uint64_t commits_seen = 0;
    std::uint64_t commit_ms_max = 2;
    std::uint64_t busy_until_ms = 0;
    caf::actor_id writer = 0;
  };
  struct ArmedCrash {
    bool log = true;
    std::uint64_t turns = 0;
    bool committed = false;
    std::function<void()> crashed;
  };

  Status open();
  void opened(const Status& status);
  void serves(const Status& status);
  void damage_what_is_counted(Random random);
  // After each turn of an actor: in doubt it stores without a tick.
  void note_doubt();
  [[nodiscard]] actors::MetaStart meta_start();
  void stop_rest(std::function<void()> stopped);
  void close_disks(bool power_cut);
  void when_gone(const actors::LiveActors& actors, std::uint64_t ms_max, std::function<void()> then);
  void look_whether_gone(const actors::LiveActors& actors, std::uint64_t end_ms, std::function<void()> then);
  void find_writers();
  [[nodiscard]] bool may_run(caf::actor_id actor) const;
  void after_turn(caf::actor_id actor);
  void note_commits(Disk& disk, bool log);
  // Of the records of shards whose key begins with one of these letters (storage/keys.hpp).
  [[nodiscard]] std::vector<std::string> flushed_keys(std::string_view kinds) const;

  World& world_;
  const NodeOptions options_;
  PeerNetwork* const network_;
  std::unique_ptr<cluster::Peers> peers_;
  const std::function<void(const Error&)> failed_;
  Random random_;
  Machine machine_;
  ProcessClock clock_;
  Disk log_;
  Disk state_;
  std::unique_ptr<storage::LogStore> log_store_;
  std::unique_ptr<actors::NodeActors> actors_;
  std::uint64_t deaths_ = 0;
  std::uint64_t run_ = 0;                  // counts starts
  std::uint64_t committed_ms_before_ = 0;  // at most, by the runs before this one
  std::vector<std::pair<std::uint64_t, std::uint64_t>>
      doubtful_ms_;  // times that are no ticks: of runs before this one whose clock was set, or of nodes in doubt
  std::uint64_t started_ms_ = 0;
  std::uint64_t wall_at_start_ms_ = 0;
  std::uint64_t jumps_at_start_ = 0;
  bool is_member_ = true;
  bool is_founding_ = false;
  bool listens_ = false;  // to other nodes
  bool accepts_ = false;
  bool stopping_ = false;
  std::uint64_t sleeps_until_ms_ = 0;
  std::optional<ArmedCrash> armed_;
  std::optional<Random> damage_at_start_;
};

}  // namespace earshot::simulation
