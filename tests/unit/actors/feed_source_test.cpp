#include "actors/feed_source.hpp"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

const LayerId kLayer = LayerId::trusted("people");
constexpr NodeId kSelf{1};
constexpr NodeId kOther{2};
constexpr Term kTerm{4};

class FeedSourceTest : public testing::Test {
 protected:
  FeedSourceTest() {
    source.lead(kTerm, now_ms);
    source.caught_up();
  }

  static FeedId feed(std::uint64_t subscription) { return {kTerm, (std::uint64_t{7} << 32) + subscription}; }
  void subscribe(std::uint64_t subscription = 1, NodeId node = kOther) {
    source.handle(node, FeedSubscribe{feed(subscription), {node}}, now_ms);
    scan(node);
  }
  void scan(NodeId node) {
    ASSERT_TRUE(source.wanted().has_value());
    source.begin_scan(node, {}, now_ms);
    source.page(node, {}, "", now_ms);
    ack(last_number(), 1);
    source.end_scans(now_ms);
    ack(last_number(), 1);
  }
  void ack(std::uint64_t number, std::uint64_t pages = 1, std::uint64_t subscription = 1) {
    source.handle(kOther, FeedAck{feed(subscription), number, pages}, now_ms);
    source.go_on(LogIndex(), now_ms);
  }
  void tell(std::uint64_t version) {
    source.tell({cluster::Move{kLayer, "ada", 1.0, version, false, false, false}}, {}, now_ms);
  }
  void lease() {
    source.handle(kOther, FeedAskLease{feed(1), 1}, now_ms);
    ASSERT_TRUE(source.wants_check(now_ms));
    source.check_began(1, LogIndex(), now_ms);
    source.check_confirmed(1);
    source.go_on(LogIndex(), now_ms);
    ASSERT_TRUE(std::holds_alternative<FeedGrant>(sent.back()));
  }
  bool is_answered_at_once() {
    const std::uint64_t before = answers;
    source.hold([this] { ++answers; }, now_ms);
    return answers > before;
  }
  void pass(std::uint64_t ms) {
    now_ms += ms;
    source.go_on(LogIndex(), now_ms);
  }
  [[nodiscard]] std::uint64_t last_number() const {
    for (auto one = sent.rbegin(); one != sent.rend(); ++one)
      if (const auto* items = std::get_if<std::shared_ptr<const FeedItems>>(&*one)) return (*items)->number;
    return 0;
  }
  [[nodiscard]] bool is_gone() const { return std::holds_alternative<FeedGone>(sent.back()); }

  std::uint64_t now_ms = 50'000;
  std::vector<FeedTiding> sent;
  std::uint64_t answers = 0;
  FeedSource source{kSelf, [this](NodeId, FeedTiding tiding) { sent.push_back(std::move(tiding)); }};
};

constexpr std::uint64_t kQuietMs = limits::kFeedLeaseMs + limits::kFeedLeaseMarginMs;

TEST_F(FeedSourceTest, ANewLeaderAnswersNothingBeforeLeasesOfTheOneBeforeHaveRunOut) {
  EXPECT_FALSE(is_answered_at_once());
  pass(kQuietMs - 1);
  EXPECT_EQ(answers, 0u);
  pass(1);
  EXPECT_EQ(answers, 1u);
  EXPECT_TRUE(is_answered_at_once());
}

TEST_F(FeedSourceTest, WithoutALeaseNobodyIsWaitedFor) {
  pass(kQuietMs);
  subscribe();
  tell(1);
  EXPECT_TRUE(is_answered_at_once());
}

TEST_F(FeedSourceTest, AnAnswerWaitsForTheAckOfWhoeverHoldsALease) {
  pass(kQuietMs);
  subscribe();
  lease();
  tell(1);
  EXPECT_FALSE(is_answered_at_once());
  ack(last_number() - 1);
  EXPECT_EQ(answers, 0u);
  ack(last_number());
  EXPECT_EQ(answers, 1u);
}

