#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

// Times as people write and read them.
namespace earshot::app {

// "90s", "10m", "1h30m", "30d", "2w", "250ms", or "0": whole numbers, each with its unit, in milliseconds. `field` is
// named in the error.
Result<std::uint64_t> parse_duration(std::string_view text, std::string_view field);

// The two largest units of it that say something: "1 d 3 h", "1.250 s", "12 ms".
std::string to_duration_text(std::uint64_t duration_ms);

// Local time with milliseconds: "2026-03-01 12:30:00.250".
std::string to_time_text(std::uint64_t wall_ms);

}  // namespace earshot::app
