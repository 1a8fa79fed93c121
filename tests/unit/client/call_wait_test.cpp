#include "client/call_wait.hpp"

#include <gtest/gtest.h>

namespace earshot::client {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAheadMax = CallWait::kAheadOfAnswerBytesMax;

// A call of a few bytes, made at 0, that is seen at the server at 1'000, when 100 bytes have come from there.
CallWait taken_call() {
  CallWait wait(0, LineProgress{0, 1, {0, 100, 0}});
  wait.look(1'000, LineProgress{1, 0, {50, 100, 0}});
  return wait;
}

TEST(CallWait, RunsFromTheCallWhileNothingMoves) {
  CallWait wait(100, LineProgress{7, 1, {50, 70, kMiB}});
  wait.look(5'000, LineProgress{7, 1, {50, 70, kMiB}});
  EXPECT_EQ(wait.since_ms(), 100u);
}

TEST(CallWait, BytesThatThePeerTakesBeginItAnewUntilItHasTheCall) {
  CallWait wait(0, LineProgress{7, 2, {1'000, 0, kMiB}});
  wait.look(10'000, LineProgress{8, 1, {2 * kMiB, 0, kMiB}});
  EXPECT_EQ(wait.since_ms(), 10'000u) << "slow, but it gets on";
  wait.look(20'000, LineProgress{9, 1, {3 * kMiB, 0, kMiB}});
  wait.look(30'000, LineProgress{9, 1, {4 * kMiB - 1, 0, kMiB}});
  EXPECT_EQ(wait.since_ms(), 30'000u) << "written, but not taken";
  wait.look(40'000, LineProgress{9, 1, {4 * kMiB, 0, kMiB}});
  EXPECT_EQ(wait.since_ms(), 40'000u);
  wait.look(50'000, LineProgress{10, 1, {5 * kMiB, 0, kMiB}});
  EXPECT_EQ(wait.since_ms(), 40'000u) << "that was a later call";
}

TEST(CallWait, AnEmptyQueueHoldsNoCall) {
  CallWait wait(0, LineProgress{8, 1, {0, 0, 100}});  // its predecessor is counted twice for a moment
  wait.look(1'000, LineProgress{8, 0, {100, 0, 0}});
  wait.look(2'000, LineProgress{8, 0, {200, 0, 0}});
  EXPECT_EQ(wait.since_ms(), 1'000u) << "it was taken";
}

TEST(CallWait, BytesOfALargeAnswerBeginItAnew) {
  CallWait wait = taken_call();
  EXPECT_EQ(wait.since_ms(), 1'000u);
  wait.look(15'000, LineProgress{1, 0, {50, 101, 0}});
  EXPECT_EQ(wait.since_ms(), 15'000u);
  wait.look(29'000, LineProgress{1, 0, {50, kMiB, 0}});
  EXPECT_EQ(wait.since_ms(), 29'000u);
  wait.look(44'000, LineProgress{1, 0, {50, kMiB, 0}});
  EXPECT_EQ(wait.since_ms(), 29'000u);
}

TEST(CallWait, AServerThatDeliversMoreThanCanBeAheadOfTheAnswerDoesNotAnswer) {
  CallWait wait = taken_call();
  wait.look(2'000, LineProgress{1, 0, {50, 100 + kAheadMax - 1, 0}});
  wait.look(3'000, LineProgress{1, 0, {50, 100 + kAheadMax, 0}});
  wait.look(4'000, LineProgress{1, 0, {50, 100 + kAheadMax + 1, 0}});
  wait.look(5'000, LineProgress{1, 0, {50, 100 + 2 * kAheadMax, 0}});
  EXPECT_EQ(wait.since_ms(), 3'000u);
}

TEST(CallWait, WhatCameInWhileTheCallWasOnItsWayIsNotAheadOfItsAnswer) {
  CallWait wait(0, LineProgress{0, 1, {0, 0, 0}});
  wait.look(1'000, LineProgress{0, 1, {0, 10 * kAheadMax, 0}});
  wait.look(2'000, LineProgress{1, 0, {50, 10 * kAheadMax, 0}});
  wait.look(3'000, LineProgress{1, 0, {50, 10 * kAheadMax + 1, 0}});
  EXPECT_EQ(wait.since_ms(), 3'000u);
}

// The server reads on, and its answer to this one need not have been among what it had queued: but it comes soon.
TEST(CallWait, AfterAnAnswerToACallMadeATimeoutLaterOnlyAnswersMayBeAhead) {
  constexpr std::uint64_t kAnswersMax = CallWait::kAnswersBytesMax;
  for (const bool is_overtaken : {false, true}) {
    CallWait wait(0, LineProgress{0, 1, {0, 0, 0}});
    wait.answered(1'000, 100'000, 15'000);  // it is still on its way: that says nothing
    wait.look(2'000, LineProgress{1, 0, {50, 0, 0}});
    wait.answered(17'000, is_overtaken ? 17'000 : 16'999, 15'000);
    wait.look(18'000, LineProgress{1, 0, {50, kAnswersMax - 1, 0}});
    wait.look(19'000, LineProgress{1, 0, {50, kAnswersMax, 0}});
    EXPECT_EQ(wait.since_ms(), 19'000u);
    wait.answered(20'000, 20'000, 15'000);  // again: not so many anew
    wait.look(20'000, LineProgress{1, 0, {50, kAnswersMax + 1, 0}});
    EXPECT_EQ(wait.since_ms(), is_overtaken ? 19'000u : 20'000u);
  }
}

TEST(CallWait, ATrickleAfterThatIsNoAnswer) {
  CallWait wait(0, LineProgress{0, 1, {0, 0, 0}});
  wait.look(2'000, LineProgress{1, 0, {50, 0, 0}});
  wait.answered(20'000, 17'000, 15'000);
  constexpr std::uint64_t kEndMs = 20'000 + CallWait::kOvertakenTimeouts * 15'000;
  std::uint64_t received = 0;
  for (std::uint64_t now = 21'000; now < 2 * kEndMs; now += 1'000) {
    wait.look(now, LineProgress{1, 0, {50, ++received, 0}});
    wait.answered(now, now, 15'000);
  }
  EXPECT_EQ(wait.since_ms(), kEndMs);
}

TEST(CallWait, WithoutASocketOnlyTheTimeCounts) {
  CallWait before_the_session(0, std::nullopt);
  before_the_session.look(1'000, LineProgress{1, 0, {1, 1, 0}});
  EXPECT_EQ(before_the_session.since_ms(), 0u);
  CallWait wait(0, LineProgress{0, 1, {0, 0, 0}});
  wait.look(1'000, std::nullopt);
  EXPECT_EQ(wait.since_ms(), 0u);
}

}  // namespace
}  // namespace earshot::client
