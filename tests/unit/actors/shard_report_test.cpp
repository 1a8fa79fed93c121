// What a shard says in the log of what its entries met, and that nothing of it is left unsaid.
#include "actors/shard_report.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_capture.hpp"
#include "tests/support/shard_world.hpp"

namespace earshot::actors {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kIntervalMs = PacedLine<DamageCount>::kIntervalMs;

class ShardReportTest : public testing::Test {
 protected:
  // An entry has met so much; what is logged at once.
  std::string note(std::uint64_t damaged, std::uint64_t dropped) {
    cluster::Effects effects;
    effects.damaged = damaged;
    effects.dropped = dropped;
    report_->note(effects);
    return pass(0);
  }
  std::string pass(std::uint64_t ms) {
    now_ms_ += ms;
    report_->say_if_due(now_ms_);
    return log_.take();
  }
  [[nodiscard]] std::uint64_t wake_at() const { return std::ranges::max(report_->wake_times()); }

  tests::LogCapture log_;
  std::uint64_t now_ms_ = 1'000;
  std::optional<ShardReport> report_{ShardId(3)};
};

TEST_F(ShardReportTest, FirstDamageIsSaidAtOnceWhateverElseWasSaid) {
  EXPECT_THAT(note(0, 5), HasSubstr("shard 3: 5 copies"));
  EXPECT_THAT(note(1, 0), HasSubstr("shard 3: 1 damaged records met"));
}

TEST_F(ShardReportTest, WhatComesWithinTheIntervalIsSaidAtItsEndThoughNothingElseHappens) {
  EXPECT_THAT(note(1, 0), HasSubstr(" 1 damaged"));
  EXPECT_EQ(wake_at(), 0u);
  EXPECT_EQ(note(2, 0), "");
  EXPECT_EQ(note(3, 0), "");
  EXPECT_EQ(wake_at(), now_ms_ + kIntervalMs);
  EXPECT_EQ(pass(kIntervalMs - 1), "");
  EXPECT_THAT(pass(1), HasSubstr(" 5 damaged"));
  EXPECT_EQ(wake_at(), 0u);
  EXPECT_EQ(pass(kIntervalMs), "");
}

TEST_F(ShardReportTest, RestIsSaidWhenTheShardStops) {
  note(1, 1);
  note(2, 3);
  report_.reset();
  EXPECT_THAT(log_.take(), AllOf(HasSubstr(" 2 damaged"), HasSubstr(" 3 copies")));
}

TEST_F(ShardReportTest, NothingIsSaidOfNothing) {
  EXPECT_EQ(note(0, 0), "");
  report_.reset();
  EXPECT_EQ(log_.take(), "");
}

// The whole shard: a device that goes within the interval is told of by the timer, since nothing else happens.
TEST_F(ShardReportTest, IdleShardSaysWhatItHasNotSaid) {
  tests::ShardWorld world;
  world.settle();
  const auto port = std::make_shared<tests::RecordingSession>();
  for (const std::string name : {"phone", "tablet"}) {
    const DeviceId device = tests::device(name);
    world->handle(ShardLogin{port, ++world.requests, LoginCommand{world.alice, device, {}, {}, {}, StartAt::kOldest}});
    world.settle();
    world->handle(ShardManage{port, ++world.requests, RemoveDeviceRequest{world.alice, device}});
    world.settle();
  }
  EXPECT_THAT(log_.take(), HasSubstr("1 devices removed"));
  for (std::uint64_t passed = 0; passed < kIntervalMs; passed += 1'000) {
    world.advance(1'000);
    world.settle();
    while (world.write_overlay()) world.settle();
  }
  EXPECT_THAT(log_.take(), HasSubstr("1 devices removed"));
}

}  // namespace
}  // namespace earshot::actors
