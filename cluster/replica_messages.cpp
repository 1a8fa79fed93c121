#include <algorithm>
#include <iterator>
#include <utility>

#include "cluster/raft_replica.hpp"

namespace earshot::cluster {
namespace {

// Messages that wait for the disk, of one group; beyond it the oldest are dropped, as a lossy network would.
constexpr std::size_t kHeldMessagesMax = 1024;

raft_engine_message engine_message(NodeId from, Term term, int type) {
  raft_engine_message message{};
  message.type = type;
  message.peer = from.value;
  message.term = term.value;
  return message;
}

raft_engine_message engine_message(NodeId from, Term term, const RequestVote& vote) {
  auto message = engine_message(from, term, RAFT_ENGINE_REQUEST_VOTE);
  message.request_vote = {vote.last_index.value, vote.last_term.value, vote.disrupt_leader, vote.pre_vote};
  return message;
}

raft_engine_message engine_message(NodeId from, Term term, const RequestVoteResult& result) {
  auto message = engine_message(from, term, RAFT_ENGINE_REQUEST_VOTE_RESULT);
  message.request_vote_result = {result.granted, result.pre_vote, result.features, result.capacity};
  return message;
}

raft_engine_message engine_message(NodeId from, Term term, const AppendEntriesResult& result) {
  auto message = engine_message(from, term, RAFT_ENGINE_APPEND_ENTRIES_RESULT);
  message.append_entries_result = {result.rejected.value, result.last_index.value, result.features, result.capacity};
  return message;
}

raft_engine_message engine_message(NodeId from, Term term, const TimeoutNow& timeout) {
  auto message = engine_message(from, term, RAFT_ENGINE_TIMEOUT_NOW);
  message.timeout_now = {timeout.last_index.value, timeout.last_term.value};
  return message;
}

}  // namespace

// ---- incoming

void RaftReplica::receive(const PeerMessage& message, std::uint64_t now_ms) {
  at(now_ms);
  // What is not for us or makes no sense is dropped: Raft asks no more of a network than that it gets through now and
  // then.
  if (message.to != options_.self) return;
  auto decoded = decode_raft_message(message.body);
  if (!decoded) return;
  const Term term = decoded->term;
  heard_from(message.from, term);
  if (auto* append = std::get_if<AppendEntries>(&decoded->content)) {
    receive_append(message.from, term, std::move(*append));
  } else if (auto* install = std::get_if<InstallSnapshot>(&decoded->content)) {
    auto received = engine_message(message.from, term, RAFT_ENGINE_INSTALL_SNAPSHOT);
    received.install_snapshot = engine_snapshot(install->metadata);
    if (raft_engine_objection(engine_.get(), &received) != nullptr) return;
    raft_engine_update update;
    raft_engine_receive(engine_.get(), now_ms_, &received, &update);
    // The log is replaced first: messages and writes of this step are about the log that will be.
    if (update.install_snapshot) begin_install(std::move(install->metadata));
    absorb(update);
    proceed_with_install();
  } else if (auto* vote = std::get_if<RequestVote>(&decoded->content)) {
    feed(engine_message(message.from, term, *vote), {});
  } else if (auto* vote_result = std::get_if<RequestVoteResult>(&decoded->content)) {
    feed(engine_message(message.from, term, *vote_result), {});
  } else if (auto* append_result = std::get_if<AppendEntriesResult>(&decoded->content)) {
    receive_append_result(message.from, term, *append_result);
  } else if (auto* timeout = std::get_if<TimeoutNow>(&decoded->content)) {
    feed(engine_message(message.from, term, *timeout), {});
  } else if (auto* check = std::get_if<LeaderCheck>(&decoded->content)) {
    answer_check(message.from, term, *check);
  } else if (auto* checked = std::get_if<LeaderCheckResult>(&decoded->content)) {
    if (role() == Role::kLeader && term == this->term()) checks_.answered(message.from, checked->number);
  }
  settle();
}

// libraft finds a configuration only when it comes first among new entries, so a message is fed in pieces that begin
// with one, as if the leader had sent them one by one.
void RaftReplica::receive_append(NodeId from, Term term, AppendEntries append) {
  // libraft ignores entries during an install, and does not answer them either: their sender would take this node for
  // dead, and step down when it needs it for a majority.
  if (install_) append.entries.clear();
  if (!append.entries.empty()) count(counters_->entries_received, append.entries.size());
  if (!could_apply_all(append)) return count(counters_->appends_unreadable);
  if (!install_ && term >= this->term()) begin_at_snapshot(append);
  LogIndex previous = append.previous_index;
  Term previous_term = append.previous_term;
  auto begin = append.entries.begin();
  do {
    auto end = begin == append.entries.end() ? begin : begin + 1;
    while (end != append.entries.end() && end->type != storage::EntryType::kConfiguration) ++end;
    auto message = engine_message(from, term, RAFT_ENGINE_APPEND_ENTRIES);
    message.append_entries.previous_index = previous.value;
    message.append_entries.previous_term = previous_term.value;
    message.append_entries.leader_commit = append.leader_commit.value;
    if (begin != end && begin->type == storage::EntryType::kConfiguration) {
      tell_configurations_before(previous, previous_term, *begin);
    }
    if (begin != end) {
      previous = (end - 1)->index;
      previous_term = (end - 1)->term;
    }
    feed(message, {std::make_move_iterator(begin), std::make_move_iterator(end)});
    tell_committed_configurations();
    begin = end;
    // Go on only when the piece was taken.
  } while (begin != append.entries.end() && log_.term_of(previous) == previous_term);
  if (append.entries.empty() && term == this->term() && from == leader()) rest_as_follower();
}

// What is stored is acknowledged, then committed, and then it must be applied: an entry that cannot be would stop every
// replica of the group, and again at each start. Whoever sends one is damaged, or of a later release, or no friend: it
// is not taken for heard either, so that another one is elected, whose log has nothing of it.
bool RaftReplica::could_apply_all(const AppendEntries& append) {
  return std::ranges::all_of(append.entries, [this](const storage::LogEntry& entry) {
    return entry.type != storage::EntryType::kCommand || log_.term_of(entry.index) == entry.term ||
           host_.could_apply(entry);
  });
}

// What a snapshot holds is committed, and so it stands in the log of whoever leads in this term or a later one. libraft
// knows no terms below the cut and denies what comes from there: for ever, where the leader knows that it was stored.
void RaftReplica::begin_at_snapshot(AppendEntries& append) const {
  const LogIndex snapshot = log_.snapshot_index();
  if (append.previous_index >= snapshot || append.previous_index == LogIndex() || log_.joins(append.previous_index))
    return;
  const auto first_new = std::ranges::find_if(append.entries, [&](const auto& each) { return each.index > snapshot; });
  append.entries.erase(append.entries.begin(), first_new);
  append.previous_index = snapshot;
  append.previous_term = log_.snapshot()->term;
}

// Members change one after the other: that there is a next configuration says that the one before is committed, also
// when the commit index does not say so yet. libraft would forget the one before, and fall back on a still older one if
// the next is taken back.
void RaftReplica::tell_configurations_before(LogIndex previous, Term previous_term, const storage::LogEntry& next) {
  if (previous.value == 0 || log_.term_of(previous) != previous_term || log_.term_of(next.index) == next.term) return;
  const auto* before = log_.configuration_at(previous);
  if (before == nullptr || before->index <= configuration_told_) return;
  tell_configuration(*before);
}

// A snapshot that got lost shows by a member that rejects the snapshot's index, whereupon libraft sends it again; but
// only if that is the very snapshot it sent, and not a newer one that it has since: then it would wait for the install
// to time out. So an answer that moved nothing is repeated in the terms that libraft remembers.
void RaftReplica::receive_append_result(NodeId from, Term term, AppendEntriesResult result) {
  heard_result(from, result.rejected.value != 0);
  if (result.rejected.value != 0) count(counters_->appends_refused);
  const std::uint64_t sent_before = appends_;
  const bool moved = feed_result(from, term, result);
  const auto follower = followers_.find(from);
  if (role() != Role::kLeader || follower == followers_.end()) return;
  if (term == this->term()) {
    follower->second.answer = result;
    follower->second.has_all = result.rejected.value == 0 && result.last_index == last_index();
  }
  const auto& sent = follower->second.snapshot;
  if (!moved && sent && result.rejected.value != 0 && result.rejected == log_.snapshot_index() &&
      sent->index != result.rejected) {
    result.rejected = sent->index;
    feed_result(from, term, result);
  }
  follower->second.feed.acknowledged(match_index(from));
  if (appends_ == sent_before) feed_follower(from, follower->second);
}

bool RaftReplica::feed_result(NodeId from, Term term, const AppendEntriesResult& result) {
  return feed(engine_message(from, term, result), {});
}

bool RaftReplica::feed(const raft_engine_message& message, std::vector<storage::LogEntry> given) {
  raft_engine_message fed = message;
  if (fed.type == RAFT_ENGINE_APPEND_ENTRIES) {
    scratch_.clear();
    for (const auto& entry : given) {
      scratch_.push_back({entry.term.value, static_cast<int>(entry.type), entry.data->data(), entry.data->size()});
    }
    fed.append_entries.entries = scratch_.data();
    fed.append_entries.entries_n = static_cast<unsigned>(scratch_.size());
  }
  if (raft_engine_objection(engine_.get(), &fed) != nullptr) return false;
  raft_engine_update update;
  raft_engine_receive(engine_.get(), now_ms_, &fed, &update);
  absorb(update, std::move(given));
  return update.messages_n > 0;
}

// ---- outgoing

// Entries are filled in now: by the time a message may leave, the log can be another.
void RaftReplica::send_all(const raft_engine_message* messages, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (messages[i].type == RAFT_ENGINE_APPEND_ENTRIES) {
      send_append(messages[i]);
      continue;
    }
    RaftMessage message;
    message.term = Term(messages[i].term);
    fill(messages[i], message);
    post(NodeId(messages[i].peer), message);
  }
}

