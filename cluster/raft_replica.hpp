#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/raft_engine.h"
#include "cluster/raft_message.hpp"
#include "cluster/replica.hpp"
#include "cluster/replica_log.hpp"
#include "cluster/replica_recovery.hpp"

namespace earshot::cluster {

// The replica: one engine, the log it believes in, the writes under way and the messages that wait for them.
// docs/raft.md tells how it works as a whole. Sources: replica.cpp (life, writes, apply), replica_messages.cpp,
// replica_snapshots.cpp.
//
// Every public call ends in settle(), so that nothing is left to do but what waits for the host.
class RaftReplica final : public Replica {
 public:
  RaftReplica(const Options& options, ReplicaHost& host, Recovered recovered);
  void begin(std::optional<storage::LogWrite> first_write, std::uint64_t now_ms);

  Result<LogIndex> submit(std::vector<storage::SharedBytes> commands, std::uint64_t now_ms) override;
  void persisted(std::uint64_t ticket, std::uint64_t now_ms) override;
  void receive(const PeerMessage& message, std::uint64_t now_ms) override;
  void tick(std::uint64_t now_ms) override;
  void snapshot_flushed(LogIndex flushed, std::uint64_t now_ms) override;
  void snapshot_installed(LogIndex applied, std::uint64_t now_ms) override;
  Status state_ready(LogIndex applied, std::uint64_t now_ms) override;
  Status state_lost(std::uint64_t now_ms) override;

  [[nodiscard]] Role role() const override;
  [[nodiscard]] Term term() const override { return Term(raft_engine_term(engine_.get())); }
  [[nodiscard]] NodeId leader() const override { return NodeId(raft_engine_leader(engine_.get())); }
  [[nodiscard]] LogIndex last_index() const override { return log_.last_index(); }
  [[nodiscard]] LogIndex commit_index() const override { return LogIndex(raft_engine_commit_index(engine_.get())); }
  [[nodiscard]] LogIndex synced_index() const override { return synced_; }
  [[nodiscard]] LogIndex applied_index() const override { return applied_; }
  [[nodiscard]] bool is_passive() const override { return !has_state_; }
  [[nodiscard]] LogIndex snapshot_index() const override { return log_.snapshot_index(); }
  [[nodiscard]] std::vector<Member> members() const override;
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
    std::uint64_t heard_ms = 0;  // from the member
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
  void apply_committed();
  void announce_role();
  void announce_leader();
  void ask_for_wake();
  void membership_changed();

  // ---- writes (replica.cpp)
  void issue(storage::LogWrite write, Write record);
  void completed(const Write& write);
  void report_synced();

  // ---- messages (replica_messages.cpp)
  void receive_append(NodeId from, Term term, AppendEntries append);
  void receive_append_result(NodeId from, Term term, AppendEntriesResult result);
  // Whether the engine had something to send in answer.
  bool feed(const raft_engine_message& message, std::vector<storage::LogEntry> given);
  void send_all(const raft_engine_message* messages, unsigned count);
  // False when there is nothing to send after all.
  [[nodiscard]] bool fill(const raft_engine_message& from, RaftMessage& to);
  [[nodiscard]] bool fill_append(const raft_engine_message& from, AppendEntries& to) const;
  void fill_install(const raft_engine_message& from, InstallSnapshot& to);
  void post(PeerMessage message);
  void release_messages();

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
  void write_install();
  void install_synced();

  const Options options_;
  ReplicaHost& host_;
  const std::unique_ptr<raft_engine, EngineDeleter> engine_;
  std::uint64_t now_ms_ = 0;

  ReplicaLog log_;
  storage::HardState hard_state_;  // as issued
  LogIndex synced_;                // the log is on disk through here
  bool has_state_;
  LogIndex applied_;
  LogIndex configuration_told_;  // committed configurations through here went back into the engine
  Membership membership_;

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
  std::map<NodeId, Sent> sent_;

  Role announced_role_ = Role::kFollower;
  Term announced_term_;
  NodeId announced_leader_;
  Term announced_leader_term_;
  std::uint64_t wake_ms_ = 0;
  std::vector<raft_engine_entry> scratch_;
};

}  // namespace earshot::cluster
