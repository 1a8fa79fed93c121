#include "geo/place_index.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

namespace earshot::geo {
namespace {

PlaceIndex index_of(std::vector<PlaceKey> members) {
  std::ranges::sort(members);
  return PlaceIndex(members);
}

std::vector<Found> search(const PlaceIndex& index, const Search& wanted) {
  Gather gather(wanted);
  index.search(gather);
  return std::move(gather).finish();
}

// Shows some members elsewhere, and others not at all. By handle.
class RandomLens final : public Lens {
 public:
  RandomLens(Random& random, const std::vector<PlaceKey>& members, double shift_m) : shown_(members.size()) {
    for (const PlaceKey& member : members) {
      if (random.chance(0.1)) continue;
      const Point real = decode(member.place);
      const Geohash place = encode(tests::point_near(random, real, shift_m * tests::uniform(random, 0, 1)));
      shown_[member.handle] = random.chance(0.1) ? member.place : place;
      shift_m_max_ = std::max(shift_m_max_, distance_m(real, decode(*shown_[member.handle])) + 1e-6);
    }
  }
  [[nodiscard]] std::optional<Geohash> shown(MemberHandle member, Geohash) const override { return shown_[member]; }
  [[nodiscard]] bool comes_before(MemberHandle one, MemberHandle other) const override { return one < other; }
  [[nodiscard]] double shift_m_max() const override { return shift_m_max_; }

 private:
  std::vector<std::optional<Geohash>> shown_;
  double shift_m_max_ = 0;
};
using SharedLens = std::shared_ptr<const Lens>;

// Everybody within, the nearest first.
std::vector<Found> brute_force(const std::vector<PlaceKey>& members, const Area& area, const SharedLens& lens) {
  std::vector<Found> found;
  for (const PlaceKey& member : members) {
    const auto place = lens ? lens->shown(member.handle, member.place) : member.place;
    const auto distance = place ? area.distance_within_m(decode(*place)) : std::nullopt;
    if (distance) found.push_back({*distance, *place, member.handle});
  }
  std::ranges::sort(found, {}, &Found::distance_m);
  return found;
}

std::vector<MemberHandle> handles_of(const std::vector<Found>& found) {
  std::vector<MemberHandle> handles;
  for (const Found& one : found) handles.push_back(one.handle);
  std::ranges::sort(handles);
  return handles;
}

std::vector<double> distances_of(const std::vector<Found>& found) {
  std::vector<double> distances;
  for (const Found& one : found) distances.push_back(one.distance_m);
  return distances;
}

// Compares every kind of search with what looking at everybody says. Who is chosen among equals is open: distances are
// compared.
void check_all_picks(const std::vector<PlaceKey>& members, const PlaceIndex& index, const Area& area, std::size_t count,
                     const SharedLens& lens = nullptr) {
  std::vector<Found> all = brute_force(members, area, lens);
  const auto found = search(index, {area, Pick::kAll, SIZE_MAX, true, true, lens});
  ASSERT_EQ(handles_of(found), handles_of(all));
  ASSERT_EQ(distances_of(found), distances_of(all));
  ASSERT_EQ(handles_of(search(index, {area, Pick::kAll, SIZE_MAX, false, false, lens})), handles_of(all));

  const auto any = search(index, {area, Pick::kAny, count, true, true, lens});
  ASSERT_EQ(any.size(), std::min(count, all.size()));
  const auto right = handles_of(all);
  for (const MemberHandle handle : handles_of(any)) ASSERT_TRUE(std::ranges::binary_search(right, handle));

  const std::size_t best = std::min(count, all.size());
  std::vector<double> distances = distances_of(all);
  ASSERT_EQ(distances_of(search(index, {area, Pick::kNearest, count, true, true, lens})),
            std::vector(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(best)));
  std::ranges::reverse(distances);
  ASSERT_EQ(distances_of(search(index, {area, Pick::kFarthest, count, true, true, lens})),
            std::vector(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(best)));
}

TEST(PlaceIndex, FindsWhatLookingAtEverybodyFinds) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const Area area = tests::any_area(random, tests::any_point(random));
    const auto members = tests::members_around(random, area, random.between(1, 1'000));
    check_all_picks(members, index_of(members), area, random.between(0, 50));
    if (HasFatalFailure()) return;
  }
}

TEST(PlaceIndex, FindsWhoIsShownWithinThoughItIsElsewhere) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const Area area = tests::any_area(random, tests::any_point(random));
    const auto members = tests::members_around(random, area, random.between(1, 1'000));
    const double shift_m = random.chance(0.5) ? tests::any_length_m(random) : area.reach_m();
    const auto lens = std::make_shared<RandomLens>(random, members, shift_m);
    const PlaceIndex index = index_of(members);
    check_all_picks(members, index, area, random.between(0, 50), lens);
    if (HasFatalFailure()) return;

    // Of those who are shown equally far off, the lens says who is chosen.
    auto right = brute_force(members, area, lens);
    std::ranges::sort(right, {}, [](const Found& one) { return std::pair(one.distance_m, one.handle); });
    right.resize(std::min<std::size_t>(right.size(), 20));
    const auto found = search(index, {area, Pick::kNearest, 20, true, true, lens});
    ASSERT_EQ(found.size(), right.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].handle, right[i].handle);
      ASSERT_EQ(found[i].place, right[i].place);
    }
  }
}

