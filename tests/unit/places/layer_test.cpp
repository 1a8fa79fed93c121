#include "places/layer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"
#include "tests/unit/places/places_world.hpp"

namespace earshot::places {
namespace {

constexpr std::uint16_t kShards = 4;
constexpr CellLimits kSmallCells{20, 8};
const LayerId kLayer = LayerId::trusted("people");

double score_at(const geo::Point& point) { return static_cast<double>(geo::encode(point).value); }

class LayerTest : public testing::Test {
 protected:
  void move(const std::string& member, std::optional<double> score) {
    const ShardId shard = shard_of(kLayer, member, kShards);
    layer->take(shard, {{member, score, ++version_}});
    score ? right[member] = *score : right.erase(member);
  }
  // Several in one message, of one shard: the same member may be among them more than once.
  void move_some(ShardId shard, const std::vector<std::pair<std::string, std::optional<double>>>& some) {
    std::vector<MemberMove> moves;
    for (const auto& [member, score] : some) {
      if (shard_of(kLayer, member, kShards) != shard) continue;
      moves.push_back({member, score, ++version_});
      score ? right[member] = *score : right.erase(member);
    }
    layer->take(shard, moves);
  }
  void clear(ShardId shard) {
    layer->cleared(shard, version_);
    std::erase_if(right, [&](const auto& one) { return shard_of(kLayer, one.first, kShards) == shard; });
  }

  // Of those who are there now, by looking at everybody: name and distance, the nearest first.
  std::vector<std::pair<double, std::string>> brute_force(const geo::Area& area) const {
    std::vector<std::pair<double, std::string>> found;
    for (const auto& [member, score] : right) {
      const auto place = place_of(score);
      if (!place) continue;
      if (const auto distance = area.distance_within_m(geo::decode(*place))) found.emplace_back(*distance, member);
    }
    std::ranges::sort(found);
    return found;
  }

  // Asks now, and compares once every cell has answered: with who was there when it was asked.
  struct Asked {
    geo::Search search;
    std::vector<std::pair<double, std::string>> right;
    std::vector<std::pair<double, std::string>> found;
    bool is_done = false;
  };
  std::shared_ptr<Asked> ask(const geo::Search& search) {
    auto asked = std::make_shared<Asked>(Asked{search, brute_force(search.area), {}, false});
    layer->search(search, [asked](std::vector<FoundMember> found) {
      EXPECT_FALSE(asked->is_done);
      asked->is_done = true;
      for (const auto& one : found) asked->found.emplace_back(one.distance_m, std::string(one.member->name()));
    });
    return asked;
  }
  static void compare(Asked& asked) {
    ASSERT_TRUE(asked.is_done);
    const std::size_t count = std::min(asked.search.count_max, asked.right.size());
    ASSERT_EQ(asked.found.size(), count);
    auto right = asked.right;
    switch (asked.search.pick) {
      case geo::Pick::kAll: {
        std::ranges::sort(asked.found);
        ASSERT_EQ(asked.found, right);
        return;
      }
      case geo::Pick::kAny: {
        std::ranges::sort(asked.found);
        ASSERT_TRUE(std::ranges::includes(right, asked.found));
        return;
      }
      case geo::Pick::kFarthest: std::ranges::reverse(right); [[fallthrough]];
      case geo::Pick::kNearest:
        for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(asked.found[i].first, right[i].first);
    }
  }

  tests::CellsWorld world{1};
  std::unique_ptr<Layer> layer = std::make_unique<Layer>(kSmallCells, kShards, world.maker());
  std::map<std::string, double> right;

