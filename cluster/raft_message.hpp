#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "storage/log_types.hpp"

// The messages of Raft as C++ types (names and meaning as in Ongaro's thesis, figures 3.1 and 5.3), with their codec.
namespace earshot::cluster {

struct RequestVote {
  LogIndex last_index;
  Term last_term;
  bool disrupt_leader = false;
  bool pre_vote = false;
  bool operator==(const RequestVote&) const = default;
};

struct RequestVoteResult {
  bool granted = false;
  bool pre_vote = false;
  std::uint16_t features = 0;  // bits of libraft
  std::uint16_t capacity = 0;  // KiB
  bool operator==(const RequestVoteResult&) const = default;
};

struct AppendEntries {
  LogIndex previous_index;
  Term previous_term;
  LogIndex leader_commit;
  std::vector<storage::LogEntry> entries;  // previous_index + 1, …; data is never null
};

struct AppendEntriesResult {
  LogIndex rejected;    // 0: accepted
  LogIndex last_index;  // accepted: synced up to here; rejected: a hint
  std::uint16_t features = 0;
  std::uint16_t capacity = 0;
  bool operator==(const AppendEntriesResult&) const = default;
};

// The leader's log was cut beyond what the follower has. The state is not in here: the follower fetches it.
struct InstallSnapshot {
  storage::SnapshotMetadata metadata;
  bool operator==(const InstallSnapshot&) const = default;
};

struct TimeoutNow {
  LogIndex last_index;
  Term last_term;
  bool operator==(const TimeoutNow&) const = default;
};

// A leader asks whether it still leads (thesis, section 6.4). Ours: libraft knows nothing of it.
struct LeaderCheck {
  std::uint64_t number = 0;
  bool operator==(const LeaderCheck&) const = default;
};

// The answer of a follower that is in the same term; nobody answers no.
struct LeaderCheckResult {
  std::uint64_t number = 0;
  bool operator==(const LeaderCheckResult&) const = default;
};

struct RaftMessage {
  Term term;  // the sender's
  std::variant<RequestVote, RequestVoteResult, AppendEntries, AppendEntriesResult, InstallSnapshot, TimeoutNow,
               LeaderCheck, LeaderCheckResult>
      content;
};

// Entries of one message together; a longer tail follows in further messages. One entry always fits.
inline constexpr std::size_t kAppendBytesMax = 16 << 20;

// One Cap'n Proto message (schema/peer.capnp), then 8 bytes of checksum over it: a flipped bit would be believed else.
std::string encode(const RaftMessage& message);
// kChecksumMismatch for altered bytes; kCorrupt for others that are no message; kUnsupportedVersion for a kind of
// message or entry that this version does not know. Whether terms and indexes make sense is raft_engine_objection()'s
// to say.
Result<RaftMessage> decode_raft_message(std::string_view bytes);

}  // namespace earshot::cluster
