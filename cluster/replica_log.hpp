#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "storage/log_types.hpp"

namespace earshot::cluster {

// A replica's picture of its log. Terms are known for every entry above the cut and for the snapshot's last one; whole
// entries are held only from some point on; what comes before is on the disk.
//
// Invariants: cut <= snapshot index; entries held are contiguous and end at last_index(); terms never go back.
// Costs: append and term_of of recent entries O(1); nothing depends on the log's length but truncation. Beside the
// entries held it takes 16 bytes for every kBytesPerMark of the log.
class ReplicaLog {
 public:
  struct Configuration {
    LogIndex index;
    storage::SharedBytes bytes;
  };

  // An empty log behind a snapshot (or from the very beginning).
  ReplicaLog() = default;
  explicit ReplicaLog(const storage::SnapshotMetadata& snapshot) { reset(snapshot, snapshot.index); }
  // `cut` below the snapshot: the entries between follow by append().
  void reset(const storage::SnapshotMetadata& snapshot, LogIndex cut);

  // entry.index is last_index() + 1.
  void append(storage::LogEntry entry);
  // Forgets entries from `index` (above the cut) on.
  void truncate_from(LogIndex index);
  // The state at snapshot.index is the snapshot now; entries through `cut` are forgotten.
  void take_snapshot(const storage::SnapshotMetadata& snapshot, LogIndex cut);
  // Keeps only the terms of entries through `index`, oldest first, until those held are no more than `bytes_max`.
  void release_through(LogIndex index, std::size_t bytes_max = 0);

  [[nodiscard]] LogIndex last_index() const { return last_; }
  [[nodiscard]] LogIndex cut() const { return cut_; }
  // 0 when unknown: below the cut or above the end.
  [[nodiscard]] Term term_of(LogIndex index) const;
  // Whether what follows `index` can be sent: its own term is known, or it is the very beginning.
  [[nodiscard]] bool joins(LogIndex index) const {
    return index.value == 0 ? cut_.value == 0 : term_of(index).value > 0;
  }
  // nullptr when the entry is not held.
  [[nodiscard]] const storage::LogEntry* find(LogIndex index) const;
  // Held entries from `first` on, at most `count` and about `bytes_max` (at least one); empty when `first` is not held.
  [[nodiscard]] std::vector<storage::LogEntry> copy(LogIndex first, std::uint64_t count, std::size_t bytes_max) const;

  // The members as of `index`: nullptr before the first configuration.
  [[nodiscard]] const Configuration* configuration_at(LogIndex index) const;
  [[nodiscard]] const Configuration* newest_configuration() const { return configuration_at(last_); }
  // The first configuration above `index`, or nullptr.
  [[nodiscard]] const Configuration* configuration_after(LogIndex index) const;

  [[nodiscard]] const std::optional<storage::SnapshotMetadata>& snapshot() const { return snapshot_; }
  [[nodiscard]] LogIndex snapshot_index() const { return snapshot_ ? snapshot_->index : LogIndex{}; }
  // Of the entries held.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Of all entries above the cut, give or take kBytesPerMark and an entry.
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_through_ - stored_below_; }
  // Where to cut so that of the entries through `index` those of about the last `bytes` stay, give or take
  // kBytesPerMark.
  [[nodiscard]] LogIndex leaving(LogIndex index, std::uint64_t bytes) const;
  // The first entry held; 0: none is.
  [[nodiscard]] LogIndex held_from() const { return held_.empty() ? LogIndex{} : held_.front().index; }

 private:
  struct Run {  // entries of one term
    LogIndex first;
    Term term;
  };

  struct Mark {  // where so many bytes of log had been appended
    LogIndex index;
    std::uint64_t bytes = 0;
  };
  static constexpr std::uint64_t kBytesPerMark = 64 << 10;

  void drop_front();

  std::optional<storage::SnapshotMetadata> snapshot_;
  LogIndex cut_;
  LogIndex last_;
  std::deque<Run> runs_;  // of entries above the cut, ascending
  std::deque<storage::LogEntry> held_;
  std::deque<Configuration> configurations_;  // ascending; the first is the snapshot's
  std::size_t bytes_ = 0;
  std::deque<Mark> marks_;  // ascending
  std::uint64_t stored_below_ = 0;
  std::uint64_t stored_through_ = 0;
};

}  // namespace earshot::cluster
