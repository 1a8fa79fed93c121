#pragma once

#include <algorithm>
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
  void write_log(storage::LogWrite write) override { writes.push_back(std::move(write)); }
  void send(PeerMessage message) override { sent.push_back(std::move(message)); }
  void apply(const LogEntry& entry) override {
    applied.push_back(std::to_string(entry.index.value) + ":" + *entry.data);
  }
  void role_changed(Role role, Term) override { roles.push_back(role); }
  void leader_changed(NodeId leader, Term term) override { leaders.emplace_back(leader.value, term.value); }
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
    auto started = Replica::start(options_for(voters), host, std::move(loaded), applied, now);
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
  void tick_when_due() {
    now = std::max(now + 1, host.wakes.back());
    replica->tick(now);
  }

  RecordingHost host;
  std::unique_ptr<Replica> replica;
  std::uint64_t now = 1'000;
  std::size_t done = 0;
};

}  // namespace earshot::cluster
