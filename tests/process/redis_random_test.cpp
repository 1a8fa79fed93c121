// Members at random places, moved and removed, and searches of every kind and size among them: a node finds what Redis
// finds. Redis misses some in areas around a pole; where the two differ, all members are looked at one by one to judge.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_regions.hpp"
#include "tests/support/redis_query.hpp"
#include "tests/support/redis_twins.hpp"
#include "tests/support/search_oracle.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

using tests::add_to;
using tests::Dice;
using tests::Hit;
using tests::HitOrder;
using tests::Query;
using tests::Region;
using tests::Reply;
using tests::SearchArea;
using tests::Selection;
using tests::Spot;
using tests::Words;

constexpr std::size_t kMembers = 400;
constexpr int kSearches = 20;  // twice a round, before and after members have moved
constexpr std::size_t kExamples = 5;

// How often Redis has made a mistake, and where.
struct Mistakes {
  std::size_t searches = 0;
  std::size_t mistakes = 0;
  std::vector<std::string> examples;
};

// A life of members in one region.
class Round {
 public:
  Round(tests::TwinClients& both, Dice& dice, const Region& region, Mistakes& mistakes)
      : both_(both), dice_(dice), region_(region), mistakes_(mistakes) {}

  void run() {
    both_.clear();
    add(kMembers, {});
    check();
    move_and_remove();
    check();
  }

 private:
  Spot spot() { return tests::within_the_square(region_.spot(dice_)); }
  std::string member() { return "m" + std::to_string(dice_.below(kMembers)); }

  // So many members, some of which may be there: GEOADDs of up to a hundred.
  void add(std::size_t count, const Words& options) {
    while (count > 0) {
      Words words{"GEOADD", "places"};
      add_to(words, options);
      const std::size_t batch = std::min<std::size_t>(count, 1 + dice_.below(100));
      for (std::size_t i = 0; i < batch; ++i) {
        const Spot at = spot();
        add_to(words, {tests::text_of(at.longitude), tests::text_of(at.latitude), member()});
      }
      both_.expect_same(words);
      count -= batch;
    }
  }

  void move_and_remove() {
    add(kMembers / 4, {"CH"});
    add(kMembers / 8, {"XX", "CH"});
    add(kMembers / 8, {"NX"});
    Words removal{"ZREM", "places"};
    for (std::size_t i = 0; i < kMembers / 8; ++i) removal.push_back(member());
    both_.expect_same(removal);
  }

  void check() {
    check_members();
    for (int i = 0; i < kSearches && !testing::Test::HasFailure(); ++i) check_search();
  }

  // What needs no search is the same to the last digit.
  void check_members() {
    const Reply names = both_.expect_same({"ZRANGE", "places", "0", "-1"});
    both_.expect_same({"ZRANGE", "places", "0", "-1", "WITHSCORES"});
    both_.expect_same({"ZCARD", "places"});
    Words positions{"GEOPOS", "places", "nobody"}, hashes{"GEOHASH", "places", "nobody"};
    for (const auto& name : names.elements) {
      positions.push_back(name.text);
      hashes.push_back(name.text);
    }
    both_.expect_same(hashes);
    const Reply places = both_.expect_same(positions);
    spots_.clear();
    for (std::size_t i = 1; i < places.elements.size(); ++i) {
      const auto& pair = places.elements[i].elements;
      ASSERT_EQ(pair.size(), 2u) << positions[i + 2];
      spots_[positions[i + 2]] = {std::strtod(pair[0].text.c_str(), nullptr),
                                  std::strtod(pair[1].text.c_str(), nullptr)};
    }
    ASSERT_FALSE(spots_.empty());
    for (int i = 0; i < kSearches; ++i) {
      both_.expect_same({"GEODIST", "places", member(), member(), dice_.one_of(tests::kUnits).name});
      both_.expect_same({"ZSCORE", "places", member()});
    }
  }

  // Half of them just about to a member, so that what is at the edge is tried as well.
  double reach_from(const Spot& centre) {
    if (dice_.once_in(2)) return dice_.magnitude(1, region_.reach_m_max);
    const double distance_m = haversine_m(centre, dice_.one_of(spots_).second);
    return std::min(distance_m * std::fabs(1 + dice_.bell(1e-3)), region_.reach_m_max);
  }

  Query query() {
    Query query{{}, dice_.one_of(tests::kUnits)};
    SearchArea& area = query.area;
    if (dice_.once_in(3)) {
      const auto& [name, at] = dice_.one_of(spots_);
      area.member = name;
      area.centre = at;
    } else if (dice_.once_in(2)) {
      const Spot at = dice_.one_of(spots_).second;
      area.centre = tests::within_the_square({at.longitude + dice_.bell(0.01), at.latitude + dice_.bell(0.01)});
    } else {
      area.centre = spot();
    }
    // Lengths are what their texts say, and so is the edge.
    const auto as_told = [&](double metres) {
      return std::strtod(query.length(metres).c_str(), nullptr) * query.unit.metres;
    };
    area.is_box = dice_.once_in(2);
    area.radius_m = as_told(reach_from(area.centre));
    area.width_m = as_told(2 * reach_from(area.centre));
    area.height_m = dice_.once_in(2) ? area.width_m : as_told(2 * reach_from(area.centre));
    return query;
  }

