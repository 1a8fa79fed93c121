#include "cluster/raft_message.hpp"

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "base/limits.hpp"
#include "schema/flat.hpp"
#include "schema/peer.capnp.h"

namespace earshot::cluster {
namespace {

// ---- writing

std::size_t words_behind(const RequestVote&) { return flat::words_of<schema::RequestVote>(); }
std::size_t words_behind(const RequestVoteResult&) { return flat::words_of<schema::RequestVoteResult>(); }
std::size_t words_behind(const AppendEntriesResult&) { return flat::words_of<schema::AppendEntriesResult>(); }
std::size_t words_behind(const TimeoutNow&) { return flat::words_of<schema::TimeoutNow>(); }
std::size_t words_behind(const LeaderCheck&) { return 0; }
std::size_t words_behind(const LeaderCheckResult&) { return 0; }
std::size_t words_behind(const InstallSnapshot& from) {
  return flat::words_of<schema::InstallSnapshot>() + flat::words_of_data(from.metadata.configuration.size());
}
std::size_t words_behind(const AppendEntries& from) {
  std::size_t words =
      flat::words_of<schema::AppendEntries>() + flat::words_of_list<schema::RaftEntry>(from.entries.size());
  for (const auto& entry : from.entries) words += flat::words_of_data(entry.data->size());
  return words;
}

schema::RaftEntry::Type type_of(storage::EntryType type) {
  switch (type) {
    case storage::EntryType::kCommand: return schema::RaftEntry::Type::COMMAND;
    case storage::EntryType::kBarrier: return schema::RaftEntry::Type::BARRIER;
    case storage::EntryType::kConfiguration: return schema::RaftEntry::Type::CONFIGURATION;
  }
  return schema::RaftEntry::Type::UNKNOWN;
}

void write(const RequestVote& from, schema::RaftMessage::Builder message) {
  auto to = message.initRequestVote();
  to.setLastIndex(from.last_index.value);
  to.setLastTerm(from.last_term.value);
  to.setDisruptLeader(from.disrupt_leader);
  to.setPreVote(from.pre_vote);
}

void write(const RequestVoteResult& from, schema::RaftMessage::Builder message) {
  auto to = message.initRequestVoteResult();
  to.setGranted(from.granted);
  to.setPreVote(from.pre_vote);
  to.setFeatures(from.features);
  to.setCapacity(from.capacity);
}

void write(const AppendEntries& from, schema::RaftMessage::Builder message) {
  auto to = message.initAppendEntries();
  to.setPreviousIndex(from.previous_index.value);
  to.setPreviousTerm(from.previous_term.value);
  to.setLeaderCommit(from.leader_commit.value);
  auto entries = to.initEntries(static_cast<unsigned>(from.entries.size()));
  for (unsigned i = 0; i < entries.size(); ++i) {
    entries[i].setTerm(from.entries[i].term.value);
    entries[i].setType(type_of(from.entries[i].type));
    entries[i].setData(flat::data(*from.entries[i].data));
  }
}

void write(const AppendEntriesResult& from, schema::RaftMessage::Builder message) {
  auto to = message.initAppendEntriesResult();
  to.setRejected(from.rejected.value);
  to.setLastIndex(from.last_index.value);
  to.setFeatures(from.features);
  to.setCapacity(from.capacity);
}

void write(const InstallSnapshot& from, schema::RaftMessage::Builder message) {
  auto to = message.initInstallSnapshot();
  to.setIndex(from.metadata.index.value);
  to.setSnapshotTerm(from.metadata.term.value);
  to.setConfiguration(flat::data(from.metadata.configuration));
  to.setConfigurationIndex(from.metadata.configuration_index.value);
}

void write(const TimeoutNow& from, schema::RaftMessage::Builder message) {
  auto to = message.initTimeoutNow();
  to.setLastIndex(from.last_index.value);
  to.setLastTerm(from.last_term.value);
}

void write(const LeaderCheck& from, schema::RaftMessage::Builder message) { message.setLeaderCheck(from.number); }
void write(const LeaderCheckResult& from, schema::RaftMessage::Builder message) {
  message.setLeaderCheckResult(from.number);
}

// ---- reading

Result<AppendEntries> read(schema::AppendEntries::Reader from) {
  AppendEntries to;
  to.previous_index = LogIndex(from.getPreviousIndex());
  to.previous_term = Term(from.getPreviousTerm());
  to.leader_commit = LogIndex(from.getLeaderCommit());
  const auto entries = from.getEntries();
  if (entries.size() > limits::kRaftEntriesInFlightMax)
    return flat::corrupt("entries", "has " + std::to_string(entries.size()) + " entries, the limit is " +
                                        std::to_string(limits::kRaftEntriesInFlightMax));
  to.entries.reserve(entries.size());
  std::uint64_t index = from.getPreviousIndex();
  for (const auto entry : entries) {
    storage::LogEntry read{LogIndex(++index), Term(entry.getTerm()), {}, nullptr};
    switch (entry.getType()) {
      case schema::RaftEntry::Type::COMMAND: read.type = storage::EntryType::kCommand; break;
      case schema::RaftEntry::Type::BARRIER: read.type = storage::EntryType::kBarrier; break;
      case schema::RaftEntry::Type::CONFIGURATION: read.type = storage::EntryType::kConfiguration; break;
      default: return fail(ErrorCode::kUnsupportedVersion, "entries", "an entry of unknown type");
    }
    const auto data = entry.getData();
    if (data.size() > limits::kEntryBytesMax)
      return flat::corrupt("entries", "an entry has " + std::to_string(data.size()) + " bytes, the limit is " +
                                          std::to_string(limits::kEntryBytesMax));
    read.data = std::make_shared<const std::string>(flat::view(data));
    to.entries.push_back(std::move(read));
  }
  return to;
}

InstallSnapshot read(schema::InstallSnapshot::Reader from) {
  InstallSnapshot to;
  to.metadata.index = LogIndex(from.getIndex());
  to.metadata.term = Term(from.getSnapshotTerm());
  to.metadata.configuration = flat::view(from.getConfiguration());
  to.metadata.configuration_index = LogIndex(from.getConfigurationIndex());
  return to;
}

template <class Content>
Result<RaftMessage> whole(Term term, Content content) {
  RaftMessage message;
  message.term = term;
  message.content = std::move(content);
  return message;
}

template <class Content>
Result<RaftMessage> whole(Term term, Result<Content> content) {
  if (!content) return fail(std::move(content.error()));
  return whole(term, std::move(*content));
}

Result<RaftMessage> read(schema::RaftMessage::Reader from) {
  const Term term(from.getTerm());
  switch (from.which()) {
    case schema::RaftMessage::REQUEST_VOTE: {
      const auto vote = from.getRequestVote();
      return whole(term, RequestVote{LogIndex(vote.getLastIndex()), Term(vote.getLastTerm()), vote.getDisruptLeader(),
                                     vote.getPreVote()});
    }
    case schema::RaftMessage::REQUEST_VOTE_RESULT: {
      const auto result = from.getRequestVoteResult();
      return whole(term, RequestVoteResult{result.getGranted(), result.getPreVote(), result.getFeatures(),
                                           result.getCapacity()});
    }
    case schema::RaftMessage::APPEND_ENTRIES: return whole(term, read(from.getAppendEntries()));
    case schema::RaftMessage::APPEND_ENTRIES_RESULT: {
      const auto result = from.getAppendEntriesResult();
      return whole(term, AppendEntriesResult{LogIndex(result.getRejected()), LogIndex(result.getLastIndex()),
                                             result.getFeatures(), result.getCapacity()});
    }
    case schema::RaftMessage::INSTALL_SNAPSHOT: return whole(term, read(from.getInstallSnapshot()));
    case schema::RaftMessage::LEADER_CHECK: return whole(term, LeaderCheck{from.getLeaderCheck()});
    case schema::RaftMessage::LEADER_CHECK_RESULT: return whole(term, LeaderCheckResult{from.getLeaderCheckResult()});
    case schema::RaftMessage::TIMEOUT_NOW: {
      const auto timeout = from.getTimeoutNow();
      return whole(term, TimeoutNow{LogIndex(timeout.getLastIndex()), Term(timeout.getLastTerm())});
    }
  }
  return fail(ErrorCode::kUnsupportedVersion, "raftMessage", "a kind of message that this version does not know");
}

}  // namespace

std::string encode(const RaftMessage& message) {
  const std::size_t content = std::visit([](const auto& part) { return words_behind(part); }, message.content);
  flat::Writer writer(flat::words_of<schema::RaftMessage>() + content + flat::kChecksumWords);
  auto root = writer.initRoot<schema::RaftMessage>();
  root.setTerm(message.term.value);
  std::visit([&](const auto& part) { write(part, root); }, message.content);
  return flat::with_checksum(writer.take());
}

Result<RaftMessage> decode_raft_message(std::string_view bytes) {
  return flat::read_checked<schema::RaftMessage>(bytes, "raftMessage",
                                                 [](schema::RaftMessage::Reader from) { return read(from); });
}

}  // namespace earshot::cluster
