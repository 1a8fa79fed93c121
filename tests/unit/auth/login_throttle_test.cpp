#include "auth/login_throttle.hpp"

#include <gtest/gtest.h>

namespace earshot::auth {
namespace {

constexpr Origin kAttacker{false, 0x0a000001};
constexpr Origin kOther{false, 0x0a000002};

class LoginThrottleTest : public testing::Test {
 protected:
  // A login that is judged and refused; the time it had to wait.
  std::uint64_t fail_once(const Origin& origin = kAttacker) {
    const auto wait = throttle_.admit(origin, now_ms_);
    if (!wait) return UINT64_MAX;
    now_ms_ += *wait;
    throttle_.failed(origin, now_ms_);
    return *wait;
  }

  LoginThrottle throttle_;
  std::uint64_t now_ms_ = 1'000'000;
};

TEST_F(LoginThrottleTest, AFewFailuresCostNothing) {
  for (std::uint32_t i = 0; i < limits::kLoginFailuresFree; ++i) EXPECT_EQ(fail_once(), 0u);
  EXPECT_EQ(throttle_.admit(kAttacker, now_ms_).value(), 0u);
}

TEST_F(LoginThrottleTest, FurtherLoginsWaitLongerAndLongerUpToACap) {
  for (std::uint32_t i = 0; i <= limits::kLoginFailuresFree; ++i) EXPECT_EQ(fail_once(), 0u);
  std::uint64_t expected = limits::kLoginDelayFirstMs;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(fail_once(), expected);
    expected = std::min(2 * expected, limits::kLoginDelayMaxMs);
  }
}

TEST_F(LoginThrottleTest, ManyAtOnceAreJudgedNoFasterThanOneByOne) {
  for (int i = 0; i < 12; ++i) fail_once();
  std::uint64_t last = 0;
  std::size_t judged = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto wait = throttle_.admit(kAttacker, now_ms_);
    if (!wait) {
      EXPECT_EQ(wait.error().code, ErrorCode::kOverloaded);
      EXPECT_GT(wait.error().retry_after_ms, limits::kLoginWaitMaxMs);
      continue;
    }
    if (judged++ > 0) {
      EXPECT_EQ(*wait, last + limits::kLoginDelayMaxMs);
    }
    last = *wait;
  }
  EXPECT_LE(judged, limits::kLoginWaitMaxMs / limits::kLoginDelayMaxMs + 1);
  EXPECT_LE(last, limits::kLoginWaitMaxMs);
}

TEST_F(LoginThrottleTest, OtherOriginsAreNotConcerned) {
  for (int i = 0; i < 20; ++i) fail_once();
  EXPECT_EQ(throttle_.admit(kOther, now_ms_).value(), 0u);
  EXPECT_EQ(throttle_.admit(Origin{true, kAttacker.prefix}, now_ms_).value(), 0u) << "another family";
}

TEST_F(LoginThrottleTest, FailuresAreForgottenWithTime) {
  for (int i = 0; i < 100; ++i) fail_once();
  EXPECT_GT(throttle_.failed(kAttacker, now_ms_), 0u);
  now_ms_ += limits::kLoginFailuresMax * limits::kLoginForgetMs;
  for (std::uint32_t i = 0; i <= limits::kLoginFailuresFree; ++i) EXPECT_EQ(fail_once(), 0u) << i;
  EXPECT_GT(fail_once(), 0u);
}

TEST_F(LoginThrottleTest, AGoodLoginIsNotPunishedAndForgivesNothing) {
  for (int i = 0; i < 12; ++i) fail_once();
  const std::uint64_t first = throttle_.admit(kAttacker, now_ms_).value();
  now_ms_ += first;
  const std::uint64_t second = throttle_.admit(kAttacker, now_ms_).value();
  EXPECT_EQ(second, limits::kLoginDelayMaxMs) << "the same distance: no more, no less";
}

TEST_F(LoginThrottleTest, TellsWhenToTryAgain) {
  for (std::uint32_t i = 0; i < limits::kLoginFailuresFree; ++i) EXPECT_EQ(throttle_.failed(kAttacker, now_ms_), 0u);
  EXPECT_EQ(throttle_.failed(kAttacker, now_ms_), limits::kLoginDelayFirstMs);
}

TEST_F(LoginThrottleTest, RemembersAsManyAsTheLimitAndDropsTheLongestSilent) {
  LoginThrottle::Limits limits;
  limits.origins_max = 100;
  LoginThrottle throttle(limits);
  for (int round = 0; round < 10; ++round)
    for (std::uint64_t i = 0; i < 100; ++i) throttle.failed(Origin{true, i}, now_ms_);
  EXPECT_EQ(throttle.origins(), 100u);
  throttle.failed(Origin{true, 0}, now_ms_);  // the oldest is heard of again
  throttle.failed(Origin{true, 100}, now_ms_);
  EXPECT_EQ(throttle.origins(), 100u);
  now_ms_ += 1;
  EXPECT_GT(throttle.admit(Origin{true, 0}, now_ms_).value(), 0u);
  EXPECT_EQ(throttle.admit(Origin{true, 1}, now_ms_).value(), 0u) << "dropped in its place";
}

}  // namespace
}  // namespace earshot::auth
