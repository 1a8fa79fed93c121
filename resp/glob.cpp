#include "resp/glob.hpp"

#include <utility>

namespace earshot::resp {
namespace {

using Bytes = std::bitset<256>;

std::size_t place_of(char c) { return static_cast<unsigned char>(c); }

// Both may be given the wrong way round. In the order of signed bytes, as Redis compares them where char is.
void add_range(Bytes& to, char one, char other) {
  constexpr std::size_t kSign = 0x80;
  std::size_t low = place_of(one) ^ kSign;
  std::size_t high = place_of(other) ^ kSign;
  if (low > high) std::swap(low, high);
  for (std::size_t c = low; c <= high; ++c) to.set(c ^ kSign);
}

// Takes the set whose "[" was taken already off the front of the pattern.
Bytes take_set(std::string_view& pattern) {
  const bool is_negated = pattern.starts_with('^');
  if (is_negated) pattern.remove_prefix(1);
  Bytes bytes;
  while (!pattern.empty() && pattern.front() != ']') {
    if (pattern.front() == '\\' && pattern.size() >= 2) {
      bytes.set(place_of(pattern[1]));
      pattern.remove_prefix(2);
    } else if (pattern.size() >= 3 && pattern[1] == '-') {  // even with "]" behind the "-"
      add_range(bytes, pattern[0], pattern[2]);
      pattern.remove_prefix(3);
    } else {
      bytes.set(place_of(pattern.front()));
      pattern.remove_prefix(1);
    }
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return is_negated ? ~bytes : bytes;
}

// Takes what stands for one byte off the front of the pattern. Precondition: there is something, and it is no "*".
Bytes take_one(std::string_view& pattern) {
  Bytes bytes;
  char first = pattern.front();
  pattern.remove_prefix(1);
  if (first == '?') return bytes.set();
  if (first == '[') return take_set(pattern);
  if (first == '\\' && !pattern.empty()) {
    first = pattern.front();
    pattern.remove_prefix(1);
  }
  return bytes.set(place_of(first));
}

}  // namespace

Glob::Glob(std::string_view pattern) {
  while (!pattern.empty()) {
    if (!pattern.starts_with('*')) {
      steps_.push_back({false, take_one(pattern)});
      continue;
    }
    pattern.remove_prefix(1);
    if (steps_.empty() || !steps_.back().is_star) steps_.push_back({true, {}});
  }
}

// Where the rest does not fit, the last "*" takes one byte more. An earlier one never has to: what stands between the
// two has matched as early as it can, which leaves the last one the most to choose from.
bool Glob::matches(std::string_view text) const {
  auto step = steps_.begin();
  auto after_star = steps_.end();  // none yet
  bool has_star = false;
  std::string_view star_text;  // what the last "*" has not taken yet
  while (!text.empty()) {
    if (step != steps_.end() && step->is_star) {
      if (++step == steps_.end()) return true;
      has_star = true;
      after_star = step;
      star_text = text;
      continue;
    }
    if (step != steps_.end() && step->bytes.test(place_of(text.front()))) {
      ++step;
      text.remove_prefix(1);
      continue;
    }
    if (!has_star) return false;
    star_text.remove_prefix(1);
    step = after_star;
    text = star_text;
  }
  return step == steps_.end() || (step->is_star && step + 1 == steps_.end());
}

}  // namespace earshot::resp
