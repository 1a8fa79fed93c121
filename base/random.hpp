#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/ids.hpp"

namespace earshot {

// A seeded source of random numbers, injected wherever chance is used. Not for secrets. One owner, one thread.
//
// xoshiro256** 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021), seeded by SplitMix64
// as its authors advise. Its state takes 32 bytes, where the standard's engines take 2.5 KB, or have too short a
// period.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  // Seeded by the operating system.
  static Random from_system();

  std::uint64_t next() {
    const std::uint64_t number = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return number;
  }
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
  std::array<std::uint64_t, 4> state_;
};

}  // namespace earshot
