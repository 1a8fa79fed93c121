#include "actors/places.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <caf/all.hpp>
#include <gtest/gtest.h>

#include "actors/node_system.hpp"
#include "actors/private_views.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "geo/geohash.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint16_t kShards = 4;
const LayerId kPeople = LayerId::trusted("people");
const LayerId kCars = LayerId::trusted("cars");

double score_at(const geo::Point& point) { return static_cast<double>(geo::encode(point).value); }

// Real actors on real threads.
class PlacesTest : public testing::Test {
 protected:
  ~PlacesTest() override {
    places->end();
    EXPECT_TRUE(places->layers().wait_until_gone(std::chrono::seconds(30)));
    EXPECT_TRUE(places->cells().wait_until_gone(std::chrono::seconds(30)));
  }

  ShardId shard_of_member(const LayerId& layer, const std::string& member) { return shard_of(layer, member, kShards); }
  void move(const std::string& member, std::optional<double> score, const LayerId& layer = kPeople) {
    places->moved(shard_of_member(layer, member), {{layer, member, score, ++version}}, {});
  }
  void tell_all() {
    for (std::uint16_t n = 0; n < kShards; ++n) places->all_told(ShardId(n));
  }

  Result<NearbyAnswer> nearby(std::variant<geo::Point, std::string> centre, double radius_m,
                              geo::Pick pick = geo::Pick::kAll, std::size_t count = SIZE_MAX,
                              const LayerId& layer = kPeople) {
    auto answered = std::make_shared<std::promise<Result<NearbyAnswer>>>();
    NearbyQuestion question;
    question.centre = std::move(centre);
    question.area = [radius_m](const geo::Point& point) { return geo::Area::circle(point, radius_m, "radius"); };
    question.pick = pick;
    question.count_max = count;
    question.done = [answered](Result<NearbyAnswer> answer) { answered->set_value(std::move(answer)); };
    places->ask(layer, std::move(question));
    return answered->get_future().get();
  }
  static std::vector<std::string> names_of(const Result<NearbyAnswer>& answer) {
    std::vector<std::string> names;
    for (const auto& found : answer->found) names.emplace_back(found.member->name());
    return names;
  }
  std::size_t size_of(const LayerId& layer) {
    std::promise<std::size_t> size;
    places->ask(layer, SizeQuestion{[&](std::size_t members) { size.set_value(members); }});
    return size.get_future().get();
  }

  std::size_t count_layers() {
    std::promise<std::size_t> told;
    places->count_layers([&](std::size_t layers) { told.set_value(layers); });
    return told.get_future().get();
  }
  ScannedLayers scan(std::uint64_t from, std::size_t count_max) {
    std::promise<ScannedLayers> told;
    places->scan_layers({from, count_max, [&](ScannedLayers scanned) { told.set_value(std::move(scanned)); }});
    return told.get_future().get();
  }
  FoundLayers layers_after(const std::string& after, std::size_t count_max) {
    std::promise<FoundLayers> told;
    places->ask_layers({after, count_max, nullptr, [&](FoundLayers found) { told.set_value(std::move(found)); }});
    return told.get_future().get();
  }
  // A thread is busy with the layer until the promise that this returns is kept.
  std::shared_ptr<std::promise<void>> keep_busy(const LayerId& layer = kPeople) {
    auto until = std::make_shared<std::promise<void>>();
    std::promise<void> begun;
    places->ask(layer, SizeQuestion{[&begun, gate = std::make_shared<std::future<void>>(until->get_future())](
                                        std::size_t) { begun.set_value(), gate->wait(); }});
    begun.get_future().wait();
    return until;
  }

  SystemConfig config{2};
  caf::actor_system system{config};
  static constexpr std::size_t kLayersMax = 50;
  static constexpr std::size_t kChangesMax = 2'000;
  std::shared_ptr<Places> places = make_places(system, kShards, {100, 20}, {kLayersMax, kChangesMax});
  std::atomic<std::uint64_t> version{0};
};

