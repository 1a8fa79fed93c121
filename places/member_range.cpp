#include "places/member_range.hpp"

#include <algorithm>

namespace earshot::places {

std::vector<ScoredMember> cut(std::vector<ScoredMember> wanted, const MemberRange& range) {
  const auto size = static_cast<std::int64_t>(wanted.size());
  const auto from_start = [size](std::int64_t index) { return index < 0 ? std::max(index, -size) + size : index; };
  const std::int64_t first = from_start(range.first);
  const std::int64_t end = range.last < -size ? 0 : std::min(from_start(range.last), size - 1) + 1;
  if (first >= end) return {};

  const auto less = [](const ScoredMember& one, const ScoredMember& other) {
    return one.score != other.score ? one.score < other.score : one.member->name() < other.member->name();
  };
  const auto comes_before = [&](const ScoredMember& one, const ScoredMember& other) {
    return range.reversed ? less(other, one) : less(one, other);
  };
  // Only what is told is put in order.
  const auto begin_told = wanted.begin() + first;
  const auto end_told = wanted.begin() + end;
  if (end < size) std::nth_element(wanted.begin(), end_told, wanted.end(), comes_before);
  if (first > 0) std::nth_element(wanted.begin(), begin_told, end_told, comes_before);
  std::sort(begin_told, end_told, comes_before);
  wanted.erase(end_told, wanted.end());
  wanted.erase(wanted.begin(), begin_told);
  return wanted;
}

}  // namespace earshot::places
