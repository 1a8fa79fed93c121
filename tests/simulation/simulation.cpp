#include "tests/simulation/simulation.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "tests/simulation/caretaker.hpp"
#include "tests/simulation/checkers.hpp"
#include "tests/simulation/faults.hpp"
#include "tests/simulation/history.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/server_end.hpp"
#include "tests/simulation/sim_cluster.hpp"
#include "tests/simulation/sim_device.hpp"
#include "tests/simulation/walkers.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {
namespace {

// Once nothing fails any more, something must be done within this until everything is: the longest waits are
// keep-alive (two minutes), retransmission (one minute) and a nack's delay.
constexpr std::uint64_t kRestMsMax = 300'000;
constexpr std::uint64_t kProgressMsMax = 4 * 3'600'000;
constexpr std::uint64_t kLookEveryMs = 2'000;
// A session whose client vanished ends by keep-alive.
constexpr std::uint64_t kSessionsEndMs = 130'000;
constexpr std::uint64_t kLastRoundsMs = 30'000;  // of who looks after what is parked
constexpr std::uint64_t kElectedMs = 10'000;     // a cluster that has started has leaders by then, and all is applied
constexpr int kDigestLooks = 60;                 // until a replica has fetched its state
constexpr std::uint64_t kDigestMs = 730;         // one of them; out of step with ticks, which may come every second
constexpr std::int64_t kNothingDueMs = 11 * 3'600'000;
// Until every node tells exactly where everybody is. A clock that is ahead by up to a minute is believed, and nobody is
// told of exactly before those have ended whose time was over by it, even if it was set right meanwhile.
constexpr std::uint64_t kAllToldMsMax = limits::kClockDisagreementMsMax + 30'000;
constexpr std::uint64_t kAskAgainMs = 100;

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options)
      : world_(options.seed, options.trace),
        random_(world_.fork()),
        life_random_(options.seed * 2 + 1),
        history_(world_),
        cluster_(world_, options.nodes, node_options(options),
                 [this](const Error& error) { history_.violation("a node cannot start: " + error.to_string()); }),
        network_(world_, NetworkOptions{random_.chance(0.3) ? random_.between(1, 400) : 5}, cluster_.hosts()) {
    make_devices(options);
    cluster_.found_wrong = [this](const std::string& what) { history_.violation(what); };
    history_.lives().set_committed_time([this] { return cluster_.committed_ms_max(); },
                                        [this](std::uint64_t ms) { return cluster_.tells_a_tick(ms); });
    network_.delivered = [this](const DeviceName& device, Sequence sequence) {
      history_.lives().delivered(device, sequence);
    };
    if (!options.plain) add_life();
    if (Random walkers(options.seed * 2 + 2); !options.plain && (walkers.chance(0.5) || options.walkers))
      walkers_.emplace(world_, history_, cluster_.nodes(), Random(walkers.next()));
    const std::size_t damaged = Random(options.seed * 2 + 4).below(options.nodes);
    faults_.emplace(world_, cluster_.nodes(), damaged, network_, cluster_.network(), cluster_.grows(),
                    Random(options.seed * 2 + 6), history_, devices_);
    if (!options.faults.empty()) faults_->limit_to(options.faults);
  }
  ~Simulation() { devices_.clear(); }

  SimulationOutcome run() {
    cluster_.start();
    for (const auto& device : devices_) device->start();
    faults_->start();
    if (caretaker_) caretaker_->start();
    if (walkers_) walkers_->start();
    run_for(random_.between(5'000, 60'000));
    if (caretaker_) caretaker_->calm_down();
    if (walkers_) walkers_->calm_down();
    faults_->calm_down();
    if (caretaker_) run_for(kLastRoundsMs);
    if (failed() || !come_to_rest()) return outcome();
    expect_all_told("at rest");
    if (!failed()) check_replay();
    return outcome();
  }

 private:
  NodeOptions node_options(const SimulationOptions& options) {
    NodeOptions node;
    node.bugs = options.bugs;
    node.flush_interval_ms = random_.chance(0.5) ? 1'000 : random_.between(20, 5'000);
    node.retransmit_first_ms = random_.chance(0.5) ? 2'000 : random_.between(50, 3'000);
    node.retransmit_max_ms = std::max<std::uint64_t>(node.retransmit_first_ms, random_.chance(0.5) ? 60'000 : 10'000);
    // Drawn apart, as life is below.
    node.grows = options.nodes > 1 && Random(options.seed * 2 + 3).chance(0.3);
    Random apart(options.seed * 2 + 5);
    if (apart.chance(0.5)) node.log_sweep = {4 << 10, 64 << 10};
    if (node.grows && apart.chance(0.4)) node.replicas = 2;  // so that a node is no member of some shards
    return node;
  }

  void make_devices(const SimulationOptions& of_run) {
    for (std::uint64_t user = 0, users = random_.between(1, 5); user < users; ++user)
      users_.push_back(UserId::trusted("user-" + std::to_string(user)));
    for (const UserId& user : users_) {
      for (std::uint64_t device = 0, devices = random_.between(1, 3); device < devices; ++device) {
        DeviceOptions options;
        options.name = DeviceName{user, DeviceId::trusted("device-" + std::to_string(device))};
        options.mode = static_cast<DeliveryMode>(random_.below(3));
        options.window_messages = static_cast<std::uint32_t>(random_.chance(0.5) ? 256 : random_.between(1, 20));
        options.send_every_ms = random_.chance(0.2) ? 0 : random_.between(20, 3'000);
        options.batch_messages_max = random_.chance(0.5) ? 1 : static_cast<std::uint32_t>(random_.between(2, 20));
        options.body_bytes_max = random_.chance(0.9) ? 300 : 40'000;
        options.rejects = random_.chance(0.3) ? 0.05 : 0;
        options.copies = random_.chance(0.5) ? 0.2 : 0;
        options.reads = random_.chance(0.3) ? 0.2 : 0;
        if (of_run.readers) options.send_every_ms = 200, options.reads = 0.5;
        options.request_timeout_ms = random_.chance(0.5) ? 15'000 : random_.between(1'000, 15'000);
        devices_.push_back(std::make_unique<SimDevice>(world_, network_, history_, std::move(options), users_));
        devices_.back()->store().set_reports_early(of_run.bugs.acks_before_commit);
      }
    }
  }

  // Drawn apart, so that it changes nothing of what the rest of the run draws.
  void add_life() {
    for (const auto& device : devices_) {
      LifeOptions life;
      if (life_random_.chance(0.5)) life.ttls = life_random_.chance(0.5) ? 0.1 : 0.5;
      life.ttl_ms_max = life_random_.between(1'000, 90'000);
      if (life_random_.chance(0.7)) life.refuses_percent = static_cast<std::uint32_t>(life_random_.between(1, 20));
      device->give_life(life);
    }
    if (life_random_.chance(0.3)) return;  // nobody looks after mailboxes: all is kept but for what has a time to live
    DeviceOptions options;
    options.name = DeviceName{UserId::trusted(kOperator), DeviceId::trusted("desk")};
    options.send_every_ms = 0;
    auto desk = std::make_unique<SimDevice>(world_, network_, history_, std::move(options), users_);
    caretaker_.emplace(world_, history_, *desk, devices_, users_, Random(life_random_.next()));
    devices_.push_back(std::move(desk));
  }

  void run_for(std::uint64_t ms) {
    const std::uint64_t end_ms = world_.now_ms() + ms;
    while (!failed() && world_.now_ms() < end_ms) world_.run_until(std::min(end_ms, world_.now_ms() + 100));
  }
  [[nodiscard]] bool failed() const { return !history_.violations().empty(); }

  [[nodiscard]] bool outboxes_are_empty() const {
    return std::all_of(devices_.begin(), devices_.end(),
                       [](const auto& device) { return device->runs() && device->stats().outbox_messages == 0; });
  }

  // What is answered and received. A long backlog through a small window over a slow network takes its time.
  [[nodiscard]] std::uint64_t progress() const {
    std::uint64_t done = history_.answered();
    for (const auto& [name, device] : history_.devices()) done += device.last_received.value;
    return done;
  }

  std::vector<std::string> judge_now() {
    auto wrong = std::make_shared<std::optional<std::vector<std::string>>>();
    read_mailboxes(world_, cluster_.any(random_), history_, users_,
                   [this, wrong](const Audit& audit) { *wrong = check_at_rest(history_, audit); });
    for (int i = 0; i < 300 && !*wrong && !failed(); ++i) run_for(100);
    return wrong->value_or(std::vector<std::string>{"the mailboxes cannot be read"});
  }

  // Whatever a reader of mailboxes may miss for a reason: between shards nothing may stay.
  std::vector<std::string> on_the_way() {
    std::vector<std::string> wrong;
    for (const SimNode* node : cluster_.nodes())
      if (const std::uint64_t records = node->outbox_records(); records > 0)
        wrong.push_back(std::to_string(records) + " records for other shards stay on node " +
                        std::to_string(node->id().value));
    return wrong;
  }

  // Until every client has sent and received everything; else says what is missing.
  bool come_to_rest() {
    const std::uint64_t last_ms = world_.now_ms() + kProgressMsMax;
    std::uint64_t end_ms = world_.now_ms() + kRestMsMax;
    std::uint64_t done = progress();
    std::vector<std::string> wrong{"an outbox does not empty"};
    while (world_.now_ms() < std::min(end_ms, last_ms)) {
      run_for(kLookEveryMs);
      if (failed()) return false;
      if (const std::uint64_t now_done = progress(); now_done != done) {
        done = now_done;
        end_ms = world_.now_ms() + kRestMsMax;
        continue;  // to judge costs as much as all that was said: once nothing moves any more
      }
      if (!cluster_.accepts() || !outboxes_are_empty()) continue;
      wrong = judge_now();
      if (wrong.empty()) wrong = on_the_way();
      if (wrong.empty()) return true;
    }
    for (const std::string& each : wrong) history_.violation("at rest: " + each);
    for (const auto& device : devices_) describe(*device);
    for (const SimNode* node : cluster_.nodes()) history_.violation(node->description());
    return false;
  }

  // Where everybody is: told in part, or not at all, while things fail; not for good.
  void expect_all_told(const std::string& when) {
    if (!walkers_) return;
    walkers_->expect_all();
    const std::uint64_t end_ms = world_.now_ms() + kAllToldMsMax;
    std::vector<std::string> missing = walkers_->ask_for_the_rest();
    while (!missing.empty() && !failed() && world_.now_ms() < end_ms) {
      run_for(kAskAgainMs);
      missing = walkers_->ask_for_the_rest();
    }
    if (missing.empty() || failed()) return;
    for (const std::string& each : missing) history_.violation(when + ": " + each);
    for (const SimNode* node : cluster_.nodes()) history_.violation(node->description());
  }

  // What a device that does not come to rest hangs on.
  void describe(const SimDevice& device) {
    if (!device.runs()) return history_.violation(device.name().text() + " does not run");
    const client::Stats stats = device.stats();
    if (stats.outbox_messages == 0) return;
    history_.violation(device.name().text() + " has " + std::to_string(stats.outbox_messages) + " of " +
                       std::to_string(stats.accepted) + " messages in its outbox; " + std::to_string(stats.sent) +
                       " are stored, " + std::to_string(stats.held) + " were held, " + std::to_string(stats.connected) +
                       " connected, " + std::to_string(stats.store_failures) + " refused by its store");
  }

  // What all nodes say of their shards; by node, by shard.
  using Digests = std::vector<std::vector<StateDigest>>;
  Digests look_at_digests() {
    const auto nodes = cluster_.nodes();
    auto all = std::make_shared<Digests>(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
      nodes[i]->digests([all, i](std::vector<StateDigest> digests) { (*all)[i] = std::move(digests); });
    run_for(kDigestMs);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if ((*all)[i].empty() && !failed()) history_.violation("the shards do not tell their digests");
      (*all)[i].resize(nodes[i]->shard_count());
      for (std::uint16_t shard = 0; shard < nodes[i]->shard_count(); ++shard) {
        const auto& [applied, digest] = (*all)[i][shard];
        if (!digest) continue;
        if (const auto wrong = digests_.said(nodes[i]->id(), ShardId(shard), applied, *digest))
          history_.violation("equal logs, and states that differ: " + *wrong);
      }
    }
    return *all;
  }

  static std::string indexes_of(const Digests& all) {
    std::string text;
    for (const auto& of_node : all) {
      text += text.empty() ? "" : ", ";
      for (const StateDigest& one : of_node) text += " " + std::to_string(one.applied.value);
    }
    return text;
  }

  // Of a shard the state that so many nodes have that stand furthest; nothing: fewer do.
  static std::optional<std::uint64_t> of_members(const Digests& all, std::size_t shard, std::size_t members) {
    if (all.size() == 1) return all[0][shard].digest.value_or(0);  // the only node may be damaged
    LogIndex furthest;
    for (const auto& of_node : all) furthest = std::max(furthest, of_node[shard].applied);
    std::size_t there = 0;
    std::optional<std::uint64_t> digest;
    for (const auto& of_node : all) {
      if (of_node[shard].applied != furthest || !of_node[shard].digest) continue;
      digest = *of_node[shard].digest;
      ++there;
    }
    return there >= members ? digest : std::nullopt;
  }

  // One state of each shard, of all its members: at once, unless one of them has to fetch its state or has joined a
  // moment ago, and is made a member of one shard after the other. 0 where the only node cannot tell.
  std::vector<std::uint64_t> digests() {
    for (int i = 0;; ++i) {
      const Digests all = look_at_digests();
      std::vector<std::uint64_t> digests;
      for (std::size_t shard = 0; shard < all.front().size(); ++shard) {
        if (const auto digest = of_members(all, shard, cluster_.replicas())) digests.push_back(*digest);
      }
      if (digests.size() == all.front().size() || failed()) return digests;
      if (i < kDigestLooks) continue;
      history_.violation("replicas at rest have no state, or do not come to the same index: " + indexes_of(all));
      return digests;
    }
  }

  // The state that lived and the one that is made from disk and log are the same; nobody is connected meanwhile.
  void check_replay() {
    for (const auto& device : devices_) device->close();
    if (walkers_) walkers_->set_asking(false);  // or there would always be a question that is under way
    run_for(kSessionsEndMs);
    for (const SimNode* node : cluster_.nodes()) check_nothing_is_left(*node);
    if (walkers_) walkers_->set_asking(true);
    // What a crash would heal: a state that differs in memory alone.
    digests();
    if (failed()) return;
    // A node that doubts its clock has left undone what was due; one that starts believes it.
    cluster_.crash();
    cluster_.start();
    run_for(kLookEveryMs * 5);
    // By a clock that is behind nothing becomes due any more, which would change the state.
    for (SimNode* node : cluster_.nodes()) node->clock().jump_wall(-kNothingDueMs);
    run_for(cluster_.nodes().size() > 1 ? kLookEveryMs : 0);
    const auto before = digests();
    if (random_.chance(0.5)) {
      cluster_.crash();
    } else {
      for (SimNode* node : cluster_.nodes()) node->stop([] {});
      run_for(actors::kShardsDrainMsMax);
      for (const SimNode* node : cluster_.nodes())
        if (node->runs()) history_.violation("a node does not stop");
    }
    if (failed()) return;
    cluster_.start();
    run_for(cluster_.nodes().size() > 1 ? kElectedMs : 1'000);
    if (failed()) return;
    if (!cluster_.accepts()) return history_.violation("a node does not open again");
    if (digests() != before) history_.violation("the state that was replayed from disk is another");
    if (!failed()) expect_all_told("after the last start");
  }

  void check_nothing_is_left(const SimNode& node) {
    if (node.sessions() > 0) history_.violation(std::to_string(node.sessions()) + " sessions are left over");
    if (const auto admitted = node.budgets().admitted.used(); admitted > 0)
      history_.violation(std::to_string(admitted) + " bytes stay admitted");
    if (const auto open = node.open_calls(); open > 0)
      history_.violation(std::to_string(open) + " calls to other nodes stay open");
  }

  SimulationOutcome outcome() {
    SimulationOutcome outcome;
    outcome.violations = history_.violations();
    outcome.trace_hash = world_.trace().hash();
    outcome.steps = world_.steps();
    outcome.virtual_ms = world_.now_ms();
    outcome.messages = history_.messages().size();
    outcome.starts = cluster_.starts();
    outcome.replays = history_.lives().replays();
    outcome.places = walkers_ ? walkers_->answered() : 0;
    outcome.partial_circles = walkers_ ? walkers_->in_part() : 0;
    outcome.struck = faults_->struck();
    return outcome;
  }

  World world_;
  Random random_;
  Random life_random_;
  History history_;
  StateDigests digests_;
  std::vector<UserId> users_;
  SimCluster cluster_;
  Network network_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::optional<Caretaker> caretaker_;
  std::optional<Walkers> walkers_;
  std::optional<FaultInjector> faults_;
};

}  // namespace

SimulationOutcome simulate(const SimulationOptions& options) { return Simulation(options).run(); }

std::string replay_command(const SimulationOptions& options) {
  std::string command = "scripts/simulate";
  if (options.nodes > 1) command += " --nodes " + std::to_string(options.nodes);
  command += " --seed " + std::to_string(options.seed);
  if (options.walkers) command += " --walkers";
  return options.plain ? command + " --plain" : command;
}

}  // namespace earshot::simulation
