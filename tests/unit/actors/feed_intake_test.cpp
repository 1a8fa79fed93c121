#include "actors/feed_intake.hpp"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr NodeId kLeader{2};
constexpr ShardId kShard{5};

class FeedIntakeTest : public testing::Test, public FeedTaker {
 protected:
  FeedIntakeTest() {
    intake.view_is({NodeId(1)}, now_ms);
    intake.leader_is(kLeader, Term(1), now_ms);
  }
  void send(ShardId, NodeId to, FeedRequest request) override {
    EXPECT_EQ(to, kLeader);
    sent.push_back(std::move(request));
  }
  void lost(ShardId) override { happened += "lost "; }
  void scan_begins(ShardId) override { happened += "begins "; }
  void scan_ends(ShardId, bool tells_late) override { happened += tells_late ? "ends, late told " : "ends "; }
  void moved(ShardId, std::vector<cluster::Move>, std::vector<cluster::ClearedLayer>) override { happened += "moved "; }
  void page(ShardId, const FeedId&, std::vector<cluster::Move>) override { happened += "page "; }
  void privacies(ShardId, const std::vector<cluster::PrivacyChange>& changes) override {
    for (const auto& [layer, privacy] : changes) happened += (privacy ? "+" : "-") + layer.text() + " ";
  }

  void gives_no_feed(ShardId, NodeId leader) override { happened += "not " + std::to_string(leader.value) + " "; }

  [[nodiscard]] FeedId feed() const {
    for (auto one = sent.rbegin(); one != sent.rend(); ++one)
      if (const auto* subscribe = std::get_if<FeedSubscribe>(&*one)) return subscribe->id;
    return {};
  }
  void take(std::uint64_t number, FeedScan scan = FeedScan::kNone, std::vector<cluster::PrivacyChange> privacies = {}) {
    FeedItems items{feed(), number, scan, {}, {}, std::move(privacies)};
    if (scan == FeedScan::kNone && items.privacies.empty())
      items.moves.push_back({LayerId::trusted("people"), "ada", 1.0, number, false, false, false});
    intake.handle(kLeader, std::make_shared<const FeedItems>(std::move(items)), now_ms);
  }
  void take_scan(std::uint64_t first = 1) {
    take(first, FeedScan::kBegins);
    take(first + 1, FeedScan::kPage);
    intake.page_taken(feed());
    take(first + 2, FeedScan::kEnds);
  }
  [[nodiscard]] std::uint64_t acked() const { return std::get<FeedAck>(sent.back()).number; }

  std::uint64_t now_ms = 20'000;
  std::vector<FeedRequest> sent;
  std::string happened;
  FeedIntake intake{kShard, std::uint64_t{3} << 32, *this};
};

TEST_F(FeedIntakeTest, TakesInWhatComesInItsOrderAndAcksIt) {
  take_scan();
  EXPECT_TRUE(intake.is_whole());
  take(4);
  EXPECT_EQ(happened, "begins page ends moved ");
  EXPECT_EQ(acked(), 4u);
}

TEST_F(FeedIntakeTest, WhatComesTwiceIsTakenInOnceAndAckedAgainAndAGapIsNotTakenIn) {
  take_scan();
  take(2, FeedScan::kPage);
  take(5);
  EXPECT_EQ(happened, "begins page ends ");
  EXPECT_EQ(acked(), 3u);
}

// It would ask a leader of the past, which gives no feed, until the next election.
TEST_F(FeedIntakeTest, NewsOfAnOlderTermThatComesLateIsNone) {
  intake.leader_is(NodeId(3), Term(0), now_ms);
  take_scan();
  EXPECT_TRUE(intake.is_whole());
}

