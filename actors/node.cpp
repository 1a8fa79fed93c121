#include "actors/node.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include "actors/interfaces.hpp"
#include "actors/live_actors.hpp"
#include "actors/log_writer.hpp"
#include "actors/node_system.hpp"
#include "actors/session_actor.hpp"
#include "actors/shard_actor.hpp"
#include "actors/state_writer.hpp"
#include "base/random.hpp"
#include "storage/data_directory.hpp"

namespace earshot::actors {
namespace {

// A stop that takes longer has something that hangs: a disk that does not answer, or one that is full.
constexpr std::chrono::milliseconds kSessionsEndMax{5'000};
constexpr std::chrono::milliseconds kShardsDrainMax{20'000};
constexpr std::chrono::milliseconds kActorsEndMax{10'000};

constexpr LiveActors::Key kLogWriter = 0;
constexpr LiveActors::Key kStateWriter = 1;

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
  void post(ClientDelivered) override {}
  void post(ClientGone) override {}
};

// Waits for every shard's word on whether it could be opened. Shared with the shards' actors.
class Openings {
 public:
  explicit Openings(std::size_t count) : left_(count) {}

  void report(Status status) {
    const std::lock_guard lock(mutex_);
    if (!status.has_value() && first_failure_.has_value()) first_failure_ = std::move(status);
    if (--left_ == 0) all_.notify_all();
  }
  // The first failure, if there was one.
  Status wait() {
    std::unique_lock lock(mutex_);
    all_.wait(lock, [this] { return left_ == 0; });
    return first_failure_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  std::size_t left_;
  Status first_failure_;  // ok: none
};

class NodeImpl final : public Node {
 public:
  NodeImpl(const NodeConfig& config, const Clock& clock, storage::DataDirectory directory)
      : config_(config),
        clock_(clock),
        directory_(std::move(directory)),
        budgets_(std::make_shared<NodeBudgets>(config.overlay_bytes_max, limits::kLogQueueBytesMax)),
        system_config_(config.scheduler_threads),
        system_(std::in_place, system_config_) {}
  ~NodeImpl() override { stop(); }

  Status open();

  std::shared_ptr<SessionInbox> open_session(Identity identity, LoginRequest request,
                                             std::shared_ptr<ClientPort> client) override;
  [[nodiscard]] NodeId id() const override { return directory_.identity.node; }
  [[nodiscard]] std::uint16_t shard_count() const override { return directory_.identity.shard_count; }
  [[nodiscard]] const SessionCounters& counters() const override { return *counters_; }
  void stop() override;

 private:
  [[nodiscard]] ShardOptions shard_options(ShardId shard, std::uint32_t seed) const;
  void stop_sessions();
  void stop_shards();
  void stop_writers();

  const NodeConfig config_;
  const Clock& clock_;
  storage::DataDirectory directory_;  // outlives the actors, which hold its environments
  const std::shared_ptr<NodeBudgets> budgets_;
  const std::shared_ptr<SessionCounters> counters_ = std::make_shared<SessionCounters>();
  SystemConfig system_config_;
  std::optional<caf::actor_system> system_;

  const std::shared_ptr<LiveActors> sessions_ = LiveActors::make();
  const std::shared_ptr<LiveActors> shards_ = LiveActors::make();
  const std::shared_ptr<LiveActors> writers_ = LiveActors::make();
  std::shared_ptr<const Router> router_;

  // Held shared while a session is opened, alone when stopping begins: no session is opened behind the stop's back.
  std::shared_mutex gate_;
  bool stopping_ = false;
  std::once_flag stopped_;
  std::atomic<SessionId> next_session_{1};
};

ShardOptions NodeImpl::shard_options(ShardId shard, std::uint32_t seed) const {
  ShardOptions options;
  options.id = shard;
  options.shard_count = shard_count();
  options.replica.group = shard;
  options.replica.self = id();
  options.replica.bootstrap = {cluster::Member{id(), options.replica.address, true}};
  options.replica.seed = seed;
  options.flush_interval_ms = config_.flush_interval_ms;
  options.overlay_flush_bytes = config_.overlay_flush_bytes;
  return options;
}

Status NodeImpl::open() {
  const std::uint64_t began_ms = clock_.monotonic_ms();
  // Every log is loaded before the log writer begins to write.
  std::vector<storage::LoadedLog> logs;
  std::size_t entries = 0;
  for (std::uint16_t shard = 0; shard < shard_count(); ++shard) {
    auto log = directory_.log->load(ShardId(shard));
    if (!log.has_value()) {
      Error error = std::move(log.error());
      error.detail = "log of shard " + std::to_string(shard) + ": " + error.detail;
      return fail(std::move(error));
    }
    entries += log->entries.size();
    logs.push_back(std::move(*log));
  }

  const caf::actor log_writer = spawn_log_writer(*system_, *directory_.log, budgets_, clock_);
  const caf::actor state_writer = spawn_state_writer(*system_, *directory_.state_environment, budgets_, clock_);
  writers_->add(kLogWriter, log_writer);
  writers_->add(kStateWriter, state_writer);

  auto openings = std::make_shared<Openings>(shard_count());
  Random random = Random::from_system();
  std::vector<caf::actor> shards;
  std::vector<std::shared_ptr<ShardInbox>> inboxes;
  for (std::uint16_t shard = 0; shard < shard_count(); ++shard) {
    const auto seed = static_cast<std::uint32_t>(random.next());
    shards.push_back(
        spawn_shard(*system_, ShardSetup{shard_options(ShardId(shard), seed), directory_.state_environment.get(),
                                         std::move(logs[shard]), budgets_, &clock_, log_writer, state_writer,
                                         [openings](Status status) { openings->report(std::move(status)); }}));
    shards_->add(shard, shards.back());
    inboxes.push_back(shard_inbox(shards.back()));
  }
  if (auto opened = openings->wait(); !opened.has_value()) return opened;

  router_ = std::make_shared<const Router>(std::move(inboxes));
  for (const auto& shard : shards) caf::anon_send(shard, JoinShards{router_});
  spdlog::info("node {} serves {} shards; {} log entries read, ready in {} ms", id().value, shard_count(), entries,
               clock_.monotonic_ms() - began_ms);
  return {};
}

std::shared_ptr<SessionInbox> NodeImpl::open_session(Identity identity, LoginRequest request,
                                                     std::shared_ptr<ClientPort> client) {
  const std::shared_lock lock(gate_);
  if (stopping_ || sessions_->size() >= limits::kConnectionsMax) {
    client->logged_in(fail(stopping_ ? shutting_down() : too_many_sessions()));
    return std::make_shared<NoInbox>();
  }
  SessionOptions options;
  options.id = next_session_.fetch_add(1, std::memory_order_relaxed);
  options.user = std::move(identity.user);
  options.role = identity.role;
  options.request = std::move(request);
  options.node = id();
  options.retransmit = BackoffPolicy{static_cast<std::uint32_t>(config_.retransmit_first_ms),
                                     static_cast<std::uint32_t>(config_.retransmit_max_ms)};
  options.counters = counters_;
  const SessionId session = options.id;
  auto spawned = spawn_session(*system_, std::move(options), std::move(client), router_, clock_);
  sessions_->add(session, spawned->actor());
  return spawned;
}

void NodeImpl::stop() {
  std::call_once(stopped_, [this] {
    {
      const std::unique_lock lock(gate_);
      stopping_ = true;
    }
    stop_sessions();
    stop_shards();
    stop_writers();
    router_.reset();
    system_.reset();
    spdlog::info("node {} has stopped", id().value);
  });
}

void NodeImpl::stop_sessions() {
  sessions_->for_each([](const caf::actor& session) { caf::anon_send(session, SessionEvicted{shutting_down()}); });
  if (sessions_->wait_until_gone(kSessionsEndMax)) return;
  spdlog::error("{} sessions do not end, they are cut off", sessions_->size());
  sessions_->for_each([](const caf::actor& session) { caf::anon_send_exit(session, caf::exit_reason::kill); });
  EARSHOT_INVARIANT(sessions_->wait_until_gone(kActorsEndMax), "a session hangs");
}

// Shards that cannot flush are cut off: what was answered is in the log, which is applied again at the next start.
void NodeImpl::stop_shards() {
  shards_->for_each([](const caf::actor& shard) { caf::anon_send(shard, StopShard{}); });
  if (shards_->wait_until_gone(kShardsDrainMax)) return;
  std::string names;
  for (const auto shard : shards_->keys()) names += (names.empty() ? "" : ", ") + std::to_string(shard);
  spdlog::error("shards {} do not drain{}: they are cut off; their logs are applied at the next start", names,
                budgets_->disk.is_full() ? ", the disk is full" : "");
  shards_->for_each([](const caf::actor& shard) { caf::anon_send_exit(shard, caf::exit_reason::kill); });
  EARSHOT_INVARIANT(shards_->wait_until_gone(kActorsEndMax), "a shard hangs");
}

// A writer that does not end sits in a system call; its thread cannot be ended, only the process can.
void NodeImpl::stop_writers() {
  writers_->for_each([](const caf::actor& writer) { caf::anon_send(writer, StopWriter{}); });
  EARSHOT_INVARIANT(writers_->wait_until_gone(kActorsEndMax), "a writer hangs: the disk does not answer");
}

}  // namespace

Result<std::unique_ptr<Node>> Node::start(const NodeConfig& config, const Clock& clock) {
  auto directory = storage::DataDirectory::open(config.data_dir, config.shard_count, Random::from_system().next());
  if (!directory.has_value()) return fail(std::move(directory.error()));
  auto node = std::make_unique<NodeImpl>(config, clock, std::move(*directory));
  if (auto opened = node->open(); !opened.has_value()) return fail(std::move(opened.error()));
  return node;
}

}  // namespace earshot::actors
