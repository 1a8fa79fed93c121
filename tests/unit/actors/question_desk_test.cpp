#include "actors/question_desk.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

class QuestionDeskTest : public testing::Test, private QuestionHost {
 protected:
  struct Asked {
    NodeId node;
    NodeQuestion question;
  };

  void set_view(std::vector<std::uint64_t> nodes) {
    std::vector<NodeId> ids;
    for (const std::uint64_t node : nodes) ids.emplace_back(node);
    cells_ = std::make_shared<const cluster::CellMap>(std::move(ids));
  }
  void ask(std::uint32_t deadline_ms = 1'000) {
    desk.ask({LayerId::trusted("people"),
              {},
              SizePart{LayerId::trusted("people")},
              deadline_ms,
              [this](Result<NodesAnswer> answer) {
                ++answers;
                answered = std::move(answer);
              }},
             now_ms);
  }
  void answer(const Asked& asked, std::uint64_t size, bool is_other_view = false, std::uint64_t serving = 0) {
    NodeAnswer answer;
    answer.id = asked.question.id;
    answer.serving = serving == 0 ? ++last_serving_ : serving;
    answer.is_other_view = is_other_view;
    answer.follows_ms = follows_ms;
    answer.told = ToldSize{size};
    desk.answered(asked.node, std::move(answer), now_ms);
  }
  // To the next time at which something is due.
  void go_on() {
    ASSERT_NE(desk.wake_at(), 0u);
    now_ms = std::max(now_ms, desk.wake_at());
    desk.wake(now_ms);
  }
  std::vector<Asked> take() { return std::exchange(asked, {}); }
  [[nodiscard]] std::uint64_t sum() const {
    std::uint64_t sum = 0;
    for (const NodeTold& told : answered.value()->told) sum += std::get<ToldSize>(told.told).members;
    return sum;
  }

  std::uint64_t now_ms = 1'000;
  std::uint32_t follows_ms = limits::kLingerMs;
  std::set<NodeId> cut_off;
  std::vector<Asked> asked;
  std::optional<Result<NodesAnswer>> answered;
  std::size_t answers = 0;
  QuestionDesk desk{*this, {3, 1'000}};

 private:
  std::shared_ptr<const cluster::CellMap> cells() override { return cells_; }
  bool send(NodeId to, const NodeQuestion& question) override {
    if (cut_off.contains(to)) return false;
    asked.push_back({to, question});
    return true;
  }
  std::shared_ptr<const cluster::CellMap> cells_;
  std::uint64_t last_serving_ = 0;
};

TEST_F(QuestionDeskTest, AsksEachNodeOnceAndAnswersWhenAllHave) {
  set_view({1, 2, 3});
  ask();
  const auto all = take();
  ASSERT_EQ(all.size(), 3u);
  answer(all[0], 1);
  answer(all[1], 2);
  EXPECT_EQ(answers, 0u);
  answer(all[2], 4);
  ASSERT_EQ(answers, 1u);
  EXPECT_TRUE((*answered)->is_whole);
  EXPECT_EQ(sum(), 7u);
  EXPECT_EQ(desk.open(), 0u);
  EXPECT_EQ(desk.bytes(), 0u);
  EXPECT_EQ(desk.wake_at(), 0u);
  answer(all[2], 4);  // late
  EXPECT_EQ(answers, 1u);
}

TEST_F(QuestionDeskTest, NoNodeIsToldToTakeLongerThanTheAskerWaits) {
  set_view({1});
  ask(800);
  EXPECT_LT(take().front().question.left_ms, 800u);
  now_ms += 600;
  desk.wake(now_ms);
  EXPECT_LT(take().front().question.left_ms, 200u);
}

TEST_F(QuestionDeskTest, ANodeThatIsMissingMakesItPartialAtTheDeadline) {
  set_view({1, 2});
  ask();
  answer(take()[0], 1);
  while (answers == 0) go_on();
  EXPECT_EQ(now_ms, 2'000u);
  EXPECT_FALSE((*answered)->is_whole);
  EXPECT_EQ(sum(), 1u);
}

TEST_F(QuestionDeskTest, AQuestionThatGotLostIsAskedAgain) {
  set_view({1, 2});
  ask();
  const auto first = take();
  answer(first[0], 1);
  go_on();
  const auto again = take();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].node, NodeId(2));
  EXPECT_EQ(again[0].question.id, first[1].question.id);  // one that serves it already knows it
  answer(again[0], 2);
  EXPECT_TRUE((*answered)->is_whole);
}

TEST_F(QuestionDeskTest, ANodeThatIsNotLinkedIsAskedWhenItIs) {
  set_view({1, 2});
  cut_off = {NodeId(2)};
  ask();
  answer(take()[0], 1);
  go_on();
  EXPECT_TRUE(take().empty());
  cut_off.clear();
  desk.link_changed(NodeId(2), now_ms);
  go_on();
  const auto again = take();
  ASSERT_EQ(again.size(), 1u);
  answer(again[0], 2);
  EXPECT_TRUE((*answered)->is_whole);
}

TEST_F(QuestionDeskTest, ANodeThatDiesIsReplacedByTheNewView) {
  set_view({1, 2});
  ask();
  const auto first = take();
  answer(first[0], 1);
  desk.link_changed(NodeId(2), now_ms);
  set_view({1});
  go_on();
  const auto again = take();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].node, NodeId(1));
  EXPECT_EQ(again[0].question.view, (std::vector<NodeId>{NodeId(1)}));
  answer(first[0], 5);  // to the round before: it told of less
  EXPECT_EQ(answers, 0u);
  answer(again[0], 3);
  ASSERT_EQ(answers, 1u);
  EXPECT_TRUE((*answered)->is_whole);
  EXPECT_EQ(sum(), 3u);
}

