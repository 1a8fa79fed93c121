#include "app/duration.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>
#include <utility>

namespace earshot::app {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t ms;
};
// Longer names before those that they begin with.
constexpr std::array<Unit, 6> kUnits{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 24ull * 3'600'000}, {"w", 7ull * 24 * 3'600'000}}};

}  // namespace

Result<std::uint64_t> parse_duration(std::string_view text, std::string_view field) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorCode::kInvalidArgument, std::string(field), "\"" + std::string(text) + "\" " + why);
  };
  if (text == "0") return 0;
  if (text.empty()) return refuse("is no duration: write 90s, 10m, 1h30m, 30d");
  std::uint64_t total_ms = 0;
  for (std::string_view rest = text; !rest.empty();) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error == std::errc::result_out_of_range) return refuse("is too long");
    if (error != std::errc()) return refuse("is no duration: write 90s, 10m, 1h30m, 30d");
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const Unit* unit = nullptr;
    for (const Unit& one : kUnits) {
      if (unit == nullptr && rest.starts_with(one.name)) unit = &one;
    }
    if (unit == nullptr) return refuse("lacks a unit: ms, s, m, h, d or w");
    rest.remove_prefix(unit->name.size());
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    if (number > (kMax - total_ms) / unit->ms) return refuse("is too long");
    total_ms += number * unit->ms;
  }
  return total_ms;
}

std::string to_duration_text(std::uint64_t duration_ms) {
  if (duration_ms < 1'000) return std::to_string(duration_ms) + " ms";
  std::array<char, 32> text{};
  if (duration_ms < 60'000) {
    std::snprintf(text.data(), text.size(), "%.3f s", static_cast<double>(duration_ms) / 1000);
    return text.data();
  }
  for (std::size_t i = 4; i >= 2; --i) {
    if (duration_ms < kUnits[i].ms) continue;
    const std::uint64_t whole = duration_ms / kUnits[i].ms;
    const std::uint64_t part = duration_ms % kUnits[i].ms / kUnits[i - 1].ms;
    std::string words = std::to_string(whole) + " " + std::string(kUnits[i].name);
    if (part > 0) words += " " + std::to_string(part) + " " + std::string(kUnits[i - 1].name);
    return words;
  }
  return {};
}

std::string to_time_text(std::uint64_t wall_ms) {
  const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm local{};
  std::array<char, 64> text{};
  if (localtime_r(&seconds, &local) == nullptr) return std::to_string(wall_ms) + " ms";
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local);
  std::snprintf(text.data() + size, text.size() - size, ".%03u", static_cast<unsigned>(wall_ms % 1000));
  return text.data();
}

}  // namespace earshot::app
