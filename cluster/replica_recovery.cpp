#include "cluster/replica_recovery.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace earshot::cluster {
namespace {

tl::unexpected<Error> corrupt(const Replica::Options& options, std::string what) {
  return fail(ErrorCode::kCorrupt, "log", "group " + std::to_string(options.group.value) + ": " + std::move(what));
}

bool is_new(const storage::LoadedLog& loaded) {
  return loaded.hard_state == storage::HardState{} && !loaded.snapshot && loaded.entries.empty();
}

// Why these entries are no log, or "".
std::string flaw_of_entries(const storage::LoadedLog& loaded) {
  Term previous;
  for (std::size_t i = 0; i < loaded.entries.size(); ++i) {
    const storage::LogEntry& entry = loaded.entries[i];
    const std::string name = "entry " + std::to_string(entry.index.value);
    if (entry.index.value != loaded.entries.front().index.value + i || entry.index.value == 0)
      return name + ": a hole before it";
    if (entry.term < previous || entry.term.value == 0) return name + ": its term goes back";
    if (entry.term > loaded.hard_state.term) return name + ": its term is newer than the current one";
    if (entry.data == nullptr) return name + ": it has no data";
    if (entry.type == storage::EntryType::kConfiguration && !is_configuration(*entry.data)) {
      return name + ": its configuration is damaged";
    }
    previous = entry.term;
  }
  if (loaded.snapshot || loaded.entries.empty()) return "";
  if (loaded.entries.front().index.value != 1) return "without a snapshot the log must begin at 1";
  if (loaded.entries.front().type != storage::EntryType::kConfiguration) return "entry 1 is no configuration";
  return "";
}

std::string flaw_of_snapshot(const storage::LoadedLog& loaded) {
  const storage::SnapshotMetadata& snapshot = *loaded.snapshot;
  if (snapshot.index.value == 0 || snapshot.term.value == 0 || snapshot.term > loaded.hard_state.term ||
      snapshot.configuration_index.value == 0 || snapshot.configuration_index > snapshot.index) {
    return "the snapshot's metadata is damaged";
  }
  if (!is_configuration(snapshot.configuration)) return "the snapshot's configuration is damaged";
  if (!loaded.entries.empty() && loaded.entries.front().index > snapshot.index.next()) {
    return "a hole between the snapshot at " + std::to_string(snapshot.index.value) + " and the log";
  }
  return "";
}

std::string flaw_of_state(LogIndex applied, LogIndex snapshot) {
  if (applied >= snapshot) return "";
  return "the state stands at " + std::to_string(applied.value) + ", below the snapshot at " +
         std::to_string(snapshot.value);
}

// Joined by index and term: the entry at the snapshot's index is the snapshot's, or the log begins just behind it.
bool joins_snapshot(const storage::LoadedLog& loaded, const ReplicaFaults& faults) {
  if (loaded.entries.empty()) return true;
  const storage::SnapshotMetadata& snapshot = *loaded.snapshot;
  const LogIndex first = loaded.entries.front().index;
  if (first == snapshot.index.next()) return loaded.entries.front().term >= snapshot.term;
  if (loaded.entries.back().index < snapshot.index) return false;
  if (faults.joins_by_index_alone) return true;
  return loaded.entries[snapshot.index.value - first.value].term == snapshot.term;
}

// A sole voter has nobody who could give it what it lacks.
std::string flaw_of_sole_voter(const Recovered& recovered) {
  if (!recovered.applied && recovered.log.cut().value > 0) {
    return "the state is not there, and the log of its only voter begins above 1";
  }
  if (recovered.applied && *recovered.applied > recovered.log.last_index()) {
    return "the state stands at " + std::to_string(recovered.applied->value) + ", the log ends at " +
           std::to_string(recovered.log.last_index().value);
  }
  return "";
}

Recovered bootstrap(const Replica::Options& options) {
  std::vector<Member> members = options.bootstrap;
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.node < b.node; });
  const auto bytes = std::make_shared<const std::string>(encode_members(members));
  Recovered recovered;
  recovered.applied = LogIndex{};
  recovered.hard_state.term = Term(1);
  if (Membership::of(members, options.self).sole_voter()) recovered.hard_state.voted_for = options.self;
  const storage::LogEntry first{LogIndex(1), Term(1), storage::EntryType::kConfiguration, bytes};
  recovered.log.append(first);
  recovered.first_write.emplace();
  recovered.first_write->hard_state = recovered.hard_state;
  recovered.first_write->entries.push_back(first);
  return recovered;
}

Recovered take_up(storage::LoadedLog loaded, std::optional<LogIndex> applied, const ReplicaFaults& faults) {
  Recovered recovered;
  recovered.applied = applied;
  recovered.hard_state = loaded.hard_state;
  if (loaded.snapshot) {
    const bool joins = joins_snapshot(loaded, faults);
    if (!joins) {
      loaded.entries.clear();
      recovered.first_write.emplace();
      recovered.first_write->snapshot = loaded.snapshot;
      recovered.first_write->drop_log = true;
    }
    const LogIndex cut = loaded.entries.empty() ? loaded.snapshot->index : loaded.entries.front().index.previous();
    recovered.log.reset(*loaded.snapshot, cut);
  }
  for (auto& entry : loaded.entries) recovered.log.append(std::move(entry));
  recovered.synced = recovered.log.last_index();
  return recovered;
}

}  // namespace

Result<Recovered> recover(const Replica::Options& options, storage::LoadedLog loaded, std::optional<LogIndex> applied) {
  if (is_new(loaded)) {
    if (applied.value_or(LogIndex{}).value != 0)
      return corrupt(options, "the log is empty, the state stands at " + std::to_string(applied->value));
    const bool invited = std::any_of(options.bootstrap.begin(), options.bootstrap.end(),
                                     [&](const Member& member) { return member.node == options.self; });
    if (invited) return bootstrap(options);
    Recovered joins;
    joins.applied = applied;
    return joins;
  }
  std::string flaw = flaw_of_entries(loaded);
  if (flaw.empty() && loaded.snapshot) flaw = flaw_of_snapshot(loaded);
  if (!flaw.empty()) return corrupt(options, std::move(flaw));
  // One that was fetched while the log went on to a later snapshot: others have another one.
  const std::string below = loaded.snapshot && applied ? flaw_of_state(*applied, loaded.snapshot->index) : "";
  if (!below.empty()) applied.reset();

  Recovered recovered = take_up(std::move(loaded), applied, options.faults);
  const auto* configuration = recovered.log.newest_configuration();
  if (configuration == nullptr || !Membership::of(members_of(*configuration->bytes), options.self).sole_voter())
    return recovered;
  flaw = below.empty() ? flaw_of_sole_voter(recovered) : below;
  if (!flaw.empty()) return corrupt(options, std::move(flaw));
  if (!recovered.applied) recovered.applied = LogIndex{};
  recovered.hard_state = {recovered.hard_state.term.next(), options.self};
  if (!recovered.first_write) recovered.first_write.emplace();
  recovered.first_write->hard_state = recovered.hard_state;
  return recovered;
}

}  // namespace earshot::cluster
