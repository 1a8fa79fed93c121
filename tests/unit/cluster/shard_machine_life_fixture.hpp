#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/shard_machine.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {

using testing::ElementsAre;
using testing::IsEmpty;

// Messages, devices and what ends them: alice writes to bob at chosen ticks.
class ShardMachineLife : public testing::Test {
 protected:
  static constexpr std::uint64_t kStart = 10'000'000;  // the first tick: a round of the sweep begins at it

  // Time passes; nothing else happens.
  Effects tick(std::uint64_t at_ms) {
    CommandBatch batch;
    batch.tick_ms = at_ms;
    return replica().apply(batch);
  }
  // A leader that doubts its clock: time goes on without a tick.
  Effects doubt(std::uint64_t now_ms, Command command = TouchCommand{}) {
    CommandBatch batch;
    batch.now_ms = now_ms;
    batch.commands.push_back(std::move(command));
    return replica().apply(batch);
  }
  // As many ticks as the shard asks for until `at_ms`, as its leader proposes them.
  std::vector<Effects> let_pass(std::uint64_t at_ms) {
    std::vector<Effects> all;
    for (std::uint64_t due = replica()->next_due_ms(); due != 0 && due <= at_ms; due = replica()->next_due_ms()) {
      all.push_back(tick(due));
    }
    all.push_back(tick(at_ms));
    return all;
  }

  SendAnswer send(std::uint64_t at_ms, std::uint64_t ttl_ms = 0, std::string body = "hello") {
    OutgoingMessage message = outgoing(bob, ++sent_, std::move(body));
    message.answered_below = LaneNumber(sent_);
    message.ttl_ms = ttl_ms;
    SendCommand command{ProducerId(5), alice, device("phone"), {SendItem{message, std::nullopt}}};
    last_ = replica().apply(std::move(command), at_ms);
    return std::get<SendResult>(last_.results.at(0)).answers.at(0);
  }
  void fill(std::uint64_t count) {
    for (std::uint64_t n = 0; n < count; ++n) send(kStart);
  }

  LoginOutcome login(std::uint64_t at_ms, std::string_view name = "phone", std::uint64_t producer = 0) {
    LoginCommand command{bob, device(name), ProducerId(producer), Epoch(), Sequence(), StartAt::kOldest};
    return std::get<LoginResult>(replica().apply(std::move(command), at_ms).results.at(0)).outcome.value();
  }
  Status set_policy(const UserId& user, std::optional<Policy> policy) {
    return std::get<StatusResult>(replica().apply(SetPolicyCommand{user, policy}).results.at(0)).status;
  }
  std::vector<Sequence> attempt(std::uint64_t first, std::uint64_t last, std::uint32_t count,
                                std::string_view name = "phone") {
    AttemptsCommand command{bob, device(name), {{Sequence(first), Sequence(last), count}}};
    return std::get<AttemptsResult>(replica().apply(std::move(command)).results.at(0)).parked;
  }
  Result<std::vector<Sequence>> replay(std::vector<Sequence> sequences) {
    ReplayCommand command{bob, device("phone"), std::move(sequences)};
    last_ = replica().apply(std::move(command));
    return std::get<ReplayResult>(last_.results.at(0)).sequences;
  }
  std::vector<std::string> devices(const UserId& user) {
    std::vector<std::string> names;
    const auto infos = replica()->devices(user).value();
    for (const auto& info : infos) names.push_back(info.device.text());
    return names;
  }
  // The mailbox in a line: sequences of living messages, and what is lost.
  std::string box(std::uint64_t after = 0) {
    std::string text;
    const Batch batch = replica().fetch(bob, after);
    for (const auto& message : batch.messages) text += std::to_string(message.sequence.value) + " ";
    for (const auto& lost : batch.lost) text += describe(lost) + " ";
    if (!text.empty()) text.pop_back();
    return text;
  }
  static std::string ended(const Effects& effects) {
    std::string text;
    for (const auto& [user, range] : effects.ended) text += describe(range) + ";";
    return text;
  }

  // Made at the first use: a test may set limits before.
  TestReplica& replica() {
    if (!replica_) {
      replica_ = std::make_unique<TestReplica>([this] { return disk.open(); }, limits);
      tick(kStart);
    }
    return *replica_;
  }

  storage::ModelDisk disk{1};
  MachineLimits limits;
  UserId alice = user_in(kTestShard, 0);
  UserId bob = user_in(kTestShard, 1);
  UserId carol = user_in(kTestShard, 2);
  Effects last_;

 private:
  std::uint64_t sent_ = 0;
  std::unique_ptr<TestReplica> replica_;
};

}  // namespace earshot::cluster