TEST_F(PlacesTest, WhatWasToldIsSeenByTheNextQuestion) {
  tell_all();
  for (int i = 0; i < 2'000; ++i) {
    const geo::Point at{i % 360 - 180.0, i % 170 - 85.0};
    move("ada", score_at(at));
    const auto found = nearby(at, 1'000);
    ASSERT_EQ(names_of(found), std::vector<std::string>{"ada"}) << i;
    ASSERT_FALSE(found->is_partial);
  }
}

TEST_F(PlacesTest, AroundAMemberNearestFirst) {
  tell_all();
  move("ada", score_at({10, 50})), move("bea", score_at({10.01, 50})), move("cy", score_at({10.005, 50}));
  EXPECT_EQ(names_of(nearby(std::string("ada"), 1'000)), (std::vector<std::string>{"ada", "cy", "bea"}));
  EXPECT_EQ(names_of(nearby(std::string("ada"), 1'000, geo::Pick::kNearest, 2)),
            (std::vector<std::string>{"ada", "cy"}));
  EXPECT_EQ(names_of(nearby(std::string("ada"), 1'000, geo::Pick::kFarthest, 1)), std::vector<std::string>{"bea"});
  EXPECT_EQ(nearby(std::string("nobody"), 1'000).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(nearby(std::string("ada"), 1'000, geo::Pick::kAll, 1, kCars).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(nearby(geo::Point{10, 50}, -1).error().field, "radius");
}

TEST_F(PlacesTest, AMemberThatIsNowhereIsToldApartFromALayerWithoutMembers) {
  tell_all();
  EXPECT_EQ(nearby(std::string("ada"), 1'000).error().field, "layer") << "there is no such layer";
  move("ada", score_at({10, 50}));
  EXPECT_EQ(nearby(std::string("bea"), 1'000).error().field, "member");
  EXPECT_EQ(nearby(std::string("bea"), 1'000).error().code, ErrorCode::kNotFound);
  for (int i = 0; i < 50; ++i) {  // whether its actor has ended yet or not
    move("ada", std::nullopt);
    const auto answer = nearby(std::string("ada"), 1'000);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kNotFound);
    EXPECT_EQ(answer.error().field, "layer") << i;
    move("ada", score_at({10, 50}));
  }
}

TEST_F(PlacesTest, ARangeSeesWhatWasToldBefore) {
  tell_all();
  const auto range = [&](const places::MemberRange& wanted, const LayerId& layer) {
    std::promise<std::vector<places::ScoredMember>> told;
    places->ask(layer, RangeQuestion{wanted, [&](std::vector<places::ScoredMember> members) {
                                       told.set_value(std::move(members));
                                     }});
    std::vector<std::string> names;
    for (const auto& one : told.get_future().get()) names.emplace_back(one.member->name());
    return names;
  };
  EXPECT_EQ(range({}, kPeople), std::vector<std::string>());
  for (int i = 0; i < 200; ++i) {
    move("ada", 2.0 * i), move("bea", 2.0 * i + 1);
    ASSERT_EQ(range({}, kPeople), (std::vector<std::string>{"ada", "bea"})) << i;
    move("ada", 2.0 * i + 3);
    ASSERT_EQ(range({}, kPeople), (std::vector<std::string>{"bea", "ada"})) << i;
  }
  EXPECT_EQ(range({{}, -1, -1, false}, kPeople), std::vector<std::string>{"ada"});
  EXPECT_EQ(range({}, kCars), std::vector<std::string>());
}

TEST_F(PlacesTest, LayersAreThoseThatSomebodyIsIn) {
  tell_all();
  const auto layers = [&] {
    std::promise<std::map<std::string, std::size_t>> told;
    LayersQuestion question;
    question.done = [&](const FoundLayers& found) {
      std::map<std::string, std::size_t> all;
      for (const auto& one : found.layers) EXPECT_TRUE(all.emplace(one.layer.text(), one.members).second) << "twice";
      told.set_value(std::move(all));
    };
    places->ask_layers(std::move(question));
    auto all = told.get_future().get();
    EXPECT_EQ(count_layers(), all.size());
    EXPECT_EQ(scan(0, 9).layers.size(), all.size());
    return all;
  };
  using Layers = std::map<std::string, std::size_t>;
  EXPECT_EQ(layers(), Layers()) << "asked of nobody, and answered";
  move("ada", 1.0), move("bea", 2.0), move("taxi", 3.0, kCars);
  EXPECT_EQ(layers(), (Layers{{"people", 2}, {"cars", 1}}));
  for (int i = 0; i < 100; ++i) {  // it has no members, though its actor may not have ended
    move("taxi", std::nullopt, kCars);
    ASSERT_EQ(layers(), (Layers{{"people", 2}})) << i;
    move("taxi", 3.0, kCars);
    ASSERT_EQ(layers(), (Layers{{"people", 2}, {"cars", 1}})) << i;
  }
}

TEST_F(PlacesTest, WhoIsHiddenAndWhatLayersShowIsKnown) {
  tell_all();
  places->moved(shard_of_member(kPeople, "ada"), {{kPeople, "ada", score_at({10, 50}), ++version, true}}, {});
  move("bea", score_at({10, 50}));
  const auto found = nearby(geo::Point{10, 50}, 1'000);
  ASSERT_EQ(found->found.size(), 2u);
  for (const auto& one : found->found) EXPECT_EQ(one.member->is_hidden(), one.member->name() == "ada");
  std::promise<Scores> told;
  places->ask(kPeople, ScoresQuestion{{"ada", "bea", "cy"},
                                      [&](Scores scores) { told.set_value(std::move(scores)); },
                                      [](const places::Member& member) { return !member.is_hidden(); }});
  EXPECT_EQ(told.get_future().get(), (Scores{std::nullopt, score_at({10, 50}), std::nullopt}));

  const LayerPrivacy privacy{1, 2, 3};
  places->privacies({{kPeople, privacy}, {kCars, privacy}, {kCars, std::nullopt}});
  EXPECT_EQ(places->privacy_table()->own(kPeople), privacy);
  EXPECT_EQ(places->privacy_table()->own(kCars), std::nullopt);
  EXPECT_EQ(places->privacy_table()->of(kCars), LayerPrivacy());
  EXPECT_EQ(layers_after("", 1).layers.at(0).privacy, privacy);
}

// More who are hidden than any answer holds stand before the one who is shown: as if they were not there.
TEST_F(PlacesTest, ACrowdThatAUserIsNotShownStandsInNobodysWay) {
  tell_all();
  std::map<ShardId, std::vector<cluster::Move>> moves;
  for (std::size_t i = 0; i <= limits::kNearbyAnswerMax + 1'000; ++i) {
    const std::string member = std::to_string(i);
    moves[shard_of_member(kPeople, member)].push_back({kPeople, member, score_at({10, 50}), ++version, i > 0});
  }
  for (auto& [shard, of_shard] : moves) places->moved(shard, std::move(of_shard), {});
  move("bea", score_at({10.1, 50}));
  const ManualClock clock;
  const auto views = std::make_shared<PrivateViews>(places, places->privacy_table(), clock, 7);
  for (const auto& [pick, right] :
       std::map<geo::Pick, std::vector<std::string>>{{geo::Pick::kNearest, {"0", "bea"}},
                                                     {geo::Pick::kAny, {"0", "bea"}},
                                                     {geo::Pick::kFarthest, {"bea", "0"}}}) {
    std::promise<Result<NearbyAnswer>> told;
    NearbyQuestion question;
    question.centre = geo::Point{10, 50};
    question.area = [](const geo::Point& point) { return geo::Area::circle(point, 20'000, "radius"); };
    question.pick = pick;
    question.count_max = 2;
    question.done = [&](Result<NearbyAnswer> answer) { told.set_value(std::move(answer)); };
    views->nearby(UserId::trusted("ada"), kPeople, std::move(question));
    const auto answer = told.get_future().get();
    ASSERT_TRUE(answer);
    EXPECT_EQ(names_of(answer), right);
    for (const auto& one : answer->found) EXPECT_EQ(std::fmod(one.distance_m, LayerPrivacy::kDistanceStepMDefault), 0);
  }
}

TEST_F(PlacesTest, LayersDoNotMeetAndAClearedShardIsGone) {
  tell_all();
  for (int i = 0; i < 100; ++i) {
    move("member-" + std::to_string(i), score_at({10 + i * 0.001, 50}));
    move("member-" + std::to_string(i), score_at({20, 50}), kCars);
  }
  EXPECT_EQ(size_of(kPeople), 100u);
  EXPECT_TRUE(nearby(geo::Point{10, 50}, 100'000, geo::Pick::kAll, SIZE_MAX, kCars)->found.empty());
  // In one message: one leaves before its layer is cleared, one comes after that.
  const ShardId shard = shard_of_member(kPeople, "member-7");
  std::string late = "late";
  while (shard_of_member(kPeople, late) != shard) late += "r";
  const std::uint64_t first = version + 1;
  version += 3;
  places->moved(shard, {{kPeople, "member-7", std::nullopt, first}, {kPeople, late, score_at({10, 50}), first + 2}},
                {{kPeople, first + 1}});
  for (const std::string& name : names_of(nearby(geo::Point{10, 50}, 100'000)))
    EXPECT_TRUE(name == late || shard_of_member(kPeople, name) != shard) << name;
  EXPECT_EQ(size_of(kCars), 100u);
}

TEST_F(PlacesTest, ALayerWithoutMembersEndsAndComesAgain) {
  tell_all();
  for (int round = 0; round < 50; ++round) {
    move("ada", score_at({10, 50}));
    move("ada", std::nullopt);
    EXPECT_EQ(size_of(kPeople), 0u);
  }
  move("bea", score_at({10, 50}));
  EXPECT_EQ(size_of(kPeople), 1u);
  move("bea", std::nullopt);
  EXPECT_TRUE(places->layers().wait_until_gone(std::chrono::seconds(30)));
  EXPECT_TRUE(places->cells().wait_until_gone(std::chrono::seconds(30)));
}

TEST_F(PlacesTest, AnswersArePartialUntilEveryShardHasToldAll) {
  move("ada", score_at({10, 50}));
  bool is_complete = false;
  const auto first = places->when_complete([&] { is_complete = true; });
  EXPECT_TRUE(nearby(geo::Point{10, 50}, 100)->is_partial);
  tell_all();
  EXPECT_TRUE(is_complete);
  EXPECT_FALSE(nearby(geo::Point{10, 50}, 100)->is_partial);
  is_complete = false;
  EXPECT_EQ(places->when_complete([&] { is_complete = true; }), nullptr);
  EXPECT_TRUE(is_complete);
}

// Members hurry from place to place in a small area, some threads move them, others ask: whoever never leaves the
// circle is never missing from it, and nobody is in an answer twice.
TEST_F(PlacesTest, WhoDoesNotWaitAnyMoreIsForgotten) {
  const auto keeps = std::make_shared<int>();
  bool waits = false;
  const auto waiting = places->when_complete([&] { waits = true; });
  for (int i = 0; i < 1'000; ++i) {
    const auto gone = places->when_complete([keeps] { ADD_FAILURE() << "nobody waits for that"; });
    EXPECT_GT(keeps.use_count(), 1);
  }
  EXPECT_EQ(keeps.use_count(), 1);
  tell_all();
  EXPECT_TRUE(waits);
}

TEST_F(PlacesTest, LayersAreToldInTheOrderOfTheirNames) {
  tell_all();
  std::vector<std::string> names;
  for (int i = 1'000; i < 3'500; ++i) names.push_back("layer-" + std::to_string(i));
  for (const std::string& name : names) move("ada", 1.0, LayerId::trusted(name));
  std::vector<std::string> told;
  for (FoundLayers found{{}, true}; found.more;) {
    found = layers_after(told.empty() ? "" : told.back(), 300);
    ASSERT_EQ(found.layers.size(), std::min<std::size_t>(300, names.size() - told.size()));
    for (const auto& one : found.layers) {
      told.push_back(one.layer.text());
      EXPECT_EQ(one.members, 1u);
    }
  }
  EXPECT_EQ(told, names);
  std::promise<FoundLayers> some;
  places->ask_layers({"layer-2", SIZE_MAX, [](std::string_view name) { return name.ends_with("00"); },
                      [&](FoundLayers found) { some.set_value(std::move(found)); }});
  EXPECT_EQ(some.get_future().get().layers.size(), 15u);
}

TEST_F(PlacesTest, AScanMeetsEveryLayerThatIsThereAllTheTime) {
  tell_all();
  Random random(tests::seed_of_test());
  const auto layer = [](std::uint64_t i) { return LayerId::trusted("layer-" + std::to_string(i)); };
  for (std::uint64_t i = 0; i < 300; ++i) move("ada", 1.0, layer(i));
  std::map<std::string, int> met;
  std::uint64_t next = 0;
  do {
    const ScannedLayers scanned = scan(next, random.between(1, 20));
    EXPECT_LE(scanned.layers.size(), 20u);
    for (const LayerId& one : scanned.layers) ++met[one.text()];
    next = scanned.next;
    EXPECT_LT(next, std::uint64_t{1} << 53) << "some clients keep it as a double, and round it";
    for (int i = 0; i < 5; ++i)
      move("ada", random.chance(0.5) ? std::optional(1.0) : std::nullopt, layer(random.between(200, 400)));
  } while (next != 0);
  for (std::uint64_t i = 0; i < 200; ++i) EXPECT_EQ(met[layer(i).text()], 1) << i;
  for (const auto& [name, times] : met) EXPECT_EQ(times, 1) << name;
}

// A look at many would be as many messages.
TEST_F(PlacesTest, LayersWithNothingToDoAreNotAsked) {
  tell_all();
  move("ada", 1.0), move("taxi", 1.0, kCars);
  for (int i = 0; i < 100; ++i) {
    const LayerId layer = LayerId::trusted("layer-" + std::to_string(i));
    move("ada", 1.0, layer);
    EXPECT_EQ(size_of(layer), 1u);
  }
  const auto one = keep_busy(kPeople), other = keep_busy(kCars);  // both threads, so that nothing else is done
  std::optional<FoundLayers> found;
  places->ask_layers({"", SIZE_MAX, [](std::string_view name) { return name.starts_with("layer-"); },
                      [&](FoundLayers told) { found = std::move(told); }});
  one->set_value(), other->set_value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->layers.size(), 100u);
}

TEST_F(PlacesTest, ANodeHasAsManyLayersAsTheLimitAndNotOneMore) {
  tell_all();
  const auto layer = [](std::size_t i) { return LayerId::trusted("layer-" + std::to_string(i)); };
  for (std::size_t i = 0; i < kLayersMax - 2; ++i) move("ada", 1.0, layer(i));
  auto one = places->permit_setting(layer(kLayersMax - 2));
  auto two = places->permit_setting(layer(kLayersMax - 1));
  ASSERT_TRUE(one && two);
  const auto refused = places->permit_setting(layer(kLayersMax));
  ASSERT_FALSE(refused) << "those that are coming count";
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().field, "layer");
  EXPECT_TRUE(places->permit_setting(layer(0))) << "it is there";
  one->place.reset();
  EXPECT_TRUE(places->permit_setting(layer(kLayersMax))) << "one of them did not come";
  move("ada", 1.0, layer(kLayersMax - 2)), move("ada", 1.0, layer(kLayersMax - 1));
  two->place.reset();
  EXPECT_FALSE(places->permit_setting(layer(kLayersMax)));
  move("ada", std::nullopt, layer(0));
  while (!places->permit_setting(layer(kLayersMax))) std::this_thread::yield();  // until its actor has ended
  move("ada", 1.0, layer(0)), move("ada", 1.0, layer(kLayersMax));
  EXPECT_EQ(count_layers(), kLayersMax + 1) << "what shards have is shown all the same";
}

TEST_F(PlacesTest, WhatExistsIsALayerWithMembersOrAPrivacy) {
  EXPECT_FALSE(places->has_layer(kPeople));
  move("ada", 1.0);
  EXPECT_TRUE(places->has_layer(kPeople));
  EXPECT_FALSE(places->has_layer(kCars));
  places->privacies({{kCars, LayerPrivacy{}}});
  EXPECT_TRUE(places->has_layer(kCars));
  places->privacies({{kCars, std::nullopt}});
  EXPECT_FALSE(places->has_layer(kCars));
}

TEST_F(PlacesTest, ALayerWithAsMuchToDoAsTheLimitTakesNoMore) {
  tell_all();
  move("ada", 1.0), move("taxi", 1.0, kCars);
  EXPECT_EQ(size_of(kPeople), 1u);
  const auto busy = keep_busy();
  for (std::size_t i = 0; i < kChangesMax / 4; ++i) move("ada", 2.0 + static_cast<double>(i));
  EXPECT_FALSE(places->permit_setting(kPeople)->is_busy);
  for (std::size_t i = kChangesMax / 4; i < kChangesMax; ++i) {
    move("ada", 2.0 + static_cast<double>(i));
    ASSERT_TRUE(places->permit_setting(kPeople)->is_busy);
  }
  move("ada", 1.0);
  const auto refused = places->permit_setting(kPeople);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().field, "layer");
  EXPECT_FALSE(places->permit_setting(kCars)->is_busy);
  busy->set_value();
  EXPECT_EQ(size_of(kPeople), 1u);
  EXPECT_TRUE(places->permit_setting(kPeople));
}

TEST_F(PlacesTest, AnEndDoesNotWaitForWhatALayerHasToDo) {
  tell_all();
  move("ada", 1.0);
  const auto busy = keep_busy();
  const auto done = std::make_shared<std::atomic<int>>();
  for (int i = 0; i < 1'000; ++i) places->ask(kPeople, SizeQuestion{[done](std::size_t) { ++*done; }});
  places->end();
  busy->set_value();
  EXPECT_TRUE(places->layers().wait_until_gone(std::chrono::seconds(30)));
  EXPECT_LT(*done, 100);
}

TEST_F(PlacesTest, NobodyIsMissedOrSeenTwiceWhileAllMove) {
  tell_all();
  const std::uint64_t seed = tests::seed_of_test();
  constexpr int kMovers = 2;
  constexpr int kMembers = 400;  // of each mover
  const geo::Point centre{116.4, 39.9};
  std::atomic<bool> stops{false};
  const auto name = [](int mover, int member) { return std::to_string(mover) + "-" + std::to_string(member); };
  Random first(seed);
  for (int mover = 0; mover < kMovers; ++mover)
    for (int member = 0; member < kMembers; ++member)
      move(name(mover, member), score_at(tests::point_near(first, centre, tests::uniform(first, 0, 900))));
  std::vector<std::thread> movers;
  for (int mover = 0; mover < kMovers; ++mover) {
    movers.emplace_back([&, mover] {
      Random random(seed + mover + 1);
      std::uint64_t own = 1'000'000'000;
      while (!stops) {
        const std::string member = name(mover, static_cast<int>(random.below(kMembers)));
        const double score = score_at(tests::point_near(random, centre, tests::uniform(random, 0, 900)));
        places->moved(shard_of_member(kPeople, member), {{kPeople, member, score, ++own}}, {});
        if (own % 64 == 0) size_of(kPeople);  // no faster than the layer
      }
    });
  }
  for (int i = 0; i < 1'000; ++i) {
    auto names = names_of(nearby(centre, 1'000));
    std::ranges::sort(names);
    ASSERT_EQ(std::ranges::adjacent_find(names), names.end()) << "twice";
    ASSERT_EQ(names.size(), static_cast<std::size_t>(kMovers * kMembers)) << "missed";
  }
  stops = true;
  for (std::thread& mover : movers) mover.join();
}

TEST_F(PlacesTest, APageLetsItsSenderGoOnWhenEveryLayerHasIt) {
  std::vector<cluster::Move> page;
  for (int n = 0; n < 100; ++n)
    page.push_back({n % 2 == 0 ? kPeople : kCars, std::to_string(n), score_at({10, 50}), ++version});
  std::promise<void> taken;
  places->page(ShardId(0), std::move(page), {nullptr, [&](const void*) { taken.set_value(); }});
  taken.get_future().get();
  EXPECT_EQ(size_of(kPeople), 50u);
  EXPECT_EQ(size_of(kCars), 50u);
  std::promise<void> nobody;
  places->page(ShardId(0), {}, {nullptr, [&](const void*) { nobody.set_value(); }});
  nobody.get_future().get();
}

}  // namespace
}  // namespace earshot::actors
