#include "actors/private_views.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/random.hpp"
#include "geo/distance.hpp"
#include "tests/support/place_map.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

// What users are told of where others are.
namespace earshot::actors {
namespace {

const LayerId kPeople = LayerId::trusted("people");
const UserId kAda = UserId::trusted("ada");
const geo::Point kHere{116.4, 39.9};

// Whom nobody may see, by name.
class Blocklist final : public places::PlaceVisibility {
 public:
  [[nodiscard]] bool may_see(const UserId& viewer, const LayerId& layer, std::string_view member) const override {
    EXPECT_EQ(layer, kPeople);
    return viewer != kAda || member != "mallory";
  }
};

class PrivateViewsTest : public testing::Test {
 protected:
  void SetUp() override {
    map->visibility = std::make_shared<Blocklist>();
    desk = map->desk();
  }
  void privacy(const LayerPrivacy& of_people) { map->privacies->set(kPeople, of_people); }

  Result<NearbyAnswer> nearby(std::variant<geo::Point, std::string> centre, double radius_m = 1e6,
                              std::size_t count = SIZE_MAX, geo::Pick pick = geo::Pick::kNearest,
                              const UserId& viewer = kAda) {
    NearbyQuestion question;
    question.centre = std::move(centre);
    question.area = [radius_m](const geo::Point& point) { return geo::Area::circle(point, radius_m, "radius"); };
    question.count_max = count;
    question.pick = pick;
    std::optional<Result<NearbyAnswer>> told;
    question.done = [&](Result<NearbyAnswer> answer) { told.emplace(std::move(answer)); };
    desk->private_views().nearby(viewer, kPeople, std::move(question));
    return std::move(told).value();
  }
  Result<Scores> positions(std::vector<std::string> members, const UserId& viewer = kAda) {
    std::optional<Result<Scores>> told;
    desk->private_views().positions(viewer, kPeople, std::move(members),
                                    [&](Result<Scores> answer) { told.emplace(std::move(answer)); });
    return std::move(told).value();
  }
  Result<MemberDistance> distance(const std::string& from, const std::string& to) {
    std::optional<Result<MemberDistance>> told;
    desk->private_views().distance(kAda, kPeople, from, to,
                                   [&](Result<MemberDistance> answer) { told.emplace(std::move(answer)); });
    return std::move(told).value();
  }
  static std::map<std::string, const places::FoundMember*> by_name(const Result<NearbyAnswer>& answer) {
    std::map<std::string, const places::FoundMember*> names;
    for (const auto& one : answer.value().found) names.emplace(one.member->name(), &one);
    return names;
  }
  static geo::Geohash shown(const std::string& member, const geo::Point& real, std::uint32_t precision_m) {
    return places::shown_place(geo::encode(real), kPeople, member, tests::PlaceMap::kSecret, precision_m);
  }

