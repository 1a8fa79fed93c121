#include "places/private_search.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

// What users are told, compared with a look at the shown places of everybody.
namespace earshot::places {
namespace {

const LayerId kLayer = LayerId::trusted("people");
const UserId kViewer = UserId::trusted("0");  // a member as well
constexpr std::uint64_t kSecret = 0x5ec2e7;

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

struct Somebody {
  MemberPtr member;
  geo::Geohash place;
};

class Crowd {
 public:
  void add(const std::string& name, const geo::Point& point, bool is_hidden = false) {
    members.push_back({Member::make(name, is_hidden), geo::encode(point)});
  }
  // As Layer::search() has it.
  [[nodiscard]] std::vector<FoundMember> search(const geo::Search& search) {
    ++searches;
    std::vector<FoundMember> found;
    for (const Somebody& one : members)
      if (const auto distance = search.area.distance_within_m(geo::decode(one.place)))
        found.push_back({one.member, one.place, *distance});
    std::ranges::sort(found, {}, &FoundMember::distance_m);
    if (search.pick == geo::Pick::kFarthest) std::ranges::reverse(found);
    if (found.size() > search.count_max) found.resize(search.count_max);
    return found;
  }
  PrivateSearch& run(PrivateSearch& search) {
    while (!search.take(this->search(search.next()))) {
    }
    return search;
  }
  // By the shown places of everybody.
  [[nodiscard]] std::vector<FoundMember> shown(const Sight& sight, const geo::Area& area, bool farthest) const {
    std::vector<FoundMember> found;
    for (const Somebody& one : members) {
      if (!sight.sees(*one.member)) continue;
      const geo::Geohash place = sight.shown(one.member->name(), one.place);
      if (const auto distance = area.distance_within_m(geo::decode(place)))
        found.push_back({one.member, place, *distance});
    }
    std::ranges::sort(found, {}, [](const FoundMember& one) { return std::pair(one.distance_m, one.member->name()); });
    if (farthest) std::ranges::stable_sort(found, std::ranges::greater(), &FoundMember::distance_m);
    return found;
  }

  std::vector<Somebody> members;
  std::size_t searches = 0;
};

void expect_same(const std::vector<FoundMember>& found, const std::vector<FoundMember>& right, std::size_t count,
                 const Sight& sight) {
  ASSERT_EQ(found.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(found[i].distance_m, sight.told_m(right[i].distance_m));
    // Those of one place, where places are exact: any of them.
    if (sight.max_shift_m() == 0) continue;
    ASSERT_EQ(found[i].member->name(), right[i].member->name()) << i;
    ASSERT_EQ(found[i].place, right[i].place);
  }
}

TEST(PrivateSearch, FindsExactlyThoseWhoAreShownWithin) {
  Random random(tests::seed_of_test());
  std::size_t told = 0, cut = 0, again = 0;
  for (int round = 0; round < 600; ++round) {
    const std::uint32_t precision_m = std::array{0u, 20u, 200u, 3'000u, limits::kPrecisionMMax}[random.below(5)];
    const Sight sight(kViewer, kLayer, {precision_m, random.chance(0.5) ? 100u : 0u, 0}, kSecret,
                      random.chance(0.5) ? std::make_shared<Blocks>('3') : nullptr);
    const geo::Point centre = tests::any_point(random);
    const geo::Area area = tests::any_area(random, centre);
    Crowd crowd;
    std::size_t name = 0;
    for (const geo::PlaceKey& key : tests::members_around(random, area, random.below(400)))
      crowd.add(std::to_string(name++), geo::decode(key.place), random.chance(0.1));
    // A crowd within the shift, of whom many are shown on the other side of the edge.
    for (std::size_t i = random.below(400); i > 0; --i)
      crowd.add(std::to_string(name++),
                tests::point_near(random, centre, tests::uniform(random, 0, 2.0 * precision_m)));

    const bool farthest = random.chance(0.4);
    const std::size_t count = random.chance(0.3) ? SIZE_MAX : 1 + random.below(20);
    const auto right = crowd.shown(sight, area, farthest);
    PrivateSearch search(sight, area, farthest ? geo::Pick::kFarthest : geo::Pick::kAny, count);
    auto& found = crowd.run(search).found();
    ASSERT_FALSE(search.is_cut());
    ASSERT_NO_FATAL_FAILURE(expect_same(found, right, std::min(count, right.size()), sight));
    told += found.size(), cut += found.size() < right.size() ? 1 : 0, again += crowd.searches > 1 ? 1 : 0;
  }
  EXPECT_GT(told, 10'000u);
  EXPECT_GT(cut, 100u);
  EXPECT_GT(again, 10u) << "some needed more candidates";
}

TEST(PrivateSearch, TheViewerIsWhereItIsAndSeenThoughHiddenOrBlocked) {
  const Sight sight(kViewer, kLayer, {10'000, 0, 0}, kSecret, std::make_shared<Blocks>('0'));
  Crowd crowd;
  crowd.add("0", {10, 50}, true);
  crowd.add("1", {10, 50}, true);
  crowd.add("10", {10, 50});
  PrivateSearch search(sight, *geo::Area::circle({10, 50}, 50'000, ""), geo::Pick::kNearest, 10);
  const auto& found = crowd.run(search).found();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].member->name(), "0");
  EXPECT_EQ(found[0].place, geo::encode({10, 50}));
}

// Of more than one may look at, those are told who are certain to come first, and that there may be others.
TEST(PrivateSearch, ACrowdTooLargeToLookAtIsCutAndSaidToBe) {
  Random random(tests::seed_of_test());
  const Sight sight(kViewer, kLayer, {200, 0, 0}, kSecret, nullptr);
  Crowd crowd;
  for (std::size_t i = 0; i < 3 * limits::kNearbyAnswerMax; ++i)
    crowd.add(std::to_string(i), tests::point_near(random, {10, 50}, tests::uniform(random, 0, 2'000)));
  const geo::Area area = *geo::Area::circle({10, 50}, 5'000, "");
  for (const geo::Pick pick : {geo::Pick::kNearest, geo::Pick::kFarthest}) {
    const auto right = crowd.shown(sight, area, pick == geo::Pick::kFarthest);
    PrivateSearch search(sight, area, pick, limits::kNearbyAnswerMax + 1);
    crowd.searches = 0;
    const auto& found = crowd.run(search).found();
    EXPECT_EQ(crowd.searches, 1u);
    EXPECT_TRUE(search.is_cut());
    EXPECT_GT(found.size(), 1'000u);
    expect_same(found, right, found.size(), sight);
    PrivateSearch few(sight, area, pick, 5);
    expect_same(crowd.run(few).found(), right, 5, sight);
    EXPECT_FALSE(few.is_cut());
  }
}

TEST(PrivateSearch, NobodyIsFoundWhereNobodyIs) {
  Crowd crowd;
  PrivateSearch search(Sight(kViewer, kLayer, {}, kSecret, nullptr), *geo::Area::circle({180, 0}, 1e8, ""),
                       geo::Pick::kFarthest, 10);
  EXPECT_TRUE(crowd.run(search).found().empty());
  EXPECT_FALSE(search.is_cut());
}

}  // namespace
}  // namespace earshot::places
