#include "tests/simulation/sim_node.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "base/limits.hpp"
#include "storage/keys.hpp"
#include "storage/log_store.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::simulation {

namespace {

constexpr std::int64_t kWallErrorAtStartMsMax = 12 * 3'600'000;
constexpr std::uint64_t kClusterId = 7;
constexpr std::uint64_t kDoubtNotedMs = 500;
constexpr std::size_t kNameOffset = 3;  // of whose record it is, in a key: behind its shard and its kind
constexpr std::uint64_t kLookMs = 5;    // whether actors that are to end have

// Urgent, so that of all that waits for the actor this comes first: it does nothing more.
void kill(const caf::actor& actor) {
  const auto target = caf::actor_cast<caf::strong_actor_ptr>(actor);
  target->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                  caf::make_message(caf::exit_msg{actor->address(), caf::exit_reason::kill}), nullptr);
}

}  // namespace

SimNode::SimNode(World& world, NodeOptions options, PeerNetwork* peers, std::function<void(const Error&)> failed)
    : world_(world),
      options_(std::move(options)),
      network_(peers),
      peers_(peers == nullptr ? nullptr : peers->attach(options_.id, *this)),
      failed_(std::move(failed)),
      random_(world.fork()),
      machine_(world),
      clock_(world.now_ms()),
      log_(storage::LogStore::tables().size()),
      state_(storage::state_tables().size()),
      is_member_(!options_.grows || options_.id == NodeId(1)),
      is_founding_(options_.grows && is_member_) {
  log_.model.set_manual_sync(options_.bugs.answers_before_sync);
  machine_.set_may_run([this](caf::actor_id actor) { return may_run(actor); });
  machine_.set_after_turn([this](caf::actor_id actor) { after_turn(actor); });
}

SimNode::~SimNode() { crash(); }

// ---- life and death

void SimNode::start() {
  if (!is_member_) return;
  if (const Status status = open(); !status) failed_(status.error());
}

Status SimNode::open() {
  const std::uint64_t run = ++run_;
  world_.note("node starts", options_.id.value, run);
  // A node that starts has nothing to doubt its wall clock by; one that is months ahead rightly ends what is due by it.
  clock_.limit_wall_error(kWallErrorAtStartMsMax);
  started_ms_ = world_.now_ms();
  wall_at_start_ms_ = clock_.wall_ms();
  jumps_at_start_ = clock_.jumps();
  log_.environment = log_.model.open();
  state_.environment = state_.model.open();
  if (damage_at_start_) damage_what_is_counted(*std::exchange(damage_at_start_, std::nullopt));
  const bool is_alone = options_.members.empty() && !options_.grows;
  if (const Status sums = is_alone ? storage::check_sums(*state_.environment, options_.shard_count) : Status(); !sums)
    return sums;
  auto store = storage::LogStore::open(*log_.environment, options_.log_sweep);
  if (!store) return fail(std::move(store.error()));
  log_store_ = std::move(*store);

  actors::NodeSetup setup;
  setup.config.flush_interval_ms = options_.flush_interval_ms;
  setup.config.retransmit_first_ms = options_.retransmit_first_ms;
  setup.config.retransmit_max_ms = options_.retransmit_max_ms;
  setup.id = options_.id;
  setup.founders = options_.members;
  if (is_founding_ || (setup.founders.empty() && !options_.grows)) setup.founders = {{options_.id, "local", true}};
  if (options_.grows) setup.meta = meta_start();
  setup.peers = peers_.get();
  setup.shard_count = options_.shard_count;
  setup.log = log_store_.get();
  setup.state = state_.environment.get();
  setup.clock = &clock_;
  setup.seed = random_.next();
  setup.writers_have_threads = false;
  setup.faults = options_.bugs.node;
  actors_ = std::make_unique<actors::NodeActors>(machine_.actors(), std::move(setup));
  const Status started = actors_->start([this, run](Status status) {
    world_.after(0, [this, run, status = std::move(status)] {
      if (run == run_ && actors_) opened(status);
    });
  });
  if (started) find_writers();
  return started;
}

// A node in doubt goes by the others' time or by what its monotonic clock has counted: neither is a tick. The second is
// what the wall clock shows, unless it was set since start, of which tells_a_tick() knows.
void SimNode::note_doubt() {
  if (!actors_ || actors_->exchange() == nullptr) return;
  const auto clocks = actors_->exchange()->clocks();
  if (!clocks->is_in_doubt()) return;
  const std::uint64_t stored_ms = clocks->others_ms(clock_.monotonic_ms()).value_or(clock_.wall_ms());
  const bool is_noted =
      !doubtful_ms_.empty() && doubtful_ms_.back().first <= stored_ms && stored_ms <= doubtful_ms_.back().second;
  if (!is_noted) doubtful_ms_.emplace_back(stored_ms, stored_ms + kDoubtNotedMs);
}

