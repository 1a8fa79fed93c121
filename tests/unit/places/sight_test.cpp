#include "places/sight.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "places/layer.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"
#include "tests/unit/places/places_world.hpp"

// What users are told of a layer, compared with a look at the shown places of everybody.
namespace earshot::places {
namespace {

const LayerId kLayer = LayerId::trusted("people");
const UserId kViewer = UserId::trusted("0");  // a member as well
constexpr std::uint64_t kSecret = 0x5ec2e7;
constexpr CellLimits kSmallCells{50, 20};

// Sees nobody whose name ends so.
class Blocks final : public PlaceVisibility {
 public:
  explicit Blocks(char last) : last_(last) {}
  [[nodiscard]] bool may_see(const UserId& viewer, const LayerId& layer, std::string_view member) const override {
    EXPECT_EQ(viewer, kViewer);
    EXPECT_EQ(layer, kLayer);
    return member.back() != last_;
  }

 private:
  char last_;
};

using SharedSight = std::shared_ptr<const Sight>;

SharedSight sight(const LayerPrivacy& privacy, std::shared_ptr<const PlaceVisibility> visibility = nullptr) {
  return std::make_shared<const Sight>(kViewer, kLayer, privacy, kSecret, std::move(visibility));
}

struct Told {
  double distance_m = 0;
  std::string name;
  geo::Geohash place;

  bool operator==(const Told&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Told& one) {
    return out << one.name << " at " << one.place.value << ", " << one.distance_m << " m";
  }
};

// A layer and its cells, and who is in it.
class Crowd {
 public:
  explicit Crowd(const CellLimits& limits = kSmallCells) : layer_(limits, 1, world_.maker()) {}

  void add(const std::string& name, geo::Geohash place, bool is_hidden = false) {
    layer_.take(ShardId(0), {{name, static_cast<double>(place.value), ++version_, is_hidden}});
    members_[name] = {Member::make(name, is_hidden), place};
  }
  void add(const std::string& name, const geo::Point& point, bool is_hidden = false) {
    add(name, geo::encode(point), is_hidden);
  }
  [[nodiscard]] std::vector<Told> search(const geo::Search& search) {
    std::vector<Told> told;
    bool is_done = false;
    layer_.search(search, [&](const std::vector<FoundMember>& found) {
      for (const auto& one : found) told.push_back({one.distance_m, std::string(one.member->name()), one.place});
      is_done = true;
    });
    world_.settle(layer_);
    EXPECT_TRUE(is_done);
    return told;
  }
  // All, by the shown places of everybody.
  [[nodiscard]] std::vector<Told> shown(const Sight& sight, const geo::Area& area, bool farthest) const {
    std::vector<Told> all;
    for (const auto& [name, one] : members_) {
      if (!sight.sees(*one.member)) continue;
      const geo::Geohash place = sight.shown(name, one.place);
      if (const auto distance = area.distance_within_m(geo::decode(place))) all.push_back({*distance, name, place});
    }
    std::ranges::stable_sort(
        all, [&](double one, double other) { return farthest ? one > other : one < other; }, &Told::distance_m);
    return all;
  }

 private:
  struct Somebody {
    MemberPtr member;
    geo::Geohash place;
  };