void RaftReplica::fill(const raft_engine_message& from, RaftMessage& to) {
  switch (from.type) {
    case RAFT_ENGINE_REQUEST_VOTE: {
      const auto& vote = from.request_vote;
      to.content = RequestVote{LogIndex(vote.last_index), Term(vote.last_term), vote.disrupt_leader, vote.pre_vote};
      return;
    }
    case RAFT_ENGINE_REQUEST_VOTE_RESULT: {
      const auto& result = from.request_vote_result;
      to.content = RequestVoteResult{result.granted, result.pre_vote, result.features, result.capacity};
      return;
    }
    case RAFT_ENGINE_APPEND_ENTRIES_RESULT: {
      const auto& result = from.append_entries_result;
      to.content =
          AppendEntriesResult{LogIndex(result.rejected), LogIndex(result.last_index), result.features, result.capacity};
      return;
    }
    case RAFT_ENGINE_INSTALL_SNAPSHOT: fill_install(from, to.content.emplace<InstallSnapshot>()); return;
    case RAFT_ENGINE_TIMEOUT_NOW: {
      const auto& timeout = from.timeout_now;
      to.content = TimeoutNow{LogIndex(timeout.last_index), Term(timeout.last_term)};
      return;
    }
    default: invariant_broken("message", __FILE__, __LINE__, "the engine sends messages of Raft");
  }
}

void RaftReplica::post(NodeId to, const RaftMessage& message) { post({options_.self, to, encode(message)}); }

// Thesis, figure 3.1: term and vote are on stable storage before anybody hears of them. One queue keeps the order also
// for the messages that would not have to wait.
void RaftReplica::post(PeerMessage message) {
  if (options_.faults.send_before_hard_state || (held_.empty() && hard_state_ticket_ <= synced_ticket_)) {
    host_.send(std::move(message));
    return;
  }
  if (held_.size() >= kHeldMessagesMax) held_.pop_front();
  held_.push_back({hard_state_ticket_, std::move(message)});
}

void RaftReplica::release_messages() {
  while (!held_.empty() && held_.front().ticket <= synced_ticket_) {
    host_.send(std::move(held_.front().message));
    held_.pop_front();
  }
}

}  // namespace earshot::cluster
