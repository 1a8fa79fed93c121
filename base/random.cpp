#include "base/random.hpp"

namespace earshot {

Random Random::from_system() {
  std::random_device device;
  const std::uint64_t high = device();
  return Random((high << 32) ^ device());
}

std::uint64_t Random::below(std::uint64_t bound) {
  if (bound == 0) return 0;
  // Rejection keeps the draw uniform and, unlike std::uniform_int_distribution, the same with every standard library.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = engine_();
  while (value >= limit) value = engine_();
  return value % bound;
}

bool Random::chance(double probability) {
  constexpr double kScale = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(engine_() >> 11) * kScale < probability;
}

}  // namespace earshot
