#include "actors/node_actors.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>
#include <utility>

#include <caf/all.hpp>

#include "actors/cluster_report.hpp"
#include "actors/cluster_views.hpp"
#include "actors/disk_watch.hpp"
#include "actors/exchange_clock.hpp"
#include "actors/interfaces.hpp"
#include "actors/log_writer.hpp"
#include "actors/meta_actor.hpp"
#include "actors/question_actor.hpp"
#include "actors/session_actor.hpp"
#include "actors/shard_actor.hpp"
#include "actors/state_writer.hpp"
#include "base/checksum.hpp"
#include "base/random.hpp"
#include "cluster/meta_machine.hpp"
#include "cluster/meta_plan.hpp"

namespace earshot::actors {
namespace {

constexpr LiveActors::Key kLogWriter = 0;
constexpr LiveActors::Key kStateWriter = 1;
constexpr LiveActors::Key kExchangeClock = 2;
constexpr LiveActors::Key kBeat = 3;
constexpr LiveActors::Key kFeedDesk = 4;
constexpr LiveActors::Key kQuestions = 5;
constexpr unsigned kSessionIdBits = 20;  // sessions that a node could open in each ms of all its lives

Error shutting_down() { return Error{ErrorCode::kUnavailable, "", "the node is shutting down", limits::kRetryAfterMs}; }
Error too_many_sessions() {
  return Error{ErrorCode::kOverloaded, "sessions", "the node has as many sessions as it may", limits::kRetryAfterMs};
}

// The inbox of a session that was never opened.
class NoInbox final : public SessionInbox {
 public:
  void post(ClientSend) override {}
  void post(ClientSubscribe) override {}
  void post(ClientAck) override {}
  void post(ClientNack) override {}
  void post(ClientFetch) override {}
  void post(ClientHistory) override {}
  void post(ClientManage) override {}
  void post(ClientDelivered) override {}
  void post(ClientGone) override {}
};

class NodeSessions final : public LocalSessions {
 public:
  NodeSessions(NodeId self, std::shared_ptr<LiveActors> sessions, std::shared_ptr<SessionDirectory> directory,
               const ClusterMap* map, bool keeps_quiet)
      : self_(self),
        sessions_(std::move(sessions)),
        directory_(std::move(directory)),
        map_(map),
        keeps_quiet_(keeps_quiet) {}
  std::shared_ptr<SessionPort> find(SessionId session) override {
    auto actor = sessions_->find(session);
    return actor ? std::make_shared<SessionHandle>(std::move(*actor), PortAddress{self_, 0, session}) : nullptr;
  }
  void announce(const LeaderAnnounced& leader) override {
    if (!keeps_quiet_) directory_->announce(leader);
  }
  RegistrationDigest registrations(ShardId shard) override { return directory_->digest(shard); }
  void send_away(const std::function<bool(NodeId)>& is_up, std::uint32_t within_ms) override {
    const GoAway request{map_ != nullptr ? map_->other_client_addresses(is_up) : std::vector<std::string>(), within_ms};
    sessions_->for_each(
        [&request](const caf::actor& session) { caf::anon_send(session, SessionMessage{SentAway{request}}); });
  }

 private:
  const NodeId self_;
  const std::shared_ptr<LiveActors> sessions_;
  const std::shared_ptr<SessionDirectory> directory_;
  const ClusterMap* const map_;  // null: nobody's addresses are known
  const bool keeps_quiet_;       // a planted bug
};

// Waits for every shard's word on whether it could be opened. Shared with the shards' actors.
class Openings {
 public:
  Openings(std::size_t count, std::function<void(Status)> opened) : left_(count), opened_(std::move(opened)) {}

  void report(Status status) {
    {
      const std::lock_guard lock(mutex_);
      if (!status.has_value() && first_failure_.has_value()) first_failure_ = std::move(status);
      if (--left_ > 0) return;
    }
    opened_(first_failure_);
  }

