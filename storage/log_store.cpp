#include "storage/log_store.hpp"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "storage/group_log.hpp"
#include "storage/log_codec.hpp"
#include "storage/log_sweep.hpp"

namespace earshot::storage {
namespace {

constexpr Table kLogTable = 0;
constexpr Table kHardStateTable = 1;
constexpr Table kSnapshotTable = 2;

// What an entry counts beside its data when a reader bounds its bytes; as LogWrite::bytes().
constexpr std::size_t kEntryOverheadBytes = 64;

// Entries that one transaction erases beside twice as many as it appends.
constexpr std::size_t kErasedPerWrite = 256;

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::kCorrupt, "", "the log's record of " + std::string(what) + " fails its checksum");
}

// A damaged page can hide records from a scan, which shows nothing by itself: at the log's end least of all.
Status check_whole(ReadTransaction& transaction, Table table, std::uint64_t scanned) {
  const auto expected = transaction.count(table);
  if (!expected) return fail(expected.error());
  if (scanned == *expected) return {};
  return fail(ErrorCode::kCorrupt, "",
              "the table \"" + LogStore::tables()[table] + "\" shows " + std::to_string(scanned) + " of " +
                  std::to_string(*expected) + " records");
}

LogEntry entry_of(const LogRecord& record) {
  return LogEntry{record.index, record.term, record.type, std::make_shared<const std::string>(record.data)};
}

class DiskLogStore final : public LogStore {
 public:
  DiskLogStore(Environment& environment, const LogSweepOptions& sweep) : environment_(environment), sweep_(sweep) {}

  // Rebuilds the index from the log.
  Status scan();

  Result<LoadedLog> load(GroupId group) override;
  Status write(std::span<const LogWrite> writes, Erase erase) override;
  Result<std::vector<LogEntry>> read(GroupId group, LogIndex first, LogIndex last, std::size_t bytes_max) override;

 private:
  using Staged = std::unordered_map<GroupId, StagedGroupLog>;

  Status scan_snapshots(ReadTransaction& transaction);
  Status scan_entries(ReadTransaction& transaction);
  Status note_entry(std::uint64_t number, const LogRecord& record);
  Status check_joins();

  Status stage(WriteTransaction& transaction, const LogWrite& write, StagedGroupLog& log, std::uint64_t& number);
  StagedGroupLog& staged_log(Staged& staged, GroupId group);
  Status erase_cut(WriteTransaction& transaction, Staged& staged, std::size_t records_max, Erase erase);
  Status sweep(WriteTransaction& transaction, Staged& staged, std::size_t records_max, LogSweep& sweep,
               std::size_t bytes_max);

  Environment& environment_;
  mutable std::shared_mutex mutex_;  // guards the members below; the writer alone changes them
  std::unordered_map<GroupId, GroupLog> groups_;
  std::uint64_t next_number_ = 1;  // the one append point
  LogSweep sweep_;
  bool has_room_ = true;  // the last write found it
  // Odd from before a commit until the index shows it: a reader that misses a record then asks again instead of crying
  // wolf.
  std::uint64_t changes_ = 0;
};

Status DiskLogStore::scan() {
  auto transaction = environment_.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  if (auto scanned = scan_snapshots(**transaction); !scanned) return scanned;
  if (auto scanned = scan_entries(**transaction); !scanned) return scanned;
  std::uint64_t hard_states = 0;
  const auto visit = [&hard_states](std::string_view, std::string_view) { return ++hard_states > 0; };
  if (auto scanned = (*transaction)->scan(kHardStateTable, {}, {}, visit); !scanned) return scanned;
  if (auto whole = check_whole(**transaction, kHardStateTable, hard_states); !whole) return whole;
  return check_joins();
}

Status DiskLogStore::scan_snapshots(ReadTransaction& transaction) {
  Status outcome;
  std::uint64_t records = 0;
  const auto visit = [&](std::string_view key, std::string_view value) {
    ++records;
    const auto group = decode_group(key);
    const auto snapshot = decode_snapshot(key, value);
    if (!group || !snapshot) {
      outcome = damaged("a snapshot's metadata" + (group ? " of group " + std::to_string(group->value) : ""));
      return false;
    }
    GroupLog& log = groups_[*group];
    log.snapshot = snapshot->index;
    log.first = snapshot->index.next();
    return true;
  };
  if (auto scanned = transaction.scan(kSnapshotTable, {}, {}, visit); !scanned) return scanned;
  return outcome ? check_whole(transaction, kSnapshotTable, records) : outcome;
}

