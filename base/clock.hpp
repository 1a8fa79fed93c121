#pragma once

#include <cstdint>

namespace earshot {

// The two clocks, injected wherever time is read so that tests and the simulator own it.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back; for deadlines, timers and leases. Its zero is arbitrary.
  [[nodiscard]] virtual std::uint64_t monotonic_ms() const = 0;
  // Milliseconds since 1970-01-01 UTC; may jump. Only for stamps that people read and for committed ticks.
  [[nodiscard]] virtual std::uint64_t wall_ms() const = 0;
};

// The machine's clocks. Stateless and safe from any thread.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ms() const override;
  [[nodiscard]] std::uint64_t wall_ms() const override;
};

// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ms() const override { return monotonic_ms_; }
  [[nodiscard]] std::uint64_t wall_ms() const override { return wall_ms_; }
  void advance(std::uint64_t ms) { monotonic_ms_ += ms, wall_ms_ += ms; }
  void jump_wall(std::int64_t ms) { wall_ms_ = static_cast<std::uint64_t>(static_cast<std::int64_t>(wall_ms_) + ms); }

 private:
  std::uint64_t monotonic_ms_ = 1'000;
  std::uint64_t wall_ms_ = 1'700'000'000'000;
};

}  // namespace earshot