 private:
  std::mutex mutex_;
  std::size_t left_;
  Status first_failure_;  // ok: none
  const std::function<void(Status)> opened_;
};

// Other nodes ask how many are in which regions, and for those who have left them.
PlacesLimits places_limits(const NodeSetup& setup, const std::shared_ptr<FeedExactness>& exactness) {
  PlacesLimits limits;
  if (exactness == nullptr) return limits;
  limits.clock = setup.clock;
  limits.forgot = [exactness](std::uint64_t left_ms) { exactness->forgot(left_ms); };
  return limits;
}

ShardReading read(std::uint16_t shard, const ShardGauge& gauge, const storage::ShardSizes& sizes) {
  const auto value = [](const ShardGauge::Counter& counter) { return counter.load(std::memory_order_relaxed); };
  return {ShardId(shard),
          LogIndex(value(gauge.applied_index)),
          value(gauge.entries_applied),
          value(gauge.overlay_bytes),
          value(gauge.registrations),
          value(gauge.log_writes),
          NodeId(static_cast<std::uint32_t>(value(gauge.leader))),
          Term(value(gauge.term)),
          value(gauge.voters),
          value(gauge.lag_entries),
          sizes,
          value(gauge.held_answers)};
}

ShardStatus status_of(std::uint16_t shard, const ShardGauge& gauge) {
  const auto value = [](const ShardGauge::Counter& counter) { return counter.load(std::memory_order_relaxed); };
  return {ShardId(shard),
          NodeId(value(gauge.leader)),
          Term(value(gauge.term)),
          LogIndex(value(gauge.commit_index)),
          LogIndex(value(gauge.applied_index)),
          value(gauge.fetching) != 0,
          gauge.members.read(),
          {}};
}

WriterReading read(const WriterCounters& counters) {
  WriterReading reading{counters.commits.read(), counters.batches.read(),
                        counters.failed.load(std::memory_order_relaxed), 0};
  if (const std::uint64_t began_ms = counters.began_ms.load(std::memory_order_relaxed); began_ms != 0) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto now_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    reading.busy_ms = now_ms - std::min(now_ms, began_ms);
  }
  return reading;
}

RaftReading read(const cluster::RaftCounters& counters) {
  const auto value = [](const cluster::RaftCounters::Counter& one) { return one.load(std::memory_order_relaxed); };
  return {.candidacies = value(counters.candidacies),
          .leaderships = value(counters.leaderships),
          .leaders_known = value(counters.leaders_known),
          .entries_sent = value(counters.entries_sent),
          .entries_received = value(counters.entries_received),
          .appends_refused = value(counters.appends_refused),
          .appends_unreadable = value(counters.appends_unreadable),
          .snapshots_sent = value(counters.snapshots_sent),
          .states_begun = value(counters.states_begun),
          .states_fetched = value(counters.states_fetched),
          .seed_parts_sent = value(counters.seed_parts_sent),
          .seed_bytes_sent = value(counters.seed_bytes_sent),
          .seed_parts_received = value(counters.seed_parts_received),
          .seed_bytes_received = value(counters.seed_bytes_received)};
}

}  // namespace

