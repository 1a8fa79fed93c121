#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/shard_machine.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {
namespace {

class ShardMachineCursorTest : public testing::Test {
 protected:
  // Puts `count` messages into alice's mailbox.
  void fill(TestReplica& replica, std::uint64_t count) {
    for (std::uint64_t n = 1; n <= count; ++n) {
      OutgoingMessage message = outgoing(alice, ++sent_);
      message.answered_below = LaneNumber(sent_);
      ASSERT_TRUE(std::holds_alternative<Stored>(replica.send(ProducerId(5), bob, message).value));
    }
  }
  LoginCommand login(std::uint64_t producer = 0, std::uint64_t last_received = 0, std::uint64_t epoch = 1) {
    return {alice, device("phone"), ProducerId(producer), Epoch(epoch), Sequence(last_received), StartAt::kOldest};
  }

  storage::ModelDisk disk{1};
  TestReplica::OpenEnvironment open = [this] { return disk.open(); };
  UserId alice = user_in(kTestShard, 0);
  UserId bob = user_in(kTestShard, 1);
  std::uint64_t sent_ = 0;
};

TEST_F(ShardMachineCursorTest, NewDeviceStartsWhereItAsksTo) {
  TestReplica replica(open);
  fill(replica, 5);
  LoginCommand oldest = login(), newest = login();
  newest.device = device("tablet"), newest.start_at = StartAt::kNewest;
  EXPECT_EQ(replica.login(oldest)->cursor, Sequence(0));
  EXPECT_EQ(replica.login(newest)->cursor, Sequence(5));
  // Only the first login of a device decides.
  fill(replica, 1);
  EXPECT_EQ(replica.login(newest)->cursor, Sequence(5));
}

// A login that was long on its way, of a program that has died meanwhile, would end the lanes of the one that lives.
TEST_F(ShardMachineCursorTest, LoginOfAStoreThatCameAfterALaterOneChangesNothing) {
  TestReplica replica(open);
  LoginCommand late = login(), early = login();
  early.order = {77, 2}, late.order = {77, 1};
  const auto first = replica.login(early).value();
  replica.flush_and_reopen();
  EXPECT_EQ(replica.login(late).error().code, ErrorCode::kSessionReplaced);
  early.producer = first.producer, early.order.number = 3;
  EXPECT_EQ(replica.login(early)->producer, first.producer);
  EXPECT_FALSE(replica.login(early)->new_producer) << "the same one again is not late";
}

// Between nodes a request may come twice, or be asked again because its answer was lost: whoever has the first answer
// must not find its producer forgotten.
TEST_F(ShardMachineCursorTest, ALoginThatComesAgainGetsItsProducerAgain) {
  TestReplica replica(open);
  LoginCommand command = login();
  command.order = {77, 2};
  const auto first = replica.login(command).value();
  replica.flush_and_reopen();
  const auto again = replica.login(command).value();
  EXPECT_EQ(again.producer, first.producer);
  EXPECT_TRUE(again.new_producer) << "as it was told the first time";
  command.order.number = 3;
  EXPECT_NE(replica.login(command)->producer, first.producer) << "another login, which knows of none";
}

TEST_F(ShardMachineCursorTest, LoginsOfDifferentStoresOrOfNoneAreTakenAsTheyCome) {
  TestReplica replica(open);
  LoginCommand command = login();
  for (const LoginOrder& order : {LoginOrder{77, UINT64_MAX}, {78, 1}, {77, 1}, {0, 9}, {0, 1}, {77, 0}}) {
    command.order = order;
    EXPECT_TRUE(replica.login(command).has_value()) << order.store << " " << order.number;
  }
}

TEST_F(ShardMachineCursorTest, ProducerIsKeptOnlyByWhoKnowsIt) {
  TestReplica replica(open);
  const auto first = replica.login(login()).value();
  EXPECT_TRUE(first.new_producer);
  EXPECT_EQ(first.producer, ProducerId((1u << 16) | kTestShard.value));
  replica.flush_and_reopen();
  const auto again = replica.login(login(first.producer.value)).value();
  EXPECT_FALSE(again.new_producer);
  EXPECT_EQ(again.producer, first.producer);
  // A device that lost its own state, or a clone of an older one.
  const auto lost = replica.login(login(0)).value();
  EXPECT_TRUE(lost.new_producer);
  EXPECT_NE(lost.producer, first.producer);
  const auto stale = replica.login(login(first.producer.value)).value();
  EXPECT_TRUE(stale.new_producer);
  EXPECT_NE(stale.producer, lost.producer);
  EXPECT_NE(stale.producer, first.producer);
}

TEST_F(ShardMachineCursorTest, LoginReportsWhatTheDeviceHasStored) {
  TestReplica replica(open);
  fill(replica, 5);
  const auto first = replica.login(login(0, 3)).value();
  EXPECT_EQ(first.cursor, Sequence(3));
  EXPECT_EQ(replica.login(login(0, 4, /*epoch=*/9))->cursor, Sequence(3)) << "numbers of another life mean nothing";
  EXPECT_EQ(replica.login(login(0, 4, /*epoch=*/0))->cursor, Sequence(3));
  const auto beyond = replica.login(login(0, 99)).value();
  EXPECT_EQ(beyond.cursor, Sequence(5));
  EXPECT_EQ(beyond.restored_up_to, Sequence(5));
  EXPECT_EQ(beyond.last_sequence, Sequence(5));
}

TEST_F(ShardMachineCursorTest, CursorNeverGoesBack) {
  TestReplica replica(open);
  fill(replica, 5);
  ASSERT_TRUE(replica.login(login()).has_value());
  EXPECT_EQ(replica.ack(alice, 4), Sequence(4));
  EXPECT_EQ(replica.ack(alice, 2), Sequence(4));
  EXPECT_EQ(replica.login(login(0, 1))->cursor, Sequence(4));
  replica.flush_and_reopen();
  EXPECT_EQ(replica.ack(alice, 0), Sequence(4));
}

TEST_F(ShardMachineCursorTest, CursorNeverPassesTheLastSequence) {
  TestReplica replica(open);
  fill(replica, 5);
  ASSERT_TRUE(replica.login(login()).has_value());
  const auto beyond = replica.ack(alice, 6);
  ASSERT_FALSE(beyond.has_value());
  EXPECT_EQ(beyond.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(beyond.error().field, "upTo");
  EXPECT_THAT(beyond.error().detail, testing::HasSubstr("5"));
  EXPECT_EQ(replica.ack(alice, 0, {7, 9}), Sequence(0));
  fill(replica, 2);
  EXPECT_EQ(replica.ack(alice, 6), Sequence(6)) << "an ack of 7 before there was a 7 must not count";
}

TEST_F(ShardMachineCursorTest, AckOfAnUnknownDeviceIsNotFound) {
  TestReplica replica(open);
  fill(replica, 1);
  const auto ack = replica.ack(alice, 1);
  ASSERT_FALSE(ack.has_value());
  EXPECT_EQ(ack.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ack.error().field, "device");
}

TEST_F(ShardMachineCursorTest, SelectiveAcksFoldIntoTheCursor) {
  TestReplica replica(open);
  fill(replica, 10);
  ASSERT_TRUE(replica.login(login()).has_value());
  EXPECT_EQ(replica.ack(alice, 1, {9, 3, 4, 3}), Sequence(1));
  replica.flush_and_reopen();
  EXPECT_EQ(replica.ack(alice, 0, {6}), Sequence(1));
  EXPECT_EQ(replica.ack(alice, 2), Sequence(4));
  EXPECT_EQ(replica.ack(alice, 0, {5}), Sequence(6));
  EXPECT_EQ(replica.login(login(0, 8))->cursor, Sequence(9)) << "what the device reports folds as well";
}

TEST_F(ShardMachineCursorTest, TooManySelectiveAcksChangeNothing) {
  MachineLimits limits;
  limits.selective_acks_max = 3;
  TestReplica replica(open, limits);
  fill(replica, 20);
  ASSERT_TRUE(replica.login(login()).has_value());
  EXPECT_EQ(replica.ack(alice, 0, {4, 6, 8}), Sequence(0));
  const auto ack = replica.ack(alice, 2, {10});
  ASSERT_FALSE(ack.has_value());
  EXPECT_EQ(ack.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(ack.error().field, "above");
  EXPECT_EQ(replica.ack(alice, 0), Sequence(0));
  // Those that fold do not count against the bound.
  EXPECT_EQ(replica.ack(alice, 3, {10}), Sequence(4));
}

TEST_F(ShardMachineCursorTest, DevicesOfAUserAreBounded) {
  MachineLimits limits;
  limits.devices_per_user_max = 2;
  TestReplica replica(open, limits);
  LoginCommand phone = login(), tablet = login(), watch = login();
  tablet.device = device("tablet"), watch.device = device("watch");
  EXPECT_TRUE(replica.login(phone).has_value());
  EXPECT_TRUE(replica.login(tablet).has_value());
  replica.flush_and_reopen();
  const auto third = replica.login(watch);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(third.error().field, "device");
  EXPECT_TRUE(replica.login(phone).has_value()) << "a known device is not a new one";
}

}  // namespace
}  // namespace earshot::cluster
