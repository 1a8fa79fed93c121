#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace earshot::actors {

// Which version was the newest at which time, as far back as was asked for and by steps of a tenth of that. Pure: time
// is what the caller says (monotonic).
class VersionHistory {
 public:
  explicit VersionHistory(std::uint64_t ms) : ms_(ms) {}

  void note(std::uint64_t version, std::uint64_t now_ms) {
    version_ = version;
    if (!newest_.empty() && (newest_.back().second == version || now_ms < newest_.back().first + ms_ / 10)) return;
    newest_.emplace_back(now_ms, version);
    while (newest_.size() > 1 && newest_[1].first + ms_ <= now_ms) newest_.pop_front();
  }
  // All that became within the last so many ms is newer than this. None: it is not known for so long.
  [[nodiscard]] std::optional<std::uint64_t> before(std::uint64_t now_ms) const {
    std::optional<std::uint64_t> version;
    for (const auto& [at_ms, newest] : newest_)
      if (at_ms + ms_ <= now_ms) version = newest;
    return version;
  }

  // As of the last note.
  [[nodiscard]] std::uint64_t newest() const { return version_; }

 private:
  const std::uint64_t ms_;
  std::uint64_t version_ = UINT64_MAX;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> newest_;  // at most about a dozen
};

}  // namespace earshot::actors
