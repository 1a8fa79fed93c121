#pragma once

#include <cstdint>
#include <random>

#include "base/ids.hpp"

namespace earshot {

// A seeded source of random numbers, injected wherever chance is used. Not for secrets. One owner, one thread.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  // Seeded by the operating system.
  static Random from_system();

  std::uint64_t next() { return engine_(); }
  // Uniform in [0, bound); 0 for bound 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low == 0 && high == UINT64_MAX ? next() : low + below(high - low + 1);
  }
  // True with the given probability in [0, 1].
  bool chance(double probability);
  MessageId message_id() { return MessageId{next(), next()}; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace earshot