NodeActors::NodeActors(caf::actor_system& system, NodeSetup setup)
    : system_(system),
      setup_(std::move(setup)),
      budgets_(std::make_shared<NodeBudgets>(setup_.config.overlay_bytes_max, limits::kLogQueueBytesMax)),
      directory_(std::make_shared<SessionDirectory>(setup_.shard_count)),
      exactness_(setup_.peers == nullptr
                     ? nullptr
                     : std::make_shared<FeedExactness>(*setup_.clock, std::vector{setup_.id}, setup_.shard_count)),
      places_(make_places(system, setup_.shard_count, {}, places_limits(setup_, exactness_))),
      exchange_(setup_.peers == nullptr
                    ? nullptr
                    : std::make_shared<Exchange>(setup_.id, setup_.shard_count, *setup_.peers, *setup_.clock)),
      beat_(exchange_
                ? std::make_shared<Beat>(setup_.shard_count, setup_.config.heartbeat_ms, setup_.clock->monotonic_ms())
                : nullptr),
      map_(setup_.meta ? std::make_unique<ClusterMap>(setup_.id) : nullptr),
      next_session_(setup_.clock->wall_ms() << kSessionIdBits) {
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard) gauges_.push_back(std::make_shared<ShardGauge>());
  if (setup_.disk_space == nullptr) return;
  budgets_->watch = std::make_shared<DiskWatch>(DiskWatch::Options{.reserve_bytes = setup_.config.disk_reserve_bytes},
                                                *setup_.disk_space, *setup_.log_environment, *budgets_, *setup_.clock);
}

ShardOptions NodeActors::shard_options(ShardId shard, std::uint32_t seed) const {
  ShardOptions options;
  options.id = shard;
  options.shard_count = setup_.shard_count;
  options.replica = replica_options(shard, seed);
  options.flush_interval_ms = setup_.config.flush_interval_ms;
  options.overlay_flush_bytes = setup_.config.overlay_flush_bytes;
  options.random = checksum_of("fetches", setup_.seed + shard.value);
  options.feeds = exchange_ != nullptr;
  if (exchange_) options.clocks = exchange_->clocks();
  options.gauge = gauges_[shard.value];
  options.faults = setup_.faults;
  return options;
}

cluster::Replica::Options NodeActors::replica_options(storage::GroupId group, std::uint32_t seed) const {
  cluster::Replica::Options options;
  options.group = group;
  options.self = setup_.id;
  options.address = cluster::member_address(setup_.id);
  options.bootstrap = setup_.founders;
  options.election_timeout_ms = setup_.config.election_timeout_ms;
  options.heartbeat_ms = setup_.config.heartbeat_ms;
  options.seed = seed;
  options.counters = raft_counters_;
  if (exchange_ != nullptr) options.pulse = exchange_->pulse(group);
  options.faults = setup_.faults.replica;
  return options;
}

// Every log is loaded before the log writer begins to write.
Result<std::vector<storage::LoadedLog>> NodeActors::load_logs() {
  std::vector<storage::LoadedLog> logs;
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard) {
    auto log = setup_.log->load(ShardId(shard));
    if (!log.has_value()) {
      Error error = std::move(log.error());
      error.detail = "log of shard " + std::to_string(shard) + ": " + error.detail;
      return fail(std::move(error));
    }
    entries_read_ += log->entries.size();
    logs.push_back(std::move(*log));
  }
  if (!setup_.meta) return logs;
  auto log = setup_.log->load(storage::kMetaGroup);
  if (!log.has_value()) return fail(std::move(log.error()));
  meta_log_ = std::move(*log);
  return logs;
}

Status NodeActors::start(std::function<void(Status)> opened) {
  auto logs = load_logs();
  if (!logs.has_value()) return fail(std::move(logs.error()));

  Random random(setup_.seed);
  const auto writer = [&](const std::shared_ptr<WriterCounters>& counters) {
    return WriterSetup{budgets_, setup_.clock, random.next(), setup_.writers_have_threads, counters};
  };
  const caf::actor log_writer = spawn_log_writer(system_, *setup_.log, writer(log_writes_));
  const caf::actor state_writer = spawn_state_writer(system_, *setup_.state, writer(state_writes_));
  writers_->add(kLogWriter, log_writer);
  writers_->add(kStateWriter, state_writer);

  auto openings = std::make_shared<Openings>(setup_.shard_count, std::move(opened));
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard) {
    const auto seed = static_cast<std::uint32_t>(random.next());
    shard_actors_.push_back(spawn_shard(
        system_, ShardSetup{shard_options(ShardId(shard), seed), setup_.state, std::move((*logs)[shard]), setup_.log,
                            budgets_, setup_.clock, log_writer, state_writer, places_, exchange_, beat_,
                            [openings](Status status) { openings->report(std::move(status)); }}));
    shards_->add(shard, shard_actors_.back());
  }
  if (beat_) writers_->add(kBeat, spawn_beat(system_, beat_, shards_, exchange_, *setup_.clock));
  meta_seed_ = static_cast<std::uint32_t>(random.next());
  return {};
}