void SimNode::opened(const Status& status) {
  if (!status) return failed_(status.error());
  listens_ = true;
  actors_->serve({{address_of(options_.id) + ":1"}, {}});
  if (network_ != nullptr) network_->started(options_.id);
  if (!options_.grows) serves({});
}

void SimNode::serves(const Status& status) {
  if (!status) return failed_(status.error());
  is_founding_ = false;
  accepts_ = true;
  world_.note("node serves", options_.id.value, run_);
}

actors::MetaStart SimNode::meta_start() {
  actors::MetaStart meta;
  meta.is_up = [this, run = run_](Status status) {
    world_.after(0, [this, run, status = std::move(status)] {
      if (run == run_ && actors_ && !stopping_) serves(status);
    });
  };
  if (is_founding_) meta.create = CreateCluster{kClusterId, options_.shard_count, options_.replicas, options_.id, {}};
  return meta;
}

void SimNode::ask_to_join(std::string request, std::function<void(std::string)> answer) {
  if (listens_) actors_->exchange()->asked(std::move(request), std::move(answer));
}

void SimNode::find_writers() {
  actors_->writers().for_each([this](const caf::actor& writer) {
    const auto* actor = dynamic_cast<caf::local_actor*>(caf::actor_cast<caf::abstract_actor*>(writer));
    EARSHOT_INVARIANT(actor != nullptr, "a writer is an actor of this system");
    if (std::string_view(actor->name()) == "log-writer") log_.writer = actor->id();
    if (std::string_view(actor->name()) == "state-writer") state_.writer = actor->id();
  });
}

void SimNode::crash() {
  if (actors_) {
    world_.note("node crashes", options_.id.value, run_);
    ++deaths_;
    const std::uint64_t commits = log_.model.commits() + state_.model.commits();
    const auto all = {&actors_->sessions(),        &actors_->shards(),         &actors_->meta_group(),
                      &actors_->places().layers(), &actors_->places().cells(), &actors_->writers()};
    for (const actors::LiveActors* actors : all) actors->for_each(kill);
    actors_->end_places();
    machine_.drain();
    for (const actors::LiveActors* actors : all) EARSHOT_INVARIANT(actors->size() == 0, "a killed actor ends");
    EARSHOT_INVARIANT(commits == log_.model.commits() + state_.model.commits(), "a killed writer does not write");
  }
  close_disks(true);
}

void SimNode::close_disks(bool power_cut) {
  committed_ms_before_ = committed_ms_max();
  if (clock_.jumps() > jumps_at_start_) doubtful_ms_.emplace_back(wall_at_start_ms_, committed_ms_before_);
  armed_.reset();
  listens_ = accepts_ = stopping_ = false;
  sleeps_until_ms_ = 0;
  if (actors_) actors_->forget();
  actors_.reset();
  if (network_ != nullptr) network_->died(options_.id);
  log_store_.reset();
  for (Disk* disk : {&log_, &state_}) {
    disk->environment.reset();
    power_cut ? disk->model.crash() : disk->model.sync();
    disk->commits_seen = disk->model.commits();
    disk->busy_until_ms = 0;
    disk->writer = 0;
  }
}

// As actors/node.cpp does it, without a thread that waits.
void SimNode::stop(std::function<void()> stopped) {
  if (!accepts_) return;  // a signal waits until the node has started, and a second one changes nothing
  world_.note("node stops", options_.id.value, run_);
  accepts_ = false;
  stopping_ = true;
  actors_->end_sessions();
  when_gone(actors_->sessions(), actors::kSessionsEndMsMax, [this, stopped = std::move(stopped)] {
    actors_->end_shards();
    when_gone(actors_->shards(), actors::kShardsDrainMsMax, [this, stopped] {
      when_gone(actors_->meta_group(), actors::kActorsEndMsMax, [this, stopped] { stop_rest(stopped); });
    });
  });
}

void SimNode::stop_rest(std::function<void()> stopped) {
  actors_->end_places();
  when_gone(actors_->places().layers(), actors::kActorsEndMsMax, [this, stopped = std::move(stopped)] {
    when_gone(actors_->places().cells(), actors::kActorsEndMsMax, [this, stopped] {
      actors_->end_writers();
      when_gone(actors_->writers(), actors::kActorsEndMsMax, [this, stopped] {
        world_.note("node has stopped", options_.id.value, run_);
        close_disks(false);
        stopped();
      });
    });
  });
}

void SimNode::when_gone(const actors::LiveActors& actors, std::uint64_t ms_max, std::function<void()> then) {
  look_whether_gone(actors, world_.now_ms() + ms_max, std::move(then));
}