 private:
  std::uint64_t version_ = 0;
};

// Whether somebody is hidden is told of the place that was asked about, though it changes while cells answer.
TEST_F(LayerTest, WhoIsHiddenIsSoWhereItWasHidden) {
  const ShardId shard = shard_of(kLayer, "ada", kShards);
  const double here = score_at({10, 50}), there = score_at({10.001, 50});
  const auto ask_all = [this] {
    auto told = std::make_shared<std::vector<std::pair<double, bool>>>();
    layer->search({*geo::Area::circle({10, 50}, 1'000, "")}, [told](const std::vector<FoundMember>& found) {
      for (const auto& one : found) told->emplace_back(static_cast<double>(one.place.value), one.member->is_hidden());
    });
    return told;
  };
  using Told = std::vector<std::pair<double, bool>>;
  layer->take(shard, {{"ada", here, 1, true}});
  const auto hidden = ask_all();
  layer->take(shard, {{"ada", here, 2, false}});
  const auto seen = ask_all();
  layer->take(shard, {{"ada", there, 3, true}, {"ada", here, 2, false}});
  const auto elsewhere = ask_all();
  EXPECT_TRUE(layer->find(shard, "ada")->is_hidden());
  world.settle(*layer);
  EXPECT_EQ(*hidden, (Told{{here, true}}));
  EXPECT_EQ(*seen, (Told{{here, false}}));
  EXPECT_EQ(*elsewhere, (Told{{there, true}})) << "and an older tiding is no news";
  EXPECT_EQ(layer->size(), 1u);
}

class LingeringTest : public LayerTest {
 protected:
  LingeringTest() {
    layer = std::make_unique<Layer>(kSmallCells, kShards, world.maker(), true, Lingerers::Limits{100, 10});
  }

  void move_to(const std::string& member, MoveTo to, double score, std::uint64_t now_ms) {
    layer->take(shard_of(kLayer, member, kShards), {{member, score, ++version, false, false, false, 0, to}}, nullptr,
                now_ms);
  }
  std::vector<std::string> all_within(const geo::Point& centre) {
    auto names = std::make_shared<std::vector<std::string>>();
    layer->search({*geo::Area::circle(centre, 1'000, "")}, [names](const std::vector<FoundMember>& found) {
      for (const auto& one : found) names->emplace_back(one.member->name());
    });
    world.settle(*layer);
    std::ranges::sort(*names);
    return *names;
  }
  std::uint64_t version = 0;
};

using Names = std::vector<std::string>;

// Who leaves for another node's region is found where it is, for a while; and there too when it goes on.
TEST_F(LingeringTest, WhoLeavesForAnotherNodesRegionIsFollowedForAWhile) {
  move_to("ada", MoveTo::kOwn, score_at({10, 50}), 1'000);
  move_to("bob", MoveTo::kElsewhere, score_at({20, 50}), 1'000);  // was never here
  move_to("ada", MoveTo::kElsewhere, score_at({20, 50}), 1'010);
  EXPECT_TRUE(all_within({10, 50}).empty());
  EXPECT_EQ(all_within({20, 50}), (Names{"ada"}));
  move_to("ada", MoveTo::kElsewhere, score_at({30, 50}), 1'050);
  EXPECT_EQ(all_within({30, 50}), (Names{"ada"}));
  layer->pass(1'109);
  EXPECT_EQ(layer->size(), 1u);
  layer->pass(1'110);
  EXPECT_TRUE(all_within({30, 50}).empty());
  EXPECT_EQ(layer->size(), 0u);
}

TEST_F(LingeringTest, WhoComesBackStays) {
  move_to("ada", MoveTo::kOwn, score_at({10, 50}), 1'000);
  move_to("ada", MoveTo::kElsewhere, score_at({20, 50}), 1'010);
  move_to("ada", MoveTo::kOwn, score_at({10, 50}), 1'020);
  layer->pass(9'000);
  EXPECT_EQ(all_within({10, 50}), (Names{"ada"}));
}

// A page brings who has moved of late, though it was never here.
TEST_F(LingeringTest, WhoHasMovedOfLateIsFollowedFromAScanOn) {
  layer->scan_begins(shard_of(kLayer, "ada", kShards));
  move_to("ada", MoveTo::kElsewhereLate, score_at({20, 50}), 1'000);
  layer->scan_ends(shard_of(kLayer, "ada", kShards));
  EXPECT_EQ(all_within({20, 50}), (Names{"ada"}));
  EXPECT_EQ(layer->size_of([](std::uint16_t) { return true; }), 1u);
  layer->pass(1'100);
  EXPECT_EQ(layer->size(), 0u);
}

TEST_F(LingeringTest, WhoLeavesTheLayerIsNotFollowed) {
  const ShardId shard = shard_of(kLayer, "ada", kShards);
  move_to("ada", MoveTo::kOwn, score_at({10, 50}), 1'000);
  move_to("ada", MoveTo::kElsewhere, score_at({20, 50}), 1'010);
  layer->take(shard, {{"ada", std::nullopt, ++version}}, nullptr, 1'020);
  EXPECT_EQ(layer->size(), 0u);
  EXPECT_TRUE(layer->lingerers().empty());
}

TEST_F(LayerTest, FindsMembersByNameAndByPlace) {
  move("ada", score_at({13.361389, 38.115556}));
  move("bea", score_at({15.087269, 37.502669}));
  EXPECT_EQ(layer->score(shard_of(kLayer, "ada", kShards), "ada"), 3479099956230698);
  EXPECT_EQ(layer->score(ShardId(0), "nobody"), std::nullopt);
  const auto asked = ask({*geo::Area::circle({15, 37}, 200'000, "radius")});
  EXPECT_FALSE(asked->is_done) << "it is the cells that answer";
  world.settle(*layer);
  compare(*asked);
  ASSERT_EQ(asked->found.size(), 2u);
  EXPECT_EQ(asked->found[0].second, "bea");
  EXPECT_NEAR(asked->found[0].first, 56441.2578, 0.0001);  // Redis's documentation of GEORADIUS
}

TEST_F(LayerTest, NobodyIsFoundAtOnce) {
  const auto asked = ask({*geo::Area::circle({15, 37}, 200'000, "radius")});
  EXPECT_TRUE(asked->is_done);
  compare(*asked);
}

TEST_F(LayerTest, AnOldTidingIsNoNews) {
  const ShardId shard = shard_of(kLayer, "ada", kShards);
  layer->take(shard, {{"ada", 7.0, 10}});
  layer->take(shard, {{"ada", 8.0, 9}});
  layer->take(shard, {{"ada", std::nullopt, 3}});
  EXPECT_EQ(layer->score(shard, "ada"), 7.0);
}

TEST_F(LayerTest, WhoeverAScanDoesNotTellOfHasLeftAndOthersOfTheSameLayerHaveNot) {
  const ShardId shard(1);
  const ShardId other(2);
  layer->take(shard, {{"ada", 7.0, 1}, {"bea", 8.0, 2}, {"cid", 9.0, 3}});
  layer->take(other, {{"dan", 7.0, 1}});
  layer->scan_begins(shard);
  layer->take(shard, {{"ada", 7.0, 1}});  // of a page
  layer->take(shard, {{"eve", 5.0, 6}});  // a change
  layer->take(shard, {{"cid", 4.0, 2}});  // what is known of it is newer, and it is there
  layer->scan_ends(shard);
  EXPECT_EQ(layer->score(shard, "ada"), 7.0);
  EXPECT_EQ(layer->score(shard, "bea"), std::nullopt);
  EXPECT_EQ(layer->score(shard, "cid"), 9.0);
  EXPECT_EQ(layer->score(shard, "eve"), 5.0);
  EXPECT_EQ(layer->score(other, "dan"), 7.0);
  EXPECT_EQ(layer->size(), 4u);
  // One that is broken off counts for nothing.
  layer->scan_begins(shard);
  layer->take(shard, {{"ada", 7.0, 1}, {"cid", 9.0, 3}});
  layer->scan_begins(shard);
  layer->take(shard, {{"cid", 9.0, 3}});
  layer->scan_ends(shard);
  EXPECT_EQ(layer->size(), 2u);
}

TEST_F(LayerTest, AScoreThatIsNoPlaceIsKeptAndNotFoundByPlace) {
  for (const double score : {-1.0, 0x1p52, std::nan(""), 1e300}) EXPECT_EQ(place_of(score), std::nullopt);
  EXPECT_EQ(place_of(5.75), geo::Geohash(5)) << "as Redis reads it";
  move("ada", -3.5), move("bea", 1e18);
  EXPECT_EQ(layer->score(shard_of(kLayer, "ada", kShards), "ada"), -3.5);
  EXPECT_EQ(layer->size(), 2u);
  const auto asked = ask({*geo::Area::circle({0, 0}, 1e9, "radius")});
  world.settle(*layer);
  EXPECT_TRUE(asked->found.empty());
}

TEST_F(LayerTest, ARangeIsOfAllShardsAndOfThoseWhoAreWanted) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 300; ++i) move("member-" + std::to_string(random.below(200)), tests::uniform(random, -5, 5));
  for (int i = 0; i < 50; ++i) move("member-" + std::to_string(random.below(200)), std::nullopt);
  const auto names = [&](const MemberRange& range) {
    std::vector<std::string> told;
    for (const ScoredMember& one : layer->range(range)) {
      EXPECT_EQ(one.score, right.at(std::string(one.member->name())));
      told.emplace_back(one.member->name());
    }
    return told;
  };
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [name, score] : right) sorted.emplace_back(score, name);
  std::ranges::sort(sorted);
  std::vector<std::string> all;
  for (const auto& [score, name] : sorted) all.push_back(name);
  EXPECT_EQ(names({}), all);
  EXPECT_EQ(names({{}, 3, 9, false}), std::vector<std::string>(all.begin() + 3, all.begin() + 10));
  std::vector<std::string> few;
  for (const auto& [score, name] : sorted)
    if (score >= 0 && name < "member-5") few.insert(few.begin(), name);
  const MemberRange wanted{[](double score, std::string_view name) { return score >= 0 && name < "member-5"; }, 0, -1,
                           true};
  EXPECT_EQ(names(wanted), few);
  for (std::uint16_t n = 0; n < kShards; ++n) clear(ShardId(n));
  EXPECT_EQ(names({}), std::vector<std::string>());
}

TEST_F(LayerTest, CrowdedCellsSplitAndDesertedOnesMerge) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 500; ++i)
    move("member-" + std::to_string(i), score_at({tests::uniform(random, 116, 117), tests::uniform(random, 39, 40)}));
  world.settle(*layer);
  EXPECT_GT(layer->cells(), 500 / kSmallCells.members_max);
  EXPECT_EQ(layer->cells(), world.alive());
  for (int i = 5; i < 500; ++i) move("member-" + std::to_string(i), std::nullopt);
  world.settle(*layer);
  EXPECT_EQ(layer->cells(), 1u);
  EXPECT_EQ(layer->cells(), world.alive());
  for (int i = 0; i < 5; ++i) move("member-" + std::to_string(i), std::nullopt);
  world.settle(*layer);
  EXPECT_EQ(world.alive(), 0u) << "nobody is anywhere";
}

// Otherwise whoever reads the positions of a start would be millions of members ahead of the cells, which cannot split
// before they have come to the split.
TEST_F(LayerTest, APageIsTakenInWhenAllItsCellsHaveIt) {
  Random random(tests::seed_of_test());
  std::vector<MemberMove> page;
  for (std::uint64_t i = 1; i <= 200; ++i)
    page.push_back({"member-" + std::to_string(i), score_at(tests::point_near(random, {116.4, 39.9}, 90'000)), i});
  bool is_taken = false;
  UntilTaken until_taken(nullptr, [&](const void*) { is_taken = true; });
  layer->take(ShardId(0), page, std::exchange(until_taken, nullptr));
  EXPECT_GT(layer->cells(), 1u);
  while (world.step()) world.tell(*layer);
  EXPECT_TRUE(is_taken);

  UntilTaken again(nullptr, [&](const void*) { is_taken = true; });
  is_taken = false;
  layer->take(ShardId(0), {{"member-1", score_at({0, 0}), 1000}}, std::exchange(again, nullptr));
  move("somebody", score_at({0, 0}));
  ASSERT_TRUE(world.step());
  EXPECT_FALSE(is_taken) << "the cell that it has come to does not know of it yet";
  world.settle(*layer);
  EXPECT_TRUE(is_taken);
}

TEST_F(LayerTest, ACrowdInOneCitySplitsAtOnceWhereItBeginsToDiffer) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 3 * 20; ++i)
    move("member-" + std::to_string(i), score_at(tests::point_near(random, {116.4, 39.9}, 10'000)));
  while (world.step()) {
  }
  EXPECT_EQ(world.made, 1u + 4u) << "the whole Earth's cell, and four whose parent is the city's";
  world.settle(*layer);
  for (int i = 0; i < 100; ++i) {
    const auto asked = ask({*geo::Area::circle({tests::uniform(random, 116, 117), 39.9}, 30'000, "radius")});
    // Whoever was alone in the city may be anywhere, and comes back.
    move("member-" + std::to_string(i % 60), score_at(i % 2 == 0 ? geo::Point{-70, -30} : geo::Point{116.3, 39.95}));
    world.settle(*layer);
    compare(*asked);
  }
}

TEST_F(LayerTest, WhoeverHasMovedWithinACellIsThereWhenItSplits) {
  for (int i = 0; i < 20; ++i) move("member-" + std::to_string(i), score_at({116.4 + i * 0.001, 39.9}));
  move("member-0", score_at({170, 60}));
  move("member-1", score_at({-170, -60}));
  ASSERT_EQ(layer->cells(), 1u);
  move("one-more", score_at({116.4, 39.9}));
  ASSERT_GT(layer->cells(), 1u);
  const auto asked = ask({*geo::Area::circle({0, 0}, 1e9, "radius")});
  world.settle(*layer);
  compare(*asked);
}

TEST_F(LayerTest, AMillionAtOnePointAreOneCellAtTheFinestLevel) {
  for (int i = 0; i < 1'000; ++i) move("member-" + std::to_string(i), score_at({116.4, 39.9}));
  world.settle(*layer);
  EXPECT_EQ(layer->cells(), 1u);
  const auto asked = ask({*geo::Area::circle({116.4, 39.9}, 10, "radius"), geo::Pick::kNearest, 20});
  world.settle(*layer);
  compare(*asked);
  move("member-7", score_at({-116.4, -39.9}));
  world.settle(*layer);
  EXPECT_EQ(layer->cells(), 2u);
}

TEST_F(LayerTest, EndsWhileItsCellsHaveQueriesToAnswer) {
  for (int i = 0; i < 100; ++i) move("member-" + std::to_string(i), score_at({116.4 + i * 0.01, 39.9}));
  const auto asked = ask({*geo::Area::circle({117, 40}, 1e6, "radius")});
  layer.reset();
  while (world.step()) world.filled.clear();
  compare(*asked);
  EXPECT_EQ(world.alive(), 0u);
}

// Members hurry about while cells lag behind, split and merge: every query sees everybody once, where they were when it
// was asked.
TEST_F(LayerTest, EveryQuerySeesTheMomentItWasAsked) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 6; ++round) {
    const geo::Point middle = tests::any_point(random);
    const double spread_m = std::pow(10, tests::uniform(random, 1, 6));
    std::vector<std::shared_ptr<Asked>> asked;
    const auto somewhere = [&] {
      return random.chance(0.9) ? tests::point_near(random, middle, spread_m * tests::uniform(random, 0, 1))
                                : tests::any_point(random);
    };
    for (int step = 0; step < 3'000; ++step) {
      const std::string member = "member-" + std::to_string(random.below(300));
      const auto pick = random.below(100);
      const bool grows = step / 1'000 % 2 == 0;
      if (pick < 50) {
        if (grows || right.contains(member)) move(member, score_at(somewhere()));
      } else if (pick < 60 || (!grows && pick < 75)) {
        move(member, std::nullopt);
      } else if (pick < 78 && random.chance(0.2)) {
        std::vector<std::pair<std::string, std::optional<double>>> some;
        for (int n = 0; n < 100; ++n) {
          const bool stays = random.chance(grows ? 0.8 : 0.3);
          some.emplace_back("member-" + std::to_string(random.below(300)),
                            stays ? std::optional(score_at(somewhere())) : std::nullopt);
        }
        move_some(ShardId(static_cast<std::uint16_t>(random.below(kShards))), some);
      } else if (pick < 62 && random.chance(0.1)) {
        clear(ShardId(static_cast<std::uint16_t>(random.below(kShards))));
      } else if (pick < 65) {
        move(member, -1.0 * random.below(5));
      } else if (pick < 85) {
        const geo::Point centre = somewhere();
        const double radius_m = spread_m * std::pow(10, tests::uniform(random, -2, 1));
        const geo::Area area = random.chance(0.7) ? *geo::Area::circle(centre, radius_m, "radius")
                                                  : *geo::Area::box(centre, radius_m, spread_m, "box");
        const auto which = geo::Pick(random.below(4));
        asked.push_back(ask({area, which, which == geo::Pick::kAll ? SIZE_MAX : 1 + random.below(30)}));
      }
      for (auto steps = random.below(4); steps > 0; --steps) world.step();
      if (random.chance(0.3)) world.tell(*layer);
    }
    world.settle(*layer);
    EXPECT_EQ(layer->cells(), world.alive());
    EXPECT_EQ(layer->size(), right.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      SCOPED_TRACE("round " + std::to_string(round) + ", query " + std::to_string(i));
      compare(*asked[i]);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(world.made, 100u) << "cells have split and merged";
}

}  // namespace
}  // namespace earshot::places
