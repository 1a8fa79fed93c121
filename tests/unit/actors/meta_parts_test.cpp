#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/meta_fetch.hpp"
#include "actors/meta_proposals.hpp"

namespace earshot::actors {
namespace {

MetaStateAnswer answer_to(const AskMetaState& question, std::uint64_t applied) {
  MetaStateAnswer answer;
  answer.ask = question.ask;
  answer.record.applied = LogIndex(applied);
  return answer;
}

TEST(MetaFetch, AsksAgainUntilAnAnswerComesAndThenNoMore) {
  MetaFetch fetch(1);
  EXPECT_EQ(fetch.due_at_ms(), 0u);
  EXPECT_FALSE(fetch.ask(1'000));
  fetch.begin(LogIndex(5));
  const auto question = fetch.ask(1'000);
  ASSERT_TRUE(question);
  EXPECT_FALSE(fetch.ask(1'999));
  EXPECT_EQ(fetch.ask(fetch.due_at_ms()), question) << "a late answer to the first one is as good";
  EXPECT_TRUE(fetch.received(answer_to(*question, 5)));
  EXPECT_EQ(fetch.due_at_ms(), 0u);
  EXPECT_EQ(fetch.take()->applied, LogIndex(5));
  EXPECT_FALSE(fetch.take());
  EXPECT_FALSE(fetch.received(answer_to(*question, 9))) << "doubled on its way";
}

TEST(MetaFetch, ARecordThatIsBeingWrittenMayTurnOutNotToBeEnough) {
  MetaFetch fetch(1);
  fetch.begin(LogIndex(5));
  ASSERT_TRUE(fetch.received(answer_to(*fetch.ask(1'000), 7)));
  ASSERT_TRUE(fetch.take());
  fetch.begin(LogIndex(8));
  EXPECT_FALSE(fetch.is_enough(LogIndex(7)));
  ASSERT_TRUE(fetch.received(answer_to(*fetch.ask(fetch.due_at_ms()), 8)));
  EXPECT_TRUE(fetch.is_enough(LogIndex(8)));
}

TEST(MetaFetch, WhatStandsTooLowOrWasNotAskedForIsNotTaken) {
  MetaFetch fetch(1);
  EXPECT_FALSE(fetch.received({0, {}}));
  fetch.begin(LogIndex(5));
  EXPECT_FALSE(fetch.received(answer_to({0}, 9))) << "nothing was asked yet";
  const auto question = *fetch.ask(1'000);
  EXPECT_FALSE(fetch.received(answer_to({question.ask + 2}, 9)));
  EXPECT_FALSE(fetch.received(answer_to(question, 4)));
  EXPECT_NE(fetch.due_at_ms(), 0u) << "it asks on";
  EXPECT_TRUE(fetch.received(answer_to(question, 6)));
}

TEST(MetaFetch, AHigherNeedMakesARecordThatWaitsTooOld) {
  MetaFetch fetch(1);
  fetch.begin(LogIndex(5));
  EXPECT_TRUE(fetch.received(answer_to(*fetch.ask(1'000), 6)));
  fetch.begin(LogIndex(8));
  EXPECT_FALSE(fetch.take());
  const auto question = fetch.ask(1'000);
  ASSERT_TRUE(question);
  EXPECT_FALSE(fetch.received(answer_to(*question, 7)));
  EXPECT_TRUE(fetch.received(answer_to(*question, 8)));
}

TEST(MetaFetch, ALowerNeedDoesNotLowerAHigherOne) {
  MetaFetch fetch(1);
  fetch.begin(LogIndex(8));
  fetch.begin(LogIndex(5));
  EXPECT_FALSE(fetch.received(answer_to(*fetch.ask(1'000), 7)));
  fetch.end();
  fetch.begin(LogIndex(5));
  EXPECT_TRUE(fetch.received(answer_to(*fetch.ask(1'000), 5)));
}

class MetaProposalsTest : public testing::Test {
 protected:
  using Outcome = MetaProposals::Outcome;

  void wait_for(std::uint64_t index, std::uint64_t term) {
    proposals.add(LogIndex(index), Term(term), [this, index](const Outcome& outcome) {
      told.emplace_back(index, outcome ? "node " + std::to_string(outcome->value) : std::string("lost"));
    });
  }
  using Told = std::vector<std::pair<std::uint64_t, std::string>>;
  // What became known, once.
  Told call() {
    for (auto& [done, outcome] : std::exchange(called, {})) done(std::move(outcome));
    return std::exchange(told, {});
  }

  MetaProposals proposals;
  std::vector<MetaProposals::Called> called;
  Told told;
};

TEST_F(MetaProposalsTest, WhoWaitsForAnEntryHearsWhatBecameOfIt) {
  wait_for(3, 1), wait_for(5, 1);
  proposals.applied(LogIndex(2), Term(1), NodeId(9), called);
  EXPECT_EQ(call(), Told());
  proposals.applied(LogIndex(3), Term(1), NodeId(9), called);
  EXPECT_EQ(call(), (Told{{3, "node 9"}}));
  EXPECT_FALSE(proposals.empty());
}

TEST_F(MetaProposalsTest, AnotherLeadersEntryInItsPlaceIsALoss) {
  wait_for(3, 1), wait_for(4, 1), wait_for(5, 1);
  proposals.applied(LogIndex(4), Term(2), NodeId(9), called);
  EXPECT_EQ(call(), (Told{{3, "lost"}, {4, "lost"}}));
}

TEST_F(MetaProposalsTest, ALostLeadershipIsALossOfAllAndANewOneOfTheOlder) {
  wait_for(3, 1), wait_for(4, 2);
  proposals.leave_other_terms(Term(2), called);
  EXPECT_EQ(call(), (Told{{3, "lost"}}));
  proposals.leave_other_terms(Term(), called);
  EXPECT_EQ(call(), (Told{{4, "lost"}}));
  EXPECT_TRUE(proposals.empty());
}

TEST_F(MetaProposalsTest, AreBounded) {
  for (std::uint64_t index = 1; index <= MetaProposals::kMax; ++index) {
    EXPECT_FALSE(proposals.is_full());
    wait_for(index, 1);
  }
  EXPECT_TRUE(proposals.is_full());
}

}  // namespace
}  // namespace earshot::actors
