#include "actors/route.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "tests/support/shard_ports.hpp"

namespace earshot::actors {
namespace {

constexpr ShardId kShard{3};
constexpr NodeId kSelf{1}, kOther{2}, kThird{3};

// The shard on this node, which writes down whose fetches it was asked for.
class LocalShard final : public tests::DeafShard {
 public:
  using DeafShard::post;
  void post(ShardFetch message) override { fetches.push_back(message.request); }
  std::vector<RequestId> fetches;
};

struct Calls final : CallDesk {
  bool call(NodeId to, ShardId, ShardRequest& request, std::uint8_t hops) override {
    if (!connected) return false;
    made.emplace_back(to, std::get<ShardFetch>(request).request);
    hops_of_last = hops;
    if (while_calling) std::exchange(while_calling, nullptr)();
    return true;
  }
  bool connected = true;
  std::vector<std::pair<NodeId, RequestId>> made;
  std::uint8_t hops_of_last = 0;
  std::function<void()> while_calling;
};

class RouteTest : public testing::Test {
 protected:
  ShardFetch fetch(RequestId request) { return ShardFetch{session_, request, UserId::trusted("anna"), {}, 1, 1}; }

  ManualClock clock_;
  Calls calls_;
  std::shared_ptr<LocalShard> local_ = std::make_shared<LocalShard>();
  std::shared_ptr<tests::RecordingSession> session_ = std::make_shared<tests::RecordingSession>();
  Route route_{kShard, kSelf, local_, calls_, clock_};
};

TEST_F(RouteTest, WhatTheLeaderHereIsAskedGoesStraightToIt) {
  route_.set_leader({kSelf, Term(1)});
  route_.post(fetch(7));
  EXPECT_EQ(local_->fetches, std::vector<RequestId>{7});
}

TEST_F(RouteTest, AnotherNodeIsCalledWhileItLeads) {
  route_.set_leader({kOther, Term(1)});
  route_.post(fetch(7));
  EXPECT_EQ(calls_.made, (std::vector<std::pair<NodeId, RequestId>>{{kOther, 7}}));
}

TEST_F(RouteTest, RequestsWaitInTheirOrderWhileNobodyLeads) {
  route_.post(fetch(1));
  route_.post(fetch(2));
  EXPECT_EQ(route_.held(), 2u);
  route_.set_leader({kSelf, Term(4)});
  EXPECT_EQ(route_.held(), 2u) << "until calls to the leader before it are given up";
  route_.try_again();
  EXPECT_EQ(local_->fetches, (std::vector<RequestId>{1, 2}));
  EXPECT_EQ(route_.held(), 0u);
}

TEST_F(RouteTest, WhatWaitsIsLetGoOfWhenTheNodeHasEnded) {
  const std::weak_ptr asker(session_);
  route_.post(fetch(1));
  session_.reset();
  ASSERT_FALSE(asker.expired());
  route_.forget();
  EXPECT_TRUE(asker.expired());
  EXPECT_EQ(route_.held(), 0u);
}

TEST_F(RouteTest, NothingPassesWhatWaits) {
  route_.post(fetch(1));
  route_.set_leader({kSelf, Term(4)});
  route_.post(fetch(2));
  EXPECT_TRUE(local_->fetches.empty()) << "1 has not gone yet";
  route_.try_again();
  EXPECT_EQ(local_->fetches, (std::vector<RequestId>{1, 2}));
  route_.post(fetch(3));
  EXPECT_EQ(local_->fetches, (std::vector<RequestId>{1, 2, 3}));
}

// What is asked while something that waited goes out: by whoever is told of it, or by another thread.
TEST_F(RouteTest, NothingPassesWhatIsGoingOut) {
  calls_.while_calling = [this] { route_.post(fetch(3)); };
  route_.post(fetch(1));
  route_.post(fetch(2));
  route_.set_leader({kOther, Term(1)});
  route_.try_again();
  EXPECT_EQ(calls_.made, (std::vector<std::pair<NodeId, RequestId>>{{kOther, 1}, {kOther, 2}, {kOther, 3}}));
}

TEST_F(RouteTest, ALeaderThatChangesWhileRequestsGoOutGetsTheRest) {
  calls_.while_calling = [this] {
    route_.set_leader({kThird, Term(2)});
    route_.try_again();
  };
  route_.post(fetch(1));
  route_.post(fetch(2));
  route_.set_leader({kOther, Term(1)});
  route_.try_again();
  EXPECT_EQ(calls_.made, (std::vector<std::pair<NodeId, RequestId>>{{kOther, 1}, {kThird, 2}}));
}

TEST_F(RouteTest, WaitsForAConnectionToTheLeader) {
  calls_.connected = false;
  route_.set_leader({kOther, Term(1)});
  route_.post(fetch(7));
  EXPECT_EQ(route_.held(), 1u);
  calls_.connected = true;
  route_.try_again();
  EXPECT_EQ(calls_.made.size(), 1u);
}

TEST_F(RouteTest, ALeaderOfAnOlderTermIsNoNews) {
  EXPECT_TRUE(route_.set_leader({kOther, Term(5)}));
  EXPECT_FALSE(route_.set_leader({kThird, Term(4)}));
  EXPECT_FALSE(route_.set_leader({kOther, Term(5)}));
  EXPECT_EQ(route_.leader().node, kOther);
}

// It has led all the time: what was asked of it is under way, and who registered with it is registered.
TEST_F(RouteTest, ALeaderThatIsFoundAgainInItsTermIsNoNews) {
  route_.set_leader({kOther, Term(5)});
  EXPECT_FALSE(route_.set_leader({NodeId(), Term(5)})) << "that nobody leads brings nobody to register";
  EXPECT_FALSE(route_.set_leader({kOther, Term(5)}));
  EXPECT_EQ(route_.leader().node, kOther);
}

TEST_F(RouteTest, ALeaderThatSaidThatItIsNoneIsBelievedAgainInItsTerm) {
  route_.set_leader({kOther, Term(5)});
  route_.not_led_by(kThird);
  EXPECT_EQ(route_.leader().node, kOther) << "it was not taken for the leader";
  route_.not_led_by(kOther);
  EXPECT_EQ(route_.leader(), (Route::Leader{NodeId(), Term(5)}));
  route_.post(fetch(7));
  EXPECT_EQ(route_.held(), 1u);
  EXPECT_FALSE(route_.set_leader({kOther, Term(5)}));
  EXPECT_EQ(route_.leader(), (Route::Leader{kOther, Term(5)}));
  route_.try_again();
  EXPECT_EQ(calls_.made, (std::vector<std::pair<NodeId, RequestId>>{{kOther, 7}}));
}

TEST_F(RouteTest, ALeaderThatIsElectedAgainIsNews) {
  route_.set_leader({kOther, Term(5)});
  route_.not_led_by(kOther);
  EXPECT_TRUE(route_.set_leader({kOther, Term(6)}));
  route_.not_led_by(kOther);
  EXPECT_FALSE(route_.set_leader({NodeId(), Term(7)}));
  EXPECT_TRUE(route_.set_leader({kOther, Term(7)})) << "whom the term before had is another matter";
}

TEST_F(RouteTest, WhatALocalShardGivesBackWaitsForAnotherLeader) {
  route_.set_leader({kSelf, Term(1)});
  route_.given_back(fetch(7), 0);
  EXPECT_EQ(route_.held(), 1u) << "and is not given to the same shard again";
  route_.set_leader({kOther, Term(2)});
  route_.try_again();
  EXPECT_EQ(calls_.made.size(), 1u);
}

TEST_F(RouteTest, WhatWasPassedOnTooOftenIsRefused) {
  route_.set_leader({kOther, Term(1)});
  route_.given_back(fetch(7), 3);
  EXPECT_TRUE(calls_.made.empty());
  ASSERT_EQ(session_->fetches.size(), 1u);
  EXPECT_EQ(session_->fetches[0].batch.error().code, ErrorCode::kUnavailable);
}

TEST_F(RouteTest, WhatIsPassedOnIsCounted) {
  route_.set_leader({kOther, Term(1)});
  route_.given_back(fetch(7), 1);
  EXPECT_EQ(calls_.hops_of_last, 1);
}

TEST_F(RouteTest, WhoeverWaitsLongerThanRequestsMayIsTold) {
  route_.post(fetch(7));
  clock_.advance(limits::kRequestTimeoutMs + 1);
  route_.try_again();
  EXPECT_EQ(route_.held(), 0u);
  ASSERT_EQ(session_->fetches.size(), 1u);
  EXPECT_EQ(session_->fetches[0].batch.error().code, ErrorCode::kDeadlineExceeded);
}

TEST_F(RouteTest, MoreThanMayWaitIsRefusedAsOverloaded) {
  for (RequestId request = 0; request <= limits::kRouteHeldMax; ++request) route_.post(fetch(request));
  EXPECT_EQ(route_.held(), limits::kRouteHeldMax);
  ASSERT_EQ(session_->fetches.size(), 1u);
  EXPECT_EQ(session_->fetches[0].batch.error().code, ErrorCode::kOverloaded);
}

TEST_F(RouteTest, MoreBytesThanMayWaitAreRefusedAsOverloaded) {
  SendCommand command{ProducerId(7), UserId::trusted("anna"), tests::device("phone"), {}};
  command.items.push_back(
      SendItem{tests::outgoing(UserId::trusted("bert"), 1, std::string(limits::kBodyBytesMax, 'x')), std::nullopt});
  for (std::size_t bytes = 0; bytes <= limits::kRouteHeldBytesMax; bytes += limits::kBodyBytesMax)
    route_.post(ShardSend{session_, 1, command});
  EXPECT_EQ(session_->held(), ErrorCode::kOverloaded);
  EXPECT_LT(route_.held(), limits::kRouteHeldBytesMax / limits::kBodyBytesMax + 1);
}

}  // namespace
}  // namespace earshot::actors
