#include "actors/shard_ticks.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {
constexpr std::uint64_t kLookAgainMs = 10'000;
// A node may have been off for so long without anybody having to be told.
constexpr std::uint64_t kLeapMs = 24ull * 3600 * 1000;
}  // namespace

TickSource::TickSource(const Clock& clock, ShardId shard, std::shared_ptr<const ClockWatch> clocks)
    : clock_(clock),
      shard_(shard),
      clocks_(std::move(clocks)),
      wall_ahead_ms_(clock.wall_ms() - clock.monotonic_ms()) {}

TickSource::Time TickSource::now() {
  const std::uint64_t wall_ms = clock_.wall_ms();
  const std::uint64_t monotonic_ms = clock_.monotonic_ms();
  if (clocks_ && clocks_->is_confirmed(wall_ms, monotonic_ms)) wall_ahead_ms_ = wall_ms - monotonic_ms;
  const std::uint64_t expected_ms = monotonic_ms + wall_ahead_ms_;
  const std::uint64_t disagreement_ms = wall_ms > expected_ms ? wall_ms - expected_ms : expected_ms - wall_ms;
  const bool trusted = disagreement_ms <= limits::kClockDisagreementMsMax;
  if (trusted != trusted_) {
    trusted_ = trusted;
    if (trusted) {
      spdlog::info("shard {}: the wall clock is trusted again, ticks go on", shard_.value);
    } else {
      spdlog::warn("shard {}: the wall clock is {} ms away from the monotonic clock: no ticks, nothing expires",
                   shard_.value, disagreement_ms);
    }
  }
  if (clocks_ && clocks_->is_in_doubt()) return Time{0, clocks_->others_ms(monotonic_ms).value_or(expected_ms)};
  return trusted ? Time{wall_ms, wall_ms} : Time{0, expected_ms};
}

std::uint64_t TickSource::wait_ms(std::uint64_t wall_ms) {
  const std::uint64_t now_ms = now().tick_ms;
  if (now_ms == 0) return kLookAgainMs;
  return wall_ms > now_ms ? wall_ms - now_ms : 0;
}

void TickSource::compare(std::uint64_t committed_ms) {
  // That is said already, and what it says is not used.
  if (!trusted_ || (clocks_ && clocks_->is_in_doubt())) return;
  const std::uint64_t wall_ms = clock_.wall_ms();
  const bool is_behind = committed_ms > wall_ms + limits::kClockDisagreementMsMax;
  if (is_behind != is_behind_) {
    is_behind_ = is_behind;
    if (is_behind) {
      spdlog::warn("shard {}: the wall clock is {} ms behind the committed time: nothing ends until it gets there",
                   shard_.value, committed_ms - wall_ms);
    } else {
      spdlog::info("shard {}: the wall clock has reached the committed time, what is due ends again", shard_.value);
    }
  }
  if (!is_compared_ && committed_ms != 0 && wall_ms > committed_ms + kLeapMs) {
    spdlog::warn(
        "shard {}: the wall clock is {} h ahead of the last committed time: if the node was not off for so long, it is "
        "wrong, and what seems to be due ends now",
        shard_.value, (wall_ms - committed_ms) / (3600ull * 1000));
  }
  is_compared_ = true;
}

std::uint64_t next_tick_ms(std::uint64_t due_ms, std::uint64_t last_tick_ms) {
  if (due_ms <= last_tick_ms) return due_ms;
  return std::max(due_ms, last_tick_ms + limits::kTickIntervalMs);
}

}  // namespace earshot::actors
