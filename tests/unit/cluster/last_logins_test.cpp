#include "cluster/last_logins.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cluster/shard_machine_life_fixture.hpp"

namespace earshot::cluster {
namespace {

// Alice's phone moves somebody, and so do others.
class ShardMachineLastLogins : public ShardMachineLife {
 protected:
  Mover phone(std::uint64_t login) const { return {alice, device("phone"), login}; }
  template <class OneResult>
  OneResult& ask(Command command, std::uint64_t at_ms = 0) {
    last_ = replica().apply(std::move(command), at_ms);
    return std::get<OneResult>(last_.results.at(0));
  }
  // What becomes of it: "" when it is done.
  std::string set(double score, const Mover& mover, std::uint64_t at_ms = 0) {
    SetPositionsCommand command{kPeople, {}, {{member_, score}}};
    command.mover = mover;
    return said(ask<PositionsResult>(std::move(command), at_ms).outcomes);
  }
  std::string clear(const Mover& mover) {
    return said(ask<ClearedResult>(ClearPositionsCommand{kPeople, {member_}, mover}).members);
  }
  std::string clear_layer(const Mover& mover) {
    return said(ask<LayersClearedResult>(ClearLayersCommand{{kPeople}, mover}).members);
  }
  std::string set_privacy(const Mover& mover) {
    return said(ask<StatusResult>(SetLayerPrivacyCommand{own_layer(), LayerPrivacy{1, 2, 3}, mover}).status);
  }
  std::string set_deliveries(std::uint32_t deliveries_max, const Mover& mover, const UserId& user) {
    return said(ask<StatusResult>(SetPolicyCommand{user, Policy{0, 0, 0, deliveries_max}, mover}).status);
  }
  template <class T>
  static std::string said(const Result<T>& result) {
    return result ? "" : std::string(name_of(result.error().code)) + "(" + result.error().field + ")";
  }
  std::optional<double> score() {
    const auto position = replica()->position(kPeople, member_).value();
    return position ? std::optional(position->score) : std::nullopt;
  }
  std::size_t records(const std::string& from, const std::string& to) {
    replica().flush();
    std::size_t count = 0;
    EXPECT_TRUE(replica().state().scan(from, to, [&](auto, auto) { return ++count, true; }));
    return count;
  }
  LoginCommand login_of(std::uint64_t store, std::uint64_t number) {
    LoginCommand command{bob, device("phone"), {}, {}, {}, StartAt::kOldest};
    command.order = {store, number};
    return command;
  }
  std::string log_in(std::uint64_t store, std::uint64_t number) {
    return said(replica().login(login_of(store, number)));
  }
  static LayerId own_layer() {
    for (std::size_t i = 0;; ++i)
      if (const std::string name = "layer-" + std::to_string(i); shard_of(name, kTestShards) == kTestShard)
        return LayerId::trusted(name);
  }
  static std::string own_member() {
    for (std::size_t i = 0;; ++i)
      if (std::string name = "m-" + std::to_string(i); shard_of(kPeople, name, kTestShards) == kTestShard) return name;
  }