Status DiskLogStore::scan_entries(ReadTransaction& transaction) {
  Status outcome;
  std::uint64_t records = 0;
  const auto visit = [&](std::string_view key, std::string_view value) {
    ++records;
    const auto number = decode_running_number(key);
    const auto record = decode_log_record(key, value);
    outcome = number && record ? note_entry(*number, *record) : damaged(describe_damaged_record(value));
    return outcome.has_value();
  };
  if (auto scanned = transaction.scan(kLogTable, {}, {}, visit); !scanned) return scanned;
  return outcome ? check_whole(transaction, kLogTable, records) : outcome;
}

Status DiskLogStore::note_entry(std::uint64_t number, const LogRecord& record) {
  GroupLog& log = groups_[record.group];
  // What was cut and not erased yet lies before an installed snapshot.
  const bool was_cut = record.index > log.last().next() && log.last() <= log.snapshot;
  if (log.numbers.empty() || was_cut) {
    log.numbers.clear();
    log.first = record.index;
  } else if (record.index != log.last().next()) {
    return fail(ErrorCode::kCorrupt, "",
                "the log of group " + std::to_string(record.group.value) + " goes from index " +
                    std::to_string(log.last().value) + " to " + std::to_string(record.index.value));
  }
  log.numbers.push_back(number);
  next_number_ = number + 1;
  return {};
}

// Every log reaches down to its snapshot, or to the first entry there ever was; and up to it, if there is any of it.
Status DiskLogStore::check_joins() {
  for (auto& [group, log] : groups_) {
    if (log.last() < log.snapshot) {
      log.numbers.clear();
      log.first = log.snapshot.next();
    }
    if (log.first <= log.snapshot.next()) continue;
    return fail(ErrorCode::kCorrupt, "",
                "the log of group " + std::to_string(group.value) + " begins at index " +
                    std::to_string(log.first.value) + ", its snapshot ends at " + std::to_string(log.snapshot.value));
  }
  return {};
}

Result<LoadedLog> DiskLogStore::load(GroupId group) {
  LoadedLog loaded;
  auto transaction = environment_.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  const std::string key = encode_group(group);
  const std::string name = "group " + std::to_string(group.value);

  auto hard_state = (*transaction)->get(kHardStateTable, key);
  if (!hard_state) return fail(std::move(hard_state.error()));
  if (*hard_state) {
    const auto decoded = decode_hard_state(key, **hard_state);
    if (!decoded) return damaged("the term and vote of " + name);
    loaded.hard_state = *decoded;
  }
  auto snapshot = (*transaction)->get(kSnapshotTable, key);
  if (!snapshot) return fail(std::move(snapshot.error()));
  if (*snapshot) {
    loaded.snapshot = decode_snapshot(key, **snapshot);
    if (!loaded.snapshot) return damaged("the snapshot's metadata of " + name);
  }

  LogIndex first;
  LogIndex last;
  {
    const std::shared_lock guard(mutex_);
    const auto known = groups_.find(group);
    if (known == groups_.end() || known->second.numbers.empty()) return loaded;
    first = known->second.first;
    last = known->second.last();
  }
  auto entries = read(group, first, last, SIZE_MAX);
  if (!entries) return fail(std::move(entries.error()));
  loaded.entries = std::move(*entries);
  return loaded;
}