TEST(PlaceIndex, StaysRightWhileMembersComeMoveAndGo) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const Area area = tests::any_area(random, tests::any_point(random));
    auto members = tests::members_around(random, area, 600);
    PlaceIndex index;
    std::map<MemberHandle, Geohash> there;
    for (int step = 0; step < 5'000; ++step) {
      const PlaceKey& one = members[random.below(members.size())];
      const auto at = there.find(one.handle);
      // Grows, then shrinks.
      if (at == there.end()) {
        if (step > 3'000 && random.chance(0.7)) continue;
        index.insert(one);
        there[one.handle] = one.place;
      } else if (random.chance(step > 3'000 ? 0.8 : 0.2)) {
        index.erase({at->second, one.handle});
        there.erase(at);
      } else {
        const Geohash to = members[random.below(members.size())].place;
        index.move({at->second, one.handle}, {to, one.handle});
        at->second = to;
      }
    }
    std::vector<PlaceKey> left;
    for (const auto& [handle, place] : there) left.push_back({place, handle});
    ASSERT_EQ(index.size(), left.size());
    check_all_picks(left, index, area, 20);
    std::ranges::sort(left);
    std::vector<PlaceKey> visited;
    index.for_each([&](const PlaceKey& key) { visited.push_back(key); });
    ASSERT_EQ(visited, left);
    for (const PlaceKey& key : left) index.erase(key);
    ASSERT_TRUE(index.empty());
    if (HasFatalFailure()) return;
  }
}

TEST(PlaceIndex, AMillionMembersAtOnePointCostFewDistances) {
  std::vector<PlaceKey> members;
  const Geohash place = encode({116.4, 39.9});
  for (MemberHandle handle = 0; handle < 1'000'000; ++handle) members.push_back({place, handle});
  PlaceIndex index = index_of(members);
  const Area area = *Area::circle({116.4, 39.9}, 1'000, "radius");
  EXPECT_EQ(search(index, {area, Pick::kNearest, 20}).size(), 20u);
  EXPECT_EQ(search(index, {area, Pick::kAny, 20}).size(), 20u);
  EXPECT_EQ(search(index, {area, Pick::kAll, SIZE_MAX, false, false}).size(), 1'000'000u);
  index.move({place, 500'000}, {encode({116.4001, 39.9}), 500'000});
  EXPECT_EQ(search(index, {area, Pick::kFarthest, 1}).front().handle, 500'000u);
}

// Crowds that fill leaves of their own, among others who are next to them.
TEST(PlaceIndex, CrowdsAtOnePlaceAreFoundWithWhoIsAroundThem) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const Area area = tests::any_area(random, tests::any_point(random));
    auto members = tests::members_around(random, area, random.between(1, 200));
    for (std::uint64_t crowds = random.between(1, 4); crowds > 0; --crowds) {
      const Geohash place = members[random.below(members.size())].place;
      for (std::uint64_t i = random.below(500); i > 0; --i)
        members.push_back({random.chance(0.02) ? Geohash(place.value ^ 1) : place, members.size()});
    }
    PlaceIndex grown;
    for (const PlaceKey& member : members) grown.insert(member);
    check_all_picks(members, grown, area, random.between(0, 500));
    check_all_picks(members, index_of(members), area, random.between(0, 500));
    const auto lens = std::make_shared<RandomLens>(random, members, tests::any_length_m(random));
    check_all_picks(members, grown, area, random.between(0, 500), lens);
    if (HasFatalFailure()) return;
  }
}