void NodeActors::serve(NodeAddresses addresses) {
  if (setup_.meta) join_meta_group(std::move(addresses));
  std::shared_ptr<QuestionPort> questions;
  if (exchange_) questions = begin_questions();
  router_ = make_router();
  std::shared_ptr<PlaceViews> views = places_;
  if (questions)
    views = std::make_shared<ClusterViews>(places_, router_, questions, exactness_, places_->privacy_table());
  // Another one after each start: members are shown elsewhere in the cells of the grid that they are in.
  const std::uint64_t secret = checksum_of("shown places", setup_.seed);
  auto for_users =
      std::make_shared<PrivateViews>(views, places_->privacy_table(), *setup_.clock, secret, setup_.visibility);
  place_desk_ = std::make_shared<const PlaceDesk>(router_, std::move(views), std::move(for_users));
  for (const auto& shard : std::exchange(shard_actors_, {})) caf::anon_send(shard, JoinShards{router_});
}

// After the shards have opened: what begins their logs is written before what founds the cluster.
void NodeActors::join_meta_group(NodeAddresses addresses) {
  MetaSetup meta;
  meta.options.replica = replica_options(storage::kMetaGroup, meta_seed_);
  meta.options.create = setup_.meta->create;
  if (meta.options.create) meta.options.create->addresses = addresses;
  meta.options.addresses = std::move(addresses);
  meta.state = setup_.state;
  meta.store = setup_.log;
  meta.log = std::move(*meta_log_);
  meta_log_.reset();
  meta.clock = setup_.clock;
  meta.peers = setup_.peers;
  meta.log_writer = writers_->find(kLogWriter).value();
  meta.state_writer = writers_->find(kStateWriter).value();
  meta.state_changed = [this](const std::shared_ptr<const MetaState>& state) { state_changed(state); };
  meta.leader_changed = [this](NodeId leader, Term) { map_->leader_changed(leader); };
  meta.opened = [this](Status opened) {
    if (!opened && !told_up_.exchange(true)) setup_.meta->is_up(std::move(opened));
  };
  const caf::actor group = spawn_meta_group(system_, std::move(meta));
  meta_group_->add(0, group);
  exchange_->set_meta({replica_inbox(group), [port = MetaPort(group)](std::string request, auto answer) {
                         port.join(std::move(request), std::move(answer));
                       }});
}

// On the meta group's thread.
void NodeActors::state_changed(const std::shared_ptr<const MetaState>& state) {
  map_->state_changed(state);
  auto others = other_nodes(*state, setup_.id);
  std::vector<NodeId> ids;
  std::vector<NodeId> joining;
  ids.reserve(others.size());
  for (const cluster::PeerNode& other : others) {
    ids.push_back(other.node);
    if (state->node(other.node)->state == NodeState::kJoining) joining.push_back(other.node);
  }
  exchange_->set_nodes(std::move(ids), std::move(joining));
  if (setup_.meta->removals) setup_.meta->removals([state](NodeId node) { return cluster::was_removed(*state, node); });
  setup_.peers->set_nodes(std::move(others));
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard)
    if (const auto actor = shards_->find(shard))
      caf::anon_send(*actor, WantMembers{cluster::wanted_shard_members(*state, ShardId(shard))});
  if (cluster::was_removed(*state, setup_.id)) return was_removed();
  const MetaNode* self = state->node(setup_.id);
  if (self == nullptr || self->state != NodeState::kUp) return;
  if (!told_up_.exchange(true)) setup_.meta->is_up({});
}