TEST_F(FeedIntakeTest, AnotherLeaderOrTermOrViewBeginsAnewAndTheLeaseIsOver) {
  take_scan();
  intake.ask_lease(now_ms);
  intake.handle(kLeader, FeedGrant{feed(), 1, 3}, now_ms);
  EXPECT_EQ(intake.lease_until_ms(), now_ms + limits::kFeedLeaseMs);
  const FeedId before = feed();
  intake.leader_is(kLeader, Term(2), now_ms);
  EXPECT_FALSE(intake.is_whole());
  EXPECT_EQ(intake.lease_until_ms(), 0u);
  EXPECT_GT(feed().subscription, before.subscription);
  EXPECT_EQ(happened, "begins page ends lost ");
  take_scan();
  intake.view_is({NodeId(1), NodeId(2)}, now_ms);
  EXPECT_FALSE(intake.is_whole());
  EXPECT_EQ(std::get<FeedSubscribe>(sent.back()).view.size(), 2u);
}

TEST_F(FeedIntakeTest, ALeaseCountsFromTheAskingAndOnlyOnceAllBeforeItIsTakenIn) {
  take_scan();
  intake.ask_lease(now_ms);
  now_ms += 400;
  intake.handle(kLeader, FeedGrant{feed(), 1, 4}, now_ms);
  EXPECT_EQ(intake.lease_until_ms(), 0u);
  take(4);
  EXPECT_EQ(intake.lease_until_ms(), 20'000 + limits::kFeedLeaseMs);
}

TEST_F(FeedIntakeTest, AGrantThatNobodyAskedForIsNone) {
  take_scan();
  intake.handle(kLeader, FeedGrant{feed(), 1, 1}, now_ms);
  EXPECT_EQ(intake.lease_until_ms(), 0u);
}

TEST_F(FeedIntakeTest, SubscribesAgainUntilItIsFedAndSaysThatItIsThereFromThenOn) {
  const FeedId first = feed();
  now_ms += limits::kFeedAskAgainMs;
  intake.wake(now_ms);
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_EQ(feed(), first);
  take_scan();
  EXPECT_GT(intake.wake_at(), now_ms);
  EXPECT_LE(intake.wake_at(), now_ms + limits::kFeedAliveMs);
  EXPECT_EQ(intake.wake_at() % limits::kFeedAliveMs, 0u) << "with those of all other shards";
  now_ms = intake.wake_at();
  sent.clear();
  intake.wake(now_ms);
  EXPECT_EQ(acked(), 3u);
}

TEST_F(FeedIntakeTest, WhereNothingIsKnownOfItItSubscribesAnewALittleLater) {
  take_scan();
  const FeedId before = feed();
  intake.handle(kLeader, FeedGone{before}, now_ms);
  EXPECT_FALSE(intake.is_whole());
  EXPECT_EQ(feed(), before);
  now_ms = intake.wake_at();
  intake.wake(now_ms);
  EXPECT_GT(feed().subscription, before.subscription);
}

// The word of another leader may have got lost on its way here.
TEST_F(FeedIntakeTest, WhoGivesNoFeedAgainAndAgainIsDoubtedToLead) {
  take_scan();
  happened.clear();
  const auto go_without = [this](int times) {
    for (int i = 0; i < times; ++i) {
      intake.handle(kLeader, FeedGone{feed()}, now_ms);
      now_ms = intake.wake_at();
      intake.wake(now_ms);
    }
  };
  go_without(9);
  EXPECT_EQ(happened, "lost ");
  take(1, FeedScan::kBegins);
  go_without(9);
  EXPECT_EQ(happened, "lost begins ") << "it gave one in between";
  go_without(1);
  EXPECT_EQ(happened, "lost begins not 2 ");
  go_without(10);
  EXPECT_EQ(happened, "lost begins not 2 not 2 ");
}

TEST_F(FeedIntakeTest, APrivacyThatAScanDoesNotTellOfIsOver) {
  const auto privacy = [](const char* layer) {
    return cluster::PrivacyChange{LayerId::trusted(layer), LayerPrivacy()};
  };
  take(1, FeedScan::kBegins);
  take(2, FeedScan::kNone, {privacy("a"), privacy("b")});
  intake.leader_is(kLeader, Term(2), now_ms);
  take(1, FeedScan::kBegins);
  take(2, FeedScan::kNone, {privacy("b")});
  take(3, FeedScan::kEnds);
  EXPECT_EQ(happened, "begins +a +b begins +b -a ends ");
}

}  // namespace
}  // namespace earshot::actors