// As a thousand there do: on the clock, since nothing else tells whom a search has looked at.
TEST(PlaceIndex, AMillionMembersAtOnePointCostNoMoreThanThoseWhoAreWanted) {
  const auto fastest_ns = [](MemberHandle crowd, Pick pick) {
    std::vector<PlaceKey> members;
    for (MemberHandle handle = 0; handle < crowd; ++handle) members.push_back({encode({0, 0}), handle});
    const PlaceIndex index = index_of(members);
    auto fastest = std::chrono::nanoseconds::max();
    for (int i = 0; i < 100; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_EQ(search(index, {*Area::circle({0.001, 0}, 1'000, "radius"), pick, 20}).size(), 20u);
      fastest = std::min<std::chrono::nanoseconds>(fastest, std::chrono::steady_clock::now() - begin);
    }
    return fastest.count();
  };
  for (const Pick pick : {Pick::kNearest, Pick::kFarthest})
    EXPECT_LT(fastest_ns(1'000'000, pick), 20 * fastest_ns(1'000, pick));
}

TEST(PlaceIndex, EqualDistancesAreAllFound) {
  std::vector<PlaceKey> members;
  const Point centre = decode(encode({0, 0}));
  const double step = 360.0 / (1 << 26);
  for (int i = 1; i <= 100; ++i)
    for (const double turn : {1.0, -1.0})
      members.push_back(
          {encode({centre.longitude + turn * step * i, centre.latitude}), static_cast<MemberHandle>(members.size())});
  const PlaceIndex index = index_of(members);
  const Area area = *Area::circle(centre, distance_m(centre, decode(members[99].place)) + 1e-9, "radius");
  EXPECT_EQ(search(index, {area}).size(), 100u);
}

// 1 000 km long and a metre high: nearly all leaves that the circle around it touches lie beside it.
TEST(PlaceIndex, ALongNarrowBoxHoldsThoseOnItsLine) {
  Random random(tests::seed_of_test());
  for (const bool is_high : {false, true}) {
    const Point centre{100, 45};
    std::vector<PlaceKey> members;
    for (MemberHandle handle = 0; handle < 5'000; ++handle) {
      const bool on_line = handle % 50 == 0;
      Point point{tests::uniform(random, 95, 105), tests::uniform(random, 41, 49)};
      if (on_line) (is_high ? point.longitude : point.latitude) = is_high ? 100 : 45;
      members.push_back({encode(point), handle});
    }
    const Area area = is_high ? *Area::box(centre, 2, 1'000'000, "box") : *Area::box(centre, 1'000'000, 2, "box");
    check_all_picks(members, index_of(members), area, 7);
  }
}

TEST(PlaceIndex, AMemberTakesLittleMemory) {
  Random random(1);
  PlaceIndex grown;
  std::vector<PlaceKey> members;
  for (MemberHandle handle = 0; handle < 50'000; ++handle) {
    members.push_back({encode({tests::uniform(random, 116, 117), tests::uniform(random, 39, 40)}), handle});
    grown.insert(members.back());
  }
  EXPECT_LT(grown.bytes() / grown.size(), 48u);
  EXPECT_LT(index_of(members).bytes() / members.size(), 40u);
}

}  // namespace
}  // namespace earshot::geo
