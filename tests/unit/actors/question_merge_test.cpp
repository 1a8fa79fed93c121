#include "actors/question_merge.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "actors/place_views.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::actors {
namespace {

constexpr std::size_t kMany = 1'000;

ToldMember at(std::string name, double distance_m, std::uint64_t version = 1, double score = 5) {
  return {std::move(name), score, version, distance_m, false};
}

NodeTold of(std::uint64_t node, ToldMembers members, bool more = false) {
  return {NodeId(node), std::move(members), more};
}

std::string names_of(const ToldMembers& members) {
  std::string names;
  for (const ToldMember& one : members) names += one.name;
  return names;
}

TEST(MergeNearby, PutsTheNearestFirstOrTheFarthest) {
  const std::vector<NodeTold> told{of(1, {at("a", 1), at("d", 4)}), of(2, {at("b", 2), at("c", 3)})};
  EXPECT_EQ(names_of(merge_nearby(told, geo::Pick::kNearest, 3, kMany).members), "abc");
  EXPECT_EQ(names_of(merge_nearby(told, geo::Pick::kFarthest, 3, kMany).members), "dcb");
  EXPECT_EQ(names_of(merge_nearby(told, geo::Pick::kAll, kMany, kMany).members), "abcd");
  EXPECT_EQ(merge_nearby(told, geo::Pick::kAny, 2, kMany).members.size(), 2u);
  EXPECT_FALSE(merge_nearby(told, geo::Pick::kNearest, 3, kMany).may_lack_some);
}

TEST(MergeNearby, OfThoseEquallyFarOffTheNameDecides) {
  EXPECT_EQ(
      names_of(
          merge_nearby({of(1, {at("b", 1)}), of(2, {at("c", 1), at("a", 1)})}, geo::Pick::kNearest, 2, kMany).members),
      "ab");
}

TEST(MergeNearby, AMoverIsThereOnceWhereTheNewerTidingHasIt) {
  const auto merged = merge_nearby({of(1, {at("m", 1, 7), at("x", 3)}), of(2, {at("y", 2), at("m", 5, 8)})},
                                   geo::Pick::kNearest, kMany, kMany);
  EXPECT_EQ(names_of(merged.members), "yxm");
  EXPECT_EQ(merged.members.back().distance_m, 5);
}

// The node that told of the mover's old place has left somebody out for it.
TEST(MergeNearby, SaysSoWhenSomebodyMayHaveBeenLeftOutForAMover) {
  const std::vector<NodeTold> told{of(1, {at("m", 1, 7)}), of(2, {at("m", 5, 8)})};
  const auto merged = merge_nearby(told, geo::Pick::kNearest, 1, 1);
  EXPECT_EQ(names_of(merged.members), "m");
  EXPECT_TRUE(merged.may_lack_some);
  // Each told of one more than wanted, who is as good.
  const auto spared =
      merge_nearby({of(1, {at("m", 1, 7), at("x", 2)}), of(2, {at("m", 5, 8), at("y", 6)})}, geo::Pick::kNearest, 1, 2);
  EXPECT_EQ(names_of(spared.members), "x");
  EXPECT_FALSE(spared.may_lack_some);
}

TEST(MergeNearby, SaysSoWhenTooFewAreLeftOfAny) {
  EXPECT_TRUE(merge_nearby({of(1, {at("m", 1)}), of(2, {at("m", 1, 2)})}, geo::Pick::kAny, 2, 1).may_lack_some);
  EXPECT_FALSE(merge_nearby({of(1, {at("m", 1)}), of(2, {at("n", 1)})}, geo::Pick::kAny, 2, 1).may_lack_some);
}

TEST(MergeNearby, NobodyWantedIsNobodyTold) {
  const auto merged = merge_nearby({of(1, {})}, geo::Pick::kNearest, 0, 0);
  EXPECT_TRUE(merged.members.empty());
  EXPECT_FALSE(merged.may_lack_some);
}

// Whatever nodes the members are divided among, and however often one is told of twice: what is merged is what one node
// would find, or says that it may lack some.
TEST(MergeNearby, IsWhatOneNodeWouldFind) {
  Random random(tests::seed_of_test());
  int compared = 0;
  for (int round = 0; round < 2'000; ++round) {
    const geo::Pick pick = random.chance(0.5) ? geo::Pick::kNearest : geo::Pick::kFarthest;
    const bool farthest = pick == geo::Pick::kFarthest;
    const std::size_t count_max = 1 + random.below(8);
    const std::size_t asked_max = count_max + random.below(4);
    ToldMembers all;
    std::vector<NodeTold> nodes{of(1, {}), of(2, {}), of(3, {})};
    const auto list = [&](std::size_t node) -> ToldMembers& { return std::get<ToldMembers>(nodes[node].told); };
    for (std::uint64_t i = random.below(30); i > 0; --i) {
      ToldMember one = at("m" + std::to_string(i), static_cast<double>(random.below(20)), 2);
      all.push_back(one);
      const std::size_t node = random.below(3);
      list(node).push_back(one);
      if (!random.chance(0.2)) continue;
      one.version = 1;
      one.distance_m = static_cast<double>(random.below(20));
      list((node + 1) % 3).push_back(one);
    }
    const auto better = [farthest](const ToldMember& one, const ToldMember& other) {
      if (one.distance_m != other.distance_m) return (one.distance_m < other.distance_m) != farthest;
      return one.name < other.name;
    };
    for (std::size_t node = 0; node < 3; ++node) {
      std::ranges::sort(list(node), better);
      if (list(node).size() > asked_max) list(node).resize(asked_max);
    }
    std::ranges::sort(all, better);
    if (all.size() > count_max) all.resize(count_max);
    const auto merged = merge_nearby(nodes, pick, count_max, asked_max);
    // Where the node that a mover is on has left it out, it counts where it was when the other one looked.
    bool has_old = false;
    for (const ToldMember& one : merged.members) {
      if (one.version == 2) continue;
      has_old = true;
      for (std::size_t node = 0; node < 3; ++node)
        for (const ToldMember& told : list(node)) ASSERT_FALSE(told.name == one.name && told.version == 2) << round;
    }
    if (merged.may_lack_some || has_old) continue;
    ++compared;
    ASSERT_EQ(merged.members, all) << round;
  }
  EXPECT_GT(compared, 500);
}

TEST(MergeSizes, AreSummed) { EXPECT_EQ(sum_of_sizes({{NodeId(1), ToldSize{3}}, {NodeId(2), ToldSize{4}}}), 7u); }

TEST(MergeRange, GoesNoFurtherThanWhereANodeStopped) {
  const auto page = merge_range(
      {of(1, {at("a", 0, 1, 1), at("c", 0, 1, 3)}, true), of(2, {at("b", 0, 1, 2), at("d", 0, 1, 4)})}, false);
  EXPECT_EQ(names_of(page.members), "abc");
  ASSERT_TRUE(page.next.has_value());
  EXPECT_EQ(page.next->score, 3);
  EXPECT_EQ(page.next->name, "c");
}

TEST(MergeRange, EndsWhenNobodyHasMore) {
  const auto page = merge_range({of(1, {at("a", 0, 1, 1)}), of(2, {at("b", 0, 1, 1)})}, true);
  EXPECT_EQ(names_of(page.members), "ba");
  EXPECT_FALSE(page.next);
}

TEST(MergeRange, AMoverIsThereOnce) {
  const auto page = merge_range({of(1, {at("m", 0, 1, 1), at("x", 0, 1, 2)}), of(2, {at("m", 0, 2, 3)})}, false);
  EXPECT_EQ(names_of(page.members), "xm");
}

TEST(MergeLayers, SumsAndGoesNoFurtherThanWhereANodeStopped) {
  const auto merged = merge_layers({{NodeId(1), ToldLayers{{{"a", 1}, {"c", 2}}}, true},
                                    {NodeId(2), ToldLayers{{{"a", 4}, {"b", 0}, {"d", 9}}}, false}});
  EXPECT_EQ(merged.layers,
            (std::vector<ToldLayers::Layer>{{"a", 5}, {"b", 1}, {"c", 2}}));  // who is in b has just left
  EXPECT_EQ(merged.next, "c");
}

TEST(MergeScans, TellWhatLiesBeforeTheFirstThatStopped) {
  std::vector<std::string> names{"a", "b", "c", "d", "e", "f"};
  std::ranges::sort(names, {}, [](const std::string& name) { return scan_place_of(name); });
  // One node stopped before the third, the other has told of all.
  const ToldScan merged = merge_scans({{NodeId(1), ToldScan{{names[0], names[1]}, scan_place_of(names[2])}},
                                       {NodeId(2), ToldScan{{names[1], names[3], names[5]}, 0}}});
  EXPECT_EQ(merged.names, (std::vector<std::string>{names[0], names[1]}));
  EXPECT_EQ(merged.next, scan_place_of(names[2]));
}

}  // namespace
}  // namespace earshot::actors
