#include "actors/question_server.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/region_lens.hpp"
#include "geo/geohash.hpp"
#include "tests/support/fake_places.hpp"

namespace earshot::actors {
namespace {

const LayerId kPeople = LayerId::trusted("people");
constexpr NodeId kSelf{2};

std::shared_ptr<const cluster::CellMap> view(std::vector<std::uint64_t> nodes) {
  std::vector<NodeId> ids;
  for (const std::uint64_t node : nodes) ids.emplace_back(node);
  return std::make_shared<const cluster::CellMap>(std::move(ids));
}

struct FakeFeeds final : FeedView {
  [[nodiscard]] bool is_exact_now() override { return completion.is_complete(); }
  [[nodiscard]] bool is_exact_now(ShardId shard) override { return is_exact_now() || exact.at(shard.value); }
  [[nodiscard]] Waiting when_exact(std::function<void()> then) override {
    return completion.when_complete(std::move(then));
  }
  [[nodiscard]] std::vector<bool> exact_shards() const override { return exact; }
  [[nodiscard]] std::uint64_t followed_since_ms() const override { return since_ms; }
  [[nodiscard]] std::shared_ptr<const cluster::CellMap> cells() const override { return own; }
  Completion completion{true};
  std::vector<bool> exact = std::vector<bool>(4);
  std::uint64_t since_ms = 0;
  std::shared_ptr<const cluster::CellMap> own = view({1, 2, 3});
};

// What comes to layers is recorded, and answered by the test.
class QuestionServerTest : public testing::Test {
 protected:
  NodeQuestion question(QuestionPart part, std::vector<cluster::Region> regions = {}) {
    return {++last_id, 500, view({1, 2, 3})->view(), std::move(regions), std::move(part)};
  }
  static NearbyPart nearby(std::uint32_t count_max = 10) {
    return {kPeople, geo::Area::circle({10, 50}, 100, "").value(), geo::Pick::kNearest, count_max};
  }
  void serve(NodeQuestion asked, std::uint64_t from = 1) {
    server.serve(
        NodeId(from), std::move(asked), [this](NodeAnswer answer) { answers.push_back(std::move(answer)); }, now_ms);
  }
  void wake() {
    now_ms = std::max(now_ms, server.wake_at());
    server.wake(now_ms);
  }

