#include "actors/node_actors.hpp"

#include <mutex>
#include <string>
#include <utility>

#include <caf/all.hpp>

#include "actors/disk_watch.hpp"
#include "actors/exchange_clock.hpp"
#include "actors/interfaces.hpp"
#include "actors/log_writer.hpp"
#include "actors/session_actor.hpp"
#include "actors/shard_actor.hpp"
#include "actors/state_writer.hpp"
#include "base/checksum.hpp"
#include "base/random.hpp"

namespace earshot::actors {
namespace {

constexpr LiveActors::Key kLogWriter = 0;
constexpr LiveActors::Key kStateWriter = 1;
constexpr LiveActors::Key kExchangeClock = 2;
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
  NodeSessions(NodeId self, std::shared_ptr<LiveActors> sessions, bool keeps_quiet)
      : self_(self), sessions_(std::move(sessions)), keeps_quiet_(keeps_quiet) {}
  std::shared_ptr<SessionPort> find(SessionId session) override {
    auto actor = sessions_->find(session);
    return actor ? std::make_shared<SessionHandle>(std::move(*actor), PortAddress{self_, 0, session}) : nullptr;
  }
  void announce(const LeaderAnnounced& leader) override {
    if (keeps_quiet_) return;
    sessions_->for_each(
        [&](const caf::actor& session) { caf::anon_send(session, SessionMessage{LeaderAnnounced(leader)}); });
  }

 private:
  const NodeId self_;
  const std::shared_ptr<LiveActors> sessions_;
  const bool keeps_quiet_;  // a planted bug
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

}  // namespace

NodeActors::NodeActors(caf::actor_system& system, NodeSetup setup)
    : system_(system),
      setup_(std::move(setup)),
      budgets_(std::make_shared<NodeBudgets>(setup_.config.overlay_bytes_max, limits::kLogQueueBytesMax)),
      places_(make_places(system, setup_.shard_count)),
      exchange_(setup_.peers == nullptr ? nullptr
                                        : std::make_shared<Exchange>(setup_.id, setup_.shard_count, *setup_.peers,
                                                                     *setup_.clock)),
      next_session_(setup_.clock->wall_ms() << kSessionIdBits) {
  if (setup_.disk_space == nullptr) return;
  budgets_->watch = std::make_shared<DiskWatch>(DiskWatch::Options{.reserve_bytes = setup_.config.disk_reserve_bytes},
                                                *setup_.disk_space, *setup_.log_environment, *budgets_, *setup_.clock);
}

ShardOptions NodeActors::shard_options(ShardId shard, std::uint32_t seed) const {
  ShardOptions options;
  options.id = shard;
  options.shard_count = setup_.shard_count;
  options.replica.group = shard;
  options.replica.self = setup_.id;
  options.replica.bootstrap = setup_.members;
  if (setup_.members.empty()) options.replica.bootstrap = {cluster::Member{setup_.id, options.replica.address, true}};
  options.replica.seed = seed;
  options.replica.faults = setup_.faults.replica;
  options.flush_interval_ms = setup_.config.flush_interval_ms;
  options.overlay_flush_bytes = setup_.config.overlay_flush_bytes;
  options.faults = setup_.faults;
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
  return logs;
}

Status NodeActors::start(std::function<void(Status)> opened) {
  auto logs = load_logs();
  if (!logs.has_value()) return fail(std::move(logs.error()));

  Random random(setup_.seed);
  const auto writer = [&] { return WriterSetup{budgets_, setup_.clock, random.next(), setup_.writers_have_threads}; };
  const caf::actor log_writer = spawn_log_writer(system_, *setup_.log, writer());
  const caf::actor state_writer = spawn_state_writer(system_, *setup_.state, writer());
  writers_->add(kLogWriter, log_writer);
  writers_->add(kStateWriter, state_writer);

  auto openings = std::make_shared<Openings>(setup_.shard_count, std::move(opened));
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard) {
    const auto seed = static_cast<std::uint32_t>(random.next());
    shard_actors_.push_back(
        spawn_shard(system_, ShardSetup{shard_options(ShardId(shard), seed), setup_.state, std::move((*logs)[shard]),
                                        budgets_, setup_.clock, log_writer, state_writer, places_, exchange_,
                                        [openings](Status status) { openings->report(std::move(status)); }}));
    shards_->add(shard, shard_actors_.back());
  }
  return {};
}

void NodeActors::serve() {
  router_ = make_router();
  // Another one after each start: members are shown elsewhere in the cells of the grid that they are in.
  const std::uint64_t secret = checksum_of("shown places", setup_.seed);
  auto for_users =
      std::make_shared<PrivateViews>(places_, places_->privacy_table(), *setup_.clock, secret, setup_.visibility);
  place_desk_ = std::make_shared<const PlaceDesk>(router_, places_, std::move(for_users));
  for (const auto& shard : std::exchange(shard_actors_, {})) caf::anon_send(shard, JoinShards{router_});
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
  std::vector<NodeId> others;
  for (const cluster::Member& member : setup_.members)
    if (member.node != setup_.id) others.push_back(member.node);
  auto sessions = std::make_shared<NodeSessions>(setup_.id, sessions_, setup_.faults.keeps_new_leaders_quiet);
  exchange_->set_up(std::move(replicas), std::move(others), std::move(sessions));
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
  options.seed = setup_.seed + options.id;
  options.takes_altered_bodies = setup_.faults.takes_altered_bodies;
  const SessionId session = options.id;
  auto spawned = spawn_session(system_, std::move(options), std::move(client), router_, *setup_.clock);
  sessions_->add(session, spawned->actor());
  return spawned;
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
  shards_->for_each([](const caf::actor& shard) { caf::anon_send(shard, StopShard{}); });
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
