#pragma once

#include <cstdint>

namespace earshot {

// Times at which many do something at once, so that few threads are woken for all of them: multiples of `of`, which is
// not 0. The first one at `at` or later.
constexpr std::uint64_t multiple_from(std::uint64_t at, std::uint64_t of) { return (at + of - 1) / of * of; }
// The first one later than `at`.
constexpr std::uint64_t multiple_after(std::uint64_t at, std::uint64_t of) { return (at / of + 1) * of; }

}  // namespace earshot
