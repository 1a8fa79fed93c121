#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/follower_feed.hpp"
#include "cluster/leader_checks.hpp"
#include "cluster/raft_engine.h"
#include "cluster/raft_message.hpp"
#include "cluster/replica.hpp"
#include "cluster/replica_log.hpp"
#include "cluster/replica_recovery.hpp"

namespace earshot::cluster {

// The replica: one engine, the log it believes in, the writes under way and the messages that wait for them.
// docs/raft.md tells how it works as a whole. Sources: replica.cpp (life, writes, apply), replica_messages.cpp,
// replica_followers.cpp, replica_pulse.cpp, replica_snapshots.cpp, replica_membership.cpp.
//
// Every public call ends in settle(), so that nothing is left to do but what waits for the host.
class RaftReplica final : public Replica {
 public:
  RaftReplica(const Options& options, ReplicaHost& host, Recovered recovered);
  ~RaftReplica() override;
  RaftReplica(const RaftReplica&) = delete;
  RaftReplica& operator=(const RaftReplica&) = delete;
  void begin(std::optional<storage::LogWrite> first_write, std::uint64_t now_ms);

  Result<LogIndex> submit(std::vector<storage::SharedBytes> commands, std::uint64_t now_ms) override;
  void persisted(std::uint64_t ticket, std::uint64_t now_ms) override;
  void receive(const PeerMessage& message, std::uint64_t now_ms) override;
  void tick(std::uint64_t now_ms) override;
  void snapshot_flushed(LogIndex flushed, std::uint64_t now_ms) override;
  void snapshot_installed(LogIndex applied, std::uint64_t now_ms) override;
  Status state_ready(LogIndex applied, std::uint64_t now_ms) override;
  Status state_lost(std::uint64_t now_ms) override;

  Status add(const Member& standby, std::uint64_t now_ms) override;
  Status promote(NodeId standby, std::uint64_t now_ms) override;
  Status remove(NodeId member, std::uint64_t now_ms) override;
  Status transfer(NodeId voter, std::uint64_t now_ms) override;
  Result<Check> begin_check(std::uint64_t now_ms) override;

  [[nodiscard]] Role role() const override;
  [[nodiscard]] Term term() const override { return Term(raft_engine_term(engine_.get())); }
  [[nodiscard]] NodeId leader() const override { return NodeId(raft_engine_leader(engine_.get())); }
  [[nodiscard]] LogIndex last_index() const override { return log_.last_index(); }
  [[nodiscard]] LogIndex commit_index() const override { return LogIndex(raft_engine_commit_index(engine_.get())); }
  [[nodiscard]] LogIndex synced_index() const override { return synced_; }
  [[nodiscard]] LogIndex applied_index() const override { return applied_; }
  [[nodiscard]] bool is_passive() const override { return !has_state_; }
  [[nodiscard]] LogIndex snapshot_index() const override { return log_.snapshot_index(); }
  [[nodiscard]] const std::vector<Member>& members() const override { return members_; }
  [[nodiscard]] bool members_committed() const override;
  [[nodiscard]] LogIndex match_index(NodeId member) const override;
  [[nodiscard]] std::uint64_t heard_ms(NodeId member) const override;
  [[nodiscard]] CatchUp catch_up(NodeId standby) const override;
  [[nodiscard]] std::size_t log_bytes() const override { return log_.bytes(); }

 private:
  // A log write that is not synced yet.
  struct Write {
    std::uint64_t ticket = 0;
    std::uint64_t generation = 0;
    LogIndex last;  // of its entries; 0: it has none
    Term last_term;
    std::optional<storage::SnapshotMetadata> snapshot;  // taken here: the log is cut ...
    LogIndex cut;                                       // ... through this one
    bool installs = false;                              // the installed snapshot replaces the log
  };
  struct Held {
    std::uint64_t ticket;  // goes when this write is synced
    PeerMessage message;
  };
  struct Install {  // a received snapshot: the state comes first, then the log
    storage::SnapshotMetadata metadata;
    bool asked = false;     // the state is seen to ...
    bool fetching = false;  // ... by the host
  };
  struct Sent {  // a snapshot under way to a member
    LogIndex index;
    std::uint64_t since_ms = 0;
  };
  struct Follower {  // another member, as this leader sees it
    std::uint64_t heard_ms = 0;
    std::uint64_t appended_ms = 0;  // an AppendEntries went
    FollowerFeed feed;
    std::optional<Sent> snapshot;
    LogIndex commit_told;        // with the last AppendEntries; 0 where that had entries
    AppendEntriesResult answer;  // the last one
    bool has_all = false;        // as it said there
  };
  struct Rest {  // as the pulse was told
    Role role = Role::kFollower;
    Term term;
    LogIndex last;
    bool operator==(const Rest&) const = default;
  };
  struct EngineDeleter {
    void operator()(raft_engine* engine) const { raft_engine_free(engine); }
  };

  // One clock for libraft, that never goes back.
  std::uint64_t at(std::uint64_t now_ms) { return now_ms_ = now_ms > now_ms_ ? now_ms : now_ms_; }

