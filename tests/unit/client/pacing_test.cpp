#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "client/ack_queue.hpp"

namespace earshot::client {
namespace {

TEST(AckQueue, OneCallIsUnderWayAndTheNextCarriesTheNewest) {
  AckQueue acks(DeliveryMode::kOrdered, 1, 1);
  EXPECT_FALSE(acks.next(0));
  acks.received(Sequence(1), {}, 1, 0);
  EXPECT_EQ(acks.next(0)->up_to, Sequence(1));
  acks.received(Sequence(2), {}, 1, 0);
  acks.received(Sequence(3), {}, 1, 0);
  EXPECT_FALSE(acks.next(0));
  acks.answered(true, 0, 0);
  EXPECT_EQ(acks.next(AckQueue::kIntervalMs)->up_to, Sequence(3));
  acks.answered(true, 0, 100);
  EXPECT_FALSE(acks.next(100));
}

TEST(AckQueue, OneFollowsTheOtherAfterAWhileOrWhenManyMessagesWait) {
  AckQueue acks(DeliveryMode::kOrdered, 1, 1);
  acks.received(Sequence(1), {}, 1, 1'000);
  EXPECT_TRUE(acks.next(1'000)) << "the first one at once";
  acks.answered(true, 0, 1'001);
  acks.received(Sequence(2), {}, 1, 1'002);
  EXPECT_EQ(acks.wake_at_ms(), 1'000 + AckQueue::kIntervalMs);
  EXPECT_FALSE(acks.next(1'000 + AckQueue::kIntervalMs - 1));
  EXPECT_EQ(acks.next(1'000 + AckQueue::kIntervalMs)->up_to, Sequence(2));
  acks.answered(true, 0, 1'011);
  acks.received(Sequence(3), {}, 1, 1'012);
  acks.received(Sequence(90), {}, AckQueue::kMessagesAtOnce - 1, 1'012);
  EXPECT_EQ(acks.next(1'012)->up_to, Sequence(90));
  acks.answered(true, 0, 1'013);
  acks.received(Sequence(91), {}, 1, 2'000);
  EXPECT_TRUE(acks.next(2'000)) << "after a pause at once again";
}

TEST(AckQueue, ManyMessagesDoNotCutShortTheRestAfterAFailure) {
  AckQueue acks(DeliveryMode::kOrdered, 1, 1);
  acks.received(Sequence(1), {}, 1, 0);
  EXPECT_TRUE(acks.next(0));
  acks.answered(false, 100, 0);
  acks.received(Sequence(900), {}, 10 * AckQueue::kMessagesAtOnce, 1);
  EXPECT_FALSE(acks.next(99));
  EXPECT_TRUE(acks.next(100));
}

TEST(AckQueue, AFailedAckIsMadeAgainAfterAWhile) {
  AckQueue acks(DeliveryMode::kUnordered, 1, 1);
  const std::vector above = {Sequence(7), Sequence(5)};
  acks.received(Sequence(1), above, 1, 0);
  EXPECT_EQ(acks.next(0)->above, (std::vector{Sequence(5), Sequence(7)}));
  acks.answered(false, 100, 0);
  EXPECT_FALSE(acks.next(99));
  EXPECT_EQ(acks.wake_at_ms(), 100u);
  EXPECT_EQ(acks.next(100)->above, (std::vector{Sequence(5), Sequence(7)}));
}

TEST(AckQueue, SequenceOnlyReportsByCountOrTime) {
  AckQueue acks(DeliveryMode::kSequenceOnly, 3, 1'000);
  acks.received(Sequence(1), {}, 1, 0);
  EXPECT_FALSE(acks.next(999));
  EXPECT_EQ(acks.next(1'000)->up_to, Sequence(1));
  acks.answered(true, 0, 1'000);
  acks.received(Sequence(4), {}, 3, 2'000);
  EXPECT_EQ(acks.next(2'000)->up_to, Sequence(4));
  acks.answered(true, 0, 2'000);
  acks.received(Sequence(4), {}, 0, 2'000);  // repeats are nothing to report
  EXPECT_EQ(acks.wake_at_ms(), 0u);
}

TEST(AckQueue, MoreThanOneCallMayHoldGoesWithTheNext) {
  AckQueue acks(DeliveryMode::kUnordered, 1, 1);
  std::vector<Sequence> above;
  for (std::uint64_t s = 0; s <= limits::kSelectiveAcksMax; ++s) above.emplace_back(10 + s);
  acks.received(Sequence(1), above, above.size(), 0);
  EXPECT_EQ(acks.next(0)->above.size(), limits::kSelectiveAcksMax);
  acks.answered(true, 0, 0);
  EXPECT_EQ(acks.next(0)->above, std::vector{above.back()});
  acks.answered(true, 0, 0);
  EXPECT_FALSE(acks.next(0));
}

TEST(AckQueue, ANewConnectionIsToldWhatIsBeyondTheLogin) {
  AckQueue acks(DeliveryMode::kUnordered, 1, 1);
  acks.received(Sequence(3), {}, 1, 0);
  acks.next(0);
  acks.reconnected(Sequence(3), {});
  EXPECT_FALSE(acks.next(0));
  const std::vector above = {Sequence(5)};
  acks.reconnected(Sequence(3), above);
  EXPECT_EQ(acks.next(0)->above, above);
}

TEST(AckQueue, TheLastOneWaitsForNoOtherAndForNoTime) {
  AckQueue acks(DeliveryMode::kUnordered, 1, 1);
  EXPECT_FALSE(acks.last());
  acks.received(Sequence(1), {}, 1, 0);
  EXPECT_TRUE(acks.next(0));
  EXPECT_FALSE(acks.last()) << "all is told";
  acks.received(Sequence(2), std::vector{Sequence(4)}, 2, 0);
  EXPECT_EQ(acks.last(), (AckRequest{Sequence(2), {Sequence(4)}}));
}

TEST(AckQueue, SingleSequencesAreToldInUnorderedModeAlone) {
  const std::vector above = {Sequence(5)};
  for (const DeliveryMode mode : {DeliveryMode::kOrdered, DeliveryMode::kSequenceOnly}) {
    AckQueue acks(mode, 1, 1);
    acks.reconnected(Sequence(3), above);
    EXPECT_FALSE(acks.next(0));
    acks.received(Sequence(4), above, 1, 0);
    EXPECT_EQ(acks.next(1), (AckRequest{Sequence(4), {}}));
  }
}

}  // namespace
}  // namespace earshot::client
