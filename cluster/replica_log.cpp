#include "cluster/replica_log.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace earshot::cluster {
namespace {

std::size_t bytes_of(const storage::LogEntry& entry) { return entry.data->size() + sizeof(storage::LogEntry); }

}  // namespace

void ReplicaLog::reset(const storage::SnapshotMetadata& snapshot, LogIndex cut) {
  EARSHOT_INVARIANT(cut <= snapshot.index, "a log is cut below its snapshot");
  *this = ReplicaLog();
  snapshot_ = snapshot;
  cut_ = last_ = cut;
  configurations_.push_back(
      {snapshot.configuration_index, std::make_shared<const std::string>(snapshot.configuration)});
}

void ReplicaLog::append(storage::LogEntry entry) {
  EARSHOT_INVARIANT(entry.index == last_.next(), "entries join the log's end");
  EARSHOT_INVARIANT(entry.data != nullptr, "an entry has data");
  EARSHOT_INVARIANT(runs_.empty() || runs_.back().term <= entry.term, "terms of a log never go back");
  if (runs_.empty() || runs_.back().term < entry.term) runs_.push_back({entry.index, entry.term});
  // While a log with a snapshot is loaded, the snapshot's own configuration comes by once more.
  const bool known = !configurations_.empty() && configurations_.back().index >= entry.index;
  if (entry.type == storage::EntryType::kConfiguration && !known) configurations_.push_back({entry.index, entry.data});
  last_ = entry.index;
  bytes_ += bytes_of(entry);
  stored_through_ += bytes_of(entry);
  if (stored_through_ - (marks_.empty() ? stored_below_ : marks_.back().bytes) >= kBytesPerMark) {
    marks_.push_back({entry.index, stored_through_});
  }
  held_.push_back(std::move(entry));
}

void ReplicaLog::truncate_from(LogIndex index) {
  EARSHOT_INVARIANT(index > cut_ && index <= last_, "only entries of the log are truncated");
  EARSHOT_INVARIANT(index > snapshot_index(), "a snapshot is never truncated");
  while (!held_.empty() && held_.back().index >= index) {
    bytes_ -= bytes_of(held_.back());
    held_.pop_back();
  }
  while (!runs_.empty() && runs_.back().first >= index) runs_.pop_back();
  while (!configurations_.empty() && configurations_.back().index >= index) configurations_.pop_back();
  while (!marks_.empty() && marks_.back().index >= index) marks_.pop_back();
  stored_through_ = marks_.empty() ? stored_below_ : marks_.back().bytes;
  last_ = index.previous();
}

void ReplicaLog::take_snapshot(const storage::SnapshotMetadata& snapshot, LogIndex cut) {
  EARSHOT_INVARIANT(snapshot.index > snapshot_index() && snapshot.index <= last_,
                    "snapshots go forward within the log");
  EARSHOT_INVARIANT(cut >= cut_ && cut <= snapshot.index, "a log is cut below its snapshot");
  snapshot_ = snapshot;
  release_through(cut);
  cut_ = cut;
  while (!marks_.empty() && marks_.front().index <= cut) {
    stored_below_ = marks_.front().bytes;
    marks_.pop_front();
  }
  if (cut == last_) stored_below_ = stored_through_;
  // The run that holds the cut's successor stays, and begins there.
  while (runs_.size() > 1 && runs_[1].first <= cut.next()) runs_.pop_front();
  if (cut == last_) {
    runs_.clear();
  } else if (runs_.front().first <= cut) {
    runs_.front().first = cut.next();
  }
  while (configurations_.size() > 1 && configurations_[1].index <= snapshot.index) configurations_.pop_front();
}

void ReplicaLog::release_through(LogIndex index, std::size_t bytes_max) {
  while (!held_.empty() && held_.front().index <= index && bytes_ > bytes_max) drop_front();
}

void ReplicaLog::drop_front() {
  bytes_ -= bytes_of(held_.front());
  held_.pop_front();
}

Term ReplicaLog::term_of(LogIndex index) const {
  if (snapshot_ && index == snapshot_->index) return snapshot_->term;
  if (index <= cut_ || index > last_) return Term{};
  // Nearly always the last run.
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first <= index) return run->term;
  }
  return Term{};
}

const storage::LogEntry* ReplicaLog::find(LogIndex index) const {
  if (held_.empty() || index < held_.front().index || index > last_) return nullptr;
  return &held_[index.value - held_.front().index.value];
}

std::vector<storage::LogEntry> ReplicaLog::copy(LogIndex first, std::uint64_t count, std::size_t bytes_max) const {
  std::vector<storage::LogEntry> entries;
  if (find(first) == nullptr) return entries;
  const std::uint64_t available = last_.value - first.value + 1;
  entries.reserve(std::min(count, available));
  std::size_t bytes = 0;
  for (LogIndex index = first; entries.size() < std::min(count, available); index = index.next()) {
    const storage::LogEntry& entry = *find(index);
    bytes += bytes_of(entry);
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(entry);
  }
  return entries;
}

LogIndex ReplicaLog::leaving(LogIndex index, std::uint64_t bytes) const {
  const auto end = std::upper_bound(marks_.begin(), marks_.end(), index,
                                    [](LogIndex wanted, const Mark& mark) { return wanted < mark.index; });
  if (end == marks_.begin()) return cut_;
  const std::uint64_t through = std::prev(end)->bytes;
  if (through - stored_below_ <= bytes) return cut_;
  return std::lower_bound(marks_.begin(), end, through - bytes,
                          [](const Mark& mark, std::uint64_t wanted) { return mark.bytes < wanted; })
      ->index;
}

const ReplicaLog::Configuration* ReplicaLog::configuration_at(LogIndex index) const {
  const auto after = std::find_if(configurations_.rbegin(), configurations_.rend(),
                                  [&](const Configuration& each) { return each.index <= index; });
  return after == configurations_.rend() ? nullptr : &*after;
}

const ReplicaLog::Configuration* ReplicaLog::configuration_after(LogIndex index) const {
  const auto after = std::find_if(configurations_.begin(), configurations_.end(),
                                  [&](const Configuration& each) { return each.index > index; });
  return after == configurations_.end() ? nullptr : &*after;
}

}  // namespace earshot::cluster
