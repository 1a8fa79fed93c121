#include <map>
#include <optional>
#include <string>

#include "schema/commands.hpp"
#include "schema/meta.hpp"
#include "storage/keys.hpp"
#include "storage/log_codec.hpp"
#include "storage/log_store.hpp"
#include "storage/log_types.hpp"
#include "storage/seal.hpp"
#include "storage/verify.hpp"
#include "storage/verify_words.hpp"

namespace earshot::storage {
namespace {

using Kind = Finding::Kind;
using Part = Section::Part;

constexpr Table kLogTable = 0;
constexpr Table kHardStateTable = 1;
constexpr Table kSnapshotTable = 2;

Table table_of(Part part) {
  return part == Part::kLog ? kLogTable : part == Part::kHardStates ? kHardStateTable : kSnapshotTable;
}

bool is_command(const LogRecord& record) {
  if (record.group == kMetaGroup) return decode_meta_command(record.data).has_value();
  return decode_command_batch(record.data).has_value();
}

// What one group's entries look like in a row.
struct GroupSeen {
  LogIndex first;
  LogIndex last;
  Term term;  // of the last
};

class LogReader {
 public:
  LogReader(ReadTransaction& transaction, const Section& section, std::string_view from, const Applied& applied,
            Witness& witness)
      : transaction_(transaction),
        section_(section),
        from_(from),
        is_whole_(from.empty()),
        applied_(applied),
        witness_(witness) {}

  void read();
  // What the parts of the log say about each other and about the state. Call after read() of the entries.
  void check_joins(std::uint16_t shard_count);

 private:
  void check_record(std::string_view key, std::string_view sealed);
  void check_entry(std::string_view key, std::string_view sealed);
  void check_join(ShardId shard);
  void check_state(ShardId shard, LogIndex applied, const std::optional<SnapshotMetadata>& snapshot,
                   const GroupSeen* seen);
  bool was_cut(ShardId shard, LogIndex last);
  // What it means that these entries of a shard cannot be had.
  [[nodiscard]] std::string loss_of(ShardId shard, LogIndex first, LogIndex last) const;
  // A node reads all of its log before it starts, and forgives nothing.
  void found(Kind kind, std::string where, std::string lost) {
    witness_.found(Finding{kind, section_.file(), section_.table(), std::move(where), std::move(lost), true});
  }
  template <class Record>
  std::optional<Record> look_up(Table table, ShardId shard,
                                std::optional<Record> (*decode)(std::string_view, std::string_view));

