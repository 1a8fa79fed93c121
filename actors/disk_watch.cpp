#include "actors/disk_watch.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace earshot::actors {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;
// The length of the log costs a walk over LMDB's free pages: not with every commit.
constexpr std::uint64_t kLogLookMs = 100;
// The largest transactions, and a ballast that the other writer may just have given up: whoever met the end of the room
// may find so much free by now.
constexpr std::uint64_t kMayHaveEndedBytes = limits::kDiskReserveBytesDefault;

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
  has_ballast_.store(space_.has_ballast(), std::memory_order_relaxed);
  budgets_.disk.set_tight(is_tight_);
  budgets_.disk.set_flush_early(is_tight_ || log_is_long_);
}

void DiskWatch::look_at_space() {
  const auto free = space_.free_bytes();
  if (const bool is_unknown = !free.has_value(); is_unknown != is_unknown_) {
    is_unknown_ = is_unknown;
    if (is_unknown) spdlog::error("disk: {}", free.error().to_string());
  }
  if (is_unknown_) return;
  free_bytes_.store(*free, std::memory_order_relaxed);
  // A ballast counts for half of the reserve at most: it gives its room for flushes only when a write has failed.
  const std::uint64_t counted = std::min(space_.ballast_bytes(), options_.reserve_bytes / 2);
  const std::uint64_t held = *free + (space_.has_ballast() ? counted : 0);
  const std::uint64_t left = held - std::min(held, budgets_.promised_bytes());
  budgets_.disk.set_room_bytes(held - std::min(held, options_.reserve_bytes));
  const std::uint64_t line = is_tight_ ? options_.reserve_bytes + options_.reserve_bytes / 4 : options_.reserve_bytes;
  if (const bool is_tight = left < line || is_misled_; is_tight != is_tight_) {
    is_tight_ = is_tight;
    say(left);
  }
  const std::uint64_t taken = space_.ballast_bytes() - counted;
  if (!budgets_.disk.is_full() && !space_.has_ballast() && left >= line + taken) make_ballast();
}

// One that does not fit is tried again now and then only: while it is tried, it may take the room of everything else.
void DiskWatch::make_ballast() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (ballast_tried_at_ms_ != 0 && now_ms - ballast_tried_at_ms_ < limits::kDiskLookMs) return;
  if (is_misled_ && now_ms - misled_at_ms_ < kPromiseTestedMs) return;
  const Status made = space_.make_ballast();
  if (!made.has_value() && ballast_tried_at_ms_ == 0) spdlog::warn("disk: no ballast: {}", made.error().to_string());
  ballast_tried_at_ms_ = made.has_value() ? 0 : now_ms;
  if (made.has_value()) is_misled_ = false;
}

void DiskWatch::say(std::uint64_t left_bytes) const {
  if (is_tight_ && is_misled_) {
    spdlog::warn("disk: messages are refused until {} MiB more can be allocated", space_.ballast_bytes() / kMebibyte);
  } else if (is_tight_) {
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
  const std::uint64_t used = log_.usage().used_bytes;
  log_bytes_.store(used, std::memory_order_relaxed);
  log_is_long_ = used >= options_.log_bytes_max;
}

DiskReading DiskWatch::seen() const {
  return {free_bytes_.load(std::memory_order_relaxed), options_.reserve_bytes,
          log_bytes_.load(std::memory_order_relaxed), options_.log_bytes_max,
          has_ballast_.load(std::memory_order_relaxed)};
}

bool DiskWatch::ran_full() {
  const std::lock_guard guard(mutex_);
  const auto free = space_.free_bytes();
  if (free.has_value() && *free >= std::max(options_.reserve_bytes, kMayHaveEndedBytes)) {
    if (!is_misled_) {
      spdlog::warn("disk: full, though the file system says that {} MiB are free (a quota?)", *free / kMebibyte);
    }
    is_misled_ = true;
    misled_at_ms_ = clock_.monotonic_ms();
  }
  if (!space_.has_ballast()) return false;
  space_.release_ballast();
  spdlog::warn("disk: full; the ballast of {} MiB is given up, so that logs can be cut",
               space_.ballast_bytes() / kMebibyte);
  return true;
}

}  // namespace earshot::actors
