#include "actors/touch_round.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kStepMs = 60'000;    // between two commands of a round
constexpr std::uint64_t kCatchUpMs = 1'000;  // and when there are more than one command can hold

}  // namespace

void TouchRound::begin(std::uint64_t now_ms) {
  started_ms_ = now_ms;
  place_ = slots_ = 0;
  put_off(now_ms);
}

void TouchRound::put_off(std::uint64_t now_ms) { wake_at_ms_ = now_ms + kStepMs; }

std::optional<TouchCommand> TouchRound::next(const Presence& presence, std::uint64_t now_ms) {
  if (wake_at_ms_ == 0 || now_ms < wake_at_ms_) return std::nullopt;
  if (presence.empty()) {
    wake_at_ms_ = 0;
    return std::nullopt;
  }
  const std::size_t slots = presence.slots();
  if (slots_ != 0 && slots_ != slots) place_ = place_ * slots / slots_;
  slots_ = slots;
  const std::uint64_t elapsed_ms = std::min(now_ms - started_ms_, limits::kTouchIntervalMs);
  const auto end = static_cast<std::size_t>(slots * elapsed_ms / limits::kTouchIntervalMs);
  TouchCommand command;
  bool is_full = false;
  while (place_ < end && !is_full) {
    is_full = !presence.add_slot(place_, limits::kTouchDevicesMax, command.devices);
    if (!is_full) ++place_;
  }
  if (is_full) {
    wake_at_ms_ = now_ms + kCatchUpMs;
  } else if (elapsed_ms == limits::kTouchIntervalMs) {
    begin(now_ms);
  } else {
    put_off(now_ms);
  }
  if (command.devices.empty()) return std::nullopt;
  return command;
}

}  // namespace earshot::actors
