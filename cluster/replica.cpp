#include "cluster/replica.hpp"

#include <algorithm>
#include <utility>

#include "base/multiples.hpp"
#include "cluster/raft_replica.hpp"

namespace earshot::cluster {
namespace {

// Whoever was sent nothing for so long is due a heartbeat at the next beat of the node: see ask_for_wake().
std::uint32_t due_after_ms(std::uint32_t heartbeat_ms) { return std::max(1u, heartbeat_ms * 2 / 3); }

raft_engine* new_engine(const Replica::Options& options) {
  raft_engine_options plain{};
  plain.id = options.self.value;
  plain.address = options.address.c_str();
  plain.seed = options.seed;
  plain.election_timeout_ms = options.election_timeout_ms;
  plain.heartbeat_ms = due_after_ms(options.heartbeat_ms);
  plain.install_timeout_ms = limits::kInstallTimeoutMs;
  plain.entries_in_flight_max = limits::kRaftEntriesInFlightMax;
  return raft_engine_new(&plain);
}

Role role_of(raft_engine_state state) {
  switch (state) {
    case RAFT_ENGINE_FOLLOWER: return Role::kFollower;
    case RAFT_ENGINE_CANDIDATE: return Role::kCandidate;
    case RAFT_ENGINE_LEADER: return Role::kLeader;
  }
  invariant_broken("state", __FILE__, __LINE__, "the engine is in a state of Raft");
}

}  // namespace

Result<std::unique_ptr<Replica>> Replica::start(const Options& options, ReplicaHost& host, storage::LoadedLog loaded,
                                                std::optional<LogIndex> applied, std::uint64_t now_ms) {
  auto recovered = recover(options, std::move(loaded), applied);
  if (!recovered) return fail(std::move(recovered.error()));
  std::optional<storage::LogWrite> first_write = std::move(recovered->first_write);
  auto replica = std::make_unique<RaftReplica>(options, host, std::move(*recovered));
  replica->begin(std::move(first_write), now_ms);
  return replica;
}

RaftReplica::RaftReplica(const Options& options, ReplicaHost& host, Recovered recovered)
    : options_(options),
      counters_(options.counters ? options.counters : std::make_shared<RaftCounters>()),
      host_(host),
      engine_(new_engine(options)),
      log_(std::move(recovered.log)),
      hard_state_(recovered.hard_state),
      synced_(recovered.synced),
      has_state_(recovered.applied.has_value()),
      applied_(recovered.applied.value_or(LogIndex{})) {
  raft_engine_set_stands(engine_.get(), has_state_);
  membership_changed();
}

RaftReplica::~RaftReplica() {
  if (options_.pulse) options_.pulse->stirs();
}

// The engine is told that a new group's first entry is stored while it is only on its way: every message waits for the
// write, and every other entry is written after it, so nobody can learn the difference.
void RaftReplica::begin(std::optional<storage::LogWrite> first_write, std::uint64_t now_ms) {
  if (first_write) {
    Write record;
    if (!first_write->entries.empty()) record.last = first_write->entries.back().index;
    if (!first_write->entries.empty()) record.last_term = first_write->entries.back().term;
    issue(std::move(*first_write), std::move(record));
  }
  std::vector<raft_engine_entry> entries;
  for (LogIndex index = log_.cut().next(); index <= log_.last_index(); index = index.next()) {
    const storage::LogEntry& entry = *log_.find(index);
    entries.push_back({entry.term.value, static_cast<int>(entry.type), entry.data->data(), entry.data->size()});
  }
  raft_engine_snapshot snapshot{};
  if (log_.snapshot()) snapshot = engine_snapshot(*log_.snapshot());
  configuration_told_ =
      LogIndex(log_.snapshot() ? snapshot.configuration_index : std::min<std::uint64_t>(1, entries.size()));

  raft_engine_update update;
  raft_engine_start(engine_.get(), at(now_ms), hard_state_.term.value, hard_state_.voted_for.value,
                    log_.snapshot() ? &snapshot : nullptr, log_.cut().value + 1, entries.data(),
                    static_cast<unsigned>(entries.size()), &update);
  absorb(update);
  settle();
}

// ---- events

Result<LogIndex> RaftReplica::submit(std::vector<storage::SharedBytes> commands, std::uint64_t now_ms) {
  if (commands.empty()) return fail(ErrorCode::kInvalidArgument, "commands", "there are none");
  for (const auto& command : commands) {
    EARSHOT_INVARIANT(command != nullptr, "a command has bytes");
    if (command->size() > limits::kEntryBytesMax) return fail(ErrorCode::kTooLarge, "commands", "entry_bytes_max");
  }
  if (role() != Role::kLeader) return fail(ErrorCode::kUnavailable, "leader", "this replica does not lead");

  raft_engine_update update;
  switch (raft_engine_submit(engine_.get(), at(now_ms), static_cast<unsigned>(commands.size()), &update)) {
    case RAFT_ENGINE_OK: break;
    case RAFT_ENGINE_NO_SPACE: return fail(ErrorCode::kStorageFull, "log", "a majority has no space for entries");
    default: return fail(ErrorCode::kUnavailable, "leader", "leadership is being handed over");
  }
  const LogIndex first = log_.last_index().next();
  std::vector<storage::LogEntry> entries;
  entries.reserve(commands.size());
  for (LogIndex index = first; auto& command : commands) {
    entries.push_back({index, term(), storage::EntryType::kCommand, std::move(command)});
    index = index.next();
  }
  absorb(update, std::move(entries));
  settle();
  return first;
}

void RaftReplica::persisted(std::uint64_t ticket, std::uint64_t now_ms) {
  EARSHOT_INVARIANT(ticket <= tickets_, "only issued writes complete");
  at(now_ms);
  // Writes of a group complete in order, so this one's completion is that of all before.
  while (!writes_.empty() && writes_.front().ticket <= ticket) {
    const Write write = std::move(writes_.front());
    writes_.pop_front();
    synced_ticket_ = write.ticket;
    completed(write);
  }
  release_messages();
  report_synced();
  proceed_with_install();
  settle();
}

void RaftReplica::tick(std::uint64_t now_ms) {
  at(now_ms);
  wake_ms_ = 0;
  take_pulses();
  // An early tick would make a leader count members as silent.
  if (now_ms_ >= raft_engine_timeout(engine_.get())) {
    raft_engine_update update;
    raft_engine_tick(engine_.get(), now_ms_, &update);
    absorb(update);
  }
  feed_followers();
  rest_as_leader();
  settle();
}

Role RaftReplica::role() const { return role_of(raft_engine_state_of(engine_.get())); }

// ---- after a step

void RaftReplica::absorb(const raft_engine_update& update, std::vector<storage::LogEntry> given) {
  storage::LogWrite write;
  Write record;
  bool needed = false;
  const storage::HardState hard_state{term(), NodeId(raft_engine_voted_for(engine_.get()))};
  if (update.hard_state_changed && hard_state != hard_state_) {
    write.hard_state = hard_state_ = hard_state;
    needed = true;
  }
  if (update.entries_n > 0) {
    store_entries(update, std::move(given), write);
    record.last = write.entries.back().index;
    record.last_term = write.entries.back().term;
    needed = true;
  }
  if (needed) issue(std::move(write), std::move(record));
  send_all(update.messages, update.messages_n);
}

void RaftReplica::store_entries(const raft_engine_update& update, std::vector<storage::LogEntry> given,
                                storage::LogWrite& write) {
  const LogIndex first(update.entries_index);
  if (update.barrier) {
    static const auto empty = std::make_shared<const std::string>();
    given.clear();
    given.push_back({first, term(), storage::EntryType::kBarrier, empty});
  } else {
    EARSHOT_INVARIANT(update.entries_offset + update.entries_n == given.size(),
                      "a step stores the rest of its entries");
    given.erase(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(update.entries_offset));
  }
  EARSHOT_INVARIANT(given.front().index == first, "a step stores entries where they belong");
  if (first <= log_.last_index()) {
    // Thesis, figure 3.1: an existing entry that conflicts goes, and all that follow it.
    write.truncate_from = first;
    log_.truncate_from(first);
    synced_ = std::min(synced_, first.previous());
    ++generation_;
  }
  bool members_changed = write.truncate_from.has_value();
  for (const auto& entry : given) {
    members_changed |= entry.type == storage::EntryType::kConfiguration;
    log_.append(entry);
  }
  if (members_changed) membership_changed();
  write.entries = std::move(given);
}

void RaftReplica::settle() {
  end_rest_when_changed();
  tell_committed_configurations();
  proceed_with_promotion();
  apply_committed();
  release_entries();
  announce_role();
  announce_leader();
  announce_members();
  announce_checks();
  cut_when_possible();
  ask_for_wake();
}

void RaftReplica::tell_committed_configurations() {
  if (install_) return;
  while (const auto* next = log_.configuration_after(configuration_told_)) {
    if (next->index > commit_index()) return;
    tell_configuration(*next);
  }
}

void RaftReplica::tell_configuration(const ReplicaLog::Configuration& configuration) {
  configuration_told_ = configuration.index;
  const storage::SharedBytes bytes = configuration.bytes;
  raft_engine_update update;
  raft_engine_configuration_committed(engine_.get(), now_ms_, configuration_told_.value, bytes->data(), bytes->size(),
                                      &update);
  absorb(update);
}

// A commit is a majority's; this node may not be of it yet. State that is ahead of the own synced log would survive a
// crash that takes the entries.
void RaftReplica::apply_committed() {
  if (install_ || !has_state_) {
    apply_ms_ = 0;
    return;
  }
  const LogIndex limit = options_.faults.apply_unsynced ? commit_index() : std::min(commit_index(), synced_);
  while (applied_ < limit) {
    if (const storage::LogEntry* entry = log_.find(applied_.next())) {
      apply(*entry);
    } else {
      if (!apply_stored(limit)) return;
    }
  }
  apply_ms_ = 0;
}

void RaftReplica::apply(const storage::LogEntry& entry) {
  applied_ = entry.index;
  if (entry.type == storage::EntryType::kCommand) host_.apply(entry);
}

// What was committed while there was no state for it: a piece at a time, so that whoever shares this thread gets his
// turn. False: not now, or enough for now.
bool RaftReplica::apply_stored(LogIndex limit) {
  if (now_ms_ < apply_ms_) return false;
  const LogIndex held = log_.held_from();
  const LogIndex last = held.value == 0 ? limit : std::min(limit, held.previous());
  const auto entries = read_stored(applied_.next(), last, limits::kRaftReadBytesMax);
  for (const storage::LogEntry& entry : entries) apply(entry);
  apply_ms_ = now_ms_ + (entries.empty() ? options_.heartbeat_ms : 1);
  return false;
}

std::vector<storage::LogEntry> RaftReplica::read_stored(LogIndex first, LogIndex last, std::size_t bytes_max) {
  last = std::min(last, synced_);
  if (first > last) return {};
  auto entries = host_.read_log(first, last, bytes_max);
  if (!entries || entries->size() > last.value - first.value + 1) return {};
  for (LogIndex index = first; const storage::LogEntry& entry : *entries) {
    if (entry.index != index || entry.term != log_.term_of(index) || entry.data == nullptr) return {};
    index = index.next();
  }
  return std::move(*entries);
}

// An entry that is not on the disk yet can be had from here only. One that is not applied yet is wanted next, unless
// the ones before it are on the disk only, too.
void RaftReplica::release_entries() {
  const bool from_disk = !has_state_ || log_.held_from() > applied_.next();
  const LogIndex through = from_disk ? synced_ : std::min(applied_, synced_);
  log_.release_through(through, membership_.others ? options_.tail_bytes_max : 0);
}

void RaftReplica::announce_role() {
  const Role now = role();
  if (now == announced_role_ && (now != Role::kLeader || term() == announced_term_)) return;
  if (announced_role_ == Role::kLeader) forget_followers();
  if (now == Role::kLeader) leads_from_ = log_.last_index();
  if (now == Role::kLeader) count(counters_->leaderships);
  if (now == Role::kCandidate) count(counters_->candidacies);
  announced_role_ = now;
  announced_term_ = term();
  // libraft adds an entry only when some may not be committed. Without one, what an earlier leader has left in one log
  // alone could stay there, and be committed hours later by an election that this log wins.
  if (now == Role::kLeader && membership_.others && log_.term_of(log_.last_index()) != term()) submit_barrier();
  host_.role_changed(announced_role_, announced_term_);
}

void RaftReplica::announce_leader() {
  const NodeId now = leader();
  if (now == announced_leader_ && (now.value == 0 || term() == announced_leader_term_)) return;
  announced_leader_ = now;
  announced_leader_term_ = term();
  if (now.value != 0) count(counters_->leaders_known);
  host_.leader_changed(announced_leader_, announced_leader_term_);
}

// A leader without other members has nobody to send heartbeats to and no quorum to lose: it needs no timer. All that
// lead on a node beat at the same times, multiples of the heartbeat: what they send then goes in few packets, and wakes
// few threads.
void RaftReplica::ask_for_wake() {
  const bool timed = role() != Role::kLeader || membership_.others;
  if (!timed && apply_ms_ == 0) return;
  std::uint64_t wake = timed ? raft_engine_timeout(engine_.get()) : apply_ms_;
  if (timed && role() == Role::kLeader) {
    wake = multiple_from(wake, options_.heartbeat_ms);
    if (rest_ && rest_is_heard_)
      wake = std::max(wake, multiple_after(now_ms_, std::uint64_t{options_.heartbeat_ms} * limits::kRestBeats));
  }
  if (apply_ms_ != 0) wake = std::min(wake, apply_ms_);
  wake = std::max(wake, now_ms_ + 1);
  if (wake == wake_ms_) return;
  wake_ms_ = wake;
  host_.wake_at(wake);
}

// ---- writes

void RaftReplica::issue(storage::LogWrite write, Write record) {
  write.group = options_.group;
  write.ticket = record.ticket = ++tickets_;
  record.generation = generation_;
  if (write.hard_state) hard_state_ticket_ = write.ticket;
  writes_.push_back(std::move(record));
  host_.write_log(std::move(write));
}

void RaftReplica::completed(const Write& write) {
  if (write.last.value > 0 && options_.faults.report_stale_completions) {
    synced_ = std::min(std::max(synced_, write.last), log_.last_index());
  } else if (write.last.value > 0 && write.generation == generation_) {
    EARSHOT_INVARIANT(log_.term_of(write.last) == write.last_term, "a write of this generation is part of the log");
    synced_ = write.last;
  }
  if (write.snapshot) snapshot_synced(write);
  if (write.installs) install_synced();
}

// Thesis, section 10.2.1: an entry counts as stored by this node once it is durable here, and not before.
void RaftReplica::report_synced() {
  if (install_ || synced_.value <= raft_engine_last_stored(engine_.get())) return;
  raft_engine_update update;
  raft_engine_persisted_entries(engine_.get(), now_ms_, synced_.value, &update);
  absorb(update);
}

}  // namespace earshot::cluster
