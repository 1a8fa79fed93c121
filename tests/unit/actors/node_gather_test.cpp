#include "actors/node_gather.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

const LayerId kPeople = LayerId::trusted("people");
constexpr std::uint64_t kNow = 7'000;

std::shared_ptr<const cluster::CellMap> view(std::vector<std::uint64_t> nodes) {
  std::vector<NodeId> ids;
  for (const std::uint64_t node : nodes) ids.emplace_back(node);
  return std::make_shared<const cluster::CellMap>(std::move(ids));
}

ToldMember member(std::string name, double distance_m = 1, std::uint64_t version = 1) {
  return {std::move(name), 5, version, distance_m, false};
}

NodeAnswer answer(ToldMembers members, std::uint64_t serving = 1) {
  NodeAnswer answer;
  answer.serving = serving;
  answer.follows_ms = limits::kLingerMs;
  answer.told = std::move(members);
  return answer;
}

std::set<std::string> names_of(const NodesAnswer& answer) {
  std::set<std::string> names;
  for (const NodeTold& told : answer.told)
    for (const ToldMember& one : std::get<ToldMembers>(told.told)) names.insert(one.name);
  return names;
}

TEST(NodeGather, EachNodeIsAskedForItsOwnRegions) {
  std::vector<cluster::Region> regions;
  for (std::uint16_t region = 0; region < 40; ++region) regions.emplace_back(region);
  NodeGather gather(kPeople, regions);
  const auto cells = view({1, 2, 3});
  const auto asks = gather.ask(cells, kNow);
  std::vector<cluster::Region> asked;
  for (const auto& [node, of_node] : asks) {
    EXPECT_TRUE(std::ranges::is_sorted(of_node));
    for (const cluster::Region region : of_node) EXPECT_EQ(cells->owner(kPeople, region), node);
    asked.insert(asked.end(), of_node.begin(), of_node.end());
  }
  std::ranges::sort(asked);
  EXPECT_EQ(asked, regions);
  EXPECT_EQ(asks.size(), 3u);
}

TEST(NodeGather, IsWholeWhenEveryNodeHasToldAll) {
  NodeGather gather(kPeople, {});
  ASSERT_EQ(gather.ask(view({1, 2}), kNow).size(), 2u);
  EXPECT_TRUE(gather.take(NodeId(1), answer({member("a")}), kNow));
  EXPECT_FALSE(gather.is_over());
  EXPECT_TRUE(gather.take(NodeId(2), answer({member("b")}), kNow));
  EXPECT_TRUE(gather.is_over());
  const NodesAnswer all = std::move(gather).finish();
  EXPECT_TRUE(all.is_whole);
  EXPECT_EQ(names_of(all), (std::set<std::string>{"a", "b"}));
}

TEST(NodeGather, AnswersThatComeTwiceOrFromStrangersCountOnce) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1, 2}), kNow);
  EXPECT_TRUE(gather.take(NodeId(1), answer({member("a")}), kNow));
  EXPECT_FALSE(gather.take(NodeId(1), answer({member("a")}), kNow));
  EXPECT_FALSE(gather.take(NodeId(1), answer({member("z")}, 2), kNow));
  EXPECT_FALSE(gather.take(NodeId(9), answer({member("x")}), kNow));
  gather.take(NodeId(2), answer({}), kNow);
  const NodesAnswer all = std::move(gather).finish();
  EXPECT_EQ(names_of(all), (std::set<std::string>{"a"}));
  EXPECT_EQ(all.told.size(), 2u);
}

TEST(NodeGather, WhoHasNotToldAllIsAskedAgainAndNobodyElse) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1, 2, 3}), kNow);
  gather.take(NodeId(2), answer({}), kNow);
  const auto asks = gather.ask(view({1, 2, 3}), kNow);
  ASSERT_EQ(asks.size(), 2u);
  EXPECT_EQ(asks[0].node, NodeId(1));
  EXPECT_EQ(asks[1].node, NodeId(3));
}

TEST(NodeGather, ANodeThatIsOfAnotherViewIsAskedAgain) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1}), kNow);
  NodeAnswer other = answer({member("a")});
  other.is_other_view = true;
  gather.take(NodeId(1), other, kNow);
  EXPECT_TRUE(gather.is_refused());
  EXPECT_FALSE(gather.is_over());
  ASSERT_EQ(gather.ask(view({1}), kNow).size(), 1u);
  gather.take(NodeId(1), answer({member("b")}, 2), kNow);
  EXPECT_TRUE(gather.is_whole());
  EXPECT_EQ(names_of(std::move(gather).finish()), (std::set<std::string>{"b"}));
}

TEST(NodeGather, WhatWasToldByAnotherViewCountsOnlyWhereSomethingIsMissing) {
  for (const bool all_answer : {false, true}) {
    NodeGather gather(kPeople, {});
    gather.ask(view({1, 2}), kNow);
    gather.take(NodeId(1), answer({member("old")}), kNow);
    ASSERT_TRUE(gather.is_other(*view({1, 3})));
    ASSERT_EQ(gather.ask(view({1, 3}), kNow).size(), 2u);
    gather.take(NodeId(1), answer({member("new")}), kNow);
    if (all_answer) gather.take(NodeId(3), answer({}), kNow);
    const NodesAnswer told = std::move(gather).finish();
    EXPECT_EQ(told.is_whole, all_answer);
    EXPECT_EQ(names_of(told), all_answer ? (std::set<std::string>{"new"}) : (std::set<std::string>{"new", "old"}));
  }
}

