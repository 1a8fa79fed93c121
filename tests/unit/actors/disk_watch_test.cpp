// What the room on the disk means to the node.
#include "actors/disk_watch.hpp"

#include <gtest/gtest.h>

#include "storage/model_environment.hpp"
#include "tests/support/model_disk_space.hpp"

namespace earshot::actors {
namespace {

class DiskWatchTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kReserve = 1'000;
  static constexpr std::uint64_t kResume = kReserve + kReserve / 4;
  static constexpr std::uint64_t kBallast = 100;
  // No transaction takes so much.
  static constexpr std::uint64_t kPlenty = limits::kDiskReserveBytesDefault;

  void put_log(std::size_t bytes) {
    auto writer = std::move(log->begin_write().value());
    ASSERT_TRUE(writer->put(0, "key", std::string(bytes, 'x')));
    ASSERT_TRUE(writer->commit());
  }
  void look_later() {
    clock.advance(1'000);
    watch.look();
  }

  ManualClock clock;
  storage::ModelDisk disk{1};
  std::unique_ptr<storage::Environment> log = disk.open();
  tests::ModelDiskSpace space{100'000, kBallast};
  NodeBudgets budgets;
  DiskWatch watch{DiskWatch::Options{.reserve_bytes = kReserve, .log_bytes_max = 20'000}, space, *log, budgets, clock};
};

TEST_F(DiskWatchTest, SendsStopBelowTheReserveAndResumeWellAboveIt) {
  watch.look();
  EXPECT_TRUE(space.has_ballast());
  space.free = kReserve - kBallast;
  watch.look();
  EXPECT_FALSE(budgets.disk.is_tight()) << "exactly the reserve, the ballast counted";
  space.free -= 1;
  watch.look();
  EXPECT_TRUE(budgets.disk.is_tight());
  EXPECT_TRUE(budgets.disk.wants_flush()) << "so that logs can be cut";
  EXPECT_FALSE(budgets.disk.is_full());
  space.free = kResume - kBallast - 1;
  watch.look();
  EXPECT_TRUE(budgets.disk.is_tight()) << "not for every message another answer";
  space.free += 1;
  watch.look();
  EXPECT_FALSE(budgets.disk.is_tight());
  EXPECT_FALSE(budgets.disk.wants_flush());
}

TEST_F(DiskWatchTest, WhatIsLetInAndNotYetOnTheDiskCountsAsTaken) {
  watch.look();
  space.free = kReserve - kBallast + 500;
  budgets.admitted.take(200);  // in the log, and then in the state
  budgets.overlay.take(100);
  watch.look();
  EXPECT_FALSE(budgets.disk.is_tight());
  budgets.overlay.take(1);
  watch.look();
  EXPECT_TRUE(budgets.disk.is_tight());
  budgets.admitted.take(1'000'000);  // more than there is: no wrapping around
  watch.look();
  EXPECT_TRUE(budgets.disk.is_tight());
}

TEST_F(DiskWatchTest, WhatIsLetInBetweenTwoLooksFindsItsRoomToo) {
  EXPECT_TRUE(budgets.has_disk_room()) << "nobody has looked";
  watch.look();
  space.free = kReserve - kBallast + 500;
  watch.look();
  budgets.admitted.take(250);
  EXPECT_TRUE(budgets.has_disk_room());
  budgets.overlay.take(1);
  EXPECT_FALSE(budgets.has_disk_room()) << "the next look is up to 2 ms away";
  EXPECT_FALSE(budgets.disk.is_tight());
  budgets.overlay.give_back(1);
  EXPECT_TRUE(budgets.has_disk_room());
  space.free = 0;
  watch.look();
  EXPECT_FALSE(budgets.has_disk_room());
}

TEST_F(DiskWatchTest, BallastIsGivenUpOnceAndMadeAgainWhenThereIsRoom) {
  watch.look();
  space.free = 0;
  watch.look();
  EXPECT_TRUE(watch.ran_full());
  EXPECT_EQ(space.free, kBallast);
  EXPECT_FALSE(watch.ran_full()) << "there is nothing left to give";
  space.free = 10 * kReserve;
  budgets.disk.set_log_full(true);
  watch.look();
  EXPECT_FALSE(space.has_ballast()) << "not while a write still waits for room";
  budgets.disk.set_log_full(false);
  watch.look();
  EXPECT_TRUE(space.has_ballast());
  EXPECT_EQ(space.free, 10 * kReserve - kBallast);
}

TEST_F(DiskWatchTest, NoBallastIsMadeOnATightDisk) {
  space.free = kReserve - 1;
  watch.look();
  EXPECT_FALSE(space.has_ballast());
  EXPECT_EQ(space.free, kReserve - 1);
}

TEST_F(DiskWatchTest, BallastThatDoesNotFitIsMadeOnceThereIsRoom) {
  tests::ModelDiskSpace crowded(100'000, 5'000);
  DiskWatch other(DiskWatch::Options{.reserve_bytes = kReserve, .log_bytes_max = 20'000}, crowded, *log, budgets,
                  clock);
  crowded.free = 4'000;
  other.look();
  EXPECT_FALSE(budgets.disk.is_tight());
  EXPECT_FALSE(crowded.has_ballast());
  crowded.free = 7'000;
  other.look();
  EXPECT_TRUE(crowded.has_ballast());
}

TEST_F(DiskWatchTest, BallastThatCannotBeMadeIsNotTriedWithEveryCommit) {
  space.has_quota = true;
  for (int commit = 0; commit < 100; ++commit) watch.look();
  EXPECT_EQ(space.ballasts_tried, 1);
  clock.advance(limits::kDiskLookMs - 1);
  watch.look();
  EXPECT_EQ(space.ballasts_tried, 1);
  clock.advance(1);
  watch.look();
  EXPECT_EQ(space.ballasts_tried, 2);
  space.has_quota = false;
  clock.advance(limits::kDiskLookMs);
  watch.look();
  EXPECT_TRUE(space.has_ballast());
  space.free = 0;
  EXPECT_TRUE(watch.ran_full());
  space.free = 10 * kReserve;
  watch.look();
  EXPECT_TRUE(space.has_ballast()) << "at once: the last try was not in vain";
}

// A quota: the file system promises room that is not to be had.
TEST_F(DiskWatchTest, PromiseThatWasNotKeptIsNotBelievedUntilABallastFits) {
  watch.look();
  space.has_quota = true;
  space.free = kPlenty;
  EXPECT_TRUE(watch.ran_full());
  watch.look();
  EXPECT_TRUE(budgets.disk.is_tight()) << "sends are refused, so that what the ballast gave is left for cuts";
  EXPECT_FALSE(space.has_ballast());
  EXPECT_EQ(space.ballasts_tried, 1) << "not at once: it would take the room again that the writes need";
  clock.advance(DiskWatch::kPromiseTestedMs);
  watch.look();
  EXPECT_EQ(space.ballasts_tried, 2);
  EXPECT_TRUE(budgets.disk.is_tight());
  space.has_quota = false;
  clock.advance(limits::kDiskLookMs);
  watch.look();
  EXPECT_TRUE(space.has_ballast());
  watch.look();
  EXPECT_FALSE(budgets.disk.is_tight());
}

// However small the reserve is: the write may have been larger than what is free, or others have made room since.
TEST_F(DiskWatchTest, WriteThatMayHaveMetTheEndOfTheRoomBreaksNoPromise) {
  watch.look();
  space.free = kPlenty - kBallast - 1;
  EXPECT_TRUE(watch.ran_full());
  watch.look();
  EXPECT_FALSE(budgets.disk.is_tight()) << "messages are taken again from the reserve on, not from a ballast on";
  EXPECT_TRUE(space.has_ballast()) << "at once";
}

TEST_F(DiskWatchTest, EachBrokenPromiseIsWaitedForAnew) {
  watch.look();
  space.free = kPlenty;
  EXPECT_TRUE(watch.ran_full());
  clock.advance(DiskWatch::kPromiseTestedMs - 1);
  EXPECT_FALSE(watch.ran_full());
  clock.advance(1);
  watch.look();
  EXPECT_FALSE(space.has_ballast());
  clock.advance(DiskWatch::kPromiseTestedMs - 1);
  watch.look();
  EXPECT_TRUE(space.has_ballast());
}

// On a small disk with a small reserve the ballast is the larger of the two.
TEST_F(DiskWatchTest, BallastLargerThanTheReserveLeavesTheReserveFree) {
  tests::ModelDiskSpace small(100'000, 8 * kReserve);
  DiskWatch narrow(DiskWatch::Options{.reserve_bytes = kReserve, .log_bytes_max = 20'000}, small, *log, budgets, clock);
  small.free = 8 * kReserve + kReserve / 2 - 1;
  narrow.look();
  EXPECT_EQ(small.ballasts_tried, 0) << "it would fit, but nothing beside it";
  EXPECT_FALSE(budgets.disk.is_tight());
  small.free += 1;
  narrow.look();
  EXPECT_TRUE(small.has_ballast());
  EXPECT_FALSE(budgets.disk.is_tight()) << "making it does not stop the sends";
  small.free -= 1;
  narrow.look();
  EXPECT_TRUE(budgets.disk.is_tight()) << "a ballast is no room to write messages to";
}

TEST_F(DiskWatchTest, DiskThatDoesNotAnswerChangesNothing) {
  space.free = kReserve - 1;
  watch.look();
  space.is_lost = true;
  space.free = 10 * kReserve;
  watch.look();
  EXPECT_TRUE(budgets.disk.is_tight());
  space.is_lost = false;
  watch.look();
  EXPECT_FALSE(budgets.disk.is_tight());
}

TEST_F(DiskWatchTest, LongLogIsFlushedThoughTheDiskHasRoom) {
  put_log(20'000 - std::string("key").size() - 1);
  watch.look();
  EXPECT_FALSE(budgets.disk.wants_flush());
  put_log(20'000 - std::string("key").size());
  clock.advance(99);
  watch.look();
  EXPECT_FALSE(budgets.disk.wants_flush()) << "its length costs a walk over LMDB's pages: not with every commit";
  clock.advance(1);
  watch.look();
  EXPECT_TRUE(budgets.disk.wants_flush());
  EXPECT_FALSE(budgets.disk.is_tight());
  put_log(10);
  look_later();
  EXPECT_FALSE(budgets.disk.wants_flush());
}

TEST_F(DiskWatchTest, SmallDiskAllowsOnlyAShortLog) {
  tests::ModelDiskSpace small(8'000, kBallast);
  DiskWatch narrow(DiskWatch::Options{.reserve_bytes = kReserve, .log_bytes_max = 20'000}, small, *log, budgets, clock);
  put_log(8'000 / limits::kNodeLogPartOfDisk - 10);
  narrow.look();
  EXPECT_FALSE(budgets.disk.wants_flush());
  put_log(8'000 / limits::kNodeLogPartOfDisk);
  clock.advance(1'000);
  narrow.look();
  EXPECT_TRUE(budgets.disk.wants_flush());
}

}  // namespace
}  // namespace earshot::actors