Status DiskLogStore::write(std::span<const LogWrite> writes, Erase erase) {
  if (writes.empty() && erase == Erase::kSome) return {};
  auto transaction = environment_.begin_write();
  if (!transaction) return fail(std::move(transaction.error()));
  Staged staged;
  std::uint64_t number = next_number_;
  std::size_t bytes = 0;
  for (const LogWrite& write : writes) {
    if (auto done = stage(**transaction, write, staged_log(staged, write.group), number); !done) return done;
    bytes += write.bytes();
  }
  const std::uint64_t appended = number - next_number_;
  const std::size_t erased_max = kErasedPerWrite + 2 * appended;
  LogSweep after = sweep_;
  if (after.wants_length()) after.look(environment_.usage().used_bytes, next_number_);
  after.appended(bytes);
  const bool sweeps = after.is_on() && has_room_ && erase == Erase::kSome;
  if (auto done = sweeps ? sweep(**transaction, staged, erased_max, after, LogSweep::budget(bytes))
                         : erase_cut(**transaction, staged, erased_max, erase);
      !done) {
    return done;
  }
  {
    const std::lock_guard guard(mutex_);
    ++changes_;
  }
  Status committed = (*transaction)->commit();
  const std::lock_guard guard(mutex_);
  ++changes_;
  has_room_ = committed.has_value();
  if (!committed) return committed;
  for (auto& [group, log] : staged) std::move(log).publish(groups_[group]);
  next_number_ = number;
  sweep_ = after;
  return {};
}

StagedGroupLog& DiskLogStore::staged_log(Staged& staged, GroupId group) {
  static const GroupLog kEmpty;
  if (const auto known = staged.find(group); known != staged.end()) return known->second;
  const auto log = groups_.find(group);
  return staged.emplace(group, StagedGroupLog(log == groups_.end() ? kEmpty : log->second)).first->second;
}

// From the table's beginning up to the first entry that its group still has; or all there are.
Status DiskLogStore::erase_cut(WriteTransaction& transaction, Staged& staged, std::size_t records_max, Erase erase) {
  std::vector<std::string> keys;
  const auto visit = [&](std::string_view key, std::string_view value) {
    const auto record = decode_log_record(key, value);
    if (!record) return false;
    if (record->index >= staged_log(staged, record->group).first()) return erase == Erase::kAll;
    keys.emplace_back(key);
    return erase == Erase::kAll || keys.size() < records_max;
  };
  if (auto scanned = transaction.scan(kLogTable, {}, {}, visit); !scanned) return scanned;
  for (const std::string& key : keys) {
    auto erased = transaction.erase(kLogTable, key);
    if (!erased) return fail(std::move(erased.error()));
  }
  return {};
}

// Goes on with a sweep.
Status DiskLogStore::sweep(WriteTransaction& transaction, Staged& staged, std::size_t records_max, LogSweep& sweep,
                           std::size_t bytes_max) {
  std::vector<std::string> cut;
  std::vector<std::pair<std::string, std::string>> held;
  std::size_t seen = 0;
  std::size_t bytes = 0;
  bool is_to_go_on = false;
  const auto visit = [&](std::string_view key, std::string_view value) {
    const auto number = decode_running_number(key);
    const auto record = decode_log_record(key, value);
    is_to_go_on = true;
    if (!number || !record || seen++ == records_max) return false;
    if (*number >= sweep.end()) return is_to_go_on = false;
    const StagedGroupLog& log = staged_log(staged, record->group);
    if (record->index < log.first()) {
      cut.emplace_back(key);
    } else {
      const bool fits = held.empty() || bytes + value.size() <= bytes_max;
      const bool has_snapshot = record->index <= log.snapshot();
      if (!fits || !(has_snapshot || sweep.rewrites_early(value.size()))) return false;
      held.emplace_back(key, value);
      bytes += value.size();
    }
    sweep.passed(*number);
    is_to_go_on = false;
    return true;
  };
  std::string from;
  encode_running_number(sweep.next(), from);
  if (auto scanned = transaction.scan(kLogTable, from, {}, visit); !scanned) return scanned;
  if (!is_to_go_on) sweep.ended();
  sweep.rewritten(bytes);
  for (const std::string& key : cut) {
    auto erased = transaction.erase(kLogTable, key);
    if (!erased) return fail(std::move(erased.error()));
  }
  for (const auto& [key, value] : held) {
    if (auto put = transaction.put(kLogTable, key, value); !put) return put;
  }
  return {};
}

