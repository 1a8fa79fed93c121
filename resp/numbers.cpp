#include "resp/numbers.hpp"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace earshot::resp {
namespace {

bool begins_with_blank(std::string_view text) {
  return !text.empty() && (text.front() == ' ' || (text.front() >= '\t' && text.front() <= '\r'));
}

}  // namespace

std::optional<double> read_double(std::string_view text) {
  if (text.empty() || begins_with_blank(text)) return std::nullopt;
  const std::string number(text);  // strtod() wants a zero behind it
  char* end = nullptr;
  errno = 0;
  const double value = std::strtod(number.c_str(), &end);
  if (end != number.c_str() + number.size() || std::isnan(value)) return std::nullopt;
  // A value that is merely subnormal sets ERANGE too, and is good.
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

std::optional<double> read_score_bound(std::string_view text) {
  const std::string number(text);
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (*end != '\0' || std::isnan(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> read_integer(std::string_view text) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
  if (digits.front() == '0' && text != "0") return std::nullopt;
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || read != end) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> read_cursor(std::string_view text) {
  if (begins_with_blank(text)) return std::nullopt;
  const std::string number(text);
  char* end = nullptr;
  errno = 0;
  const std::uint64_t value = std::strtoull(number.c_str(), &end, 10);
  if (*end != '\0' || errno == ERANGE) return std::nullopt;
  return value;
}

}  // namespace earshot::resp