// On the meta group's thread, or on one of the links'.
void NodeActors::was_removed() {
  if (told_removed_.exchange(true)) return;
  Error why{ErrorCode::kConflict, "node",
            "the cluster has removed node " + std::to_string(setup_.id.value) +
                ": it can join again, as another one, with an empty data directory"};
  if (setup_.meta->removed) setup_.meta->removed(why);
  if (!told_up_.exchange(true)) setup_.meta->is_up(fail(std::move(why)));
}

void NodeActors::remove_node(NodeId node, std::function<void(Result<RemovalAnswer>)> done) {
  const auto group = meta_group_->find(0);
  if (!setup_.meta) return done(fail(ErrorCode::kConflict, "node", "this node is in no cluster"));
  if (!group) return done(fail(shutting_down()));
  MetaPort(*group).remove(node, shard_statuses(), std::move(done));
}

std::shared_ptr<QuestionPort> NodeActors::begin_questions() {
  const caf::actor questions =
      spawn_questions(system_, QuestionSetup{setup_.id, places_, exactness_, setup_.visibility, setup_.peers,
                                             setup_.clock, exchange_->call_log(), questions_});
  writers_->add(kQuestions, questions);
  auto port = std::make_shared<QuestionPort>(questions);
  exchange_->set_questions(port);
  return port;
}

std::shared_ptr<const Router> NodeActors::make_router() {
  if (!exchange_) {
    std::vector<std::shared_ptr<ShardInbox>> inboxes;
    inboxes.reserve(shard_actors_.size());
    for (const caf::actor& shard : shard_actors_) inboxes.push_back(shard_inbox(shard));
    return std::make_shared<const Router>(std::move(inboxes));
  }
  std::vector<Exchange::Replica> replicas;
  replicas.reserve(shard_actors_.size());
  for (const caf::actor& shard : shard_actors_) replicas.push_back({shard_inbox(shard), replica_inbox(shard)});
  if (!setup_.meta) {
    std::vector<NodeId> others;
    for (const cluster::Member& member : setup_.founders)
      if (member.node != setup_.id) others.push_back(member.node);
    exchange_->set_nodes(std::move(others));
  }
  auto sessions = std::make_shared<NodeSessions>(setup_.id, sessions_, directory_, map_.get(),
                                                 setup_.faults.keeps_new_leaders_quiet);
  const caf::actor feeds = spawn_feed_desk(
      system_, FeedDeskSetup{setup_.id, setup_.shard_count, checksum_of("feeds", setup_.seed), exchange_, setup_.peers,
                             setup_.clock, places_, exactness_, setup_.faults.feeds});
  writers_->add(kFeedDesk, feeds);
  exchange_->set_feeds(feed_inbox(feeds));
  exchange_->set_up(std::move(replicas), std::move(sessions));
  writers_->add(kExchangeClock, spawn_exchange_clock(system_, exchange_));
  return exchange_->router();
}

std::shared_ptr<SessionInbox> NodeActors::open_session(Identity identity, LoginRequest request,
                                                       std::shared_ptr<ClientPort> client) {
  const std::shared_lock lock(gate_);
  if (closed_ || sessions_->size() >= limits::kConnectionsMax) {
    client->logged_in(fail(closed_ ? shutting_down() : too_many_sessions()));
    return std::make_shared<NoInbox>();
  }
  SessionOptions options;
  options.id = next_session_.fetch_add(1, std::memory_order_relaxed);
  options.user = std::move(identity.user);
  options.role = identity.role;
  options.request = std::move(request);
  if (setup_.faults.takes_late_logins) options.request.order = {};
  options.node = setup_.id;
  options.retransmit = BackoffPolicy{static_cast<std::uint32_t>(setup_.config.retransmit_first_ms),
                                     static_cast<std::uint32_t>(setup_.config.retransmit_max_ms)};
  options.counters = counters_;
  options.windows = std::shared_ptr<ByteBudget>(budgets_, &budgets_->windows);
  options.directory = directory_;
  if (map_) options.addresses = map_->client_addresses();
  options.seed = setup_.seed + options.id;
  options.takes_altered_bodies = setup_.faults.takes_altered_bodies;
  const SessionId session = options.id;
  auto spawned = spawn_session(system_, std::move(options), std::move(client), router_, *setup_.clock);
  sessions_->add(session, spawned->actor());
  return spawned;
}

