#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "storage/log_types.hpp"

namespace earshot::tests {

// What the log environment keeps of one group, with what is synced and what is only queued kept apart. A write is
// atomic; writes are synced in order; a crash keeps what was synced and any prefix of the rest.
class ModelLogDisk {
 public:
  void queue(storage::LogWrite write) { queued_.push_back(std::move(write)); }
  [[nodiscard]] std::size_t queued() const { return queued_.size(); }

  // Syncs the oldest queued write; its ticket.
  std::uint64_t sync_one() {
    apply(queued_.front());
    const std::uint64_t ticket = queued_.front().ticket;
    queued_.pop_front();
    return ticket;
  }

  void crash(Random& random) {
    for (std::uint64_t survivors = random.below(queued_.size() + 1); survivors > 0; --survivors) sync_one();
    queued_.clear();
  }

  [[nodiscard]] const storage::LoadedLog& synced() const { return synced_; }
  // The term of a synced entry, the snapshot's last one included; 0 when it is not there.
  [[nodiscard]] Term term_of(LogIndex index) const {
    if (synced_.snapshot && synced_.snapshot->index == index) return synced_.snapshot->term;
    if (synced_.entries.empty() || index < synced_.entries.front().index || index > synced_.entries.back().index)
      return {};
    return synced_.entries[index.value - synced_.entries.front().index.value].term;
  }
  // As LogStore::read().
  [[nodiscard]] Result<std::vector<storage::LogEntry>> read(LogIndex first, LogIndex last,
                                                            std::size_t bytes_max) const {
    if (term_of(first).value == 0 || synced_.entries.empty() || first < synced_.entries.front().index) {
      return fail(ErrorCode::kNotFound, "log", "cut");
    }
    std::vector<storage::LogEntry> entries;
    std::size_t bytes = 0;
    for (LogIndex index = first; index <= last && index <= synced_.entries.back().index; index = index.next()) {
      const auto& entry = synced_.entries[index.value - synced_.entries.front().index.value];
      bytes += entry.data->size();
      if (!entries.empty() && bytes > bytes_max) break;
      entries.push_back(entry);
    }
    return entries;
  }
  // In the synced log with this term, or below the synced snapshot.
  [[nodiscard]] bool holds(LogIndex index, Term term) const {
    return (synced_.snapshot && synced_.snapshot->index >= index) || term_of(index) == term;
  }
  // What broke a rule of LogWrite; "" when nothing did.
  [[nodiscard]] const std::string& flaw() const { return flaw_; }

 private:
  void apply(const storage::LogWrite& write) {
    auto& entries = synced_.entries;
    if (write.hard_state) synced_.hard_state = *write.hard_state;
    if (write.snapshot) synced_.snapshot = write.snapshot;
    if (write.drop_log) entries.clear();
    if (write.cut_through) {
      if (!synced_.snapshot || *write.cut_through > synced_.snapshot->index) flaw_ = "cut above the snapshot";
      std::erase_if(entries, [&](const auto& entry) { return entry.index <= *write.cut_through; });
    }
    if (write.truncate_from) {
      std::erase_if(entries, [&](const auto& entry) { return entry.index >= *write.truncate_from; });
    }
    for (const auto& entry : write.entries) {
      const LogIndex snapshot = synced_.snapshot ? synced_.snapshot->index : LogIndex{};
      const LogIndex last = entries.empty() ? snapshot : entries.back().index;
      if (entry.index != last.next()) flaw_ = "an append that does not join the log's end";
      entries.push_back(entry);
    }
  }

  storage::LoadedLog synced_;
  std::deque<storage::LogWrite> queued_;
  std::string flaw_;
};

}  // namespace earshot::tests
