#include <algorithm>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/shard_ticks.hpp"
#include "actors/touch_round.hpp"
#include "base/limits.hpp"
#include "tests/support/shard_world.hpp"

// What a shard does for the life of messages: ticks, touches, telling sessions, calls that look after mailboxes.
namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using tests::device;
using tests::RecordingSession;
using tests::ShardWorld;

class ShardLife : public testing::Test {
 protected:
  ShardLife() { world.settle(); }

  void login(const UserId& user, std::string_view name = "phone") {
    world->handle(ShardLogin{port, ++world.requests, LoginCommand{user, device(name), {}, {}, {}, StartAt::kOldest}});
    world.settle();
  }
  void subscribe(const std::shared_ptr<RecordingSession>& session, SessionId id, std::string_view name = "phone") {
    world->handle(ShardRegister{session, id, world.alice, device(name), true});
  }
  ManageAnswered manage(ManageRequest request) {
    world->handle(ShardManage{port, ++world.requests, std::move(request)});
    world.settle();
    return port->manages.back();
  }
  void send_with_ttl(std::uint64_t number, std::uint64_t ttl_ms) {
    SendCommand command{ProducerId(7), world.sender, device("phone"), {}};
    OutgoingMessage message = tests::outgoing(world.alice, number, "short-lived");
    message.ttl_ms = ttl_ms;
    command.items.push_back(SendItem{std::move(message), std::nullopt});
    world->handle(ShardSend{port, ++world.requests, std::move(command)});
    world.settle();
  }
  void set_policy(Policy policy, UserId user) {
    const auto answer = manage(SetPolicyRequest{std::move(user), false, policy});
    ASSERT_TRUE(answer.answer) << answer.answer.error().to_string();
  }
  void note(std::string_view name, std::uint64_t sequence, std::uint32_t count) {
    world->handle(
        ShardAttempts{port, ++world.requests,
                      AttemptsCommand{world.alice, device(name), {{Sequence(sequence), Sequence(sequence), count}}}});
    world.settle();
  }
  // Moves time, working off timers and the log on the way.
  void pass(std::uint64_t ms, std::uint64_t step_ms = 500) {
    for (std::uint64_t passed = 0; passed < ms; passed += step_ms) {
      world.advance(std::min(step_ms, ms - passed));
      world.settle();
      while (world.write_overlay()) world.settle();
    }
  }

  ShardWorld world;
  std::shared_ptr<RecordingSession> port = std::make_shared<RecordingSession>();
  std::shared_ptr<RecordingSession> phone = std::make_shared<RecordingSession>();
  std::shared_ptr<RecordingSession> tablet = std::make_shared<RecordingSession>();
};

