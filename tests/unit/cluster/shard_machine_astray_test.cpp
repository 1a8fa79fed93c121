#include <algorithm>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/shard_machine.hpp"
#include "storage/keys.hpp"
#include "tests/support/flawed_environment.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {
namespace {

// A disk whose scans can be led astray, as a damaged page of LMDB's tree does: to a record of another range.
class AstrayEnvironment final : public storage::Environment {
 public:
  AstrayEnvironment(std::unique_ptr<storage::Environment> inner, const bool& is_astray)
      : inner_(std::move(inner)), is_astray_(is_astray) {}

  Result<std::unique_ptr<storage::ReadTransaction>> begin_read() override {
    auto inner = inner_->begin_read();
    if (!inner) return fail(std::move(inner.error()));
    return std::make_unique<Reading>(std::move(*inner), is_astray_);
  }
  Result<std::unique_ptr<storage::WriteTransaction>> begin_write() override { return inner_->begin_write(); }
  storage::DiskUsage usage() override { return inner_->usage(); }

 private:
  class Reading final : public storage::ReadTransaction {
   public:
    Reading(std::unique_ptr<storage::ReadTransaction> inner, bool is_astray)
        : inner_(std::move(inner)), is_astray_(is_astray) {}
    Result<std::optional<std::string_view>> get(storage::Table table, std::string_view key) override {
      return inner_->get(table, key);
    }
    Status scan(storage::Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      if (!is_astray_) return inner_->scan(table, from, to, visit);
      visit("\x7f\x7f elsewhere", "");
      return {};
    }
    Status scan_back(storage::Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      if (!is_astray_) return inner_->scan_back(table, from, to, visit);
      visit("\x7f\x7f elsewhere", "");
      return {};
    }
    Result<std::uint64_t> count(storage::Table table) override { return inner_->count(table); }

   private:
    std::unique_ptr<storage::ReadTransaction> inner_;
    bool is_astray_;
  };