// The parts of a write in the order that LogWrite promises.
Status DiskLogStore::stage(WriteTransaction& transaction, const LogWrite& write, StagedGroupLog& log,
                           std::uint64_t& number) {
  const std::string group_key = encode_group(write.group);
  std::string key;
  std::string sealed;
  const auto gone = [&](std::uint64_t gone_number) -> Status {
    encode_running_number(gone_number, key);
    auto erased = transaction.erase(kLogTable, key);
    if (!erased) return fail(std::move(erased.error()));
    return {};
  };
  if (write.hard_state) {
    const std::string value = encode_hard_state(group_key, *write.hard_state);
    if (auto put = transaction.put(kHardStateTable, group_key, value); !put) return put;
  }
  if (write.snapshot) {
    const std::string value = encode_snapshot(group_key, *write.snapshot);
    if (auto put = transaction.put(kSnapshotTable, group_key, value); !put) return put;
    log.set_snapshot(write.snapshot->index);
  }
  if (write.drop_log) {
    if (auto done = log.drop(gone); !done) return done;
  }
  if (write.cut_through) log.cut_through(*write.cut_through);
  if (write.truncate_from) {
    if (auto done = log.truncate_from(*write.truncate_from, gone); !done) return done;
  }
  for (const LogEntry& entry : write.entries) {
    encode_running_number(number, key);
    encode_log_record(key, write.group, entry, sealed);
    if (auto appended = transaction.append(kLogTable, key, sealed); !appended) return appended;
    log.append(entry.index, number++);
  }
  return {};
}

Result<std::vector<LogEntry>> DiskLogStore::read(GroupId group, LogIndex first, LogIndex last, std::size_t bytes_max) {
  const auto gone = [&](LogIndex index) {
    return fail(ErrorCode::kNotFound, "index",
                "group " + std::to_string(group.value) + " has no entry " + std::to_string(index.value));
  };
  std::vector<std::uint64_t> numbers;
  std::uint64_t changes = 0;
  std::unique_ptr<ReadTransaction> transaction;
  {
    const std::shared_lock guard(mutex_);
    const auto known = groups_.find(group);
    if (known == groups_.end() || !known->second.holds(first) || last < first) return gone(first);
    const GroupLog& log = known->second;
    const std::uint64_t wanted = std::min(last, log.last()).value - first.value + 1;
    const std::size_t count = std::min<std::uint64_t>(wanted, bytes_max / kEntryOverheadBytes + 1);
    const auto begin = log.numbers.begin() + static_cast<std::ptrdiff_t>(first.value - log.first.value);
    numbers.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    changes = changes_;
    auto begun = environment_.begin_read();
    if (!begun) return fail(std::move(begun.error()));
    transaction = std::move(*begun);
  }

  std::vector<LogEntry> entries;
  std::size_t bytes = 0;
  std::string key;
  for (LogIndex index = first; const std::uint64_t number : numbers) {
    encode_running_number(number, key);
    auto stored = transaction->get(kLogTable, key);
    if (!stored) return fail(std::move(stored.error()));
    const std::string name = "group " + std::to_string(group.value) + ", index " + std::to_string(index.value);
    if (!*stored) {
      const std::shared_lock guard(mutex_);
      if (changes_ == changes && changes % 2 == 0) {
        return fail(ErrorCode::kCorrupt, "", "the log's record of " + name + " is missing");
      }
      if (entries.empty()) return gone(index);
      break;
    }
    const auto record = decode_log_record(key, **stored);
    if (!record || record->group != group || record->index != index) return damaged(name);
    bytes += record->data.size() + kEntryOverheadBytes;
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(entry_of(*record));
    index = index.next();
  }
  return entries;
}

}  // namespace

std::vector<std::string> LogStore::tables() { return {"log", "hard_state", "snapshot"}; }

Result<std::unique_ptr<LogStore>> LogStore::open(Environment& environment, const LogSweepOptions& sweep) {
  auto store = std::make_unique<DiskLogStore>(environment, sweep);
  if (auto scanned = store->scan(); !scanned) return fail(std::move(scanned.error()));
  return std::unique_ptr<LogStore>(std::move(store));
}

}  // namespace earshot::storage