TEST_F(FeedSourceTest, ALeaseCountsFromItsArrivalAndAMarginLonger) {
  pass(kQuietMs);
  subscribe();
  source.handle(kOther, FeedAskLease{feed(1), 1}, now_ms);
  pass(100);
  source.check_began(1, LogIndex(), now_ms);
  source.check_confirmed(1);
  pass(0);
  tell(1);
  EXPECT_FALSE(is_answered_at_once());
  pass(kQuietMs - 100 - 1);
  EXPECT_EQ(answers, 0u);
  EXPECT_EQ(source.wake_at() > now_ms, true);
  pass(1);
  EXPECT_EQ(answers, 1u);
}

TEST_F(FeedSourceTest, NoLeaseIsGrantedByACheckThatBeganBeforeItWasAskedFor) {
  subscribe();
  source.handle(kOther, FeedAskLease{feed(1), 1}, now_ms);
  source.check_began(1, LogIndex(), now_ms);
  source.handle(kOther, FeedAskLease{feed(1), 2}, now_ms);
  source.check_confirmed(1);
  pass(0);
  ASSERT_TRUE(std::holds_alternative<FeedGrant>(sent.back()));
  EXPECT_EQ(std::get<FeedGrant>(sent.back()).ask, 1u);
  EXPECT_TRUE(source.wants_check(now_ms));
}

// Only the node itself can say that it has let go of a lease.
TEST_F(FeedSourceTest, ALeaseOfAFeedThatIsDroppedIsWaitedFor) {
  pass(kQuietMs);
  subscribe();
  lease();
  for (std::uint64_t version = 1; version <= limits::kFeedUnackedFramesMax + 1; ++version) tell(version);
  EXPECT_TRUE(is_gone());
  EXPECT_EQ(source.feeds(), 0u);
  EXPECT_FALSE(is_answered_at_once());
  pass(kQuietMs);
  EXPECT_EQ(answers, 1u);
}

TEST_F(FeedSourceTest, ANodeThatSubscribesAnewHasLetGoOfItsLeaseAndAnotherStartOfItHasNot) {
  pass(kQuietMs);
  subscribe(1);
  lease();
  source.handle(kOther, FeedSubscribe{feed(2), {kOther}}, now_ms);
  tell(1);
  EXPECT_TRUE(is_answered_at_once());
  source.begin_scan(kOther, {}, now_ms);
  source.page(kOther, {}, "", now_ms);
  ack(last_number(), 1, 2);
  source.end_scans(now_ms);
  source.handle(kOther, FeedAskLease{feed(2), 1}, now_ms);
  source.check_began(2, LogIndex(), now_ms);
  source.check_confirmed(2);
  pass(0);
  source.handle(kOther, FeedSubscribe{{kTerm, (std::uint64_t{9} << 32) + 1}, {kOther}}, now_ms);
  tell(2);
  EXPECT_FALSE(is_answered_at_once());
}

TEST_F(FeedSourceTest, ALateSubscriptionDoesNotTakeThePlaceOfANewerOne) {
  subscribe(2);
  source.handle(kOther, FeedSubscribe{feed(1), {kOther}}, now_ms);
  EXPECT_FALSE(source.wanted().has_value());
  ack(1, 1, 1);
  EXPECT_TRUE(is_gone());
}

TEST_F(FeedSourceTest, ANodeIsFedUpToAsManyUnackedFramesAsMayBeAndNoFurther) {
  subscribe();
  for (std::uint64_t version = 1; version <= limits::kFeedUnackedFramesMax; ++version) tell(version);
  EXPECT_EQ(source.feeds(), 1u);
  tell(limits::kFeedUnackedFramesMax + 1);
  EXPECT_EQ(source.feeds(), 0u);
  EXPECT_TRUE(is_gone());
}

