#pragma once

#include <bitset>
#include <cstddef>
#include <string_view>
#include <vector>

namespace earshot::resp {

// A pattern of KEYS, SCAN and CONFIG GET: * for any bytes, ? for one, [abc], [^abc] and [a-z] for one of a set, a
// backslash before what stands for itself. A set that is not closed ends with the pattern.
class Glob {
 public:
  explicit Glob(std::string_view pattern);

  // Whether a whole text fits. Takes no more steps than half the square of its length, however long the pattern is,
  // and no memory.
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  struct Step {
    bool is_star = false;
    std::bitset<256> bytes;  // any of which it takes, when it is no star
  };

  std::vector<Step> steps_;  // no star behind a star
};

}  // namespace earshot::resp
