#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "cluster/membership.hpp"
#include "cluster/pulse.hpp"
#include "cluster/raft_counters.hpp"
#include "cluster/replica_faults.hpp"
#include "storage/log_types.hpp"

namespace earshot::cluster {

enum class Role : std::uint8_t { kFollower, kCandidate, kLeader };

// Of a standby that is being promoted: whether it has come up to the log's end.
enum class CatchUp : std::uint8_t { kNone, kRunning, kFailed, kDone };

// A Raft message between two replicas of one group, whole: with the entries that libraft leaves out.
// `body` is the encoding of cluster/raft_message.hpp.
struct PeerMessage {
  NodeId from;
  NodeId to;
  std::string body;
};

// What a replica asks of its surroundings. Calls come from inside the replica's own calls and must not call back into
// it.
class ReplicaHost {
 public:
  virtual ~ReplicaHost() = default;
  // To the log writer; the replica waits for persisted(write.ticket). Writes of one group must complete in order.
  virtual void write_log(storage::LogWrite write) = 0;
  virtual void send(PeerMessage message) = 0;
  // A committed and synced entry of type kCommand, in log order, each exactly once after the start index. Barriers and
  // configurations are not shown but move applied_index().
  virtual void apply(const storage::LogEntry& entry) = 0;
  // Whether an entry of type kCommand, which a leader sends and which is not stored yet, is one that apply() could
  // take. Else it is refused, with all that comes with it.
  [[nodiscard]] virtual bool could_apply(const storage::LogEntry& entry) { return (void)entry, true; }
  virtual void role_changed(Role role, Term term) = 0;
  // Who leads the group, as far as is known here; 0: nobody, or a leader that fell silent or hands leadership over.
  virtual void leader_changed(NodeId leader, Term term) = 0;
  // The newest configuration in the log, at `index`, and whether it is committed. One that is not may be taken back.
  virtual void members_changed(const std::vector<Member>& members, LogIndex index, bool committed) = 0;
  // What begin_check() began: this leader was one still when the checks through `number` had begun; or it is none any
  // more, and none of them will be confirmed.
  virtual void checked(std::uint64_t number, bool confirmed) = 0;
  // Entries first .. last of the log as it was written, fewer at `bytes_max`, but at least one:
  // storage::LogStore::read(). On an error the replica asks again later.
  virtual Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) = 0;
  // Calls tick() at or after this time (ms, monotonic) at the latest; replaces the time asked for before.
  virtual void wake_at(std::uint64_t monotonic_ms) = 0;
  // The log lags behind what the leader's log still has. Get a state that stands at metadata.index or above, durably in
  // the place of the present one, then call snapshot_installed(). The log is replaced after that.
  virtual void install_snapshot(const storage::SnapshotMetadata& metadata) = 0;
};

// One copy of one shard's log: drives libraft's raft_step by its contract. Events in, calls on the host out; no I/O, no
// thread, no clock of its own. Thread: one owner.
//
// Rules it keeps (facts.md; sections of Ongaro's thesis at the lines that obey them):
//  * while a term or vote write is pending, every message of the group waits in one FIFO;
//  * a completion reports the longest prefix whose (index, term) still equals the log, never a stale one;
//  * entries are applied up to min(commit index, synced index);
//  * a log is cut only below a flushed snapshot.
class Replica {
 public:
  struct Options {
    storage::GroupId group;
    NodeId self{1};
    std::string address = "local";
    // The voters of a new group: used only when the log is empty and self is among them. Empty: a replica that joins.
    std::vector<Member> bootstrap;
    std::uint32_t election_timeout_ms = limits::kElectionTimeoutMs;
    // Leaders beat at multiples of this; a member is left without a word for less than twice as long.
    std::uint32_t heartbeat_ms = limits::kHeartbeatMs;
    std::uint32_t seed = 1;                                        // of libraft's election jitter
    std::uint64_t trailing_entries = limits::kLogTrailingEntries;  // kept below a snapshot when there are other members
    std::uint64_t trailing_bytes = limits::kLogTrailingBytes;      // … and about so much of them at most
    std::size_t tail_bytes_max = limits::kRaftTailBytesMax;        // applied entries kept in memory for them
    std::shared_ptr<RaftCounters> counters;                        // none: nobody wants to know
    std::shared_ptr<GroupPulse> pulse;                             // none: every heartbeat is the replica's own
    ReplicaFaults faults;                                          // for mutation tests only
  };

  // Starts from what the disk holds. `applied` is the index that the state environment has (0: none): apply() is called
  // from applied + 1 on. Without it the state is not there, it is being fetched, and the replica is passive: it votes,
  // stores and acknowledges entries as its log lets it, applies nothing, cuts nothing, and never leads. A sole voter
  // becomes leader inside this call. A state that stands below the log's snapshot is as none. kCorrupt when log,
  // snapshot and `applied` do not join otherwise, and when a sole voter has no state; unless its log begins at 1, then
  // everything is applied again, to an empty state.
  static Result<std::unique_ptr<Replica>> start(const Options& options, ReplicaHost& host, storage::LoadedLog loaded,
                                                std::optional<LogIndex> applied, std::uint64_t now_ms);
  virtual ~Replica() = default;

