#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/raft_message.hpp"
#include "cluster/replica.hpp"
#include "cluster/replica_recovery.hpp"

// One replica among others that a test plays: what it asks for is written down, what it is told is made by hand.
namespace earshot::cluster {

using storage::EntryType;
using storage::LogEntry;

// Writes down what the replica asks for.
struct RecordingHost final : ReplicaHost {
  void write_log(storage::LogWrite write) override {
    for (const LogEntry& entry : write.entries) stored[entry.index] = entry;
    writes.push_back(std::move(write));
  }
  void send(PeerMessage message) override { sent.push_back(std::move(message)); }
  void apply(const LogEntry& entry) override {
    applied.push_back(std::to_string(entry.index.value) + ":" + *entry.data);
  }
  bool could_apply(const LogEntry& entry) override { return *entry.data != "garbage"; }
  void role_changed(Role role, Term) override { roles.push_back(role); }
  void leader_changed(NodeId leader, Term term) override { leaders.emplace_back(leader.value, term.value); }
  void members_changed(const std::vector<Member>& members, LogIndex index, bool committed) override {
    std::string text = std::to_string(index.value) + (committed ? "!" : "?");
    for (const Member& member : members) {
      text += ' ' + std::to_string(member.node.value) + (member.voter ? "" : "s");
    }
    changes.push_back(std::move(text));
  }
  void checked(std::uint64_t number, bool confirmed) override { checks.emplace_back(number, confirmed); }
  Result<std::vector<LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
    reads.emplace_back(first.value, last.value);
    if (reads_fail) return fail(ErrorCode::kUnavailable, "log", "busy");
    std::vector<LogEntry> entries;
    std::size_t size = 0;
    for (LogIndex index = first; index <= last && stored.contains(index); index = index.next()) {
      size += stored[index].data->size();
      if (!entries.empty() && size > bytes_max) break;
      entries.push_back(stored[index]);
    }
    return entries;
  }
  void wake_at(std::uint64_t monotonic_ms) override { wakes.push_back(monotonic_ms); }
  void install_snapshot(const storage::SnapshotMetadata& metadata) override { installs.push_back(metadata); }

  // The messages sent since the last call, decoded.
  std::vector<RaftMessage> take_sent() {
    std::vector<RaftMessage> messages;
    for (const auto& message : sent) messages.push_back(*decode_raft_message(message.body));
    sent.clear();
    return messages;
  }

  std::vector<storage::LogWrite> writes;
  std::vector<PeerMessage> sent;
  std::vector<std::string> applied;
  std::vector<Role> roles;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> leaders;  // and terms
  std::vector<std::uint64_t> wakes;
  std::vector<storage::SnapshotMetadata> installs;
  std::vector<std::string> changes;  // as "index", "!" if committed or "?", and the members, standbys with an "s"
  std::vector<std::pair<std::uint64_t, bool>> checks;
  std::map<LogIndex, LogEntry> stored;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> reads;
  bool reads_fail = false;
};

inline storage::SharedBytes bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

inline std::vector<Member> members(std::size_t count) {
  std::vector<Member> all;
  for (std::size_t i = 1; i <= count; ++i) all.push_back({NodeId(i), "node-" + std::to_string(i), true});
  return all;
}

inline Replica::Options options_for(std::size_t voters) {
  Replica::Options options;
  options.bootstrap = members(voters);
  options.trailing_entries = 2;
  return options;
}

inline LogEntry configuration(std::size_t voters) {
  return {LogIndex(1), Term(1), EntryType::kConfiguration, bytes(encode_members(members(voters)))};
}
inline LogEntry command(std::uint64_t index, std::uint64_t term, std::string text) {
  return {LogIndex(index), Term(term), EntryType::kCommand, bytes(std::move(text))};
}
inline storage::SnapshotMetadata snapshot_at(std::uint64_t index, std::uint64_t term, std::size_t voters) {
  return {LogIndex(index), Term(term), encode_members(members(voters)), LogIndex(1)};
}

inline PeerMessage from(std::uint64_t node, std::uint64_t term, decltype(RaftMessage::content) content) {
  RaftMessage message;
  message.term = Term(term);
  message.content = std::move(content);
  return {NodeId(node), NodeId(1), encode(message)};
}
inline PeerMessage append(std::uint64_t node, std::uint64_t term, std::uint64_t previous, std::uint64_t previous_term,
                          std::vector<LogEntry> entries, std::uint64_t commit) {
  return from(node, term, AppendEntries{LogIndex(previous), Term(previous_term), LogIndex(commit), std::move(entries)});
}

class ReplicaTest : public testing::Test {
 protected:
  void start(std::size_t voters, storage::LoadedLog loaded = {}, std::optional<LogIndex> applied = LogIndex{}) {
    Replica::Options options = options_for(voters);
    options.counters = counters;
    options.pulse = pulse;
    auto started = Replica::start(options, host, std::move(loaded), applied, now);
    ASSERT_TRUE(started) << started.error().to_string();
    replica = std::move(*started);
  }
  std::string start_error(std::size_t voters, storage::LoadedLog loaded, std::optional<LogIndex> applied) {
    auto started = Replica::start(options_for(voters), host, std::move(loaded), applied, now);
    if (started) return "started";
    EXPECT_EQ(started.error().code, ErrorCode::kCorrupt);
    return started.error().to_string();
  }
  void persist_all() {
    while (done < host.writes.size()) replica->persisted(host.writes[done++].ticket, ++now);
  }
  LogIndex submit(std::string text) {
    const auto index = replica->submit({bytes(std::move(text))}, ++now);
    EXPECT_TRUE(index);
    return index.value_or(LogIndex{});
  }
  // A follower of three whose first entry is synced.
  void start_follower() {
    start(3);
    persist_all();
    host.take_sent();
  }
  // The leader of three, in term 2.
  void start_leader() {
    start_follower();
    tick_when_due();
    replica->receive(from(2, 2, RequestVoteResult{true, true, 0, 0}), ++now);
    persist_all();
    replica->receive(from(2, 2, RequestVoteResult{true, false, 0, 0}), ++now);
    persist_all();
    ASSERT_EQ(replica->role(), Role::kLeader);
    host.take_sent();
  }
  void tick_when_due() {
    now = std::max(now + 1, host.wakes.back());
    replica->tick(now);
  }
  // A follower has stored the log through `index`.
  void acknowledge(std::uint64_t node, LogIndex index) {
    replica->receive(from(node, replica->term().value, AppendEntriesResult{{}, index, 0, 0}), ++now);
  }
  // The messages of one kind since the last call of this or take_sent(); `to` 0: to anybody.
  template <class Content>
  std::vector<Content> sent_of(std::uint64_t to = 0) {
    std::vector<Content> all;
    for (const auto& message : host.sent) {
      auto decoded = *decode_raft_message(message.body);
      if (to != 0 && message.to != NodeId(to)) continue;
      if (auto* content = std::get_if<Content>(&decoded.content)) all.push_back(std::move(*content));
    }
    host.sent.clear();
    return all;
  }

  RecordingHost host;
  std::shared_ptr<RaftCounters> counters = std::make_shared<RaftCounters>();
  std::shared_ptr<GroupPulse> pulse;  // set before start(), or none
  std::unique_ptr<Replica> replica;
  std::uint64_t now = 1'000;
  std::size_t done = 0;
};

}  // namespace earshot::cluster
