#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/beat.hpp"
#include "actors/broker.hpp"
#include "actors/cluster_map.hpp"
#include "actors/counters.hpp"
#include "actors/exchange.hpp"
#include "actors/feed_desk.hpp"
#include "actors/live_actors.hpp"
#include "actors/node_faults.hpp"
#include "actors/node_report.hpp"
#include "actors/place_desk.hpp"
#include "actors/places.hpp"
#include "actors/ports.hpp"
#include "actors/question_gauge.hpp"
#include "actors/session_directory.hpp"
#include "actors/shard.hpp"
#include "actors/shard_gauge.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"
#include "cluster/peers.hpp"
#include "cluster/replica.hpp"
#include "places/sight.hpp"
#include "schema/cluster_status.hpp"
#include "schema/meta.hpp"
#include "schema/node_removal.hpp"
#include "storage/disk_space.hpp"
#include "storage/log_store.hpp"

namespace earshot::actors {

// A stop that takes longer has something that hangs: a disk that does not answer, or one that is full.
inline constexpr std::uint64_t kSessionsEndMsMax = 5'000;
inline constexpr std::uint64_t kShardsDrainMsMax = 20'000;
inline constexpr std::uint64_t kActorsEndMsMax = 10'000;

// How a node takes part in the meta group of its cluster.
struct MetaStart {
  std::optional<CreateCluster> create;  // while it is being founded; its addresses are told to serve()
  // Called once, on the group's thread: the cluster counts this node as up; or why the group cannot be opened.
  std::function<void(Status)> is_up;
  // With each new state: which nodes the cluster has removed. May be left out, as may the next.
  std::function<void(std::function<bool(NodeId)>)> removals;
  // Called at most once, on any thread: the cluster has removed this node. If is_up() was not called before, it is
  // then.
  std::function<void(Error)> removed;
};

// What a node's actors work with. Everything pointed to outlives them.
struct NodeSetup {
  NodeConfig config;
  NodeId id;
  std::uint16_t shard_count = 0;
  storage::LogStore* log = nullptr;
  storage::Environment* state = nullptr;
  storage::Environment* log_environment = nullptr;  // with disk_space: the disk's room is watched
  storage::DiskSpace* disk_space = nullptr;         // none: only failed writes tell that the disk is full
  const Clock* clock = nullptr;
  std::uint64_t seed = 0;
  std::shared_ptr<const places::PlaceVisibility> visibility;  // none: every user may see every member
  // The writers block in commits, so they have threads of their own; a simulation runs everything on one thread.
  bool writers_have_threads = true;
  // The way to the other nodes; none: the node is alone.
  cluster::Peers* peers = nullptr;
  // Who begins each shard's group, where it has no log; empty: whoever has one adds this node to it.
  std::vector<cluster::Member> founders;
  std::optional<MetaStart> meta;  // none: the founders are all nodes that there ever are
  NodeFaults faults;              // for mutation tests only
};

// A node's actors, wired: the two writers, the shards and the sessions over one log and one state environment. What is
// around them is its owner's: the disk, the actor system, and waiting for their end.
//
// Thread safety: open_session() from any thread once serve() was called; the rest from one.
class NodeActors {
 public:
  NodeActors(caf::actor_system& system, NodeSetup setup);

  // Loads the logs, then starts writers and shards. `opened` is called once, from a shard's actor, when all shards are
  // open or one cannot be. kCorrupt when a log cannot be read: then nothing was started.
  Status start(std::function<void(Status)> opened);
  // Every shard is open: they learn of each other, and sessions may come. `addresses`: where this node is, for the
  // cluster.
  void serve(NodeAddresses addresses = {});

  // As Broker::open_session.
  std::shared_ptr<SessionInbox> open_session(Identity identity, LoginRequest request,
                                             std::shared_ptr<ClientPort> client);
  // After serve().
  [[nodiscard]] std::shared_ptr<const PlaceDesk> place_desk() const { return place_desk_; }

  // ---- a stop, in this order; each waits until the actors of the one before are gone
  // No session is opened from now on, nor behind the caller's back; those that live end.
  void end_sessions();
  // Shards and the meta group refuse, flush, and end.
  void end_shards();
  // Layers and their cells end.
  void end_places() { places_->end(); }
  // Writers write what is queued, and end; and the exchange's clock and the feed desk.
  void end_writers();
  // Every actor has ended: lets go of the last references to them, before their system goes.
  void forget();