NodeReport NodeActors::report() const {
  const auto depth = [](const ByteBudget& budget) { return Depth{budget.used(), budget.limit()}; };
  NodeReport report;
  report.admitted = depth(budgets_->admitted);
  report.overlay = depth(budgets_->overlay);
  report.reads = depth(budgets_->reads);
  report.windows = depth(budgets_->windows);
  report.has_disk = budgets_->watch != nullptr;
  if (report.has_disk) report.disk = budgets_->watch->seen();
  report.state_bytes = setup_.state->usage().used_bytes;
  report.disk_is_tight = budgets_->disk.is_tight();
  report.disk_is_full = budgets_->disk.is_full();
  report.shards.reserve(gauges_.size());
  const auto sizes = storage::shard_sizes(*setup_.state, setup_.shard_count);
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard)
    report.shards.push_back(read(shard, *gauges_[shard], sizes[shard]));
  report.log_writer = read(*log_writes_);
  report.state_writer = read(*state_writes_);
  report.places = {places_->layers().size(), places_->cells().size(), places_->members(), places_->is_complete()};
  report.sessions = sessions_->size();
  report.has_peers = setup_.peers != nullptr;
  if (!report.has_peers) return report;
  report.raft = read(*raft_counters_);
  report.peers = setup_.peers->readings();
  report.open_calls = exchange_->open_calls();
  report.open_questions = questions_->open.load(std::memory_order_relaxed);
  report.question_bytes = questions_->bytes.load(std::memory_order_relaxed);
  const std::shared_lock lock(gate_);
  if (!closed_) report.held_requests = exchange_->held_most();
  return report;
}

std::vector<ShardStatus> NodeActors::shard_statuses() const {
  std::vector<ShardStatus> statuses;
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard)
    statuses.push_back(status_of(shard, *gauges_[shard]));
  return statuses;
}

ClusterStatus NodeActors::cluster_status() const {
  const std::shared_ptr<const MetaState> map = map_ ? map_->state() : nullptr;
  ClusterFacts facts;
  facts.self = setup_.id;
  facts.map = map.get();
  if (map_) facts.meta_leader = map_->leader();
  facts.shards = shard_statuses();
  facts.cell_nodes = exactness_ ? exactness_->cells()->view() : std::vector{setup_.id};
  facts.sessions = sessions_->size();
  return actors::cluster_status(std::move(facts),
                                [this](NodeId node) { return setup_.peers != nullptr && setup_.peers->is_up(node); });
}

void NodeActors::end_sessions() {
  {
    const std::unique_lock lock(gate_);
    closed_ = true;
  }
  sessions_->for_each(
      [](const caf::actor& session) { caf::anon_send(session, SessionMessage{SessionEvicted{shutting_down()}}); });
}

void NodeActors::end_shards() {
  const auto stop = [](const caf::actor& group) { caf::anon_send(group, StopShard{}); };
  shards_->for_each(stop);
  meta_group_->for_each(stop);
}

void NodeActors::end_writers() {
  writers_->for_each([](const caf::actor& writer) { caf::anon_send(writer, StopWriter{}); });
}

void NodeActors::forget() {
  shard_actors_.clear();
  place_desk_.reset();
  router_.reset();
  if (exchange_) exchange_->forget();
}

}  // namespace earshot::actors