  std::map<std::string, Somebody> members_;
  std::uint64_t version_ = 0;
  tests::CellsWorld world_{1};
  Layer layer_;
};

std::vector<Told> first_of(std::vector<Told> told, std::size_t count) {
  if (count < told.size()) told.resize(count);
  return told;
}

std::uint32_t any_precision_m(Random& random) {
  return std::array{0u, 1u, 20u, 200u, 3'000u, limits::kPrecisionMMax}[random.below(6)];
}

TEST(Sight, ThroughItExactlyThoseAreFoundWhoAreShownWithin) {
  Random random(tests::seed_of_test());
  std::size_t told = 0, cut = 0;
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const std::uint32_t precision_m = any_precision_m(random);
    const SharedSight sees = sight({precision_m, 0, 0}, random.chance(0.5) ? std::make_shared<Blocks>('3') : nullptr);
    const geo::Point centre = tests::any_point(random);
    const geo::Area area = tests::any_area(random, centre);
    Crowd crowd;
    std::size_t name = 0;
    for (const geo::PlaceKey& key : tests::members_around(random, area, random.below(400)))
      crowd.add(std::to_string(name++), key.place, random.chance(0.1));
    // A crowd within the shift, of whom many are shown on the other side of the edge.
    for (std::size_t i = random.below(400); i > 0; --i)
      crowd.add(std::to_string(name++),
                tests::point_near(random, centre, tests::uniform(random, 0, 2.0 * precision_m)));
    for (int question = 0; question < 4; ++question) {
      const bool farthest = random.chance(0.5);
      const std::size_t count = random.chance(0.3) ? SIZE_MAX : 1 + random.below(20);
      const auto right = crowd.shown(*sees, area, farthest);
      const auto pick = farthest ? geo::Pick::kFarthest : geo::Pick::kNearest;
      ASSERT_EQ(crowd.search({area, pick, count, true, true, sees}), first_of(right, count));
      told += std::min(count, right.size()), cut += count < right.size() ? 1 : 0;
    }
  }
  EXPECT_GT(told, 10'000u);
  EXPECT_GT(cut, 100u);
}

// Somewhere else, from where a member with this name is shown at the same place.
geo::Geohash other_place(Random& random, const Sight& sight, const std::string& name, geo::Geohash real,
                         double precision_m) {
  const geo::Geohash shown = sight.shown(name, real);
  for (int i = 0; i < 100; ++i) {
    const geo::Geohash other =
        geo::encode(tests::point_near(random, geo::decode(shown), precision_m * tests::uniform(random, 0, 1)));
    if (sight.shown(name, other) == shown) return other;
  }
  return real;
}

// Two crowds that are shown alike, though nobody is where its twin is, and though of those who are not shown there are
// others, elsewhere: no question tells one crowd from the other.
void check_twins(Random& random, std::size_t members, double spread_m, int questions) {
  const std::uint32_t precision_m = std::array{20u, 200u, 1'000u}[random.below(3)];
  const SharedSight sees = sight({precision_m, 100, 0}, std::make_shared<Blocks>('3'));
  const geo::Point middle = tests::any_point(random);
  const auto somewhere = [&] {
    return geo::encode(tests::point_near(random, middle, spread_m * tests::uniform(random, 0, 1)));
  };
  Crowd one(CellLimits{2'000, 500}), twin(CellLimits{2'000, 500});
  std::size_t moved = 0;
  for (std::size_t i = 0; i < members; ++i) {
    const std::string name = std::to_string(i);
    const geo::Geohash real = somewhere();
    if (!sees->is_self(name) && (name.back() == '3' || random.chance(0.2))) {
      if (random.chance(0.7)) one.add(name, real, true);
      if (random.chance(0.3)) twin.add(name, somewhere(), true);
      continue;
    }
    const geo::Geohash other = sees->is_self(name) ? real : other_place(random, *sees, name, real, 1.6 * precision_m);
    one.add(name, real), twin.add(name, other);
    moved += other != real ? 1 : 0;
  }
  for (std::size_t i = 0; i < members / 5; ++i) {  // blocked ones
    const std::string name = std::to_string(i * 10 + 3);
    if (random.chance(0.5)) one.add(name, somewhere());
    if (random.chance(0.5)) twin.add(name, somewhere());
  }
  ASSERT_GT(moved, members / 2);
  for (int question = 0; question < questions; ++question) {
    const double away_m = random.chance(0.5) ? spread_m : 2.0 * precision_m;
    const geo::Point centre = tests::point_near(random, middle, away_m * tests::uniform(random, 0, 1));
    const double length_m = spread_m * std::pow(10, tests::uniform(random, -1.5, 0.5));
    const geo::Area area = random.chance(0.7)
                               ? *geo::Area::circle(centre, length_m, "")
                               : *geo::Area::box(centre, length_m, spread_m * tests::uniform(random, 0, 2), "");
    const bool farthest = random.chance(0.4);
    const std::size_t count = std::array<std::size_t, 4>{1, 20, 1'000, limits::kNearbyAnswerMax + 1}[random.below(4)];
    const auto pick = farthest ? geo::Pick::kFarthest : geo::Pick::kNearest;
    const auto told = one.search({area, pick, count, true, true, sees});
    ASSERT_EQ(told, twin.search({area, pick, count, true, true, sees}));
    ASSERT_EQ(told, first_of(one.shown(*sees, area, farthest), count));
  }
}

TEST(Sight, AnswersSayNothingOfWhereMembersAreThatTheirShownPlacesDoNot) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 30; ++round)
    ASSERT_NO_FATAL_FAILURE(check_twins(random, 500, std::pow(10, tests::uniform(random, 2, 4)), 20)) << round;
}

// More members within a grid cell or two than any answer holds.
TEST(Sight, NorDoAnswersOfACrowd) {
  Random random(tests::seed_of_test());
  for (const double spread_m : {300.0, 2'000.0})
    ASSERT_NO_FATAL_FAILURE(check_twins(random, 2 * limits::kNearbyAnswerMax, spread_m, 30)) << spread_m;
}

TEST(Sight, OfThoseShownAtOnePlaceNamesSayWhoIsFound) {
  const SharedSight sees = sight({0, 0, 0});
  std::vector<Told> right;
  for (int i = 0; i < 200; ++i) right.push_back({0, std::to_string(i), geo::encode({10, 50})});
  for (const bool reversed : {false, true}) {
    Crowd crowd;
    if (reversed) std::ranges::reverse(right);
    for (const Told& one : right) crowd.add(one.name, one.place);
    auto sorted = right;
    std::ranges::sort(sorted, {}, &Told::name);
    const geo::Area area = *geo::Area::circle(geo::decode(geo::encode({10, 50})), 100, "");
    for (const geo::Pick pick : {geo::Pick::kNearest, geo::Pick::kFarthest})
      EXPECT_EQ(crowd.search({area, pick, 7, true, true, sees}), first_of(sorted, 7));
  }
}

TEST(Sight, TheViewerIsWhereItIsAndSeenThoughHiddenOrBlocked) {
  const SharedSight sees = sight({10'000, 0, 0}, std::make_shared<Blocks>('0'));
  Crowd crowd;
  crowd.add("0", {10, 50}, true);
  crowd.add("1", {10, 50}, true);
  crowd.add("10", {10, 50});
  const auto found =
      crowd.search({*geo::Area::circle({10, 50}, 50'000, ""), geo::Pick::kNearest, 10, true, true, sees});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "0");
  EXPECT_EQ(found[0].place, geo::encode({10, 50}));
}

}  // namespace
}  // namespace earshot::places