  [[nodiscard]] LiveActors& sessions() const { return *sessions_; }
  [[nodiscard]] const SessionDirectory& directory() const { return *directory_; }
  [[nodiscard]] LiveActors& shards() const { return *shards_; }
  [[nodiscard]] LiveActors& meta_group() const { return *meta_group_; }
  [[nodiscard]] Places& places() const { return *places_; }
  [[nodiscard]] LiveActors& writers() const { return *writers_; }
  // Null: the node is alone.
  [[nodiscard]] Exchange* exchange() const { return exchange_.get(); }
  // Null: the node is in no cluster, or in one without a meta group.
  [[nodiscard]] const ClusterMap* cluster_map() const { return map_.get(); }
  [[nodiscard]] const SessionCounters& counters() const { return *counters_; }
  [[nodiscard]] const NodeBudgets& budgets() const { return *budgets_; }
  // From any thread, once start() was called.
  [[nodiscard]] NodeReport report() const;
  // As Broker::cluster_status(); once serve() was called.
  [[nodiscard]] ClusterStatus cluster_status() const;
  // As Broker::remove_node().
  void remove_node(NodeId node, std::function<void(Result<RemovalAnswer>)> done);
  // The cluster has removed this node, as another one says. Thread-safe.
  void was_removed();
  [[nodiscard]] std::size_t entries_read() const { return entries_read_; }  // from the logs, by start()

 private:
  [[nodiscard]] ShardOptions shard_options(ShardId shard, std::uint32_t seed) const;
  Result<std::vector<storage::LoadedLog>> load_logs();
  std::shared_ptr<const Router> make_router();
  void join_meta_group(NodeAddresses addresses);
  void state_changed(const std::shared_ptr<const MetaState>& state);
  [[nodiscard]] std::vector<ShardStatus> shard_statuses() const;
  [[nodiscard]] cluster::Replica::Options replica_options(storage::GroupId group, std::uint32_t seed) const;
  std::shared_ptr<QuestionPort> begin_questions();

  caf::actor_system& system_;
  const NodeSetup setup_;
  const std::shared_ptr<NodeBudgets> budgets_;
  const std::shared_ptr<SessionCounters> counters_ = std::make_shared<SessionCounters>();
  const std::shared_ptr<LiveActors> sessions_ = LiveActors::make();
  const std::shared_ptr<SessionDirectory> directory_;
  const std::shared_ptr<LiveActors> shards_ = LiveActors::make();
  const std::shared_ptr<LiveActors> writers_ = LiveActors::make();
  const std::shared_ptr<LiveActors> meta_group_ = LiveActors::make();  // one, or none
  const std::shared_ptr<FeedExactness> exactness_;
  const std::shared_ptr<Places> places_;
  const std::shared_ptr<Exchange> exchange_;
  const std::shared_ptr<Beat> beat_;
  const std::unique_ptr<ClusterMap> map_;
  const std::shared_ptr<WriterCounters> log_writes_ = std::make_shared<WriterCounters>();
  const std::shared_ptr<WriterCounters> state_writes_ = std::make_shared<WriterCounters>();
  const std::shared_ptr<cluster::RaftCounters> raft_counters_ = std::make_shared<cluster::RaftCounters>();
  const std::shared_ptr<QuestionGauge> questions_ = std::make_shared<QuestionGauge>();
  std::vector<std::shared_ptr<ShardGauge>> gauges_;  // of the shards, by id
  std::vector<caf::actor> shard_actors_;             // until serve()
  std::shared_ptr<const Router> router_;
  std::shared_ptr<const PlaceDesk> place_desk_;
  std::size_t entries_read_ = 0;
  std::optional<storage::LoadedLog> meta_log_;  // from start() to serve()
  std::uint32_t meta_seed_ = 0;
  std::atomic<bool> told_up_{false};
  std::atomic<bool> told_removed_{false};

  // Held shared while a session is opened, or what a stop takes away is looked at; alone when stopping begins.
  mutable std::shared_mutex gate_;
  bool closed_ = false;
  std::atomic<SessionId> next_session_;
};

}  // namespace earshot::actors
