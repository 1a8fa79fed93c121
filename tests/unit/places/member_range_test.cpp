#include "places/member_range.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::places {
namespace {

using Told = std::vector<std::pair<double, std::string>>;

std::vector<ScoredMember> members(const Told& some) {
  std::vector<ScoredMember> made;
  for (const auto& [score, name] : some) made.push_back({Member::make(name), score});
  return made;
}

Told told(const std::vector<ScoredMember>& some) {
  Told all;
  for (const ScoredMember& one : some) all.emplace_back(one.score, std::string(one.member->name()));
  return all;
}

Told cut_of(const Told& some, std::int64_t first, std::int64_t last, bool reversed = false) {
  return told(cut(members(some), {{}, first, last, reversed}));
}

// Everybody in order, and then index by index, as ZRANGE's documentation has it.
Told brute_force(Told all, std::int64_t first, std::int64_t last, bool reversed) {
  std::ranges::sort(all);
  if (reversed) std::ranges::reverse(all);
  const auto size = static_cast<std::int64_t>(all.size());
  Told right;
  for (std::int64_t i = 0; i < size; ++i) {
    const bool is_behind_first = first >= 0 ? i >= first : i - size >= first;
    const bool is_before_last = last >= 0 ? i <= last : i - size <= last;
    if (is_behind_first && is_before_last) right.push_back(all[static_cast<std::size_t>(i)]);
  }
  return right;
}

TEST(MemberRange, IsInTheOrderOfScoresAndThenOfNames) {
  const Told some{{2, "b"}, {1, "z"}, {2, "B"}, {2, "a"}, {-3, "m"}, {2, std::string("a\0", 2)}, {2, "\xff"}};
  const Told right{{-3, "m"}, {1, "z"}, {2, "B"}, {2, "a"}, {2, std::string("a\0", 2)}, {2, "b"}, {2, "\xff"}};
  EXPECT_EQ(cut_of(some, 0, -1), right);
  EXPECT_EQ(cut_of(some, 0, -1, true), Told(right.rbegin(), right.rend()));
}

TEST(MemberRange, IndexesCountFromEitherEndAndMayLieOutside) {
  const Told some{{1, "a"}, {2, "b"}, {3, "c"}};
  EXPECT_EQ(cut_of(some, 1, 1), (Told{{2, "b"}}));
  EXPECT_EQ(cut_of(some, -1, -1), (Told{{3, "c"}}));
  EXPECT_EQ(cut_of(some, -2, 7), (Told{{2, "b"}, {3, "c"}}));
  EXPECT_EQ(cut_of(some, -9, 0), (Told{{1, "a"}}));
  EXPECT_EQ(cut_of(some, 0, 0, true), (Told{{3, "c"}}));
  for (const auto& [first, last] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {3, 3}, {2, 1}, {-1, -2}, {0, -4}, {-9, -4}, {9, -1}, {INT64_MAX, INT64_MAX}, {INT64_MIN, INT64_MIN}})
    EXPECT_EQ(cut_of(some, first, last), Told()) << first << ' ' << last;
  EXPECT_EQ(cut_of(some, INT64_MIN, INT64_MAX).size(), 3u);
}

TEST(MemberRange, OfNobodyThereIsNobody) {
  for (const std::int64_t first : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX})
    for (const std::int64_t last : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX})
      EXPECT_EQ(cut_of({}, first, last), Told());
}

TEST(MemberRange, InfiniteScoresHaveTheirPlaces) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(cut_of({{kInfinity, "a"}, {0, "b"}, {-kInfinity, "c"}}, 0, -1),
            (Told{{-kInfinity, "c"}, {0, "b"}, {kInfinity, "a"}}));
}

TEST(MemberRange, IsWhatLookingAtEachIndexGives) {
  Random random(tests::seed_of_test());
  const auto up_to = [&](std::int64_t most) { return static_cast<std::int64_t>(random.below(2 * most + 1)) - most; };
  for (int round = 0; round < 3'000; ++round) {
    Told some;
    for (std::uint64_t i = random.below(40); i > 0; --i)
      some.emplace_back(static_cast<double>(up_to(4)), "member-" + std::to_string(i * 7 % 40));
    const std::int64_t first = up_to(45), last = up_to(45);
    const bool reversed = random.below(2) == 1;
    ASSERT_EQ(cut_of(some, first, last, reversed), brute_force(some, first, last, reversed))
        << some.size() << " members from " << first << " to " << last << (reversed ? " reversed" : "");
  }
}

}  // namespace
}  // namespace earshot::places