  void check_search() {
    const Query query = this->query();
    const Words words = query.in_any_form(dice_, {"WITHDIST", "WITHHASH", "WITHCOORD"});
    Reply ours = both_.ours.command(words);
    Reply redis = both_.redis.command(words);
    for (auto* reply : {&ours, &redis}) {
      ASSERT_EQ(reply->kind, Reply::Kind::kArray) << tests::to_text(words) << "\n" << *reply;
      std::ranges::sort(reply->elements, {}, [](const Reply& hit) { return hit.elements.at(0).text; });
    }
    both_.forgive_digits(ours, redis);
    ++mistakes_.searches;
    const bool are_same = ours == redis;
    const auto all = tests::hits_of(ours);
    if (!are_same) {
      judge(query, words, ours, redis);
      if (testing::Test::HasFatalFailure()) return;
    } else if (query.area.is_ordinary()) {
      EXPECT_EQ(error_in(all, query.area, query.unit.metres, spots_), std::nullopt)
          << "in both: " << tests::to_text(words);
    }
    for (int i = 0; i < 3; ++i) check_selection(query, all, are_same);
    check_names(query, all);
    if (are_same) check_store(query);
  }

  void judge(const Query& query, const Words& words, const Reply& ours, const Reply& redis) {
    const auto error = tests::error_in(tests::hits_of(ours), query.area, query.unit.metres, spots_);
    ASSERT_EQ(error, std::nullopt) << region_.name << ": " << tests::to_text(words) << "\nours finds "
                                   << ours.elements.size() << ", Redis " << redis.elements.size();
    const auto its = tests::error_in(tests::hits_of(redis), query.area, query.unit.metres, spots_);
    const std::string example = std::string(region_.name) + ": " + tests::to_text(words) + ": in Redis, " +
                                its.value_or("the edge is elsewhere, or the reply looks different");
    ASSERT_TRUE(its || is_about_the_edge(query.area, ours, redis)) << example << "\n" << ours << "\n" << redis;
    ASSERT_FALSE(query.area.is_ordinary()) << "Redis should be right here\n" << example;
    ++mistakes_.mistakes;
    if (mistakes_.examples.size() < kExamples) mistakes_.examples.push_back(example);
  }
  // Whether all that only one of them has found, in these very words, is at the edge.
  bool is_about_the_edge(const SearchArea& area, const Reply& ours, const Reply& redis) {
    const auto only_in = [&](const Reply& one, const Reply& other) {
      return std::ranges::all_of(one.elements, [&](const Reply& hit) {
        return std::ranges::find(other.elements, hit) != other.elements.end() ||
               place_in(area, spots_.at(hit.elements.at(0).text)) == tests::Place::kAtTheEdge;
      });
    };
    return only_in(ours, redis) && only_in(redis, ours);
  }

  // ASC, DESC, COUNT and ANY select from what the same server finds without them.
  void check_selection(const Query& query, const std::vector<Hit>& all, bool are_same) {
    Selection selection;
    Words options{"WITHDIST"};
    if (dice_.once_in(2)) {
      selection.order = dice_.once_in(2) ? HitOrder::kNearestFirst : HitOrder::kFarthestFirst;
      options.emplace_back(selection.order == HitOrder::kNearestFirst ? "ASC" : "DESC");
    }
    if (selection.order == HitOrder::kNone || dice_.once_in(2)) {
      selection.count = 1 + dice_.below(dice_.once_in(2) ? 10 : all.size() + 10);
      selection.any = dice_.once_in(2);
      add_to(options, {"COUNT", std::to_string(*selection.count)});
      if (selection.any) options.emplace_back("ANY");
    }
    const Words words = query.in_any_form(dice_, options);
    const auto error = error_in(tests::hits_of(both_.ours.command(words)), selection, all);
    EXPECT_EQ(error, std::nullopt) << region_.name << ": " << tests::to_text(words);
    if (!are_same) return;
    const auto its = error_in(tests::hits_of(both_.redis.command(words)), selection, all);
    EXPECT_EQ(its, std::nullopt) << "in Redis, so this test is wrong: " << tests::to_text(words);
  }

  // Without any WITH the reply is names.
  void check_names(const Query& query, const std::vector<Hit>& all) {
    const Words words = query.in_any_form(dice_, {});
    const Reply reply = both_.ours.command(words);
    std::multiset<std::string> names, expected;
    for (const auto& name : reply.elements) names.insert(name.text);
    for (const auto& hit : all) expected.insert(hit.member);
    EXPECT_EQ(names, expected) << region_.name << ": " << tests::to_text(words);
  }

  void check_store(const Query& query) {
    const bool distances = dice_.once_in(2);
    if (query.area.is_box || dice_.once_in(2)) {
      both_.expect_same(query.search("GEOSEARCHSTORE", {"found", "places"}, distances ? Words{"STOREDIST"} : Words{}));
    } else {
      both_.expect_same(query.radius("", {distances ? "STOREDIST" : "STORE", "found"}));
    }
    both_.expect_same({"ZRANGE", "found", "0", "-1", "WITHSCORES"});
  }

  tests::TwinClients& both_;
  Dice& dice_;
  const Region& region_;
  Mistakes& mistakes_;
  tests::Spots spots_;
};

class RedisRandom : public tests::RedisTwins {};

TEST_F(RedisRandom, MembersAnywhereAreFoundAsByRedisOrWhereTheyAre) {
  Dice dice(tests::seed_of_test());
  const int rounds = std::getenv("EARSHOT_LONG") != nullptr ? 200 : 4;
  Mistakes mistakes;
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    tests::TwinClients both(our_port(), redis_port(), round % 2 == 0 ? 2 : 3);
    for (const auto& region : tests::kRegions) Round(both, dice, region, mistakes).run();
  }
  std::cout << mistakes.searches << " searches, " << mistakes.mistakes << " of them wrong in Redis only\n";
  for (const auto& example : mistakes.examples) std::cout << "  " << example << "\n";
}

}  // namespace
}  // namespace earshot
