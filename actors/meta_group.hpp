#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/meta_machine.hpp"
#include "cluster/peers.hpp"
#include "cluster/replica.hpp"
#include "schema/cluster_status.hpp"
#include "schema/meta.hpp"
#include "schema/node_removal.hpp"
#include "storage/environment.hpp"
#include "storage/log_types.hpp"
#include "storage/shard_state.hpp"

namespace earshot::actors {

// What the meta group asks of the actor around it.
class MetaGroupHost {
 public:
  virtual ~MetaGroupHost() = default;
  virtual void write_log(storage::LogWrite write) = 0;                                  // answered by persisted()
  virtual void write_state(std::shared_ptr<const storage::FrozenOverlay> overlay) = 0;  // answered by flushed()
  // storage::LogStore::read() of the group.
  virtual Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) = 0;
  virtual void wake_at(std::uint64_t monotonic_ms) = 0;  // replaces the time asked for before; 0: no timer
  // A frame of kMetaGroup: kRaft or kCluster. It may get lost.
  virtual void send(NodeId to, cluster::PeerTopic topic, storage::SharedBytes body) = 0;
  // Whether there is a link to the node.
  [[nodiscard]] virtual bool is_up(NodeId node) = 0;
  // Each new state, immutable; after the start the one that the disk has, if there is a cluster. Not before it has been
  // committed: what it says is never taken back.
  virtual void state_changed(std::shared_ptr<const MetaState> state) = 0;
  // After the start, when the log names nodes that the disk's state does not: until it is known whether that was
  // committed they are looked for. Without them nobody might find anybody after all nodes have lost their power.
  virtual void nodes_expected(const MetaState& state) = 0;
  // Who leads the meta group, as far as is known here; 0: nobody.
  virtual void leader_changed(NodeId leader, Term term) = 0;
};

struct MetaGroupOptions {
  cluster::Replica::Options replica;    // self, timeouts and seed; bootstrap while a cluster is being founded
  NodeAddresses addresses;              // where this node is: the cluster is told until it knows
  std::optional<CreateCluster> create;  // while it is being founded
  std::uint16_t protocol_min = 1;       // between nodes
  std::uint16_t protocol_max = 1;
  std::uint64_t flush_delay_ms = 1'000;  // from a change to its flush
};

// For whoever watches: a view of the group as this node has it.
struct MetaStatus {
  NodeId leader;
  Term term;
  LogIndex commit;
  LogIndex applied;
  bool has_state = false;  // else it is being fetched
  std::vector<cluster::Member> members;
};

// The meta group's replica on this node at work: applies what is committed and tells the node, keeps the record on the
// disk, fetches it from another node when the log is not enough, and, as the leader, answers who wants to join, brings
// the nodes into the group and plans where shards live.
//
// Thread: its actor's.
class MetaGroup {
 public:
  // What became of a proposed command: as MetaMachine::apply(); kUnavailable(leader) when this node does not lead, or
  // leads no more: then the command may still come to pass.
  using OnOutcome = std::function<void(cluster::MetaMachine::Outcome)>;

  // kCorrupt when log and record do not fit, and nobody else has them.
  static Result<std::unique_ptr<MetaGroup>> open(const MetaGroupOptions& options, MetaGroupHost& host,
                                                 storage::Environment& state, storage::LoadedLog log,
                                                 const Clock& clock);
  virtual ~MetaGroup() = default;

  virtual void propose(MetaCommand command, OnOutcome done) = 0;
  // A process that wants to join asks; the answer is a JoinAnswer. `answer` is called once, now or later.
  virtual void join(std::string_view request, std::function<void(std::string)> answer) = 0;
  // Has a node that is gone removed from the cluster, which is decided by cluster::judge_removal(); or tells who leads,
  // and does it. `shards`: as the replicas of this node know their groups. Errors of that, and kUnavailable(leader)
  // when nobody leads that is known here, or the leader has changed meanwhile: then the node may be removed all the
  // same.
  using OnRemoval = std::function<void(Result<RemovalAnswer>)>;
  virtual void remove(NodeId node, const std::vector<ShardStatus>& shards, OnRemoval done) = 0;
  // A frame of kMetaGroup. One that makes no sense is counted and dropped.
  virtual void receive(NodeId from, cluster::PeerTopic topic, const storage::SharedBytes& body) = 0;
  virtual void persisted(std::uint64_t ticket) = 0;
  virtual void flushed() = 0;
  virtual void wake() = 0;
  // Refuses what comes, and flushes; drained() once nothing is under way.
  virtual void stop() = 0;
  [[nodiscard]] virtual bool drained() const = 0;

  [[nodiscard]] virtual const MetaState& state() const = 0;
  [[nodiscard]] virtual MetaStatus status() const = 0;
  [[nodiscard]] virtual std::uint64_t malformed() const = 0;
};

}  // namespace earshot::actors