  static inline const LayerId kPeople = LayerId::trusted("people");
  static constexpr const char* kOvertaken = "sessionReplaced(login)";
  const std::string member_ = own_member();
};

TEST_F(ShardMachineLastLogins, WhatAnEarlierSessionAskedUndoesNothingThatALaterOneDid) {
  EXPECT_EQ(set(1, phone(7)), "");
  EXPECT_EQ(set(2, phone(8)), "");
  for (const bool is_flushed : {false, true}) {
    is_flushed ? replica().flush_and_reopen() : replica().reopen();
    EXPECT_EQ(set(3, phone(7)), kOvertaken);
    EXPECT_EQ(said(replica()->may_move(phone(7))), kOvertaken);
    EXPECT_EQ(said(replica()->may_move(phone(8))), "");
    EXPECT_THAT(last_.moves, IsEmpty());
    EXPECT_EQ(clear(phone(7)), kOvertaken);
    EXPECT_EQ(clear_layer(phone(7)), kOvertaken);
    EXPECT_EQ(set_privacy(phone(7)), kOvertaken);
    EXPECT_EQ(score(), 2);
    EXPECT_THAT(replica()->privacies(), IsEmpty());
  }
  EXPECT_EQ(set_privacy(phone(8)), "");
  EXPECT_EQ(clear_layer(phone(8)), "");
  EXPECT_EQ(set(3, phone(7)), kOvertaken) << "nor what it took away";
  EXPECT_EQ(score(), std::nullopt);
}

TEST_F(ShardMachineLastLogins, APolicyThatAnEarlierSessionSetDoesNotComeBack) {
  for (const UserId& user : {bob, UserId()}) {
    EXPECT_EQ(set_deliveries(1, phone(7), user), "");
    EXPECT_EQ(set_deliveries(1, phone(7), user), "") << "a session may change its mind";
    EXPECT_EQ(set_deliveries(1, {alice, device("tablet"), 8}, user), "");
    EXPECT_EQ(set_deliveries(2, {alice, device("tablet"), 8}, user), "") << "of another device";
  }
  for (const UserId& user : {bob, UserId()}) {
    EXPECT_EQ(set_deliveries(3, phone(8), user), "");
    for (const bool is_flushed : {false, true}) {
      is_flushed ? replica().flush_and_reopen() : replica().reopen();
      EXPECT_EQ(set_deliveries(1, phone(7), user), kOvertaken);
      EXPECT_EQ(said(ask<StatusResult>(SetPolicyCommand{user, std::nullopt, phone(7)}).status), kOvertaken);
      EXPECT_EQ(replica()->policy(user).value().policy.deliveries_max, 3u);
    }
  }
  EXPECT_EQ(set(1, phone(7)), kOvertaken) << "nor does it move anybody any more";
}

TEST_F(ShardMachineLastLogins, AnyChangeOfALaterSessionCounts) {
  EXPECT_EQ(clear(phone(8)), "");
  EXPECT_EQ(set(1, phone(7)), kOvertaken);
  EXPECT_EQ(clear_layer(phone(9)), "");
  EXPECT_EQ(set(1, phone(8)), kOvertaken);
  EXPECT_EQ(set_privacy(phone(10)), "");
  EXPECT_EQ(set(1, phone(9)), kOvertaken);
  EXPECT_EQ(set_deliveries(1, phone(11), bob), "");
  EXPECT_EQ(set(1, phone(10)), kOvertaken);
  EXPECT_EQ(set(1, phone(11)), "");
}

TEST_F(ShardMachineLastLogins, DevicesAndUsersAndThoseWithoutASessionAreTheirOwn) {
  EXPECT_EQ(set(1, phone(8)), "");
  EXPECT_EQ(set(2, {alice, device("tablet"), 7}), "");
  EXPECT_EQ(set(3, {bob, device("phone"), 7}), "");
  EXPECT_EQ(set(4, {}), "");
  EXPECT_EQ(score(), 4);
}

TEST_F(ShardMachineLastLogins, ASessionIsWrittenDownOnceAndForgottenInTime) {
  EXPECT_EQ(set(1, phone(7), kStart), "");
  EXPECT_EQ(set(2, phone(8), kStart + 1'000), "");
  EXPECT_EQ(set(3, phone(8), kStart + 2'000), "");
  EXPECT_EQ(records("R", "S"), 1u);
  EXPECT_EQ(records("Q", "R"), 1u);
  let_pass(kStart + 1'000 + limits.last_login_ms - 1);
  EXPECT_EQ(set(4, phone(7)), kOvertaken);
  let_pass(kStart + 1'000 + limits.last_login_ms);
  EXPECT_EQ(records("Q", "S"), 0u);
  EXPECT_EQ(set(4, phone(8)), "") << "it goes on, and is written down again";
  EXPECT_EQ(records("R", "S"), 1u);
}

// Numbers of before are remembered, here and by other shards: whatever is tuned, their order must not change.
TEST_F(ShardMachineLastLogins, ALoginsNumberIsItsPlaceInTheLog) {
  CommandBatch batch;
  for (const std::string_view name : {"phone", "tablet"})
    batch.commands.emplace_back(LoginCommand{bob, device(name), {}, {}, {}, StartAt::kOldest});
  last_ = replica().apply(batch);
  const std::uint64_t entry = replica()->applied_index().value;
  EXPECT_EQ(std::get<LoginResult>(last_.results.at(0)).outcome.value().number, entry * 65'536 + 1);
  EXPECT_EQ(std::get<LoginResult>(last_.results.at(1)).outcome.value().number, entry * 65'536 + 2);
}

TEST_F(ShardMachineLastLogins, LoginsAscendAcrossDevicesAndRestarts) {
  const std::uint64_t first = login(kStart, "phone").number;
  EXPECT_GT(first, 0u);
  EXPECT_GT(login(kStart, "tablet").number, first);
  ASSERT_EQ(replica().apply(RemoveDeviceCommand{bob, device("phone")}).removed_devices.size(), 1u);
  replica().flush_and_reopen();
  EXPECT_GT(login(kStart, "phone").number, first + 1);
}

TEST_F(ShardMachineLastLogins, ALoginFromBeforeADevicesRemovalBringsItBackOnlyMuchLater) {
  EXPECT_EQ(log_in(5, 301), "");
  ASSERT_EQ(replica().apply(RemoveDeviceCommand{bob, device("phone")}).removed_devices.size(), 1u);
  replica().flush_and_reopen();
  EXPECT_EQ(log_in(5, 298), "sessionReplaced(loginNumber)");
  EXPECT_THAT(devices(bob), IsEmpty());
  EXPECT_EQ(log_in(6, 1), "") << "of another store nothing is known";
  ASSERT_EQ(replica().apply(RemoveDeviceCommand{bob, device("phone")}).removed_devices.size(), 1u);
  EXPECT_EQ(log_in(5, 301), "") << "only the last one is remembered";
  ASSERT_EQ(replica().apply(RemoveDeviceCommand{bob, device("phone")}).removed_devices.size(), 1u);
  EXPECT_EQ(log_in(5, 301), "") << "the same one again, whose answer was lost, or a later one: the user is back";
  ASSERT_EQ(replica().apply(RemoveDeviceCommand{bob, device("phone")}).removed_devices.size(), 1u);
  let_pass(kStart + limits.last_login_ms);
  EXPECT_EQ(log_in(5, 298), "");
}

}  // namespace
}  // namespace earshot::cluster
