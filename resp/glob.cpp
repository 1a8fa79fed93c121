#include "resp/glob.hpp"

#include <cstddef>
#include <utility>

namespace earshot::resp {
namespace {

// Both may be given the wrong way round. Signed, as Redis compares them where char is.
bool is_between(char c, char one, char other) {
  auto low = static_cast<signed char>(one);
  auto high = static_cast<signed char>(other);
  if (low > high) std::swap(low, high);
  return static_cast<signed char>(c) >= low && static_cast<signed char>(c) <= high;
}

// Takes the set whose "[" was taken already off the front of the pattern.
bool take_set(std::string_view& pattern, char c) {
  const bool is_negated = pattern.starts_with('^');
  if (is_negated) pattern.remove_prefix(1);
  bool is_in = false;
  while (!pattern.empty() && pattern.front() != ']') {
    if (pattern.front() == '\\' && pattern.size() >= 2) {
      is_in = is_in || pattern[1] == c;
      pattern.remove_prefix(2);
    } else if (pattern.size() >= 3 && pattern[1] == '-') {  // even with "]" behind the "-"
      is_in = is_in || is_between(c, pattern[0], pattern[2]);
      pattern.remove_prefix(3);
    } else {
      is_in = is_in || pattern.front() == c;
      pattern.remove_prefix(1);
    }
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return is_in != is_negated;
}

// Takes what stands for one byte off the front of the pattern. Precondition: there is something, and it is no "*".
bool take_one(std::string_view& pattern, char c) {
  const char first = pattern.front();
  pattern.remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return take_set(pattern, c);
  if (first != '\\' || pattern.empty()) return first == c;
  const char literal = pattern.front();
  pattern.remove_prefix(1);
  return literal == c;
}

}  // namespace

// Where the rest does not fit, the last "*" takes one byte more. An earlier one never has to: what stands between the
// two has matched as early as it can, which leaves the last one the most to choose from.
bool matches(std::string_view pattern, std::string_view text) {
  bool has_star = false;
  std::string_view after_star;  // of the pattern
  std::string_view star_text;   // what the last "*" has not taken yet
  while (!text.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      has_star = true;
      after_star = pattern;
      star_text = text;
      if (pattern.empty()) return true;
      continue;
    }
    if (!pattern.empty() && take_one(pattern, text.front())) {
      text.remove_prefix(1);
      continue;
    }
    if (!has_star) return false;
    star_text.remove_prefix(1);
    pattern = after_star;
    text = star_text;
  }
  return pattern.find_first_not_of('*') == std::string_view::npos;
}

}  // namespace earshot::resp