TEST_F(FeedSourceTest, ANodeIsFedUpToAsManyUnackedBytesAsMayBeAndNoFurther) {
  subscribe();
  std::vector<cluster::Move> moves(limits::kFeedItemsMax, {kLayer, std::string(limits::kMemberBytesMax, 'm'), 1.0, 1});
  std::size_t bytes = 0;
  for (;;) {
    source.tell(moves, {}, now_ms);
    if (source.feeds() == 0) break;
    bytes += bytes_of(**std::get_if<std::shared_ptr<const FeedItems>>(&sent.back()));
    ASSERT_LE(bytes, limits::kFeedUnackedBytesMax);
  }
  EXPECT_GT(bytes, limits::kFeedUnackedBytesMax / 2);
}

TEST_F(FeedSourceTest, ManyChangesOfOneEntryGoInFramesOfTheLargestSizeInTheOrderOfVersions) {
  subscribe();
  sent.clear();
  std::vector<cluster::Move> moves;
  for (std::uint64_t version = 1; version <= limits::kFeedItemsMax + 1; ++version)
    moves.push_back({kLayer, "ada", 1.0, 2 * version, false, false, false});
  source.tell(moves, {{kLayer, 3}, {kLayer, 2 * limits::kFeedItemsMax + 3}}, now_ms);
  ASSERT_EQ(sent.size(), 2u);
  const auto& first = **std::get_if<std::shared_ptr<const FeedItems>>(&sent[0]);
  EXPECT_EQ(first.moves.size(), limits::kFeedItemsMax);
  EXPECT_EQ(first.cleared.size(), 1u);
  const auto& second = **std::get_if<std::shared_ptr<const FeedItems>>(&sent[1]);
  EXPECT_EQ(second.moves.size(), 1u);
  EXPECT_EQ(second.cleared.size(), 1u);
}

TEST_F(FeedSourceTest, WhatIsNotAckedIsSentAgain) {
  subscribe();
  tell(1);
  const std::size_t before = sent.size();
  pass(limits::kFeedResendMs - 1);
  EXPECT_EQ(sent.size(), before);
  EXPECT_EQ(source.wake_at(), now_ms + 1);
  pass(1);
  EXPECT_EQ(sent.size(), before + 1);
  ack(last_number());
  pass(limits::kFeedResendMs);
  EXPECT_EQ(sent.size(), before + 1);
}

TEST_F(FeedSourceTest, ANodeThatIsSilentForTooLongIsFedNoLonger) {
  subscribe();
  pass(limits::kFeedSilenceMs - 1);
  EXPECT_EQ(source.feeds(), 1u);
  pass(1);
  EXPECT_EQ(source.feeds(), 0u);
}

// A node that was suspended says again that it wants to be fed before it has read what it was sent meanwhile. Frames of
// a second feed under the same name would go on where those of the first stopped, and what was told between them would
// be missing.
TEST_F(FeedSourceTest, AFeedThatWasDroppedIsNotBegunAgain) {
  subscribe(2);
  pass(limits::kFeedSilenceMs);
  ASSERT_EQ(source.feeds(), 0u);
  for (const std::uint64_t subscription : {2, 1}) {
    sent.clear();
    source.handle(kOther, FeedSubscribe{feed(subscription), {kOther}}, now_ms);
    EXPECT_EQ(source.feeds(), 0u);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(is_gone());
    EXPECT_EQ(std::get<FeedGone>(sent.back()).id, feed(subscription));
  }
  source.handle(kOther, FeedSubscribe{feed(3), {kOther}}, now_ms);
  EXPECT_EQ(source.feeds(), 1u);
}

TEST_F(FeedSourceTest, AsManyAnswersAreHeldAsMayBe) {
  for (std::size_t i = 0; i < limits::kFeedHeldAnswersMax; ++i) {
    EXPECT_FALSE(source.is_full());
    source.hold([] {}, now_ms);
  }
  EXPECT_TRUE(source.is_full());
  pass(kQuietMs);
  EXPECT_FALSE(source.is_full());
}