TEST_F(ShardLife, WhatIsDueEndsThoughNothingElseHappensAndItsSessionsAreTold) {
  login(world.alice);
  subscribe(phone, 1);
  send_with_ttl(1, 5'000);
  pass(4'000);
  EXPECT_THAT(phone->ended, IsEmpty());
  pass(3'000);
  EXPECT_THAT(phone->ended, ElementsAre(LostRange{Sequence(1), Sequence(1), LostReason::kExpired}));
  const auto batch = world.fetch(world.alice).value();
  EXPECT_THAT(batch.messages, IsEmpty());
}

TEST_F(ShardLife, AnIdleShardWritesNothing) {
  login(world.alice);
  subscribe(phone, 1);
  pass(5'000);
  const std::uint64_t before = world.log_disk.commits();
  pass(60'000, 1'000);
  EXPECT_EQ(world.log_disk.commits(), before);
}

TEST_F(ShardLife, AClockThatWasSetEndsNothing) {
  login(world.alice);
  subscribe(phone, 1);
  send_with_ttl(1, 5'000);
  world.clock.jump_wall(10 * 3'600'000);
  pass(60'000, 1'000);
  EXPECT_THAT(phone->ended, IsEmpty());
  world.clock.jump_wall(-10 * 3'600'000);
  pass(20'000, 1'000);
  EXPECT_THAT(phone->ended, SizeIs(1)) << "it is looked at again";
}

TEST(TickSourceTest, TimeGoesOnByTheMonotonicClockWhileTheWallClockIsInDoubt) {
  ManualClock clock;
  const std::uint64_t start_ms = clock.wall_ms();
  TickSource ticks(clock, ShardId(0));
  clock.advance(5'000);
  EXPECT_EQ(ticks.now().tick_ms, start_ms + 5'000);
  EXPECT_EQ(ticks.now().now_ms, start_ms + 5'000);
  for (const std::int64_t jump_ms : {10 * 60'000, -20 * 60'000}) {
    clock.jump_wall(jump_ms);
    clock.advance(3'600'000);
    EXPECT_EQ(ticks.now().tick_ms, 0u);
    EXPECT_EQ(ticks.now().now_ms % 3'600'000, (start_ms + 5'000) % 3'600'000);
  }
  clock.jump_wall(10 * 60'000);
  EXPECT_EQ(ticks.now().tick_ms, start_ms + 5'000 + 2 * 3'600'000) << "it agrees again";
}

TEST(TickSourceTest, ClockIsTrustedAtTheLimitAndNotBeyond) {
  for (const int direction : {1, -1}) {
    ManualClock clock;
    TickSource ticks(clock, ShardId(0));
    clock.jump_wall(direction * static_cast<std::int64_t>(limits::kClockDisagreementMsMax));
    EXPECT_EQ(ticks.now().tick_ms, clock.wall_ms());
    clock.jump_wall(direction);
    EXPECT_EQ(ticks.now().tick_ms, 0u);
  }
}

TEST_F(ShardLife, TicksAloneComeInSteps) {
  EXPECT_EQ(next_tick_ms(5'000, 9'000), 5'000u) << "more than one entry may do: go on at once";
  EXPECT_EQ(next_tick_ms(9'001, 9'000), 10'000u);
  EXPECT_EQ(next_tick_ms(15'000, 9'000), 15'000u);
}

TEST_F(ShardLife, DevicesTellWhoIsConnected) {
  login(world.alice);
  login(world.alice, "tablet");
  subscribe(phone, 1);
  const auto devices = std::get<std::vector<DeviceInfo>>(*manage(DevicesRequest{world.alice}).answer);
  ASSERT_THAT(devices, SizeIs(2));
  EXPECT_TRUE(devices[0].connected);
  EXPECT_FALSE(devices[1].connected);
}

TEST_F(ShardLife, ARemovedDeviceLosesItsSession) {
  login(world.alice);
  subscribe(phone, 1);
  ASSERT_TRUE(manage(RemoveDeviceRequest{world.alice, device("phone")}).answer);
  ASSERT_TRUE(phone->evicted);
  EXPECT_EQ(phone->evicted->code, ErrorCode::kClosed);
  EXPECT_EQ(phone->evicted->detail, "the device was removed");
}

TEST_F(ShardLife, SessionsAreToldTheRuleOnlyWhereSomethingCanBeParked) {
  login(world.alice);
  subscribe(phone, 1);
  EXPECT_THAT(phone->rules, IsEmpty()) << "the default costs nothing";
  Policy policy;
  policy.deliveries_max = 3;
  set_policy(policy, world.alice);
  EXPECT_THAT(phone->rules, ElementsAre(3));
  subscribe(tablet, 2, "tablet");
  EXPECT_THAT(tablet->rules, ElementsAre(3));
  policy.deliveries_max = 0;
  set_policy(policy, world.alice);
  EXPECT_THAT(phone->rules, ElementsAre(3, 0));
  policy.deliveries_max = 4;
  set_policy(policy, UserId());
  EXPECT_THAT(phone->rules, ElementsAre(3, 0, 0)) << "its own policy stands before the default";
}

// It waited on a node that was cut off, while the operator went elsewhere, asked again, and changed their mind.
TEST_F(ShardLife, APolicyThatAnEarlierSessionSetsLateIsRefusedAndNobodyIsToldOfIt) {
  login(world.alice);
  subscribe(phone, 1);
  const auto set = [this](std::uint32_t deliveries_max, std::uint64_t login_number) {
    Policy policy;
    policy.deliveries_max = deliveries_max;
    world->handle(ShardManage{port, ++world.requests, SetPolicyRequest{world.alice, false, policy}, 0,
                              Mover{UserId::trusted("olga"), device("desk"), login_number}});
    world.settle();
    return port->manages.back().answer;
  };
  EXPECT_TRUE(set(3, 8).has_value());
  EXPECT_TRUE(set(4, 8).has_value());
  const auto late = set(3, 7);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::kSessionReplaced);
  EXPECT_THAT(phone->rules, ElementsAre(3, 4));
}

TEST_F(ShardLife, WhatIsParkedIsToldToItsDeviceAlone) {
  login(world.alice);
  login(world.alice, "tablet");
  subscribe(phone, 1);
  subscribe(tablet, 2, "tablet");
  Policy policy;
  policy.deliveries_max = 3;
  set_policy(policy, world.alice);
  world.send(port, world.alice, 1, 2);
  world.settle();
  note("phone", 1, 2);
  EXPECT_THAT(phone->ended, IsEmpty());
  note("phone", 1, 1);
  EXPECT_THAT(phone->ended, ElementsAre(LostRange{Sequence(1), Sequence(1), LostReason::kParked}));
  EXPECT_THAT(tablet->ended, IsEmpty());
  EXPECT_THAT(port->attempts, SizeIs(2));

  const auto parked =
      std::get<std::vector<ParkedMessage>>(*manage(ParkedRequest{world.alice, device("phone"), {}, 0}).answer);
  ASSERT_THAT(parked, SizeIs(1));
  EXPECT_EQ(parked[0].deliveries, 3u);
  ASSERT_TRUE(parked[0].message);
  EXPECT_EQ(parked[0].message->body, "body 1");

  const auto replayed =
      std::get<Replayed>(*manage(ReplayRequest{world.alice, device("phone"), {Sequence(1), Sequence(2)}}).answer);
  EXPECT_THAT(replayed.sequences, ElementsAre(Sequence(3), Sequence(0)));
  EXPECT_THAT(phone->pushed(), ElementsAre(1, 2, 3));
}

TEST_F(ShardLife, ATightDiskRefusesReplaysAndTakesWhatMakesRoom) {
  login(world.alice);
  Policy policy;
  policy.deliveries_max = 1;
  set_policy(policy, world.alice);
  world.send(port, world.alice, 1);
  world.settle();
  note("phone", 1, 1);
  world.budgets->disk.set_tight(true);
  const auto replayed = manage(ReplayRequest{world.alice, device("phone"), {Sequence(1)}});
  ASSERT_FALSE(replayed.answer) << "it would be one message more";
  EXPECT_EQ(replayed.answer.error().code, ErrorCode::kStorageFull);
  EXPECT_TRUE(manage(DropParkedRequest{world.alice, device("phone"), {Sequence(1)}}).answer);
}

TEST_F(ShardLife, TheLastWordOfASessionThatIsGoneReachesTheOneThatLives) {
  login(world.alice);
  Policy policy;
  policy.deliveries_max = 1;
  set_policy(policy, world.alice);
  world.send(port, world.alice, 1);
  world.settle();
  subscribe(phone, 2);
  world->handle(
      ShardAttempts{nullptr, 0, AttemptsCommand{world.alice, device("phone"), {{Sequence(1), Sequence(1), 1}}}});
  world.settle();
  EXPECT_THAT(phone->ended, SizeIs(1));
}

TEST_F(ShardLife, AnExplanationAsksTheSessionsThatDeliver) {
  login(world.alice);
  world.send(port, world.alice, 1);
  world.settle();
  subscribe(phone, 1);
  const auto answered = manage(ExplainRequest{world.alice, Sequence(1), {}});
  EXPECT_EQ(answered.live, 1u);
  const auto& explanation = std::get<Explanation>(*answered.answer);
  EXPECT_EQ(explanation.node, NodeId(1));
  ASSERT_THAT(explanation.devices, SizeIs(1));
  EXPECT_TRUE(explanation.devices[0].connected);
  ASSERT_THAT(phone->explains, SizeIs(1));
  EXPECT_EQ(phone->explains[0].from, port);
  EXPECT_EQ(phone->explains[0].request, answered.request);
  EXPECT_EQ(phone->explains[0].sequence, Sequence(1));
}

TEST_F(ShardLife, AStoppingShardRefusesManagement) {
  world->stop();
  EXPECT_EQ(manage(DevicesRequest{world.alice}).answer.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(manage(RemoveDeviceRequest{world.alice, device("phone")}).answer.error().code, ErrorCode::kUnavailable);
}

TEST_F(ShardLife, ADeviceThatStaysConnectedIsSeenAgain) {
  login(world.alice);
  subscribe(phone, 1);
  const auto seen = [&] {
    return std::get<std::vector<DeviceInfo>>(*manage(DevicesRequest{world.alice}).answer).at(0).last_seen_ms;
  };
  const std::uint64_t before = seen();
  pass(limits::kTouchIntervalMs + 120'000, 30'000);
  EXPECT_GT(seen(), before);
}

TEST_F(ShardLife, ADeviceWhoseTurnCameWhenNothingWasTakenIsSeenLater) {
  login(world.alice);
  subscribe(phone, 1);
  const auto seen = [&] {
    return std::get<std::vector<DeviceInfo>>(*manage(DevicesRequest{world.alice}).answer).at(0).last_seen_ms;
  };
  const std::uint64_t before = seen();
  world.budgets->disk.set_log_full(true);
  pass(limits::kTouchIntervalMs - 120'000, 30'000);
  EXPECT_EQ(seen(), before);
  world.budgets->disk.set_log_full(false);
  pass(60'000, 30'000);
  EXPECT_GT(seen(), before) << "in the same round";
}

TEST_F(ShardLife, AStoppingShardPutsTouchesOffInsteadOfSpinning) {
  login(world.alice);
  subscribe(phone, 1);
  world->stop();
  world.advance(61'000);
  EXPECT_TRUE(world.wake_at_ms == 0 || world.wake_at_ms > world.clock.monotonic_ms());
}

class TouchRounds : public testing::Test {
 protected:
  void add(std::size_t users) {
    for (; users > 0; --users, ++added_) {
      presence_.add(ShardRegister{std::make_shared<RecordingSession>(), added_ + 1,
                                  UserId::trusted("user-" + std::to_string(added_)), device("phone"), true});
      round_.registered(now_);
    }
  }
  // Goes through what is due until `end`, and counts how often each user was touched; the largest command.
  std::size_t touch_until(std::uint64_t end) {
    std::size_t largest = 0;
    while (round_.wake_at() != 0 && round_.wake_at() < end) {
      now_ = round_.wake_at();
      const auto command = round_.next(presence_, now_);
      EXPECT_GT(round_.wake_at(), now_);
      if (!command) continue;
      largest = std::max(largest, command->devices.size());
      for (const auto& name : command->devices) ++touched_[name.user.text()];
    }
    return largest;
  }
  void expect_each_touched(int times) {
    EXPECT_EQ(touched_.size(), added_);
    for (const auto& [user, count] : touched_) ASSERT_EQ(count, times) << user;
  }

  Presence presence_{5'000};
  TouchRound round_;
  std::uint64_t now_ = 1'000;
  SessionId added_ = 0;
  std::map<std::string, int> touched_;
};

TEST_F(TouchRounds, EveryDeviceHasItsTurnOnceInARoundAndNeverTooManyAtOnce) {
  add(4'000);
  const std::uint64_t begin = now_;
  EXPECT_LE(touch_until(begin + limits::kTouchIntervalMs + 60'000), 100u) << "spread over the round";
  expect_each_touched(1);
  touch_until(begin + 2 * limits::kTouchIntervalMs + 60'000);
  expect_each_touched(2);
}

TEST_F(TouchRounds, ATableThatGrowsMakesNoBurst) {
  add(500);
  const std::uint64_t begin = now_;
  touch_until(begin + limits::kTouchIntervalMs / 2);
  const std::size_t slots = presence_.slots();
  add(4'000);
  ASSERT_GT(presence_.slots(), 2 * slots);
  EXPECT_LE(touch_until(begin + limits::kTouchIntervalMs + 60'000), 100u);
  touched_.clear();
  touch_until(begin + 2 * limits::kTouchIntervalMs + 60'000);
  expect_each_touched(1);
}

TEST_F(TouchRounds, WhatWasPutOffIsCaughtUpInCommandsThatFit) {
  add(4'000);
  now_ += limits::kTouchIntervalMs;
  const std::uint64_t soon = now_ + 10'000;
  std::size_t touched = 0;
  while (touched < 4'000) {
    now_ = std::max(now_, round_.wake_at());
    const auto command = round_.next(presence_, now_);
    ASSERT_TRUE(command);
    ASSERT_LE(command->devices.size(), limits::kTouchDevicesMax);
    touched += command->devices.size();
    ASSERT_TRUE(touched == 4'000 || round_.wake_at() <= soon) << "not at the pace of an ordinary round";
  }
}

TEST_F(TouchRounds, MoreInOneSlotThanACommandHoldsDoesNotStopTheRound) {
  for (const char* name : {"phone", "tablet", "laptop"}) {
    presence_.add(
        ShardRegister{std::make_shared<RecordingSession>(), ++added_, UserId::trusted("alice"), device(name), true});
  }
  std::size_t slot = 0;
  std::vector<TouchCommand::Name> devices;
  while (devices.empty() && slot < presence_.slots()) EXPECT_TRUE(presence_.add_slot(slot++, 2, devices));
  EXPECT_THAT(devices, SizeIs(2));
  EXPECT_FALSE(presence_.add_slot(slot - 1, 4, devices)) << "not together with what is there already";
  EXPECT_THAT(devices, SizeIs(2)) << "nothing of it, then";
}

TEST_F(TouchRounds, RestWhenNobodyIsThere) {
  EXPECT_EQ(round_.wake_at(), 0u);
  add(1);
  now_ = round_.wake_at();
  presence_.remove(ShardUnregister{1, UserId::trusted("user-0"), device("phone")});
  EXPECT_FALSE(round_.next(presence_, now_));
  EXPECT_EQ(round_.wake_at(), 0u);
}

}  // namespace
}  // namespace earshot::actors
