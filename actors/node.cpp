#include "actors/node.hpp"

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include "actors/cluster_entry.hpp"
#include "actors/interfaces.hpp"
#include "actors/node_actors.hpp"
#include "actors/node_system.hpp"
#include "base/random.hpp"
#include "cluster/meta_plan.hpp"
#include "storage/data_directory.hpp"

namespace earshot::actors {
namespace {

constexpr std::chrono::milliseconds kSessionsEndMax{kSessionsEndMsMax};
constexpr std::chrono::milliseconds kShardsDrainMax{kShardsDrainMsMax};
constexpr std::chrono::milliseconds kActorsEndMax{kActorsEndMsMax};

// For one end, which comes on another thread, or for being told to stop.
class Wait {
 public:
  void end(Status status) {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(status);
    changed_.notify_all();
  }
  // Nothing: told to stop.
  std::optional<Status> for_end(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return ended_.has_value(); });
    return ended_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Status> ended_;
};

class NodeImpl final : public Node {
 public:
  NodeImpl(const NodeConfig& config, const Clock& clock, ClusterEntry entry, NodeSurroundings surroundings)
      : config_(config),
        clock_(clock),
        stop_asked_(std::move(surroundings.stop)),
        removed_(std::move(surroundings.removed)),
        directory_(std::move(entry.directory)),
        links_(directory_.identity.place == storage::NodeIdentity::Place::kAlone ? nullptr : surroundings.links),
        system_config_(config.scheduler_threads),
        system_(std::in_place, system_config_),
        actors_(std::in_place, *system_, setup(std::move(surroundings.visibility))) {
    if (links_ != nullptr) links_->set_nodes(std::move(entry.nodes));
  }
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
  [[nodiscard]] const ClusterMap* cluster_map() const override { return actors_->cluster_map(); }
  [[nodiscard]] ClusterStatus cluster_status() const override { return actors_->cluster_status(); }
  void remove_node(NodeId node, std::function<void(Result<RemovalAnswer>)> done) override {
    actors_->remove_node(node, std::move(done));
  }
  void ping(std::function<void()> done) override;
  void stop() override;

 private:
  [[nodiscard]] NodeSetup setup(std::shared_ptr<const places::PlaceVisibility> visibility);
  [[nodiscard]] MetaStart meta_start();
  Status open_in_cluster();
  void stop_sessions();
  void stop_shards();
  void stop_meta_group();
  void stop_places();
  void stop_writers();

