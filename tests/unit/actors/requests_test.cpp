#include "actors/requests.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kTimeoutMs = 10'000;

TEST(Requests, ARequestThatIsPutOffIsAskedAgainWithBackoffUntilItsOwnDeadline) {
  Requests requests(kTimeoutMs);
  Random random(1);
  const std::uint64_t begin_ms = 5'000;
  std::uint64_t now_ms = begin_ms;
  RequestId id = requests.open(RequestKind::kAck, now_ms);
  now_ms += 3'000;  // the leader went over it, not at once
  std::uint64_t full_ms = limits::kAskAgainFirstMs;
  int repeats = 0;
  while (true) {
    ASSERT_TRUE(requests.put_off(id, RequestKind::kAck, now_ms, random));
    EXPECT_FALSE(requests.next_again(now_ms)) << "not in a busy loop";
    const std::uint64_t wake_ms = requests.wake_at();
    if (wake_ms == begin_ms + kTimeoutMs) break;
    EXPECT_GE(wake_ms - now_ms, full_ms / 2);
    EXPECT_LE(wake_ms - now_ms, full_ms);
    full_ms = std::min<std::uint64_t>(2 * full_ms, limits::kAskAgainMaxMs);
    now_ms = wake_ms;
    const auto again = requests.next_again(now_ms);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->was, id);
    EXPECT_NE(again->id, id);
    EXPECT_EQ(again->kind, RequestKind::kAck);
    id = again->id;
    ASSERT_LT(++repeats, 60);
  }
  EXPECT_GT(repeats, 10);
  EXPECT_FALSE(requests.expire(begin_ms + kTimeoutMs - 1));
  const auto expired = requests.expire(begin_ms + kTimeoutMs);
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->id, id);
  EXPECT_EQ(requests.wake_at(), 0u);
}

TEST(Requests, WhatIsAskedAgainIsAnsweredUnderItsNewIdOnly) {
  Requests requests(kTimeoutMs);
  Random random(1);
  const RequestId first = requests.open(RequestKind::kLogin, 0);
  ASSERT_TRUE(requests.put_off(first, RequestKind::kLogin, 0, random));
  EXPECT_FALSE(requests.close(first, RequestKind::kLogin)) << "the answer came after it was given up";
  EXPECT_FALSE(requests.put_off(first, RequestKind::kLogin, 0, random)) << "the refusal came twice";
  const auto again = requests.next_again(limits::kAskAgainFirstMs);
  ASSERT_TRUE(again);
  EXPECT_FALSE(requests.close(first, RequestKind::kLogin));
  EXPECT_FALSE(requests.close(again->id, RequestKind::kAck)) << "of another kind";
  EXPECT_TRUE(requests.close(again->id, RequestKind::kLogin));
  EXPECT_FALSE(requests.close(again->id, RequestKind::kLogin));
  EXPECT_EQ(requests.wake_at(), 0u);
}

TEST(Requests, ARepeatThatIsUnderWayExpiresAtTheFirstDeadlineThoughLaterOnesAreOpen) {
  Requests requests(kTimeoutMs);
  Random random(1);
  const RequestId first = requests.open(RequestKind::kRead, 0);
  ASSERT_TRUE(requests.put_off(first, RequestKind::kRead, 0, random));
  const RequestId later = requests.open(RequestKind::kSend, 100);
  const auto again = requests.next_again(100);
  ASSERT_TRUE(again);
  EXPECT_EQ(requests.wake_at(), kTimeoutMs);
  const auto expired = requests.expire(kTimeoutMs);
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->id, again->id);
  EXPECT_FALSE(requests.expire(kTimeoutMs));
  EXPECT_TRUE(requests.close(later, RequestKind::kSend));
}

TEST(Requests, OnlyWhatIsUnderWayCanBePutOff) {
  Requests requests(kTimeoutMs);
  Random random(1);
  EXPECT_FALSE(requests.put_off(1, RequestKind::kAck, 0, random));
  const RequestId id = requests.open(RequestKind::kAck, 0);
  EXPECT_FALSE(requests.put_off(id, RequestKind::kLogin, 0, random));
  EXPECT_TRUE(requests.close(id, RequestKind::kAck));
  EXPECT_FALSE(requests.put_off(id, RequestKind::kAck, 0, random));
}

}  // namespace
}  // namespace earshot::actors
