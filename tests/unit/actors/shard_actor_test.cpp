#include "actors/shard_actor.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <caf/all.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/interfaces.hpp"
#include "actors/log_writer.hpp"
#include "actors/places.hpp"
#include "actors/state_writer.hpp"
#include "actors/timer_ladder.hpp"
#include "geo/geohash.hpp"
#include "storage/log_store.hpp"
#include "storage/model_environment.hpp"
#include "storage/state_store.hpp"
#include "tests/support/shard_ports.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The real actors of one shard and its writers under CAF's testing scheduler: one thread, virtual time.
class ShardActor : public testing::Test {
 protected:
  struct Config : caf::actor_system_config {
    Config() {
      add_message_types<caf::id_block::earshot>();
      set("scheduler.policy", caf::atom("testing"));
    }
  };
  static constexpr ShardId kShard{1};

  ShardActor() {
    const WriterSetup setup{budgets_, &clock_, 1, false};
    log_writer_ = spawn_log_writer(system_, *log_, setup);
    state_writer_ = spawn_state_writer(system_, *state_, setup);
    ShardSetup shard;
    shard.options.id = kShard;
    shard.options.shard_count = tests::kShardCount;
    shard.options.replica.group = kShard;
    shard.options.replica.bootstrap = {cluster::Member{NodeId(1), "local", true}};
    shard.state = state_.get();
    shard.budgets = budgets_;
    shard.clock = &clock_;
    shard.log_writer = log_writer_;
    shard.state_writer = state_writer_;
    shard.places = places_;
    shard.opened = [](const Status& status) { EXPECT_TRUE(status); };
    shard_ = spawn_shard(system_, std::move(shard));
    inbox_ = shard_inbox(shard_);
    run();
    caf::anon_send(shard_, JoinShards{std::make_shared<const Router>(
                               std::vector<std::shared_ptr<ShardInbox>>(tests::kShardCount, inbox_))});
    run();
  }
  ~ShardActor() override {
    caf::anon_send(shard_, StopShard{});
    run();
    places_->end();
    caf::anon_send(log_writer_, StopWriter{});
    caf::anon_send(state_writer_, StopWriter{});
    run();
    advance(100'000);  // CAF waits for what its timers hold
  }

  void send(std::uint64_t number, std::uint64_t ttl_ms = 0) {
    SendCommand command{ProducerId(7), sender_, tests::device("phone"), {}};
    command.items.push_back(SendItem{tests::outgoing(alice_, number), std::nullopt});
    command.items[0].message.ttl_ms = ttl_ms;
    inbox_->post(ShardSend{port_, number, std::move(command)});
    run();
  }
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }
  void run() {
    while (scheduler().try_run_once()) {
    }
  }
  void advance(std::uint64_t ms) {
    clock_.advance(ms);
    scheduler().advance_time(std::chrono::milliseconds(ms));
    run();
  }
  std::size_t timers() { return scheduler().clock().schedule().size(); }

  Config config_;
  caf::actor_system system_{config_};
  ManualClock clock_;
  storage::ModelDisk log_disk_{storage::LogStore::tables().size()};
  storage::ModelDisk state_disk_{storage::state_tables().size()};
  std::unique_ptr<storage::Environment> log_environment_ = log_disk_.open();
  std::unique_ptr<storage::Environment> state_ = state_disk_.open();
  std::unique_ptr<storage::LogStore> log_ = std::move(storage::LogStore::open(*log_environment_).value());
  const std::shared_ptr<NodeBudgets> budgets_ = std::make_shared<NodeBudgets>();
  const std::shared_ptr<Places> places_ = make_places(system_, tests::kShardCount);
  const UserId alice_ = tests::user_in(kShard);
  const UserId sender_ = tests::user_in(ShardId(2));
  const std::shared_ptr<tests::RecordingSession> port_ = std::make_shared<tests::RecordingSession>();
  caf::actor log_writer_;
  caf::actor state_writer_;
  caf::actor shard_;
  std::shared_ptr<ShardInbox> inbox_;
};

TEST_F(ShardActor, ABusyShardDoesNotFillTheClockWithTimers) {
  for (std::uint64_t number = 1; number <= 200; ++number) {
    send(number);
    advance(limits::kFlushIntervalMs);
    ASSERT_LE(timers(), TimerLadder::kTimersMax + 1) << "after " << number;
  }
  EXPECT_EQ(port_->stored().size(), 200u);
  EXPECT_GE(state_disk_.commits(), 200u) << "each was flushed in its time";
}

TEST_F(ShardActor, AFarTimeIsKeptThoughEachTimerRunsForAShortOne) {
  inbox_->post(ShardRegister{port_, 1, alice_, tests::device("phone"), true});
  send(1, 60'000);
  for (int second = 0; second < 59; ++second) advance(1'000);
  EXPECT_THAT(port_->ended, IsEmpty());
  for (int second = 0; second < 3; ++second) advance(1'000);
  EXPECT_THAT(port_->ended, SizeIs(1));
}

TEST_F(ShardActor, WhatAFullDiskHoldsUpIsWrittenByItselfWhenThereIsRoom) {
  log_disk_.set_capacity(log_disk_.used_bytes() + 10);
  send(1);
  EXPECT_THAT(port_->sends, IsEmpty());
  send(2);
  EXPECT_EQ(port_->held(), ErrorCode::kStorageFull) << "admission stops";
  advance(60'000);
  log_disk_.set_capacity(0);
  advance(5'000);  // the longest pause between two attempts
  EXPECT_THAT(port_->stored(), ElementsAre(0, 1));
  send(2);
  EXPECT_THAT(port_->stored(), ElementsAre(0, 1, 2));
}

TEST_F(ShardActor, APositionThatWasAnsweredIsSeenByTheNextQuestion) {
  const LayerId layer = LayerId::trusted("people");
  std::string member = "a";
  while (shard_of(layer, member, tests::kShardCount) != kShard) member += "a";
  const geo::Point there{13.361389, 38.115556};
  bool is_asked = false;
  std::vector<std::string> found;
  const auto ask = [&](const Result<PositionsAnswer>& answer) {
    ASSERT_TRUE(answer);
    is_asked = true;
    NearbyQuestion question;
    question.centre = there;
    question.area = [](const geo::Point& centre) { return geo::Area::circle(centre, 1, "radius"); };
    question.done = [&](Result<NearbyAnswer> nearby) {
      const NearbyAnswer answered = std::move(nearby).value();
      for (const auto& one : answered.found) found.emplace_back(one.member->name());
    };
    places_->ask(layer, std::move(question));
  };
  const double score = static_cast<double>(geo::encode(there).value);
  inbox_->post(ShardPositions{SetPositionsCommand{layer, PositionCondition::kAlways, {{member, score}}}, ask});
  run();
  ASSERT_TRUE(is_asked);
  EXPECT_EQ(found, std::vector<std::string>{member});
}

}  // namespace
}  // namespace earshot::actors
