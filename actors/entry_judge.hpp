#pragma once

#include <optional>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "storage/log_types.hpp"

namespace earshot::actors {

// Says of an entry that a leader has sent, and that is refused, why: once, though it comes again and again.
// Thread: owned by the group.
class EntryJudge {
 public:
  explicit EntryJudge(std::string group) : group_(std::move(group)) {}

  // Whether it could be applied: there is no objection.
  bool judge(const storage::LogEntry& entry, const std::optional<Error>& objection) {
    if (!objection) return true;
    if (std::exchange(told_, std::pair(entry.index, entry.term)) != std::pair(entry.index, entry.term))
      spdlog::error("{}: entry {} of term {} is refused, since it could not be applied: {}", group_, entry.index.value,
                    entry.term.value, objection->to_string());
    return false;
  }

 private:
  const std::string group_;
  std::pair<LogIndex, Term> told_;
};

}  // namespace earshot::actors