// What does not end in time is cut off.
void SimNode::look_whether_gone(const actors::LiveActors& actors, std::uint64_t end_ms, std::function<void()> then) {
  if (actors.size() == 0) return then();
  if (world_.now_ms() >= end_ms) {
    actors.for_each(kill);
    ++deaths_;
  }
  world_.after(kLookMs, [this, &actors, end_ms, then = std::move(then), run = run_] {
    if (run == run_ && stopping_) look_whether_gone(actors, end_ms, then);
  });
}

void SimNode::start_on_damaged_log(Random& random) {
  std::vector<std::pair<storage::Table, std::string>> records;
  {
    const auto environment = log_.model.open();
    const auto read = environment->begin_read();
    EARSHOT_INVARIANT(read.has_value(), "the model is read at any time");
    for (storage::Table table = 0; table < storage::LogStore::tables().size(); ++table) {
      const Status scanned = (*read)->scan(table, {}, {}, [&](std::string_view key, std::string_view) {
        records.emplace_back(table, key);
        return true;
      });
      EARSHOT_INVARIANT(scanned.has_value(), "the model is read at any time");
    }
  }
  if (records.empty()) return;
  const auto& [table, key] = records[random.below(records.size())];
  const std::uint64_t bit = random.next();
  world_.note("flip of a record of the log", table, bit);
  log_.model.damage(table, key, bit);
  const Status status = open();
  if (status) {
    failed_(Error{ErrorCode::kInternal, "", "it opens, though a record of its log is damaged", 0, 0});
  } else if (status.error().code != ErrorCode::kCorrupt) {
    failed_(status.error());
  }
  crash();
  log_.model.damage(table, key, bit);
}

// ---- turns

bool SimNode::may_run(caf::actor_id actor) const {
  const std::uint64_t now_ms = world_.now_ms();
  if (now_ms < sleeps_until_ms_) return false;
  if (actor == log_.writer) return now_ms >= log_.busy_until_ms;
  if (actor == state_.writer) return now_ms >= state_.busy_until_ms;
  return true;
}

void SimNode::after_turn(caf::actor_id actor) {
  note_doubt();
  if (actor == log_.writer) note_commits(log_, true);
  if (actor == state_.writer) note_commits(state_, false);
  if (!armed_ || !armed_->committed || armed_->turns-- > 0) return;
  std::exchange(armed_, std::nullopt)->crashed();
}

// The writer's thread is with the disk for a while: the actor takes nothing meanwhile. A commit and its report are one
// turn, so the waiting comes after both; a crash may come between the report and whatever it leads to.
void SimNode::note_commits(Disk& disk, bool log) {
  if (disk.model.commits() == disk.commits_seen) return;
  disk.commits_seen = disk.model.commits();
  disk.busy_until_ms = world_.now_ms() + random_.between(0, disk.commit_ms_max);
  world_.at(disk.busy_until_ms, [] {});
  if (armed_ && armed_->log == log) armed_->committed = true;
  if (log && options_.bugs.answers_before_sync) world_.after(random_.between(1, 50), [this] { log_.model.sync(); });
}

// ---- faults

void SimNode::sleep_until(std::uint64_t time_ms) {
  if (!actors_) return;
  sleeps_until_ms_ = std::max(sleeps_until_ms_, time_ms);
  world_.at(sleeps_until_ms_, [] {});
  if (network_ != nullptr) network_->sleeps(options_.id);
}

void SimNode::set_commit_ms_max(std::uint64_t log_ms, std::uint64_t state_ms) {
  log_.commit_ms_max = log_ms;
  state_.commit_ms_max = state_ms;
}

void SimNode::fill(bool log, std::uint64_t bytes_left) {
  storage::ModelDisk& disk = (log ? log_ : state_).model;
  disk.set_capacity(disk.used_bytes() + bytes_left);
}

void SimNode::make_room() {
  log_.model.set_capacity(0);
  state_.model.set_capacity(0);
}

void SimNode::crash_after_commit(bool log, std::uint64_t turns, std::function<void()> crashed) {
  if (actors_) armed_ = ArmedCrash{log, turns, false, std::move(crashed)};
}

std::vector<std::string> SimNode::flushed_keys(std::string_view kinds) const {
  std::vector<std::string> keys;
  if (!state_.environment) return keys;
  const auto read = state_.environment->begin_read();
  EARSHOT_INVARIANT(read.has_value(), "the model is read at any time");
  const Status scanned = (*read)->scan(storage::kStateTable, {}, {}, [&](std::string_view key, std::string_view) {
    if (key.size() > 2 && kinds.find(key[2]) != kinds.npos) keys.emplace_back(key);
    return true;
  });
  EARSHOT_INVARIANT(scanned.has_value(), "the model is read at any time");
  return keys;
}