  const std::shared_ptr<tests::PlaceMap> map = std::make_shared<tests::PlaceMap>();
  std::shared_ptr<const PlaceDesk> desk;
};

TEST_F(PrivateViewsTest, OthersAreShownAboutWhereTheyAreAndTheViewerExactly) {
  map->put("people", "ada", kHere), map->put("people", "bea", kHere);
  const geo::Geohash bea = shown("bea", kHere, LayerPrivacy::kPrecisionMDefault);
  ASSERT_NE(bea, geo::encode(kHere));
  const Scores scores = positions({"ada", "bea", "nobody"}).value();
  EXPECT_EQ(scores[0], static_cast<double>(geo::encode(kHere).value));
  EXPECT_EQ(scores[1], static_cast<double>(bea.value));
  EXPECT_EQ(scores[2], std::nullopt);
  const auto answer = nearby(kHere);
  const auto found = by_name(answer);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("ada")->place, geo::encode(kHere));
  EXPECT_EQ(found.at("bea")->place, bea);
  const double real_m = geo::distance_m(geo::decode(geo::encode(kHere)), geo::decode(bea));
  EXPECT_EQ(distance("ada", "bea").value().metres, places::rounded_up_m(real_m, LayerPrivacy::kDistanceStepMDefault));
  EXPECT_EQ(distance("bea", "ada").value().metres, distance("ada", "bea").value().metres);
  EXPECT_FALSE(distance("ada", "nobody").value().metres);
}

TEST_F(PrivateViewsTest, TwoOthersAreAsFarApartAsTheirShownPlaces) {
  privacy({5'000, 10, 0});
  const geo::Point there{116.5, 39.9};
  map->put("people", "bea", kHere), map->put("people", "cy", there);
  const double right = geo::distance_m(geo::decode(shown("bea", kHere, 5'000)), geo::decode(shown("cy", there, 5'000)));
  EXPECT_EQ(distance("bea", "cy").value().metres, places::rounded_up_m(right, 10));
}

// Nothing that a user can ask tells somebody who is hidden, or blocked, from somebody who is nowhere.
TEST_F(PrivateViewsTest, WhoIsHiddenOrBlockedIsNowhere) {
  privacy({200, 100, 0});
  map->put("people", "ada", kHere, true), map->put("people", "bea", kHere);
  map->put("people", "mallory", kHere), map->put("people", "secret", kHere, true);
  EXPECT_EQ(by_name(nearby(kHere)).size(), 2u) << "ada, who is hidden, sees herself, and bea";
  for (const std::string member : {"mallory", "secret", "nobody"}) {
    const Result<NearbyAnswer> around = nearby(member);
    ASSERT_FALSE(around) << member;
    EXPECT_EQ(around.error(), nearby("nobody").error());
    EXPECT_EQ(positions({member}).value()[0], std::nullopt);
    EXPECT_FALSE(distance("ada", member).value().metres);
    EXPECT_FALSE(distance(member, "bea").value().metres);
  }
  EXPECT_TRUE(positions({"ada"}).value()[0]);
  EXPECT_EQ(by_name(nearby(kHere, 1e6, SIZE_MAX, geo::Pick::kNearest, UserId::trusted("bea"))).size(), 2u)
      << "bea sees mallory, and not ada";
  map->put("people", "secret", kHere);
  EXPECT_TRUE(nearby("secret"));
}

TEST_F(PrivateViewsTest, AroundAnotherIsAroundItsShownPlaceAndAroundOneselfExact) {
  privacy({2'000, 0, 0});
  map->put("people", "ada", kHere), map->put("people", "bea", kHere), map->put("people", "cy", kHere);
  const auto around_bea = nearby("bea");
  EXPECT_EQ(by_name(around_bea).at("bea")->distance_m, 0);
  EXPECT_EQ(by_name(around_bea).at("ada")->distance_m,
            geo::distance_m(geo::decode(shown("bea", kHere, 2'000)), geo::decode(geo::encode(kHere))));
  const auto around_ada = nearby("ada");
  EXPECT_EQ(by_name(around_ada).at("ada")->distance_m, 0);
  EXPECT_EQ(by_name(around_ada).at("cy")->place, shown("cy", kHere, 2'000));
}

// As somebody would who wants to find a victim: by the radius at which it is found, from many places.
TEST_F(PrivateViewsTest, TrilaterationFindsNoMoreThanTheShownPlace) {
  privacy({1'000, 0, 0});
  Random random(tests::seed_of_test());
  for (int round = 0; round < 50; ++round) {
    const geo::Point real = tests::point_near(random, kHere, tests::uniform(random, 0, 50'000));
    map->put("people", "bea", real);
    const geo::Point centre = tests::point_near(random, real, tests::uniform(random, 0, 5'000));
    const double away = geo::distance_m(centre, geo::decode(shown("bea", real, 1'000)));
    double low = 0, high = 20'000;
    for (int i = 0; i < 60; ++i) {
      const double radius = (low + high) / 2;
      (by_name(nearby(centre, radius)).contains("bea") ? high : low) = radius;
    }
    ASSERT_NEAR(high, away, 0.001);
  }
}

TEST_F(PrivateViewsTest, EveryQuestionAboutOthersCostsAndThoseAboutOneselfDoNot) {
  privacy({200, 100, 4});
  map->put("people", "ada", kHere), map->put("people", "bea", kHere);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(positions({"ada", "ada"}));
    ASSERT_TRUE(distance("ada", "ada"));
  }
  EXPECT_TRUE(nearby("ada"));
  EXPECT_TRUE(nearby(kHere));
  EXPECT_TRUE(positions({"ada", "bea"}));
  EXPECT_TRUE(distance("ada", "bea"));
  for (const Error& error :
       {nearby(kHere).error(), positions({"bea"}).error(), distance("bea", "ada").error(), nearby("ada").error()}) {
    EXPECT_EQ(error.code, ErrorCode::kOverloaded);
    EXPECT_EQ(error.field, "queries");
    EXPECT_EQ(error.retry_after_ms, 15'000u);
  }
  EXPECT_TRUE(positions({"ada"})) << "one's own place costs nothing";
  EXPECT_TRUE(positions({"ada"}, UserId::trusted("bea"))) << "each has a budget of its own";
  map->clock.advance(15'000);
  EXPECT_TRUE(nearby(kHere));
  EXPECT_FALSE(nearby(kHere));
}

TEST_F(PrivateViewsTest, NothingIsToldBeforeTheNodeKnowsEverybodyAndEveryPrivacy) {
  map->put("people", "bea", kHere);
  map->begin_incomplete();
  for (const Error& error : {nearby(kHere).error(), positions({"bea"}).error(), distance("ada", "bea").error()})
    EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  map->complete();
  EXPECT_EQ(nearby(kHere)->found.size(), 1u);
}

TEST_F(PrivateViewsTest, ABadAreaIsRefusedAndAnEmptyLayerHasNobody) {
  EXPECT_EQ(nearby(kHere, -1).error().field, "radius");
  EXPECT_EQ(nearby(kHere).value().found.size(), 0u);
  EXPECT_EQ(nearby("ada").error().field, "member") << "who has no position of its own yet";
}

TEST_F(PrivateViewsTest, LayersHaveTheirOwnPrivacyOrTheDefault) {
  EXPECT_EQ(desk->private_views().privacy(kPeople), (LayerPrivacyInfo{{}, true}));
  privacy({0, 0, 0});
  EXPECT_EQ(desk->private_views().privacy(kPeople), (LayerPrivacyInfo{{0, 0, 0}, false}));
  map->put("people", "bea", kHere);
  EXPECT_EQ(positions({"bea"}).value()[0], static_cast<double>(geo::encode(kHere).value));
  map->privacies->set(kPeople, std::nullopt);
  EXPECT_NE(positions({"bea"}).value()[0], static_cast<double>(geo::encode(kHere).value));
}

}  // namespace
}  // namespace earshot::actors
