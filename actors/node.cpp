#include "actors/node.hpp"

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include "actors/interfaces.hpp"
#include "actors/node_actors.hpp"
#include "actors/node_system.hpp"
#include "base/random.hpp"
#include "storage/data_directory.hpp"

namespace earshot::actors {
namespace {

constexpr std::chrono::milliseconds kSessionsEndMax{kSessionsEndMsMax};
constexpr std::chrono::milliseconds kShardsDrainMax{kShardsDrainMsMax};
constexpr std::chrono::milliseconds kActorsEndMax{kActorsEndMsMax};

class NodeImpl final : public Node {
 public:
  NodeImpl(const NodeConfig& config, const Clock& clock, storage::DataDirectory directory,
           std::shared_ptr<const places::PlaceVisibility> visibility)
      : clock_(clock),
        directory_(std::move(directory)),
        system_config_(config.scheduler_threads),
        system_(std::in_place, system_config_),
        actors_(std::in_place, *system_, setup(config, std::move(visibility))) {}
  ~NodeImpl() override { stop(); }

  Status open();

  std::shared_ptr<SessionInbox> open_session(Identity identity, LoginRequest request,
                                             std::shared_ptr<ClientPort> client) override {
    return actors_->open_session(std::move(identity), std::move(request), std::move(client));
  }
  std::shared_ptr<const PlaceDesk> place_desk() override { return actors_->place_desk(); }
  std::unique_ptr<Help> help(Helper helper) override { return actors::help(*system_, std::move(helper)); }
  [[nodiscard]] NodeId id() const override { return directory_.identity.node; }
  [[nodiscard]] std::uint16_t shard_count() const override { return directory_.identity.shard_count; }
  [[nodiscard]] const SessionCounters& counters() const override { return actors_->counters(); }
  [[nodiscard]] NodeReport report() const override { return actors_->report(); }
  void ping(std::function<void()> done) override;
  void stop() override;

 private:
  [[nodiscard]] NodeSetup setup(const NodeConfig& config,
                                std::shared_ptr<const places::PlaceVisibility> visibility) const;
  void stop_sessions();
  void stop_shards();
  void stop_places();
  void stop_writers();

  const Clock& clock_;
  storage::DataDirectory directory_;  // outlives the actors, which hold its environments
  SystemConfig system_config_;
  std::optional<caf::actor_system> system_;
  std::optional<NodeActors> actors_;
  std::shared_mutex ping_gate_;  // held alone while the system goes
  std::once_flag stopped_;
};

NodeSetup NodeImpl::setup(const NodeConfig& config, std::shared_ptr<const places::PlaceVisibility> visibility) const {
  NodeSetup setup;
  setup.config = config;
  setup.id = id();
  setup.shard_count = shard_count();
  setup.log = directory_.log.get();
  setup.state = directory_.state_environment.get();
  setup.log_environment = directory_.log_environment.get();
  setup.disk_space = directory_.space.get();
  setup.clock = &clock_;
  setup.seed = Random::from_system().next();
  setup.visibility = std::move(visibility);
  return setup;
}

Status NodeImpl::open() {
  const std::uint64_t began_ms = clock_.monotonic_ms();
  // Shared: a shard may report while this waits for it no more.
  auto opened = std::make_shared<std::promise<Status>>();
  auto started = actors_->start([opened](Status status) { opened->set_value(std::move(status)); });
  if (!started.has_value()) return started;
  if (auto status = opened->get_future().get(); !status.has_value()) return status;
  actors_->serve();
  spdlog::info("node {} serves {} shards; {} log entries read, ready in {} ms", id().value, shard_count(),
               actors_->entries_read(), clock_.monotonic_ms() - began_ms);
  return {};
}

void NodeImpl::stop() {
  std::call_once(stopped_, [this] {
    stop_sessions();
    stop_shards();
    stop_places();
    stop_writers();
    actors_->forget();
    const std::unique_lock lock(ping_gate_);
    system_.reset();
    spdlog::info("node {} has stopped", id().value);
  });
}

void NodeImpl::ping(std::function<void()> done) {
  const std::shared_lock lock(ping_gate_);
  if (!system_) return done();
  system_->spawn([done = std::move(done)] { done(); });
  // A thread that spawns holds the system's logger, for which the system's end waits.
  caf::logger::set_current_actor_system(nullptr);
}

void NodeImpl::stop_sessions() {
  actors_->end_sessions();
  if (actors_->sessions().wait_until_gone(kSessionsEndMax)) return;
  spdlog::error("{} sessions do not end, they are cut off", actors_->sessions().size());
  actors_->sessions().for_each([](const caf::actor& session) { caf::anon_send_exit(session, caf::exit_reason::kill); });
  EARSHOT_INVARIANT(actors_->sessions().wait_until_gone(kActorsEndMax), "a session hangs");
}

// Shards that cannot flush are cut off: what was answered is in the log, which is applied again at the next start.
void NodeImpl::stop_shards() {
  actors_->end_shards();
  if (actors_->shards().wait_until_gone(kShardsDrainMax)) return;
  std::string names;
  for (const auto shard : actors_->shards().keys()) names += (names.empty() ? "" : ", ") + std::to_string(shard);
  spdlog::error("shards {} do not drain{}: they are cut off; their logs are applied at the next start", names,
                actors_->budgets().disk.is_full() ? ", the disk is full" : "");
  actors_->shards().for_each([](const caf::actor& shard) { caf::anon_send_exit(shard, caf::exit_reason::kill); });
  EARSHOT_INVARIANT(actors_->shards().wait_until_gone(kActorsEndMax), "a shard hangs");
}

void NodeImpl::stop_places() {
  actors_->end_places();
  EARSHOT_INVARIANT(actors_->places().layers().wait_until_gone(kActorsEndMax), "a layer hangs");
  // Whatever they have to do: nobody waits for it.
  actors_->places().cells().for_each(
      [](const caf::actor& cell) { caf::anon_send_exit(cell, caf::exit_reason::user_shutdown); });
  EARSHOT_INVARIANT(actors_->places().cells().wait_until_gone(kActorsEndMax), "a cell hangs");
}

// A writer that does not end sits in a system call; its thread cannot be ended, only the process can.
void NodeImpl::stop_writers() {
  actors_->end_writers();
  EARSHOT_INVARIANT(actors_->writers().wait_until_gone(kActorsEndMax), "a writer hangs: the disk does not answer");
}

}  // namespace

Result<std::unique_ptr<Node>> Node::start(const NodeConfig& config, const Clock& clock,
                                          std::shared_ptr<const places::PlaceVisibility> visibility) {
  auto directory = storage::DataDirectory::open(config.data_dir, config.shard_count, Random::from_system().next());
  if (!directory.has_value()) return fail(std::move(directory.error()));
  if (directory->sums_were_counted) {
    spdlog::info("{} was made before records were counted: they are from now on", config.data_dir);
  }
  auto node = std::make_unique<NodeImpl>(config, clock, std::move(*directory), std::move(visibility));
  if (auto opened = node->open(); !opened.has_value()) return fail(std::move(opened.error()));
  return node;
}

}  // namespace earshot::actors
