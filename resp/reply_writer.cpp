#include "resp/reply_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace earshot::resp {
namespace {

constexpr std::string_view kEnd = "\r\n";

template <class Value>
std::string formatted(const char* format, Value value) {
  std::array<char, 400> text{};  // the largest double has 309 digits before its point
  const int size = std::snprintf(text.data(), text.size(), format, value);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

void ReplyWriter::header(char kind, std::int64_t number) {
  to_ += kind;
  to_ += std::to_string(number);
  to_ += kEnd;
}

void ReplyWriter::simple(std::string_view text) {
  to_ += '+';
  to_ += text;
  to_ += kEnd;
}

void ReplyWriter::error(std::string_view text) {
  to_ += '-';
  const std::size_t begin = to_.size();
  to_ += text;
  std::replace_if(
      to_.begin() + static_cast<std::ptrdiff_t>(begin), to_.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  to_ += kEnd;
}

void ReplyWriter::integer(std::int64_t number) { header(':', number); }

void ReplyWriter::bulk(std::string_view bytes) {
  header('$', static_cast<std::int64_t>(bytes.size()));
  to_ += bytes;
  to_ += kEnd;
}

void ReplyWriter::verbatim(std::string_view text) {
  constexpr std::string_view kPlainText = "txt:";
  if (!is_resp3_) return bulk(text);
  header('=', static_cast<std::int64_t>(kPlainText.size() + text.size()));
  to_ += kPlainText;
  to_ += text;
  to_ += kEnd;
}

void ReplyWriter::null() { to_ += is_resp3_ ? "_\r\n" : "$-1\r\n"; }

void ReplyWriter::null_array() { to_ += is_resp3_ ? "_\r\n" : "*-1\r\n"; }

void ReplyWriter::array(std::size_t replies) { header('*', static_cast<std::int64_t>(replies)); }

void ReplyWriter::set(std::size_t replies) { header(is_resp3_ ? '~' : '*', static_cast<std::int64_t>(replies)); }

void ReplyWriter::map(std::size_t entries) {
  is_resp3_ ? header('%', static_cast<std::int64_t>(entries)) : array(2 * entries);
}

void ReplyWriter::real(std::string_view text) {
  if (!is_resp3_) return bulk(text);
  to_ += ',';
  to_ += text;
  to_ += kEnd;
}

void ReplyWriter::number(double value) {
  if (std::isinf(value)) return real(value > 0 ? "inf" : "-inf");
  real(formatted("%.17g", value));
}

void ReplyWriter::coordinate(double degrees) {
  std::string text = formatted("%.17Lf", static_cast<long double>(degrees));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  real(text == "-0" ? "0" : text);
}

// Redis multiplies before it rounds, half to even: where the product falls on the middle between two texts, "%.4f"
// would tell the other one.
void ReplyWriter::distance(double length) {
  constexpr std::int64_t kParts = 10'000;
  const std::int64_t parts = std::llrint(length * static_cast<double>(kParts));
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%lld.%04lld", static_cast<long long>(parts / kParts),
                                 static_cast<long long>(parts % kParts));
  bulk({text.data(), static_cast<std::size_t>(size)});
}

}  // namespace earshot::resp