TEST(NodeGather, PartsMakeAnAnswerInWhicheverOrderTheyCome) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1}), kNow);
  NodeAnswer first = answer({member("a")});
  first.parts = 2;
  NodeAnswer second = answer({member("b")});
  second.parts = 2;
  second.part = 1;
  EXPECT_TRUE(gather.take(NodeId(1), second, kNow));
  EXPECT_FALSE(gather.take(NodeId(1), second, kNow));
  EXPECT_FALSE(gather.is_over());
  EXPECT_TRUE(gather.take(NodeId(1), first, kNow));
  EXPECT_TRUE(gather.is_whole());
  const NodesAnswer all = std::move(gather).finish();
  EXPECT_EQ(all.told.size(), 1u);
  EXPECT_EQ(names_of(all), (std::set<std::string>{"a", "b"}));
}

// Parts of two servings are not one answer: between them somebody may have gone from one part to the other.
TEST(NodeGather, PartsOfTwoServingsAreNotPutTogether) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1}), kNow);
  NodeAnswer first = answer({member("a")}, 1);
  first.parts = 2;
  NodeAnswer second = answer({member("b")}, 2);
  second.parts = 2;
  second.part = 1;
  EXPECT_TRUE(gather.take(NodeId(1), first, kNow));
  EXPECT_TRUE(gather.take(NodeId(1), second, kNow));
  EXPECT_FALSE(gather.is_over());
  EXPECT_FALSE(gather.take(NodeId(1), first, kNow));  // of the earlier one
  first.serving = 2;
  EXPECT_TRUE(gather.take(NodeId(1), first, kNow));
  EXPECT_TRUE(gather.is_whole());
}

TEST(NodeGather, APartBeyondThoseThatThereAreIsDropped) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1}), kNow);
  NodeAnswer first = answer({member("a")});
  first.parts = 2;
  gather.take(NodeId(1), first, kNow);
  NodeAnswer beyond = answer({member("b")});
  beyond.parts = 9;
  beyond.part = 8;
  EXPECT_FALSE(gather.take(NodeId(1), beyond, kNow));
}

TEST(NodeGather, WhoDoesNotKnowOfAllEndsTheWaitAndIsNotWhole) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1}), kNow);
  NodeAnswer partial = answer({member("a")});
  partial.is_partial = true;
  gather.take(NodeId(1), partial, kNow);
  EXPECT_TRUE(gather.is_over());
  EXPECT_FALSE(gather.is_whole());
  EXPECT_EQ(names_of(std::move(gather).finish()), (std::set<std::string>{"a"}));
}

// One who went from the second node's regions to the first one's may have been told of by neither.
TEST(NodeGather, WhereANodeDoesNotFollowWhoLeftSinceBeforeTheRoundAllAreAskedAgain) {
  constexpr std::uint64_t kFollowsMin = limits::kFeedLeaseMs + limits::kFeedLeaseMarginMs;
  for (const std::uint64_t took_ms : {0, 10}) {
    NodeGather gather(kPeople, {});
    gather.ask(view({1, 2}), kNow);
    gather.take(NodeId(1), answer({}), kNow);
    NodeAnswer second = answer({});
    second.follows_ms = kFollowsMin;
    gather.take(NodeId(2), second, kNow + took_ms);
    EXPECT_EQ(gather.is_whole(), took_ms == 0);
    EXPECT_EQ(gather.is_over(), took_ms == 0);
    if (took_ms == 0) continue;
    EXPECT_TRUE(gather.is_refused());
    ASSERT_TRUE(gather.is_other(gather.cells()));  // by the same view
    ASSERT_EQ(gather.ask(view({1, 2}), kNow + 60).size(), 2u);
    gather.take(NodeId(1), answer({}, 2), kNow + 60);
    gather.take(NodeId(2), answer({}, 2), kNow + 61);
    EXPECT_TRUE(gather.is_whole());
  }
}

TEST(NodeGather, ANodeThatIsAskedAloneNeedNotFollowAnybody) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1}), kNow);
  NodeAnswer alone = answer({member("a")});
  alone.follows_ms = 0;
  gather.take(NodeId(1), alone, kNow + 5'000);
  EXPECT_TRUE(gather.is_whole());
}

TEST(NodeGather, WhereOneCannotTellAllNobodyIsAskedAgainForFollowingTooShort) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1, 2}), kNow);
  NodeAnswer partial = answer({});
  partial.is_partial = true;
  gather.take(NodeId(1), partial, kNow + 9'000);
  gather.take(NodeId(2), answer({}), kNow + 9'000);
  EXPECT_TRUE(gather.is_over());
  EXPECT_FALSE(gather.is_whole());
}

TEST(NodeGather, CountsTheBytesThatItHolds) {
  NodeGather gather(kPeople, {});
  gather.ask(view({1, 2}), kNow);
  EXPECT_EQ(gather.bytes(), 0u);
  NodeAnswer part = answer({member(std::string(200, 'x'))});
  part.parts = 2;
  gather.take(NodeId(1), part, kNow);
  const std::size_t held = gather.bytes();
  EXPECT_GE(held, 200u);
  part.serving = 2;  // instead of the one before
  gather.take(NodeId(1), part, kNow);
  EXPECT_EQ(gather.bytes(), held);
}

}  // namespace
}  // namespace earshot::actors
