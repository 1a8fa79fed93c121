#include "actors/disk_watch.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace earshot::actors {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;
// The length of the log costs a walk over LMDB's free pages: not with every commit.
constexpr std::uint64_t kLogLookMs = 100;

}  // namespace

DiskWatch::DiskWatch(const Options& options, storage::DiskSpace& space, storage::Environment& log, NodeBudgets& budgets,
                     const Clock& clock)
    : options_{options.reserve_bytes,
               std::min(options.log_bytes_max, space.total_bytes() / limits::kNodeLogPartOfDisk)},
      space_(space),
      log_(log),
      budgets_(budgets),
      clock_(clock) {}

void DiskWatch::look() {
  const std::lock_guard guard(mutex_);
  look_at_space();
  look_at_log();
  budgets_.disk.set_tight(is_tight_);
  budgets_.disk.set_flush_early(is_tight_ || log_is_long_);
}

void DiskWatch::look_at_space() {
  const auto free = space_.free_bytes();
  if (!free) {
    spdlog::error("disk: {}", free.error().to_string());
    return;
  }
  // An admitted command takes its room twice, in the log and in the state.
  const std::uint64_t promised = 2 * budgets_.admitted.used() + budgets_.overlay.used();
  const std::uint64_t held = *free + (space_.has_ballast() ? space_.ballast_bytes() : 0);
  const std::uint64_t left = held - std::min(held, promised);
  const std::uint64_t line = is_tight_ ? options_.reserve_bytes + options_.reserve_bytes / 4 : options_.reserve_bytes;
  if (const bool is_tight = left < line; is_tight != is_tight_) {
    is_tight_ = is_tight;
    say(left);
  }
  // A ballast that does not fit is tried again at the next look.
  if (!is_tight_ && !budgets_.disk.is_full() && !space_.has_ballast()) (void)space_.make_ballast();
}

void DiskWatch::say(std::uint64_t left_bytes) const {
  if (is_tight_) {
    spdlog::warn(
        "disk: {} MiB are left, less than disk_reserve_bytes ({} MiB); messages are refused until there is room",
        left_bytes / kMebibyte, options_.reserve_bytes / kMebibyte);
  } else {
    spdlog::info("disk: {} MiB are left; messages are taken again", left_bytes / kMebibyte);
  }
}

void DiskWatch::look_at_log() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (log_looked_at_ms_ != 0 && now_ms - log_looked_at_ms_ < kLogLookMs) return;
  log_looked_at_ms_ = now_ms;
  log_is_long_ = log_.usage().used_bytes >= options_.log_bytes_max;
}

bool DiskWatch::ran_full() {
  const std::lock_guard guard(mutex_);
  if (!space_.has_ballast()) return false;
  space_.release_ballast();
  spdlog::warn("disk: full; the ballast of {} MiB is given up, so that logs can be cut",
               space_.ballast_bytes() / kMebibyte);
  return true;
}

}  // namespace earshot::actors