TEST_F(QuestionDeskTest, WhatIsNotMineIsAskedAgainSoon) {
  set_view({1, 2});
  ask();
  const auto first = take();
  answer(first[0], 1);
  answer(first[1], 0, true);
  EXPECT_EQ(answers, 0u);
  EXPECT_LE(desk.wake_at(), now_ms + limits::kQuestionRefusedMs);
  go_on();
  const auto again = take();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].node, NodeId(2));
  answer(again[0], 2);
  EXPECT_EQ(sum(), 3u);
}

TEST_F(QuestionDeskTest, AnAnswerOfAnotherKindIsDropped) {
  set_view({1});
  ask();
  NodeAnswer other;
  other.id = take()[0].question.id;
  other.told = ToldMembers{};
  desk.answered(NodeId(1), std::move(other), now_ms);
  EXPECT_EQ(answers, 0u);
}

TEST_F(QuestionDeskTest, MoreQuestionsThanMayBeOpenAreRefused) {
  set_view({1});
  for (int i = 0; i < 3; ++i) ask();
  EXPECT_EQ(answers, 0u);
  ask();
  ASSERT_EQ(answers, 1u);
  EXPECT_EQ(answered->error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(desk.open(), 3u);
}

TEST_F(QuestionDeskTest, AnswersThatTakeMoreThanTheyMayEndTheirQuestion) {
  set_view({1, 2});
  desk.ask({LayerId::trusted("people"),
            {},
            RangePart{LayerId::trusted("people"), {}, false, {}, 10},
            1'000,
            [this](Result<NodesAnswer> answer) { answered = std::move(answer); }},
           now_ms);
  NodeAnswer large;
  large.id = take()[0].question.id;
  large.told = ToldMembers{{std::string(2'000, 'x'), 1, 1, 0, false}};
  desk.answered(NodeId(1), std::move(large), now_ms);
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(desk.bytes(), 0u);
}

// What is answered late was looked at late: by then one may have gone from a node that answered before to that one.
TEST_F(QuestionDeskTest, WhereTheAnswersLieTooFarApartAllAreAskedAgain) {
  set_view({1, 2});
  ask(10'000);
  const auto first = take();
  answer(first[0], 1);
  now_ms += limits::kLingerMs;
  answer(first[1], 2);
  EXPECT_EQ(answers, 0u);
  go_on();
  const auto again = take();
  ASSERT_EQ(again.size(), 2u);
  EXPECT_NE(again[0].question.id, first[0].question.id);
  answer(first[0], 4);  // of the round before
  answer(again[0], 8);
  answer(again[1], 16);
  ASSERT_EQ(answers, 1u);
  EXPECT_TRUE((*answered)->is_whole);
  EXPECT_EQ(sum(), 24u);
}

// As for a second after a scan that could not say who had moved of late.
TEST_F(QuestionDeskTest, NodesAreAskedAgainUntilTheyFollowForLongEnough) {
  set_view({1, 2});
  ask(10'000);
  for (follows_ms = 0; answers == 0; follows_ms += limits::kQuestionRefusedMs) {
    for (const Asked& asked : take()) answer(asked, 1);
    if (answers == 0) go_on();
  }
  EXPECT_TRUE((*answered)->is_whole);
  EXPECT_GE(now_ms, 1'000 + limits::kFeedLeaseMs);
  EXPECT_LT(now_ms, 1'000 + 2 * limits::kFeedLeaseMs);
}

}  // namespace
}  // namespace earshot::actors
