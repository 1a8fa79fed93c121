#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/clock_watch.hpp"
#include "actors/damage.hpp"
#include "actors/feed_message.hpp"
#include "actors/node_faults.hpp"
#include "actors/ports.hpp"
#include "actors/registration_digest.hpp"
#include "actors/shard_budget.hpp"
#include "actors/shard_gauge.hpp"
#include "base/clock.hpp"
#include "cluster/group_keeper.hpp"
#include "cluster/replica.hpp"
#include "cluster/shard_machine.hpp"
#include "storage/log_types.hpp"
#include "storage/shard_state.hpp"

namespace earshot::actors {

// What a shard asks of the actor around it.
class ShardHost {
 public:
  virtual ~ShardHost() = default;
  virtual void write_log(storage::LogWrite write) = 0;                                  // answered by persisted()
  virtual void write_state(std::shared_ptr<const storage::FrozenOverlay> overlay) = 0;  // answered by flushed()
  virtual void wake_at(std::uint64_t monotonic_ms) = 0;  // replaces the time asked for before; 0: no timer
  // Calls gather() after the messages that wait in the actor's mailbox now: whatever has arrived by then goes into one
  // entry.
  virtual void gather_soon() = 0;
  // Calls scan_positions() after the messages that wait in the actor's mailbox now.
  virtual void scan_soon() = 0;
  // Members are elsewhere, in the order of their versions. Before anybody is told that they are.
  virtual void tell_moves(std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) = 0;
  // Where members are, a page of all of them. Calls scan_positions() when every view has taken it in.
  virtual void tell_page(std::vector<cluster::Move> moves) = 0;
  // Of layers: all of them before the first positions after a start, then each that changes, before the answer.
  virtual void tell_privacies(std::vector<cluster::PrivacyChange> changes) = 0;
  // All positions that the shard keeps have been told.
  virtual void tell_all_told() = 0;
  // To a node that is fed with where members are, this one among them.
  virtual void send_feed(NodeId to, FeedTiding tiding) = 0;
  virtual void send_to_peer(cluster::PeerMessage message) = 0;
  // Whether a node's registrations are those that are known here; `again`: they are not, and are forgotten.
  virtual void compared(NodeId node, bool again) = 0;
  // The node compares them with this replica, which follows somebody: it may know of no leader, or not reach it.
  virtual void follows(NodeId leader, Term term, NodeId asked_by) = 0;
  // A cluster::SeedMessage.
  virtual void send_seed(NodeId to, std::string bytes) = 0;
  // As storage::LogStore::read().
  virtual Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) = 0;
  // Who leads the shard; 0: nobody that is known. Before anything comes from a change of it.
  virtual void leader_is(NodeId leader, Term term) = 0;
  // Whether there is a link to the node.
  [[nodiscard]] virtual bool is_up(NodeId node) = 0;
  // Asked of a replica that does not lead, which has done nothing about it.
  virtual void give_back(ShardRequest request) = 0;
};

struct ShardOptions {
  ShardId id;
  std::uint16_t shard_count = 0;
  cluster::Replica::Options replica;
  std::uint64_t flush_interval_ms = limits::kFlushIntervalMs;
  std::uint64_t overlay_flush_bytes = limits::kOverlayFlushBytes;
  std::uint64_t random = 0;  // of this process and shard: no other has the same
  bool feeds = false;        // in a cluster: whoever subscribes is told of moves by feeds, and nobody else
  std::shared_ptr<const ClockWatch> clocks;  // what other nodes' clocks say of this one's; none: there are none
  std::shared_ptr<ShardGauge> gauge = std::make_shared<ShardGauge>();  // for whoever watches
  NodeFaults faults;                                                   // for mutation tests only
};

// One replica of one shard at work: gathers requests into entries, drives the replica, applies what is committed,
// answers, pushes to registered sessions, drains its outbox, flushes.
//
//  * A request is answered when its entry is applied; if another leader's entry took its place: kUnavailable.
//  * At most entries_in_flight_max entries are submitted and not applied; meanwhile requests gather (the batch grows as
//    the disk slows), within shard_pending_*_max: then Held / error kOverloaded with a retry-after.
//  * A replica whose state is damaged, or too far behind, fetches it from the leader and has none meanwhile.
//  * Only a leader does what it is asked; any other replica gives requests back.
//  * A new leader announces itself, drains what its outbox holds, and serves from the committed state.
//  * Whoever moves is told of before the answer; all positions are told after the start, page by page, while it serves.
//  * Time goes into each batch, and a tick as long as the wall clock is trusted (TickSource).
// Thread: its actor's.
class Shard {
 public:
  static Result<std::unique_ptr<Shard>> open(const ShardOptions& options, ShardHost& host, storage::Environment& state,
                                             storage::LoadedLog log, std::shared_ptr<NodeBudgets> budgets,
                                             const Clock& clock);
  virtual ~Shard() = default;

  // The other shards, once all exist.
  virtual void join(std::shared_ptr<const Router> router) = 0;
  // Which nodes should have a replica, who should lead first: while this one leads, it sees to that.
  virtual void want_members(std::vector<cluster::WantedMember> wanted) = 0;
  virtual void handle(ShardSend message) = 0;
  virtual void handle(ShardLogin message) = 0;
  virtual void handle(ShardAck message) = 0;
  virtual void handle(ShardFetch message) = 0;
  virtual void handle(ShardHistory message) = 0;
  virtual void handle(ShardManage message) = 0;
  virtual void handle(ShardAttempts message) = 0;
  virtual void handle(ShardRegister message) = 0;
  virtual void handle(ShardUnregister message) = 0;
  virtual void handle(ShardPositions message) = 0;
  virtual void handle(ShardWhere message) = 0;
  virtual void handle(ShardTransfer message) = 0;
  virtual void handle(ShardTransferred message) = 0;
  virtual void receive(const cluster::PeerMessage& message) = 0;
  // A cluster::SeedMessage; one that makes no sense is dropped.
  virtual void receive_seed(NodeId from, std::string_view bytes) = 0;
  // A FeedRequest; one that makes no sense is dropped.
  virtual void receive_feed(NodeId from, std::string_view bytes) = 0;
  // What a node says of its sessions' registrations.
  virtual void compare(NodeId node, const RegistrationDigest& theirs) = 0;
  virtual void gather() = 0;
  virtual void scan_positions() = 0;
  virtual void persisted(std::uint64_t ticket) = 0;
  virtual void flushed(FlushOutcome outcome) = 0;
  virtual void wake() = 0;
  // Refuses new requests (kUnavailable) and flushes what is applied; drained() once nothing is under way.
  virtual void stop() = 0;
  [[nodiscard]] virtual bool drained() const = 0;
  // Of the state machine's whole state, flushed or not: equal logs give equal digests. kCorrupt when a record is
  // damaged.
  [[nodiscard]] virtual Result<std::uint64_t> digest() = 0;
};

}  // namespace earshot::actors
