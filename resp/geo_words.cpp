#include "resp/geo_words.hpp"

#include <array>
#include <cstdio>
#include <string>

#include "resp/numbers.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

std::string fixed(double value) {
  std::array<char, 400> text{};  // the largest double has 309 digits before its point
  const int size = std::snprintf(text.data(), text.size(), "%f", value);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

Reading<geo::Point> read_point(std::string_view longitude, std::string_view latitude) {
  const auto x = read_double(longitude);
  if (!x) return refuse(kNotAFloat);
  const auto y = read_double(latitude);
  if (!y) return refuse(kNotAFloat);
  const auto point = geo::check_point(*x, *y, "");
  if (!point) return refuse("ERR invalid longitude,latitude pair " + fixed(*x) + "," + fixed(*y));
  return *point;
}

Reading<double> read_unit(std::string_view word) {
  if (is_word(word, "m")) return 1;
  if (is_word(word, "km")) return 1000;
  if (is_word(word, "ft")) return 0.3048;
  if (is_word(word, "mi")) return 1609.34;
  return refuse("ERR unsupported unit provided. please use M, KM, FT, MI");
}

}  // namespace earshot::resp