  ReadTransaction& transaction_;
  const Section& section_;
  std::string from_;
  bool is_whole_;
  const Applied& applied_;
  Witness& witness_;
  std::string previous_;
  std::uint64_t records_ = 0;
  std::map<ShardId, GroupSeen> groups_;
};

void LogReader::read() {
  const auto visit = [&](std::string_view key, std::string_view sealed) {
    if (key < from_ || (!previous_.empty() && key <= previous_)) {
      is_whole_ = false;
      found(Kind::kUnreadable, "behind " + describe_key(section_, previous_),
            "the log's tree is damaged: it goes on in disorder; the node refuses to start");
      return false;
    }
    previous_ = key;
    witness_.reached(key, sealed.size());
    ++records_;
    check_record(key, sealed);
    return true;
  };
  const Table table = table_of(section_.part);
  if (auto scanned = transaction_.scan(table, from_, {}, visit); !scanned) {
    is_whole_ = false;
    found(Kind::kUnreadable, "behind " + describe_key(section_, previous_),
          "the log's tree is damaged: " + scanned.error().detail + "; the node refuses to start");
  }
  const auto expected = transaction_.count(table);
  if (is_whole_ && expected && *expected != records_) {
    found(Kind::kMiscounted, "the whole table",
          "there are " + std::to_string(records_) + " records where " + std::to_string(*expected) +
              " should be: what was answered last may be lost; the node refuses to start");
  }
}

void LogReader::check_record(std::string_view key, std::string_view sealed) {
  if (section_.part == Part::kLog) return check_entry(key, sealed);
  const bool is_sound =
      decode_group(key) && (section_.part == Part::kHardStates ? decode_hard_state(key, sealed).has_value()
                                                               : decode_snapshot(key, sealed).has_value());
  if (is_sound) return;
  found(Kind::kDamaged, describe_key(section_, key), "the node refuses to start; no message is lost by this alone");
}

void LogReader::check_entry(std::string_view key, std::string_view sealed) {
  const auto record = decode_log_record(key, sealed);
  if (!decode_running_number(key) || !record) {
    // Not to be trusted, but the best there is: where the entry is its shard's last, nothing else tells of it.
    const ShardId shard(static_cast<std::uint16_t>(keys::read_big_endian(sealed, kSealBytes, 2)));
    const LogIndex index(keys::read_big_endian(sealed, kSealBytes + 2));
    found(Kind::kDamaged, describe_key(section_, key) + " (" + describe_damaged_record(sealed) + ", if that is right)",
          loss_of(shard, index, index));
    return;
  }
  if (record->type == EntryType::kCommand && !is_command(*record)) {
    found(Kind::kInconsistent, name_of_group(record->group) + ", index " + std::to_string(record->index.value),
          "the entry is no batch of commands: the node stops when it meets it");
  }
  const auto [place, is_new] =
      groups_.try_emplace(record->group, GroupSeen{record->index, record->index, record->term});
  if (is_new) return;
  GroupSeen& group = place->second;
  const std::string shard = name_of_group(record->group);
  if (record->index > group.last.next() && was_cut(record->group, group.last)) {
    group.first = record->index;
  } else if (record->index > group.last.next()) {
    const LogIndex first = group.last.next();
    const LogIndex last = record->index.previous();
    found(Kind::kMissing, shard + ", indexes " + words::range(first.value, last.value),
          loss_of(record->group, first, last));
  } else if (record->index < group.last.next() || record->term < group.term) {
    found(Kind::kInconsistent, shard + ", index " + std::to_string(record->index.value),
          "the entry follows index " + std::to_string(group.last.value) + " of term " +
              std::to_string(group.term.value) + ": the node refuses to start");
  }
  group.last = record->index;
  group.term = record->term;
}

// What lies before an installed snapshot may be there still, and is no part of the log.
bool LogReader::was_cut(ShardId shard, LogIndex last) {
  const auto snapshot = look_up<SnapshotMetadata>(kSnapshotTable, shard, &decode_snapshot);
  return snapshot && last <= snapshot->index;
}

std::string LogReader::loss_of(ShardId shard, LogIndex first, LogIndex last) const {
  const auto applied = applied_(shard);
  const std::string range = words::range(first.value, last.value);
  if (applied && last <= *applied) {
    return "no message is lost: the state has entries up to " + std::to_string(applied->value) +
           " already; but the node refuses to start";
  }
  const std::string which = applied && first <= *applied ? words::range(applied->value + 1, last.value) : range;
  const char* what = shard == kMetaGroup ? "changes of the cluster's nodes and placement"
                                         : "messages, acks and logins that were answered";
  return std::string(what) + " from entries " + which + " of " + name_of_group(shard) +
         " are lost; the node refuses to start";
}

template <class Record>
std::optional<Record> LogReader::look_up(Table table, ShardId shard,
                                         std::optional<Record> (*decode)(std::string_view, std::string_view)) {
  const std::string key = encode_group(shard);
  auto sealed = transaction_.get(table, key);
  if (!sealed || !*sealed) return std::nullopt;
  return decode(key, **sealed);
}

void LogReader::check_joins(std::uint16_t shard_count) {
  if (!is_whole_ || section_.part != Part::kLog) return;
  for (const ShardId group : groups_of(shard_count)) check_join(group);
}

void LogReader::check_join(ShardId shard) {
  const auto hard_state = look_up<HardState>(kHardStateTable, shard, &decode_hard_state);
  const auto snapshot = look_up<SnapshotMetadata>(kSnapshotTable, shard, &decode_snapshot);
  const auto group = groups_.find(shard);
  const GroupSeen* seen = group == groups_.end() ? nullptr : &group->second;
  const std::string name = name_of_group(shard);
  if (seen != nullptr && (!hard_state || hard_state->term < seen->term)) {
    found(Kind::kInconsistent, name,
          "there are entries of term " + std::to_string(seen->term.value) + ", the current term is " +
              (hard_state ? std::to_string(hard_state->term.value) : std::string("not known")) +
              ": the node refuses to start");
  }
  const LogIndex below = snapshot ? snapshot->index : LogIndex(0);
  if (seen != nullptr && seen->first > below.next()) {
    found(Kind::kMissing, name + ", indexes " + words::range(below.value + 1, seen->first.value - 1),
          loss_of(shard, below.next(), seen->first.previous()));
  }
  if (const auto applied = applied_(shard)) check_state(shard, *applied, snapshot, seen);
}

void LogReader::check_state(ShardId shard, LogIndex applied, const std::optional<SnapshotMetadata>& snapshot,
                            const GroupSeen* seen) {
  const std::string name = name_of_group(shard);
  const LogIndex below = snapshot ? snapshot->index : LogIndex(0);
  const LogIndex end = seen != nullptr && seen->last > below ? seen->last : below;
  if (applied > end) {
    found(Kind::kInconsistent, name,
          "the state stands at " + std::to_string(applied.value) + ", ahead of the log, which ends at " +
              std::to_string(end.value) + ": what was answered last may be lost; the node refuses to start");
  }
  if (applied < below) {
    found(Kind::kInconsistent, name,
          "the state stands at " + std::to_string(applied.value) + ", the snapshot that it is at " +
              std::to_string(below.value) +
              ": a node that is alone has lost what was answered between, and refuses to start; one of several "
              "fetches it from the others");
  }
  if (seen != nullptr && seen->first > applied.next() && applied >= below) {
    found(Kind::kMissing, name + ", indexes " + words::range(applied.value + 1, seen->first.value - 1),
          loss_of(shard, applied.next(), seen->first.previous()));
  }
}

}  // namespace

void verify_log(Environment& log, const Section& section, std::string_view from, std::uint16_t shard_count,
                const Applied& applied, Witness& witness) {
  auto transaction = log.begin_read();
  if (!transaction) {
    witness.found(
        Finding{Kind::kUnreadable, section.file(), section.table(), "all of it", transaction.error().detail, true});
    return;
  }
  LogReader reader(**transaction, section, from, applied, witness);
  reader.read();
  reader.check_joins(shard_count);
}

}  // namespace earshot::storage