  // ---- after a step (replica.cpp)
  // Does what the engine asks for; `given` are the entries that the step was about.
  void absorb(const raft_engine_update& update, std::vector<storage::LogEntry> given = {});
  void store_entries(const raft_engine_update& update, std::vector<storage::LogEntry> given, storage::LogWrite& write);
  // Until nothing follows from what is known: configurations, apply, role, cut, timer.
  void settle();
  void tell_committed_configurations();
  void tell_configuration(const ReplicaLog::Configuration& configuration);
  void apply_committed();
  void apply(const storage::LogEntry& entry);
  bool apply_stored(LogIndex limit);
  // Entries from `first` on, as they stand on the disk; none when that cannot be read or is another log by now.
  [[nodiscard]] std::vector<storage::LogEntry> read_stored(LogIndex first, LogIndex last, std::size_t bytes_max);
  void release_entries();
  void announce_role();
  void announce_leader();
  void ask_for_wake();

  // ---- writes (replica.cpp)
  void issue(storage::LogWrite write, Write record);
  void completed(const Write& write);
  void report_synced();

  // ---- messages (replica_messages.cpp)
  void receive_append(NodeId from, Term term, AppendEntries append);
  [[nodiscard]] bool could_apply_all(const AppendEntries& append);
  void begin_at_snapshot(AppendEntries& append) const;
  void tell_configurations_before(LogIndex previous, Term previous_term, const storage::LogEntry& next);
  void receive_append_result(NodeId from, Term term, AppendEntriesResult result);
  // Whether the engine had something to send in answer.
  bool feed(const raft_engine_message& message, std::vector<storage::LogEntry> given);
  bool feed_result(NodeId from, Term term, const AppendEntriesResult& result);
  void send_all(const raft_engine_message* messages, unsigned count);
  void fill(const raft_engine_message& from, RaftMessage& to);
  void post(PeerMessage message);
  void post(NodeId to, const RaftMessage& message);
  void release_messages();

  // ---- followers (replica_followers.cpp)
  void send_append(const raft_engine_message& wanted);
  // Sends what may go to it now; false: nothing.
  bool feed_follower(NodeId node, Follower& follower);
  void feed_followers();
  void post_append(NodeId node, Follower& follower, LogIndex previous, std::vector<storage::LogEntry> entries);
  void fill_install(const raft_engine_message& from, InstallSnapshot& to);
  void heard_from(NodeId node, Term its_term);
  void heard_result(NodeId node, bool rejected);
  void forget_followers();

  // ---- rest (replica_pulse.cpp)
  [[nodiscard]] Rest present() const { return {role(), term(), last_index()}; }
  void rest_as_leader();
  void rest_as_follower();
  void end_rest_when_changed();
  void end_rest();
  [[nodiscard]] bool is_settled() const;
  // What was heard by pulses becomes the engine's.
  void take_pulses();
  [[nodiscard]] bool is_idle(NodeId node, const Follower& follower) const;

  // ---- snapshots (replica_snapshots.cpp)
  [[nodiscard]] static raft_engine_snapshot engine_snapshot(const storage::SnapshotMetadata& metadata);
  void cut_when_possible();
  [[nodiscard]] bool snapshot_under_way();
  [[nodiscard]] LogIndex cut_below(LogIndex snapshot) const;
  void snapshot_synced(const Write& write);
  void begin_install(storage::SnapshotMetadata metadata);
  void proceed_with_install();
  void take_state(LogIndex applied);
  void give_leadership_away();

  // ---- members and checks (replica_membership.cpp)
  void membership_changed();
  [[nodiscard]] const Member* member(NodeId node) const;
  Status may_change_members();
  Status submit_members(const std::vector<Member>& members);
  Status submit_promotion(NodeId node);
  void submit_barrier();
  void proceed_with_promotion();
  void announce_members();
  void answer_check(NodeId from, Term its_term, const LeaderCheck& check);
  void announce_checks();
  void write_install();
  void install_synced();

  const Options options_;
  const std::shared_ptr<RaftCounters> counters_;
  ReplicaHost& host_;
  const std::unique_ptr<raft_engine, EngineDeleter> engine_;
  std::uint64_t now_ms_ = 0;

  ReplicaLog log_;
  storage::HardState hard_state_;  // as issued
  LogIndex synced_;                // the log is on disk through here
  bool has_state_;
  LogIndex applied_;
  LogIndex configuration_told_;  // committed configurations through here went back into the engine
  std::vector<Member> members_;  // as of the newest configuration
  Membership membership_;
  std::map<NodeId, Follower> followers_;  // the other ones
  std::uint64_t appends_ = 0;             // AppendEntries sent
  NodeId promotee_;                       // catches up to become a voter; 0: nobody does

  std::deque<Write> writes_;  // oldest first
  std::uint64_t tickets_ = 0;
  std::uint64_t hard_state_ticket_ = 0;  // of the newest term or vote write
  std::uint64_t synced_ticket_ = 0;
  // Counts truncations and installs: completions of writes issued before say nothing about the log of today.
  std::uint64_t generation_ = 0;
  std::deque<Held> held_;

  LogIndex flushed_;  // by the state writer
  bool cutting_ = false;
  std::optional<Install> install_;

  LogIndex leads_from_;  // the log's end when this leadership began
  LeaderChecks checks_;
  Term checks_term_;
  std::uint64_t checks_told_ = 0;

  Role announced_role_ = Role::kFollower;
  Term announced_term_;
  NodeId announced_leader_;
  Term announced_leader_term_;
  storage::SharedBytes announced_members_;
  bool announced_committed_ = false;
  std::optional<Rest> rest_;
  bool rest_is_heard_ = false;  // as leader: pulses get through to all, and their answers back
  std::uint64_t wake_ms_ = 0;
  std::uint64_t apply_ms_ = 0;  // more is to be applied from the disk, not before; 0: nothing is
  std::vector<raft_engine_entry> scratch_;
};

}  // namespace earshot::cluster
