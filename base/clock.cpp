#include "base/clock.hpp"

#include <chrono>

#include <time.h>

namespace earshot {

// CLOCK_BOOTTIME goes on while the machine is suspended, which std::chrono's steady clock does not: a lease must not
// outlive a sleep, and the wall clock must not look wrong after one.
std::uint64_t SystemClock::monotonic_ms() const {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::uint64_t SystemClock::wall_ms() const {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

}  // namespace earshot