TEST_F(FeedSourceTest, AMemberOutsideOfANodesRegionsIsToldOfAsElsewhere) {
  source.handle(kOther, FeedSubscribe{feed(1), {kSelf}}, now_ms);  // it gives all regions to another one
  scan(kOther);
  tell(5);
  const auto& items = **std::get_if<std::shared_ptr<const FeedItems>>(&sent.back());
  EXPECT_TRUE(items.moves.at(0).elsewhere);
  EXPECT_EQ(items.moves.at(0).score, 1.0);
  EXPECT_EQ(items.moves.at(0).version, 5u);
}

// Else a node that begins anew would not know of those who left its regions meanwhile.
TEST_F(FeedSourceTest, AScanTellsOfWhoeverHasMovedOfLateWhereverThatIs) {
  source.note_version(limits::kFeedItemsMax + 5, now_ms);
  for (const bool is_known : {false, true}) {
    if (is_known) now_ms += limits::kLingerMs;
    const auto node = NodeId(is_known ? 3 : 2);
    source.handle(node, FeedSubscribe{feed(1), {kSelf}}, now_ms);  // it gives all regions to another one
    source.begin_scan(node, {}, now_ms);
    EXPECT_EQ((*std::get_if<std::shared_ptr<const FeedItems>>(&sent.back()))->tells_late, is_known);
    source.page(node,
                {cluster::Move{kLayer, "ada", 1.0, limits::kFeedItemsMax + 5},
                 cluster::Move{kLayer, "bob", 2.0, limits::kFeedItemsMax + 6}},
                "", now_ms);
    const auto& page = **std::get_if<std::shared_ptr<const FeedItems>>(&sent.back());
    ASSERT_EQ(page.moves.size(), is_known ? 1u : 0u);
    if (!is_known) continue;
    EXPECT_EQ(page.moves.front().member, "bob");
    EXPECT_TRUE(page.moves.front().elsewhere);
  }
}

TEST_F(FeedSourceTest, OfAsFewMembersAsOneFrameHoldsAScanTellsAll) {
  source.note_version(limits::kFeedItemsMax, now_ms);
  source.handle(kOther, FeedSubscribe{feed(1), {kSelf}}, now_ms);
  source.begin_scan(kOther, {}, now_ms);
  EXPECT_TRUE((*std::get_if<std::shared_ptr<const FeedItems>>(&sent.back()))->tells_late);
  source.page(kOther, {cluster::Move{kLayer, "ada", 1.0, 1}}, "", now_ms);
  EXPECT_EQ((*std::get_if<std::shared_ptr<const FeedItems>>(&sent.back()))->moves.size(), 1u);
}

// What was answered as accepted is not in a page before the log has it.
TEST_F(FeedSourceTest, AScanDoesNotEndBeforeWhatWasToldAheadOfItIsSettled) {
  source.handle(kOther, FeedSubscribe{feed(1), {kOther}}, now_ms);
  source.note_aheads(8, 7);
  source.begin_scan(kOther, {}, now_ms);
  source.page(kOther, {}, "", now_ms);
  ack(last_number(), 1);
  EXPECT_FALSE(source.has_read_all());
  source.note_aheads(9, 7);
  EXPECT_FALSE(source.has_read_all());
  source.note_aheads(9, 8);
  EXPECT_TRUE(source.has_read_all()) << "it has been told of the ninth since it began";
}

TEST_F(FeedSourceTest, WhoeverDoesNotLeadFeedsNobodyAndSaysSo) {
  subscribe();
  source.end();
  source.handle(kOther, FeedAck{feed(1), 1, 1}, now_ms);
  EXPECT_TRUE(is_gone());
  EXPECT_EQ(source.feeds(), 0u);
}

}  // namespace
}  // namespace earshot::actors