  std::shared_ptr<tests::FakePlaces> places = std::make_shared<tests::FakePlaces>();
  std::shared_ptr<FakeFeeds> feeds = std::make_shared<FakeFeeds>();
  std::uint64_t now_ms = 1'000;
  std::uint64_t last_id = 0;
  std::size_t exact_calls = 0;
  std::vector<NodeAnswer> answers;
  QuestionServer server{{kSelf, places, feeds, nullptr, 100, 2, [this] { ++exact_calls; }}};
};

TEST_F(QuestionServerTest, AnswersAtOnceWhatItKnows) {
  serve(question(SizePart{kPeople}));
  places->next_question().answer<SizeQuestion>(std::size_t{7});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, 1u);
  EXPECT_GT(answers[0].serving, 100u);
  EXPECT_FALSE(answers[0].is_partial);
  EXPECT_FALSE(answers[0].is_other_view);
  EXPECT_EQ(std::get<ToldSize>(answers[0].told).members, 7u);
}

TEST_F(QuestionServerTest, WaitsUntilItKnowsOfAll) {
  feeds->completion.set(false);
  serve(question(SizePart{kPeople}));
  EXPECT_EQ(places->questions(), 0u);
  feeds->completion.set(true);
  EXPECT_EQ(exact_calls, 1u);
  server.wake(now_ms);
  places->next_question().answer<SizeQuestion>(std::size_t{7});
  EXPECT_FALSE(answers.at(0).is_partial);
  EXPECT_EQ(server.wake_at(), 0u);
}

TEST_F(QuestionServerTest, SaysThatItDoesNotWhenTheAskerWaitsNoLonger) {
  feeds->completion.set(false);
  serve(question(SizePart{kPeople}));
  EXPECT_EQ(server.wake_at(), 1'500u);
  wake();
  places->next_question().answer<SizeQuestion>(std::size_t{7});
  EXPECT_TRUE(answers.at(0).is_partial);
}

TEST_F(QuestionServerTest, AQuestionThatComesAgainWaitsOnce) {
  feeds->completion.set(false);
  const NodeQuestion asked = question(SizePart{kPeople});
  serve(asked);
  serve(asked);
  EXPECT_EQ(server.waiting(), 1u);
  serve(asked, 3);  // another node's
  EXPECT_EQ(server.waiting(), 2u);
}

TEST_F(QuestionServerTest, MoreThanMayWaitAreDropped) {
  feeds->completion.set(false);
  for (int i = 0; i < 3; ++i) serve(question(SizePart{kPeople}));
  EXPECT_EQ(server.waiting(), 2u);
}

TEST_F(QuestionServerTest, LaterAnswersHaveGreaterNumbers) {
  serve(question(SizePart{kPeople}));
  serve(question(SizePart{kPeople}));
  places->next_question().answer<SizeQuestion>(std::size_t{1});
  places->next_question().answer<SizeQuestion>(std::size_t{1});
  EXPECT_LT(answers.at(0).serving, answers.at(1).serving);
}

// Of those regions that are its own by the asker's view, and by its own.
TEST_F(QuestionServerTest, CountsThoseInItsOwnRegionsAlone) {
  for (const bool same_view : {true, false}) {
    if (!same_view) feeds->own = view({2, 3, 4});
    serve(question(SizePart{kPeople}));
    const auto asked = places->next_question();
    const auto& counts = std::get<SizeQuestion>(asked.any).counts;
    std::size_t counted = 0;
    for (std::uint16_t i = 0; i < cluster::kRegions; i += 7) {
      const bool is_own = view({1, 2, 3})->owner(kPeople, cluster::Region(i)) == kSelf &&
                          feeds->own->owner(kPeople, cluster::Region(i)) == kSelf;
      ASSERT_EQ(counts(i), is_own) << i;
      counted += is_own ? 1 : 0;
    }
    EXPECT_GT(counted, 0u);
    asked.answer<SizeQuestion>(std::size_t{counted});
    EXPECT_EQ(answers.back().is_other_view, !same_view);
  }
}

// Else one that has gone to another node's region could be told of by neither.
TEST_F(QuestionServerTest, TellsOfEverybodyWhomItKnowsWhereverItIs) {
  serve(question(nearby(), {cluster::Region(3)}));
  const auto asked = places->next_question();
  const auto& within = std::get<NearbyQuestion>(asked.any).within;
  for (std::uint64_t i = 0; i < cluster::kRegions; i += 977)
    EXPECT_EQ(within->shown(0, geo::Geohash((i << 37) + 5)), geo::Geohash((i << 37) + 5));
  asked.answer<NearbyQuestion>(Result<NearbyAnswer>(NearbyAnswer{}));
}

NearbyAnswer found(std::vector<std::string> names) {
  NearbyAnswer answer;
  for (const std::string& name : names) answer.found.push_back({places::Member::make(name), geo::Geohash(5), 1.0});
  return answer;
}
std::set<std::string> names_of(const NodeAnswer& answer) {
  std::set<std::string> names;
  for (const ToldMember& one : std::get<ToldMembers>(answer.told)) names.insert(one.name);
  return names;
}

// Where others are said to be may be where they were before a move that was answered, or where they are hidden by now.
TEST_F(QuestionServerTest, InPartItTellsOfThoseAloneOfWhomItKnows) {
  feeds->completion.set(false);
  std::set<std::string> known;
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back("m" + std::to_string(i));
  feeds->exact = {false, true, false, true};
  for (const std::string& name : names)
    if (feeds->exact[shard_of(kPeople, name, 4).value]) known.insert(name);
  serve(question(nearby(50)));
  wake();
  places->next_question().answer<NearbyQuestion>(Result<NearbyAnswer>(found(names)));
  EXPECT_TRUE(answers.at(0).is_partial);
  EXPECT_EQ(names_of(answers[0]), known);
  ASSERT_FALSE(known.empty());
  EXPECT_LT(known.size(), names.size());
}

TEST_F(QuestionServerTest, SaysSinceWhenItHasFollowedWhoLeft) {
  for (const std::uint64_t since_ms : {std::uint64_t{0}, now_ms - 7, now_ms + 7}) {
    feeds->since_ms = since_ms;
    serve(question(SizePart{kPeople}));
    places->next_question().answer<SizeQuestion>(std::size_t{1});
    const std::uint64_t follows = since_ms == 0 ? now_ms : since_ms < now_ms ? 7 : 0;
    EXPECT_EQ(answers.back().follows_ms, std::min(follows, limits::kLingerMs));
  }
}

// What was found belongs to another view than what it was asked by.
TEST_F(QuestionServerTest, AnotherViewMeanwhileIsSaid) {
  serve(question(SizePart{kPeople}));
  feeds->own = view({1, 2, 3});
  places->next_question().answer<SizeQuestion>(std::size_t{1});
  EXPECT_TRUE(answers.at(0).is_other_view);
}

TEST_F(QuestionServerTest, OfRegionsThatAreNamedItCountsThoseAlone) {
  std::vector<cluster::Region> own;
  std::vector<cluster::Region> others;
  for (std::uint16_t i = 0; i < 200; ++i)
    (view({1, 2, 3})->owner(kPeople, cluster::Region(i)) == kSelf ? own : others).emplace_back(i);
  serve(question(SizePart{kPeople}, {own[0], own[2]}));
  const auto asked = places->next_question();
  const auto& counts = std::get<SizeQuestion>(asked.any).counts;
  EXPECT_TRUE(counts(own[0].value));
  EXPECT_FALSE(counts(own[1].value));
  EXPECT_TRUE(counts(own[2].value));
  asked.answer<SizeQuestion>(std::size_t{0});
  EXPECT_FALSE(answers.back().is_other_view);
  // By another view, of which only this region is of interest.
  feeds->own = view({2});
  serve(question(SizePart{kPeople}, {own[0]}));
  places->next_question().done();
  EXPECT_FALSE(answers.back().is_other_view);
  feeds->own = view({1, 3});
  serve(question(SizePart{kPeople}, {own[0]}));
  places->next_question().done();
  EXPECT_TRUE(answers.back().is_other_view);
}

TEST_F(QuestionServerTest, TellsHowManyOfEachLayerAreHere) {
  serve(question(LayersPart{"a"}));
  const auto asked = places->next_question();
  EXPECT_EQ(std::get<LayersQuestion>(asked.any).after, "a");
  asked.answer<LayersQuestion>(FoundLayers{{{LayerId::trusted("b"), 90, {}}, {LayerId::trusted("c"), 80, {}}}, true});
  EXPECT_TRUE(answers.empty());
  places->next_question().answer<SizeQuestion>(std::size_t{5});
  places->next_question().answer<SizeQuestion>(std::size_t{6});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].more);
  EXPECT_EQ(std::get<ToldLayers>(answers[0].told).layers, (std::vector<ToldLayers::Layer>{{"b", 5}, {"c", 6}}));
}

TEST_F(QuestionServerTest, ARangeGoesOnBehindWhereItStopped) {
  for (const bool descending : {false, true}) {
    serve(question(RangePart{kPeople, {}, descending, MemberSpot{5, "m"}, 2}));
    const auto asked = places->next_question();
    const auto& range = std::get<RangeQuestion>(asked.any).range;
    EXPECT_EQ(range.reversed, descending);
    EXPECT_EQ(range.count_max, 3u);  // one more tells whether there are more
    EXPECT_EQ(range.wants(4, "z"), descending);
    EXPECT_EQ(range.wants(5, "a"), descending);
    EXPECT_FALSE(range.wants(5, "m"));
    EXPECT_EQ(range.wants(5, "n"), !descending);
    std::vector<places::ScoredMember> scored;
    for (const char* name : {"n", "o", "p"}) scored.push_back({places::Member::make(name), 6});
    asked.answer<RangeQuestion>(std::move(scored));
    EXPECT_TRUE(answers.back().more);
    EXPECT_EQ(std::get<ToldMembers>(answers.back().told).size(), 2u);
  }
}

}  // namespace
}  // namespace earshot::actors