  const NodeConfig config_;
  const Clock& clock_;
  const std::stop_token stop_asked_;
  const std::function<void(Error)> removed_;
  storage::DataDirectory directory_;  // outlives the actors, which hold its environments
  NodeLinks* const links_;            // null: the node is alone
  Wait up_;                           // for the cluster
  SystemConfig system_config_;
  std::optional<caf::actor_system> system_;
  std::optional<NodeActors> actors_;
  std::shared_mutex ping_gate_;  // held alone while the system goes
  std::once_flag stopped_;
};

NodeSetup NodeImpl::setup(std::shared_ptr<const places::PlaceVisibility> visibility) {
  NodeSetup setup;
  setup.config = config_;
  setup.id = id();
  setup.shard_count = shard_count();
  setup.log = directory_.log.get();
  setup.state = directory_.state_environment.get();
  setup.log_environment = directory_.log_environment.get();
  setup.disk_space = directory_.space.get();
  setup.clock = &clock_;
  setup.seed = Random::from_system().next();
  setup.visibility = std::move(visibility);
  if (links_ == nullptr || directory_.is_founding()) setup.founders = {{id(), cluster::member_address(id()), true}};
  if (links_ == nullptr) return setup;
  setup.peers = links_;
  setup.meta = meta_start();
  return setup;
}

MetaStart NodeImpl::meta_start() {
  MetaStart meta;
  meta.is_up = [this](Status status) { up_.end(std::move(status)); };
  meta.removals = [this](std::function<bool(NodeId)> were) { links_->set_removed(std::move(were)); };
  meta.removed = [this](Error why) {
    if (removed_) removed_(std::move(why));
  };
  if (directory_.is_founding())
    meta.create = CreateCluster{
        directory_.identity.cluster_id, shard_count(), static_cast<std::uint8_t>(config_.replicas), id(), {}};
  return meta;
}

Status NodeImpl::open() {
  const std::uint64_t began_ms = clock_.monotonic_ms();
  // Shared: a shard may report while this waits for it no more.
  auto opened = std::make_shared<std::promise<Status>>();
  auto started = actors_->start([opened](Status status) { opened->set_value(std::move(status)); });
  if (!started.has_value()) return started;
  if (auto status = opened->get_future().get(); !status.has_value()) return status;
  if (links_ != nullptr) {
    if (Status in_cluster = open_in_cluster(); !in_cluster) return in_cluster;
  } else {
    actors_->serve();
  }
  spdlog::info("node {} serves {} shards; {} log entries read, ready in {} ms", id().value, shard_count(),
               actors_->entries_read(), clock_.monotonic_ms() - began_ms);
  return {};
}

// What comes from others before the actors serve is lost, as on its way.
Status NodeImpl::open_in_cluster() {
  const auto& identity = directory_.identity;
  links_->on_removed([this](NodeId by) {
    spdlog::error("node {} says that the cluster has removed this node", by.value);
    actors_->was_removed();
  });
  if (Status opened = links_->open(identity.cluster_id, identity.node, *actors_->exchange()); !opened) return opened;
  actors_->serve(addresses_of(config_, links_->port()));
  spdlog::info("node {} of cluster {:016x} waits for the cluster", identity.node.value, identity.cluster_id);
  const auto up = up_.for_end(stop_asked_);
  if (!up) return fail(ErrorCode::kClosed, "", "told to stop before the cluster had this node");
  if (!*up) return *up;
  return directory_.is_founding() ? directory_.founded() : Status{};
}

void NodeImpl::stop() {
  std::call_once(stopped_, [this] {
    stop_sessions();
    stop_shards();
    stop_meta_group();
    stop_places();
    stop_writers();
    if (links_ != nullptr) links_->stop();
    actors_->forget();
    const std::unique_lock lock(ping_gate_);
    system_.reset();
    spdlog::info("node {} has stopped", id().value);
  });
}

void NodeImpl::ping(std::function<void()> done) {
  const std::shared_lock lock(ping_gate_);
  if (!system_) return done();
  // As an argument, since CAF binds a reference to the tuple of them, which is null when there are none.
  system_->spawn([](const std::function<void()>& answer) { answer(); }, std::move(done));
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

// What it has not flushed is in its log.
void NodeImpl::stop_meta_group() {
  if (actors_->meta_group().wait_until_gone(kActorsEndMax)) return;
  spdlog::error("the meta group does not drain: it is cut off");
  actors_->meta_group().for_each([](const caf::actor& group) { caf::anon_send_exit(group, caf::exit_reason::kill); });
  EARSHOT_INVARIANT(actors_->meta_group().wait_until_gone(kActorsEndMax), "the meta group hangs");
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

Result<std::unique_ptr<Node>> Node::start(const NodeConfig& config, const Clock& clock, NodeSurroundings surroundings) {
  auto entry = enter_cluster(config, surroundings.links, surroundings.stop);
  if (!entry.has_value()) return fail(std::move(entry.error()));
  if (entry->directory.sums_were_counted) {
    spdlog::info("{} was made before records were counted: they are from now on", config.data_dir);
  }
  auto node = std::make_unique<NodeImpl>(config, clock, std::move(*entry), std::move(surroundings));
  if (auto opened = node->open(); !opened.has_value()) return fail(std::move(opened.error()));
  return node;
}

}  // namespace earshot::actors