  std::unique_ptr<storage::Environment> inner_;
  const bool& is_astray_;
};

TEST(ShardMachineAstray, DamagedTreeIsCountedAndDoesNotStopTheNodeAtEveryTick) {
  storage::ModelDisk disk(1);
  bool is_astray = false;
  TestReplica replica([&] { return std::make_unique<AstrayEnvironment>(disk.open(), is_astray); });
  const UserId alice = user_in(kTestShard, 0);
  const UserId bob = user_in(kTestShard, 1);
  constexpr std::uint64_t kStart = 10'000'000;
  const auto tick = [&](std::uint64_t at_ms) { return replica.apply(TouchCommand{}, at_ms); };
  tick(kStart);
  OutgoingMessage message = outgoing(bob, 1);
  message.ttl_ms = 1'000;
  replica.send(ProducerId(5), alice, message);
  replica.login(LoginCommand{bob, device("phone"), {}, {}, {}, StartAt::kOldest}).value();
  replica.apply(SetPolicyCommand{bob, Policy{20'000, 0, 0, 1}});
  replica.flush();

  is_astray = true;
  EXPECT_GT(tick(kStart + 1'000).damaged, 0u);
  EXPECT_GT(replica->next_due_ms(), kStart + 1'000) << "no tick is wanted for what cannot be found";
  const Effects sent = replica.apply(SendCommand{ProducerId(5), alice, device("phone"), {{outgoing(bob, 2), {}}}});
  EXPECT_TRUE(std::holds_alternative<Stored>(std::get<SendResult>(sent.results[0]).answers[0].value));
  EXPECT_GT(sent.damaged, 0u);
  replica.apply(AttemptsCommand{bob, device("phone"), {{Sequence(2), Sequence(2), 5}}});
  EXPECT_EQ(replica->devices(bob).error().code, ErrorCode::kCorrupt) << "who asks is told";

  is_astray = false;
  tick(kStart + 100'000);
  EXPECT_EQ(replica.fetch(bob).lost.at(0).first, Sequence(1)) << "a mended disk goes on";
}

std::vector<std::uint64_t> sequences(const Batch& batch) {
  std::vector<std::uint64_t> all;
  for (const auto& message : batch.messages) all.push_back(message.sequence.value);
  return all;
}

TEST(ShardMachineAstray, MessagesBesideADamagedTreeAreFoundByTheirKeysAndTheOthersAreSaidToBeLost) {
  storage::ModelDisk disk(1);
  bool is_astray = false;
  TestReplica replica([&] { return std::make_unique<AstrayEnvironment>(disk.open(), is_astray); });
  const UserId alice = user_in(kTestShard, 0);
  const UserId bob = user_in(kTestShard, 1);
  for (std::uint64_t n = 1; n <= 6; ++n) replica.send(ProducerId(5), alice, outgoing(bob, n));
  replica.flush();
  const auto key_of = [&](std::uint64_t n) {
    return storage::state_key(kTestShard, storage::keys::message(bob, Sequence(n)));
  };
  replica.reopen_after([&] {
    auto environment = disk.open();
    auto writing = environment->begin_write().value();
    ASSERT_TRUE(writing->erase(storage::kStateTable, key_of(4)).value());
    ASSERT_TRUE(writing->commit());
  });
  ASSERT_TRUE(disk.damage(storage::kStateTable, key_of(3), 301));

  is_astray = true;
  const LostRange damaged{Sequence(3), Sequence(4), LostReason::kCorrupt};
  const Batch fetched = replica.fetch(bob);
  EXPECT_THAT(sequences(fetched), testing::ElementsAre(1, 2, 5, 6));
  EXPECT_THAT(fetched.lost, testing::ElementsAre(damaged));
  const Batch pages = replica.fetch(bob, 0, 3);
  EXPECT_THAT(sequences(pages), testing::ElementsAre(1, 2)) << "bounded as ever";
  EXPECT_THAT(sequences(replica.fetch(bob, 4, 1)), testing::ElementsAre(5));
  const Batch history = replica->history(bob, Sequence(0), 9, 1 << 20).value();
  EXPECT_THAT(sequences(history), testing::ElementsAre(1, 2, 5, 6));
  EXPECT_THAT(history.lost, testing::ElementsAre(damaged));
}

TEST(ShardMachineAstray, PositionsBehindADamagedTreeAreFound) {
  const LayerId layer = LayerId::trusted("people");
  storage::ModelDisk disk(1);
  tests::DiskFlaws flaws;
  TestReplica replica([&] { return std::make_unique<tests::FlawedEnvironment>(disk.open(), flaws); });
  SetPositionsCommand command{layer, PositionCondition::kAlways, {}};
  for (int i = 1'000; i < 9'000; ++i) {
    std::string member = "member-" + std::to_string(i);
    if (shard_of(layer, member, kTestShards) == kTestShard) command.items.push_back({std::move(member), 1});
  }
  replica.apply(command);
  replica.flush();
  const auto found = [&](std::size_t limit) {
    std::vector<std::string> members;
    std::string from;
    std::size_t pages = 0;
    do {
      const PositionPage page = replica->positions(from, limit).value();
      for (const Position& position : page.positions) members.push_back(position.member);
      EXPECT_TRUE(page.next.empty() || page.next > from);
      from = page.next;
    } while (!from.empty() && ++pages < 10'000);
    return members;
  };
  const std::size_t all = found(100).size();
  EXPECT_EQ(all, command.items.size());
  const auto key = [&](const std::string& member) {
    return storage::state_key(kTestShard, storage::keys::position(layer, member));
  };

  flaws = {std::nullopt, key("member-1990"), key("member-2010")};
  const auto members = found(100);
  EXPECT_GT(members.size(), all - 60) << "the damage, and up to the next round number of ten";
  EXPECT_TRUE(std::ranges::is_sorted(members)) << "and none twice";
  EXPECT_TRUE(
      std::ranges::none_of(members, [](const auto& one) { return one >= "member-1990" && one < "member-2010"; }));
  EXPECT_EQ(members.front(), found(1).front());
  EXPECT_EQ(members.back().substr(0, 8), "member-8");
  flaws = {std::nullopt, key(""), key("z")};
  EXPECT_TRUE(found(100).empty()) << "and it comes to an end";
}

}  // namespace
}  // namespace earshot::cluster
