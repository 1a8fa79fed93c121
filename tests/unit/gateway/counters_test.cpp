#include "gateway/counters.hpp"

#include <gtest/gtest.h>

namespace earshot::gateway {
namespace {

TEST(Counters, OnlyThoseThatCountedAreTold) {
  GatewayCounters counters;
  EXPECT_EQ(to_string(counters), "");
  count(counters.violations);
  EXPECT_EQ(to_string(counters), "violations 1");
  count(counters.login_timeouts);
  count(counters.login_timeouts);
  EXPECT_EQ(to_string(counters), "login_timeouts 2, violations 1");
}

}  // namespace
}  // namespace earshot::gateway
