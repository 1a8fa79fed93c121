#include "places/member_range.hpp"

#include <algorithm>

namespace earshot::places {
namespace {

constexpr std::size_t kKeptMore = 4'096;  // at least so many more than needed are kept before they are cut

std::size_t sum(std::size_t one, std::size_t other) { return one > SIZE_MAX - other ? SIZE_MAX : one + other; }

}  // namespace

RangeCut::RangeCut(const MemberRange& range, std::size_t size) : range_(range) {
  if (range.wants || range.bounds) {
    keeps_last_ = range.first < 0;
    keep_ = kept_of_unknown();
    return;
  }
  const auto [begin, end] = bounds(size);
  if (begin == end) return;
  keeps_last_ = size - begin < end;
  keep_ = keeps_last_ ? size - begin : end;
}

// How many may have to be kept where nobody knows yet how many are wanted.
std::size_t RangeCut::kept_of_unknown() const {
  if (range_.first < 0) return std::size_t{0} - static_cast<std::size_t>(range_.first);
  const auto first = static_cast<std::size_t>(range_.first);
  const std::size_t end = sum(first, range_.count_max);
  return range_.last < 0 ? end : std::min(end, sum(static_cast<std::size_t>(range_.last), 1));
}

// Of so many who are wanted.
RangeCut::Bounds RangeCut::bounds(std::size_t wanted) const {
  const auto size = static_cast<std::int64_t>(wanted);
  const auto from_start = [size](std::int64_t index) { return index < 0 ? std::max(index, -size) + size : index; };
  const std::int64_t first = from_start(range_.first);
  const std::int64_t end = range_.last < -size ? 0 : std::min(from_start(range_.last), size - 1) + 1;
  if (first >= end) return {};
  const auto begin = static_cast<std::size_t>(first);
  return {begin, std::min(static_cast<std::size_t>(end), sum(begin, range_.count_max))};
}

bool RangeCut::is_nearer(const Kept& one, const Kept& other) const {
  const bool from_low = range_.reversed == keeps_last_;
  if (one.score != other.score) return from_low ? one.score < other.score : one.score > other.score;
  return from_low ? one.member->name() < other.member->name() : one.member->name() > other.member->name();
}

void RangeCut::look(Member& member) {
  if (range_.bounds && !range_.bounds->hold(member.score, member.name())) return;
  if (range_.wants && !range_.wants(member.score, member.name())) return;
  ++wanted_;
  const Kept one{member.score, &member};
  if (keep_ == 0 || (edge_ && !is_nearer(one, *edge_))) return;
  kept_.push_back(one);
  if (kept_.size() >= sum(keep_, std::max(keep_ / 4, kKeptMore))) trim();
}

void RangeCut::trim() {
  const auto edge = kept_.begin() + static_cast<std::ptrdiff_t>(keep_) - 1;
  std::ranges::nth_element(kept_, edge, [this](const Kept& one, const Kept& other) { return is_nearer(one, other); });
  edge_ = *edge;
  kept_.resize(keep_);
}

std::vector<ScoredMember> RangeCut::finish() {
  const auto [begin, end] = bounds(wanted_);
  if (begin == end) return {};
  // Where that is in the order of nearness.
  const auto first = kept_.begin() + static_cast<std::ptrdiff_t>(keeps_last_ ? wanted_ - end : begin);
  const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(keeps_last_ ? wanted_ - begin : end);
  const auto nearer = [this](const Kept& one, const Kept& other) { return is_nearer(one, other); };
  // Only what is told is put in order.
  if (last != kept_.end()) std::nth_element(kept_.begin(), last, kept_.end(), nearer);
  if (first != kept_.begin()) std::nth_element(kept_.begin(), first, last, nearer);
  std::sort(first, last, nearer);
  if (keeps_last_) std::reverse(first, last);
  std::vector<ScoredMember> told;
  told.reserve(end - begin);
  std::for_each(first, last, [&](const Kept& one) { told.push_back({MemberPtr(one.member), one.score}); });
  return told;
}

}  // namespace earshot::places
