#pragma once

#include <algorithm>
#include <cstdint>

#include "base/limits.hpp"

namespace earshot::peers {

struct LinkTimes {
  std::uint64_t heartbeat_ms = limits::kPeerHeartbeatMs;
  std::uint64_t silence_ms = limits::kPeerSilenceMs;
  std::uint64_t stall_ms = limits::kPeerStallMs;
};

// Whether the other end of a link is still there, by one monotonic clock: something comes from it, and what is sent to
// it goes out. Who was away itself for a while (a process that was stopped) judges nobody by that time. Pure.
class LinkWatch {
 public:
  enum class Verdict : std::uint8_t { kFine, kSilent, kStalled };

  LinkWatch(const LinkTimes& times, std::uint64_t now_ms)
      : times_(times), looked_ms_(now_ms), heard_ms_(now_ms), progress_ms_(now_ms), said_ms_(now_ms) {}

  // Bytes came.
  void heard(std::uint64_t now_ms) { heard_ms_ = now_ms; }
  // Some of what waits has gone, or nothing waits.
  void progressed(std::uint64_t now_ms) { progress_ms_ = now_ms; }
  // Something was written.
  void said(std::uint64_t now_ms) { said_ms_ = now_ms; }
  [[nodiscard]] bool heartbeat_due(std::uint64_t now_ms) const { return now_ms - said_ms_ >= times_.heartbeat_ms; }

  // To be asked several times within silence_ms.
  Verdict look(std::uint64_t now_ms) {
    const std::uint64_t away_ms = now_ms - looked_ms_;
    looked_ms_ = now_ms;
    if (away_ms > times_.silence_ms / 2) {
      heard_ms_ = std::min(now_ms, heard_ms_ + away_ms);
      progress_ms_ = std::min(now_ms, progress_ms_ + away_ms);
    }
    if (now_ms - heard_ms_ >= times_.silence_ms) return Verdict::kSilent;
    return now_ms - progress_ms_ >= times_.stall_ms ? Verdict::kStalled : Verdict::kFine;
  }

 private:
  const LinkTimes times_;
  std::uint64_t looked_ms_;
  std::uint64_t heard_ms_;
  std::uint64_t progress_ms_;
  std::uint64_t said_ms_;
};

}  // namespace earshot::peers
