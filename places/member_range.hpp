#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "places/member.hpp"

namespace earshot::places {

struct ScoredMember {
  MemberPtr member;
  double score = 0;
};

// Some of a layer's members, in the order of their scores and, where those are equal, of their names' bytes.
struct MemberRange {
  std::function<bool(double score, std::string_view name)> wants;  // none: everybody
  // Which of those, counted from 0; negative: from the end, -1 the last.
  std::int64_t first = 0;
  std::int64_t last = -1;
  bool reversed = false;  // counted and told from the other end
};

// Orders those who are wanted and cuts out the range.
std::vector<ScoredMember> cut(std::vector<ScoredMember> wanted, const MemberRange& range);

}  // namespace earshot::places
