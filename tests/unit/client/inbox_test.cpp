#include "client/inbox.hpp"

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "tests/support/seed.hpp"

namespace earshot::client {
namespace {

IncomingMessage message(std::uint64_t sequence) {
  IncomingMessage m;
  m.sequence = Sequence(sequence);
  m.body = std::to_string(sequence);
  m.checksum = checksum_of(m.body);
  return m;
}
Batch batch(const std::vector<std::uint64_t>& sequences, std::vector<LostRange> lost = {}) {
  Batch b;
  b.epoch = Epoch(1);
  for (const std::uint64_t s : sequences) b.messages.push_back(message(s));
  b.lost = std::move(lost);
  return b;
}
InboxHead at(std::uint64_t last) {
  InboxHead head;
  head.epoch = Epoch(1), head.last_received = Sequence(last);
  return head;
}
std::vector<std::uint64_t> sequences(const Inbox::Judgement& judgement) {
  std::vector<std::uint64_t> s;
  for (const auto& m : judgement.messages) s.push_back(m.sequence.value);
  return s;
}
using Numbers = std::vector<std::uint64_t>;

TEST(Inbox, TakesWhatFollowsAndDropsRepeats) {
  Inbox inbox(DeliveryMode::kOrdered, at(5));
  const auto judgement = inbox.judge(batch({4, 5, 6, 7}));
  EXPECT_EQ(sequences(judgement), (Numbers{6, 7}));
  EXPECT_EQ(judgement.repeats.size(), 2u);
  EXPECT_FALSE(judgement.repair);
  EXPECT_EQ(inbox.head_after(judgement).last_received, Sequence(7));
}

TEST(Inbox, AHoleAnywhereInABatchRefusesAllOfIt) {
  Inbox inbox(DeliveryMode::kOrdered, at(5));
  for (const Numbers& numbers : {Numbers{7}, Numbers{6, 8}, Numbers{6, 7, 9, 10}, Numbers{8, 6, 7}}) {
    const auto judgement = inbox.judge(batch(numbers));
    EXPECT_TRUE(judgement.nothing_new());
    ASSERT_TRUE(judgement.repair);
    EXPECT_EQ(judgement.repair->cause, FetchCause::kGap);
    EXPECT_EQ(judgement.repair->after, Sequence(5));
  }
}

TEST(Inbox, LostRangesFillHolesAndOnlyTheirOwn) {
  Inbox inbox(DeliveryMode::kOrdered, at(5));
  const auto filled = inbox.judge(batch({6, 9}, {{Sequence(7), Sequence(8), LostReason::kCorrupt}}));
  EXPECT_EQ(sequences(filled), (Numbers{6, 9}));
  EXPECT_FALSE(filled.repair);
  const auto short_by_one = inbox.judge(batch({6, 10}, {{Sequence(7), Sequence(8), LostReason::kCorrupt}}));
  EXPECT_TRUE(short_by_one.repair);
  const auto clipped = inbox.judge(batch({}, {{Sequence(1), Sequence(8), LostReason::kTrimmed}}));
  ASSERT_EQ(clipped.lost.size(), 1u);
  EXPECT_EQ(clipped.lost[0].first, Sequence(6));  // what was received is not lost
}

TEST(Inbox, AnAlteredBodyEndsWhatIsTaken) {
  Inbox inbox(DeliveryMode::kOrdered, at(0));
  Batch b = batch({1, 2, 3});
  b.messages[1].body = "altered";
  const auto judgement = inbox.judge(std::move(b));
  EXPECT_EQ(sequences(judgement), Numbers{1});
  ASSERT_TRUE(judgement.repair);
  EXPECT_EQ(judgement.repair->cause, FetchCause::kChecksum);
  EXPECT_EQ(judgement.repair->after, Sequence(1));
  EXPECT_EQ(judgement.repair->until, Sequence(3));
}

TEST(Inbox, ABatchOfAnotherEpochIsNotJudged) {
  Inbox inbox(DeliveryMode::kOrdered, at(0));
  Batch b = batch({1});
  b.epoch = Epoch(2);
  EXPECT_TRUE(inbox.judge(std::move(b)).other_epoch);
}

TEST(Inbox, UnorderedRemembersWhatCameEarlyAndTakesItOnce) {
  Inbox inbox(DeliveryMode::kUnordered, at(0));
  const auto take = [&](const Numbers& numbers, std::vector<LostRange> lost = {}) {
    const auto judgement = inbox.judge(batch(numbers, std::move(lost)));
    inbox.adopt(inbox.head_after(judgement));
    return sequences(judgement);
  };
  EXPECT_EQ(take({3, 5}), (Numbers{3, 5}));
  EXPECT_EQ(take({3, 5}), Numbers{});
  EXPECT_EQ(inbox.head().last_received, Sequence(0));
  EXPECT_EQ(take({1, 2}), (Numbers{1, 2}));
  EXPECT_EQ(inbox.head().last_received, Sequence(3));
  EXPECT_EQ(take({4}), Numbers{4});
  EXPECT_EQ(inbox.head().last_received, Sequence(5));
  EXPECT_TRUE(inbox.head().received_above.empty());
  // A loss that is told early counts when what is before it has come.
  EXPECT_EQ(take({}, {{Sequence(7), Sequence(8), LostReason::kTrimmed}}), Numbers{});
  EXPECT_EQ(take({6}), Numbers{6});
  EXPECT_EQ(inbox.head().last_received, Sequence(8));
}

TEST(Inbox, WhatCameEarlyCountsInEveryMode) {
  for (const DeliveryMode mode : {DeliveryMode::kOrdered, DeliveryMode::kSequenceOnly}) {
    InboxHead head = at(3);
    head.received_above = {Sequence(5), Sequence(6), Sequence(9)};
    Inbox inbox(mode, head);
    const auto take = [&](const Numbers& numbers, std::vector<LostRange> lost = {}) {
      const auto judgement = inbox.judge(batch(numbers, std::move(lost)));
      EXPECT_FALSE(judgement.repair);
      inbox.adopt(inbox.head_after(judgement));
      return judgement;
    };
    EXPECT_EQ(sequences(take({4, 5, 6, 7})), (Numbers{4, 7}));
    EXPECT_EQ(inbox.head().last_received, Sequence(7));
    const auto judgement = take({11}, {{Sequence(8), Sequence(10), LostReason::kExpired}});
    EXPECT_EQ(judgement.lost, (std::vector<LostRange>{{Sequence(8), Sequence(8), LostReason::kExpired},
                                                      {Sequence(10), Sequence(10), LostReason::kExpired}}))
        << "what was received before it ended is not lost";
    EXPECT_EQ(inbox.head().last_received, Sequence(11));
    EXPECT_TRUE(inbox.head().received_above.empty());
  }
}

TEST(Inbox, WhatDoesNotAscendIsNotTakenForARepeat) {
  Inbox inbox(DeliveryMode::kUnordered, at(0));
  const auto judgement = inbox.judge(batch({10, 5}));
  EXPECT_EQ(sequences(judgement), Numbers{10});
  EXPECT_TRUE(judgement.repeats.empty()) << "5 would be acked without having been stored";
}

TEST(Inbox, ALossToldTwiceBeforeItCountsIsReportedOnce) {
  Inbox inbox(DeliveryMode::kUnordered, at(0));
  const LostRange lost{Sequence(2), Sequence(3), LostReason::kTrimmed};
  for (int i = 0; i < 3; ++i) inbox.adopt(inbox.head_after(inbox.judge(batch({}, {lost}))));
  const auto judgement = inbox.judge(batch({1}));
  EXPECT_EQ(judgement.lost, std::vector{lost});
  EXPECT_EQ(inbox.head_after(judgement).last_received, Sequence(3));
}

TEST(Inbox, UnorderedLeavesWhatItCannotRemember) {
  Inbox inbox(DeliveryMode::kUnordered, at(0));
  Numbers numbers;
  for (std::uint64_t s = 2; s < limits::kSelectiveAcksMax + 10; ++s) numbers.push_back(s);
  auto judgement = inbox.judge(batch(numbers));
  EXPECT_EQ(judgement.messages.size(), limits::kSelectiveAcksMax);
  inbox.adopt(inbox.head_after(judgement));
  judgement = inbox.judge(batch({1}));
  inbox.adopt(inbox.head_after(judgement));
  EXPECT_EQ(inbox.head().last_received, Sequence(limits::kSelectiveAcksMax + 1));
}

TEST(Inbox, UnorderedRemembersSoManyLossesAheadAndHearsOfTheRestAgain) {
  Inbox inbox(DeliveryMode::kUnordered, at(0));
  std::vector<LostRange> lost;  // every second sequence
  for (std::uint64_t i = 1; i <= limits::kSelectiveAcksMax + 1; ++i)
    lost.push_back({Sequence(2 * i), Sequence(2 * i), LostReason::kExpired});
  EXPECT_TRUE(inbox.judge(batch({}, lost)).nothing_new());
  std::size_t told = 0;
  const std::uint64_t last = 2 * limits::kSelectiveAcksMax + 1;
  for (std::uint64_t s = 1; s <= last; s += 2) {
    const auto judgement = inbox.judge(batch({s}));
    told += judgement.lost.size();
    inbox.adopt(inbox.head_after(judgement));
  }
  EXPECT_EQ(told, limits::kSelectiveAcksMax);
  EXPECT_EQ(inbox.head().last_received, Sequence(last));
  EXPECT_EQ(inbox.judge(batch({}, {lost.back()})).lost.size(), 1u);
}

TEST(Inbox, RejectionHoldsBackWhatIsBehindUnlessUnordered) {
  const std::vector<Rejection> rejections = {{Sequence(2), 10}, {Sequence(9), 10}};
  Inbox ordered(DeliveryMode::kOrdered, at(0));
  auto judgement = ordered.judge(batch({1, 2, 3}));
  EXPECT_EQ(ordered.reject(judgement, rejections), std::vector{Sequence(2)});
  EXPECT_EQ(sequences(judgement), Numbers{1});
  Inbox unordered(DeliveryMode::kUnordered, at(0));
  judgement = unordered.judge(batch({1, 2, 3}));
  EXPECT_EQ(unordered.reject(judgement, rejections), std::vector{Sequence(2)});
  EXPECT_EQ(sequences(judgement), (Numbers{1, 3}));
}

TEST(Inbox, AWelcomeSetsTheStartOrLowersIt) {
  Welcome welcome;
  welcome.user = UserId::trusted("alice");
  welcome.login.epoch = Epoch(1), welcome.login.cursor = Sequence(40);
  EXPECT_EQ(Inbox(DeliveryMode::kOrdered, {}).head_after(welcome)->last_received, Sequence(40));
  // A client that has less than it acked keeps its own number: the rest is a gap to be refetched.
  EXPECT_EQ(Inbox(DeliveryMode::kOrdered, at(30)).head_after(welcome)->last_received, Sequence(30));
  welcome.login.epoch = Epoch(2), welcome.login.restored_up_to = Sequence(20);
  EXPECT_EQ(Inbox(DeliveryMode::kOrdered, at(30)).head_after(welcome)->last_received, Sequence(20));
  EXPECT_EQ(Inbox(DeliveryMode::kOrdered, at(10)).head_after(welcome)->last_received, Sequence(10));
  InboxHead others = at(1);
  others.user = UserId::trusted("bob");
  EXPECT_EQ(Inbox(DeliveryMode::kOrdered, others).head_after(welcome).error().code, ErrorCode::kConflict);
}

// Whatever is delivered, in whatever order and however often: taken once, and in the strict modes in sequence; also
// when the mode changes from one run to the next.
TEST(Inbox, RandomDeliveriesNeverLeaveAHoleOrADouble) {
  Random random(tests::seed_of_test());
  for (const bool changes : {false, true})
    for (const DeliveryMode first : {DeliveryMode::kOrdered, DeliveryMode::kUnordered}) {
      DeliveryMode mode = first;
      Inbox inbox(mode, at(0));
      std::vector<bool> taken(301, false);
      for (int round = 0; round < 20'000 && inbox.head().last_received < Sequence(300); ++round) {
        if (changes && random.chance(0.1)) {
          mode = mode == DeliveryMode::kOrdered ? DeliveryMode::kUnordered : DeliveryMode::kOrdered;
          inbox = Inbox(mode, inbox.head());
        }
        Numbers numbers;
        std::uint64_t next = 1 + random.below(300);
        for (std::uint64_t n = random.below(30); n > 0 && next <= 300; --n) {
          numbers.push_back(next);
          next += random.chance(0.9) ? 1 : 2;
        }
        Batch b = batch(numbers);
        if (!b.messages.empty() && random.chance(0.1)) b.messages.back().body += "!";
        const auto judgement = inbox.judge(std::move(b));
        for (const auto& m : judgement.messages) {
          if (mode == DeliveryMode::kOrdered) {
            EXPECT_TRUE(m.sequence == Sequence(1) || taken[m.sequence.value - 1]);
          }
          EXPECT_FALSE(taken[m.sequence.value]);
          EXPECT_EQ(checksum_of(m.body), m.checksum);
          taken[m.sequence.value] = true;
        }
        inbox.adopt(inbox.head_after(judgement));
        for (std::uint64_t s = 1; s <= 300; ++s) ASSERT_EQ(inbox.has(Sequence(s)), bool(taken[s]));
      }
      EXPECT_EQ(inbox.head().last_received, Sequence(300));
    }
}

}  // namespace
}  // namespace earshot::client