  // Appends commands, one entry each, as leader. The first entry's index, the others follow; its term is term().
  // kUnavailable when not leader. The outcome is known when apply() shows an entry of that index: of the same term, it
  // is this one.
  virtual Result<LogIndex> submit(std::vector<storage::SharedBytes> commands, std::uint64_t now_ms) = 0;
  // The log writer has synced the write with this ticket.
  virtual void persisted(std::uint64_t ticket, std::uint64_t now_ms) = 0;
  virtual void receive(const PeerMessage& message, std::uint64_t now_ms) = 0;
  virtual void tick(std::uint64_t now_ms) = 0;
  // The state environment holds everything up to `flushed`, synced: it is the snapshot now; the log may be cut below
  // it.
  virtual void snapshot_flushed(LogIndex flushed, std::uint64_t now_ms) = 0;
  // The state that install_snapshot() asked for is there, synced, and stands at `applied`: metadata.index or above.
  // Entries through `applied` are not applied again.
  virtual void snapshot_installed(LogIndex applied, std::uint64_t now_ms) = 0;
  // The state of a passive replica is there, synced, and stands at `applied`, which may be above the log's end: it goes
  // on from there. kInvalidArgument when it stands below snapshot_index(): a newer one is needed, for the log has not
  // all that follows it any more. Better look before it is put in place: to start() such a state is as none. When
  // install_snapshot() was asked, this answers it as well.
  virtual Status state_ready(LogIndex applied, std::uint64_t now_ms) = 0;
  // The state turned out damaged: passive from now on. A leader hands over to a voter that has everything, if there is
  // one, and steps down. kCorrupt when it is the only voter: nobody can give it another state; the host must stop it.
  virtual Status state_lost(std::uint64_t now_ms) = 0;

  // ---- who belongs to the group (thesis, chapter 4). One change at a time, by the leader, each taking effect when it
  // is stored and told when it is committed. kUnavailable: this is no leader, or has not committed an entry of its term
  // yet, try again soon. kConflict: a change is under way. kInvalidArgument: makes no sense.

  // A new member that gets everything and has no say. Its replica starts with nothing, and no bootstrap.
  virtual Status add(const Member& standby, std::uint64_t now_ms) = 0;
  // Makes a standby a voter, once it has come up to the log's end: catch_up() tells. It gives up after some seconds
  // without headway; an install takes longer, so see match_index() first.
  virtual Status promote(NodeId standby, std::uint64_t now_ms) = 0;
  // A leader that removes itself leads until that is committed, then steps down: better let it transfer() first. Of two
  // voters the leader has to: kConflict.
  virtual Status remove(NodeId member, std::uint64_t now_ms) = 0;
  // Hands leadership to another voter. It is over within an election timeout: then this replica follows, or still leads
  // because the other did not come up to the log's end or did not hear. Nothing can be submitted meanwhile.
  virtual Status transfer(NodeId voter, std::uint64_t now_ms) = 0;

  struct Check {
    std::uint64_t number = 0;
    LogIndex index;          // the state from here on has everything that was committed before, anywhere
    bool confirmed = false;  // already, by this replica alone
  };
  // Begins to find out whether this replica still leads, for reads that must not be stale: when the check is confirmed
  // and the state has been applied through its index, it shows all that was acknowledged anywhere before this call.
  // checked() tells; messages get lost, so begin another one after a while: its confirmation is one of those before,
  // too. kUnavailable when not leader.
  virtual Result<Check> begin_check(std::uint64_t now_ms) = 0;

  [[nodiscard]] virtual Role role() const = 0;
  [[nodiscard]] virtual Term term() const = 0;
  [[nodiscard]] virtual NodeId leader() const = 0;  // 0: unknown
  [[nodiscard]] virtual LogIndex last_index() const = 0;
  [[nodiscard]] virtual LogIndex commit_index() const = 0;
  [[nodiscard]] virtual LogIndex synced_index() const = 0;
  [[nodiscard]] virtual LogIndex applied_index() const = 0;  // 0 while passive
  [[nodiscard]] virtual bool is_passive() const = 0;
  [[nodiscard]] virtual LogIndex snapshot_index() const = 0;
  // As of the newest configuration in the log, committed or not; empty in a replica that joins and knows of none yet.
  [[nodiscard]] virtual const std::vector<Member>& members() const = 0;
  [[nodiscard]] virtual bool members_committed() const = 0;
  // As leader, of another member: through where its log is known to be stored (0: unknown) and when it was heard last
  // (ms; 0: not yet since this one leads).
  [[nodiscard]] virtual LogIndex match_index(NodeId member) const = 0;
  [[nodiscard]] virtual std::uint64_t heard_ms(NodeId member) const = 0;
  [[nodiscard]] virtual CatchUp catch_up(NodeId standby) const = 0;
  // Bytes of entries held in memory.
  [[nodiscard]] virtual std::size_t log_bytes() const = 0;
};

}  // namespace earshot::cluster
