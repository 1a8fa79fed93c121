#include "places/nearby.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "places/cell_view.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

namespace earshot::places {
namespace {

const geo::Area kArea = *geo::Area::circle({10, 50}, 1e6, "radius");

// In the order of names, where somebody says so.
class ByName final : public geo::Lens {
 public:
  [[nodiscard]] std::optional<geo::Geohash> shown(geo::MemberHandle, geo::Geohash real) const override {
    ++asked;
    return real;
  }
  [[nodiscard]] bool comes_before(geo::MemberHandle one, geo::MemberHandle other) const override {
    return Member::of(one).name() < Member::of(other).name();
  }
  [[nodiscard]] double shift_m_max() const override { return 0; }

  mutable std::size_t asked = 0;
};

FoundMember at(double distance_m, const std::string& name = "ada") { return {Member::make(name), {}, distance_m}; }

std::vector<double> distances_of(const std::vector<FoundMember>& found) {
  std::vector<double> distances;
  for (const FoundMember& one : found) distances.push_back(one.distance_m);
  return distances;
}

TEST(Nearby, MakesOneAnswerOfItsParts) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 1'000; ++round) {
    const auto pick = geo::Pick(random.below(4));
    const std::size_t count = random.chance(0.1) ? 0 : random.chance(0.1) ? SIZE_MAX : random.between(1, 20);
    const std::size_t parts = random.between(1, 30);
    std::optional<std::vector<FoundMember>> told;
    Nearby nearby({kArea, pick, count, true, true, std::make_shared<ByName>()}, parts,
                  [&](std::vector<FoundMember> found) { told.emplace(std::move(found)); });
    std::vector<std::pair<double, std::string>> all;
    for (std::size_t i = 0; i < parts; ++i) {
      ASSERT_FALSE(told);
      std::vector<FoundMember> part;
      for (std::size_t n = random.below(std::min<std::size_t>(count, 20) + 1); n > 0; --n) {
        part.push_back(at(static_cast<double>(random.below(50)), std::to_string(all.size())));
        all.emplace_back(part.back().distance_m, part.back().member->name());
      }
      nearby.add(std::move(part));
    }
    ASSERT_TRUE(told);
    const bool farthest = pick == geo::Pick::kFarthest;
    std::ranges::sort(all, [&](const auto& one, const auto& other) {
      if (one.first != other.first) return farthest ? one.first > other.first : one.first < other.first;
      return one.second < other.second;
    });
    ASSERT_EQ(told->size(), std::min(count, all.size()));
    if (pick != geo::Pick::kNearest && !farthest) continue;
    for (std::size_t i = 0; i < told->size(); ++i) {
      ASSERT_EQ((*told)[i].distance_m, all[i].first);
      ASSERT_EQ((*told)[i].member->name(), all[i].second);
    }
  }
}

// Parts of many cells, none of which is whole: what is kept of them is bounded, and those that are not kept say so.
TEST(Nearby, KeepsNoMoreThanTwiceAsManyAsAreWanted) {
  for (const geo::Pick pick : {geo::Pick::kNearest, geo::Pick::kFarthest, geo::Pick::kAny}) {
    std::vector<FoundMember> told;
    constexpr std::size_t kParts = 1'000;
    Nearby nearby({kArea, pick, 10}, kParts, [&](std::vector<FoundMember> found) { told = std::move(found); });
    const bool farthest = pick == geo::Pick::kFarthest;
    for (std::size_t i = 0; i < kParts; ++i) {
      EXPECT_LE(nearby.kept(), 20u);
      std::vector<FoundMember> part;
      for (int n = 0; n < 9; ++n)
        part.push_back(at(farthest ? 1e6 + static_cast<double>(i) : 1e6 - static_cast<double>(i)));
      nearby.add(std::move(part));
      if (i < 2 || pick == geo::Pick::kAny) continue;
      ASSERT_TRUE(nearby.worst_m()) << i;
      EXPECT_LE(std::abs(std::abs(*nearby.worst_m() - 1e6) - static_cast<double>(i)), 3)
          << "what others need not look at";
    }
    ASSERT_EQ(told.size(), 10u);
    EXPECT_LE(told.capacity(), 20u);
    if (pick == geo::Pick::kAny) continue;
    EXPECT_EQ(std::abs(told.front().distance_m - 1e6), kParts - 1);
  }
}

// A cell whose members are so far away, to the east.
class NearbyCells : public testing::Test {
 protected:
  std::unique_ptr<CellView> cell(double from_degrees, std::size_t members) {
    auto view = std::make_unique<CellView>(0, nullptr);
    CellChanges changes;
    for (std::size_t i = 0; i < members; ++i) {
      const geo::Geohash place = geo::encode({10 + from_degrees + static_cast<double>(i) * 1e-4, 50});
      members_.push_back(Member::make(std::to_string(i)));
      changes.changes.push_back({members_.back(), std::nullopt, place});
    }
    view->handle(std::move(changes));
    return view;
  }

  const std::shared_ptr<ByName> lens = std::make_shared<ByName>();

 private:
  std::vector<MemberPtr> members_;
};

TEST_F(NearbyCells, ACellLooksAtNobodyWhenOthersHaveFoundBetterOnes) {
  const auto near = cell(0, 300), far = cell(1, 300);
  for (const geo::Pick pick : {geo::Pick::kNearest, geo::Pick::kFarthest, geo::Pick::kAny}) {
    std::vector<FoundMember> told;
    const auto nearby = std::make_shared<Nearby>(geo::Search{kArea, pick, 20, true, true, lens}, 2,
                                                 [&](std::vector<FoundMember> found) { told = std::move(found); });
    const bool farthest = pick == geo::Pick::kFarthest;
    (farthest ? far : near)->handle(CellSearch{nearby});
    const std::size_t asked = std::exchange(lens->asked, 0);
    EXPECT_GE(asked, 20u);
    (farthest ? near : far)->handle(CellSearch{nearby});
    EXPECT_EQ(lens->asked, 0u);
    const auto distances = distances_of(told);
    ASSERT_EQ(distances.size(), 20u);
    EXPECT_GT(distances.back(), farthest ? 70'000 : -1);
    EXPECT_LT(distances.front(), farthest ? 1e6 : 2'000);
  }
}

}  // namespace
}  // namespace earshot::places