std::optional<std::pair<UserId, Sequence>> SimNode::damage_a_message(Random& random) {
  const std::vector<std::string> keys = flushed_keys("M");
  if (keys.empty()) return std::nullopt;
  const std::string& key = keys[random.below(keys.size())];
  if (!state_.model.damage(storage::kStateTable, key, random.next())) return std::nullopt;
  const std::string_view name = std::string_view(key).substr(3, key.find('\0', 3) - 3);
  const std::pair damaged(UserId::trusted(name), storage::keys::sequence_of(key));
  world_.note("flip of a stored message of " + damaged.first.text(), damaged.second.value);
  return damaged;
}

void SimNode::damage_a_record(Random& random) {
  const std::vector<std::string> keys = flushed_keys("HMCEKPGXYVLFOTISWQRD");
  if (keys.empty()) return;
  const std::string& key = keys[random.below(keys.size())];
  if (state_.model.damage(storage::kStateTable, key, random.next()))
    world_.note(std::string("flip of a record of kind ") + key[2], options_.id.value);
}

void SimNode::lose_a_message(Random& random) {
  const std::vector<std::string> keys = flushed_keys("M");
  if (keys.empty()) return;
  const std::string& key = keys[random.below(keys.size())];
  if (state_.model.damage_key(storage::kStateTable, key, kNameOffset, random.next()))
    world_.note("flip in the key of a message", options_.id.value);
}

void SimNode::damage_what_is_counted(Random random) {
  const std::vector<std::string> keys = flushed_keys("CDFHILPSTVWY");
  if (keys.empty()) return;
  const std::string& key = keys[random.below(keys.size())];
  const bool is_moved = state_.model.damage_key(storage::kStateTable, key, kNameOffset, random.next());
  if (is_moved || state_.model.damage(storage::kStateTable, key, random.next()))
    world_.note(std::string(is_moved ? "flip in the key" : "flip in the value") + " of a record of kind " + key[2] +
                    " while the node was off",
                options_.id.value);
}

// ---- for checkers

std::uint64_t SimNode::committed_ms_max(bool is_set) const {
  if (!actors_) return committed_ms_before_;
  const std::uint64_t off_ms = is_set || was_clock_set() ? limits::kClockDisagreementMsMax : 0;
  return std::max(committed_ms_before_, wall_at_start_ms_ + (world_.now_ms() - started_ms_) + off_ms);
}

bool SimNode::tells_a_tick(std::uint64_t stored_at_ms) const {
  if (clock_.jumps() > jumps_at_start_ && stored_at_ms >= wall_at_start_ms_) return false;
  return std::ranges::none_of(doubtful_ms_, [stored_at_ms](const auto& times) {
    return times.first <= stored_at_ms && stored_at_ms <= times.second;
  });
}

std::vector<std::pair<NodeId, Term>> SimNode::leaders() const {
  std::vector<std::pair<NodeId, Term>> leaders;
  if (!accepts_) return leaders;
  for (const ShardStatus& shard : actors_->cluster_status().shards) leaders.emplace_back(shard.leader, shard.term);
  return leaders;
}

std::string SimNode::description() const {
  std::string text = "node " + std::to_string(options_.id.value) + (accepts_ ? " serves" : " does not serve");
  if (!actors_) return text;
  for (const actors::ShardReading& shard : actors_->report().shards)
    text += "; shard " + std::to_string(shard.id.value) + " led by " + std::to_string(shard.leader.value) +
            " in term " + std::to_string(shard.term.value) + ", " + std::to_string(shard.voters) + " voters, applied " +
            std::to_string(shard.applied.value) + ", lag " + std::to_string(shard.lag_entries);
  return text;
}

std::uint64_t SimNode::outbox_records() const {
  std::uint64_t records = 0;
  if (!actors_) return records;
  for (const actors::ShardReading& shard : actors_->report().shards)
    if (shard.leader == options_.id) records += shard.sizes.outbox;
  return records;
}

void SimNode::digests(std::function<void(std::vector<StateDigest>)> done) {
  struct Gathered {
    std::vector<StateDigest> digests;
    std::size_t left;
  };
  const std::size_t count = options_.shard_count;
  auto gathered = std::make_shared<Gathered>(Gathered{std::vector<StateDigest>(count), count});
  const auto take = [this, gathered, done = std::move(done)](ShardId shard, Result<std::uint64_t> digest) {
    gathered->digests[shard.value] = {actors_->report().shards[shard.value].applied, std::move(digest)};
    if (--gathered->left == 0) done(std::move(gathered->digests));
  };
  actors_->shards().for_each([&](const caf::actor& shard) { caf::anon_send(shard, actors::DigestShard{take}); });
}

}  // namespace earshot::simulation
