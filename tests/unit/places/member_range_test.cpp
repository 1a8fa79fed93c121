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

std::vector<MemberPtr> members(const Told& some) {
  std::vector<MemberPtr> made;
  for (const auto& [score, name] : some) {
    made.push_back(Member::make(name));
    made.back()->score = score;
  }
  return made;
}

Told told(const std::vector<ScoredMember>& some) {
  Told all;
  for (const ScoredMember& one : some) all.emplace_back(one.score, std::string(one.member->name()));
  return all;
}

Told cut_of(const Told& some, const MemberRange& range) {
  const std::vector<MemberPtr> all = members(some);
  RangeCut cut(range, all.size());
  for (const MemberPtr& member : all) cut.look(*member);
  return told(cut.finish());
}
Told cut_of(const Told& some, std::int64_t first, std::int64_t last, bool reversed = false) {
  return cut_of(some, {{}, first, last, reversed});
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

// More members than are kept at a time, shown in any order, of whom some are wanted and no more than so many told.
TEST(MemberRange, OfManyIsWhatLookingAtEachIndexGives) {
  Random random(tests::seed_of_test());
  constexpr std::size_t kMany = 20'000;
  std::vector<MemberPtr> all;
  Told everybody;
  for (std::size_t i = 0; i < kMany; ++i) {
    everybody.emplace_back(static_cast<double>(random.below(5'000)), "member-" + std::to_string(i));
    all.push_back(members({everybody.back()}).front());
  }
  for (int round = 0; round < 60; ++round) {
    const auto any_index = [&] {
      const auto index = static_cast<std::int64_t>(random.chance(0.5) ? random.below(50) : random.below(kMany + 50));
      return random.chance(0.5) ? index : -index - 1;
    };
    MemberRange range{{}, any_index(), random.chance(0.3) ? -1 : any_index(), random.chance(0.5)};
    if (random.chance(0.5)) range.count_max = random.below(100);
    const double from = static_cast<double>(random.below(5'000));
    if (random.chance(0.5)) range.wants = [from](double score, std::string_view) { return score >= from; };
    Told wanted;
    for (const auto& one : everybody)
      if (!range.wants || range.wants(one.first, one.second)) wanted.push_back(one);
    Told right = brute_force(wanted, range.first, range.last, range.reversed);
    if (right.size() > range.count_max) right.resize(range.count_max);
    RangeCut cut(range, all.size());
    for (const MemberPtr& member : all) cut.look(*member);
    ASSERT_EQ(told(cut.finish()), right) << wanted.size() << " wanted from " << range.first << " to " << range.last
                                         << (range.reversed ? " reversed" : "") << ", at most " << range.count_max;
  }
}

TEST(MemberRange, OfAMillionFewAreKeptForARangeAtEitherEnd) {
  std::vector<MemberPtr> all;
  for (int i = 0; i < 1'000'000; ++i) {
    all.push_back(Member::make("ada"));
    all.back()->score = i % 1'000 * 1'000 + i / 1'000;
  }
  const auto any = [](double, std::string_view) { return true; };
  for (const MemberRange& range :
       {MemberRange{{}, 0, 0}, MemberRange{{}, -1, -1}, MemberRange{{}, 0, 0, true}, MemberRange{{}, 999'000, -1},
        MemberRange{{}, 0, -1, false, 10}, MemberRange{any, 5, 20}, MemberRange{any, 0, -1, true, 10}}) {
    RangeCut cut(range, all.size());
    std::size_t most = 0;
    for (const MemberPtr& member : all) {
      cut.look(*member);
      most = std::max(most, cut.kept());
    }
    EXPECT_LT(most, 6'000u);
    const auto told = cut.finish();
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told.capacity(), told.size()) << "whoever is told keeps no more than that";
  }
}

}  // namespace
}  // namespace earshot::places
