#include "actors/exchange.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/call_scope.hpp"
#include "tests/support/exchange_nodes.hpp"
#include "tests/support/log_capture.hpp"

// Calls across nodes, and what becomes of those that get lost or come twice.
namespace earshot::actors {
namespace {

using namespace tests;

TEST_F(ExchangeTest, ACallIsAnsweredAcrossNodes) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardAck{anna, 5, AckCommand{UserId::trusted("anna"), device("phone"), Sequence(3), {}}});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  const auto& ack = std::get<ShardAck>(asked[0]);
  EXPECT_EQ(ack.command.up_to, Sequence(3));
  ack.from->post(AckAnswered{ack.request, Sequence(3)});
  carry();
  ASSERT_EQ(anna->acks.size(), 1u);
  EXPECT_EQ(anna->acks[0].request, 5u);
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

TEST_F(ExchangeTest, ARegisteredSessionIsPushedTo) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardRegister{anna, 70, UserId::trusted("anna"), device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  auto message = std::make_shared<IncomingMessage>();
  message->sequence = Sequence(1);
  message->sender = UserId::trusted("bert");
  message->sender_device = device("phone");
  message->body = "hello";
  message->checksum = checksum_of(message->body);
  std::get<ShardRegister>(asked[0]).from->post(MailboxPush{{message}});
  carry();
  ASSERT_EQ(anna->pushes.size(), 1u);
  EXPECT_EQ(anna->pushes[0].messages[0]->body, "hello");
}

TEST_F(ExchangeTest, APushToASessionThatHasEndedIsDropped) {
  b_leads();
  route(a_).post(ShardRegister{session(a_, 70), 70, UserId::trusted("anna"), device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  a_.sessions->live.clear();
  std::get<ShardRegister>(asked[0]).from->post(SessionEvicted{});
  carry();
}

TEST_F(ExchangeTest, CallsAreLostWithTheLinkAndWhoAskedIsTold) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  wires_.frames.clear();
  a_.exchange->link_down(kB);
  ASSERT_EQ(anna->fetches.size(), 1u);
  EXPECT_EQ(anna->fetches[0].batch.error().code, ErrorCode::kUnavailable);
}

// Whoever reads the lines of two nodes finds one call by one name.
TEST_F(ExchangeTest, TheNameOfAClientsCallCrossesWithIt) {
  LogCapture log;
  spdlog::default_logger()->set_level(spdlog::level::debug);
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1, 1'203});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  log.take();
  const auto& fetch = std::get<ShardFetch>(asked[0]);
  fetch.from->post(FetchAnswered{fetch.request, fail(ErrorCode::kNotFound, "", "nothing")});
  const std::string there = log.take();
  EXPECT_NE(there.find("n1.s70.c1203: read is refused at shard 1"), std::string::npos) << there;
  wires_.frames.clear();
  a_.exchange->link_down(kB);
  const std::string here = log.take();
  EXPECT_NE(here.find("n1.s70.c1203: a call to node 2 for shard 1 is lost"), std::string::npos) << here;
}

TEST_F(ExchangeTest, WhatIsAskedAboutPlacesKeepsTheNameOfItsCall) {
  b_leads();
  const RequestTag tag{kA, RequestTag::Door::kRedis, 12, 55};
  {
    const CallScope named(tag);
    route(a_).post(ShardPositions{ClearPositionsCommand{LayerId::trusted("cars"), {"m"}}, nullptr});
    route(a_).post(ShardWhere{LayerId::trusted("cars"), {"m"}, nullptr});
  }
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(std::get<ShardPositions>(asked[0]).tag, tag);
  EXPECT_EQ(std::get<ShardWhere>(asked[1]).tag, tag);
  route(a_).post(ShardWhere{LayerId::trusted("cars"), {"m"}, nullptr});
  carry();
  EXPECT_EQ(std::get<ShardWhere>(b_.take_requests().at(0)).tag, (RequestTag{kA})) << "of no call";
}

TEST_F(ExchangeTest, DeliveriesInVainThatComeTwiceAreCountedOnce) {
  b_leads();
  const AttemptsCommand vain{UserId::trusted("anna"), device("phone"), {{Sequence(3), Sequence(3), 1}}};
  const auto anna = session(a_, 70);
  route(a_).post(ShardAttempts{anna, 5, vain});
  route(a_).post(ShardAttempts{anna, 6, vain});
  route(a_).post(ShardAttempts{nullptr, 0, vain});  // the last word of a session
  ASSERT_EQ(wires_.frames.size(), 3u);
  const auto frames = wires_.frames;
  wires_.frames.insert(wires_.frames.end(), frames.begin(), frames.end());
  carry();
  EXPECT_EQ(b_.take_requests().size(), 3u);
}

TEST_F(ExchangeTest, WhatChangesMailboxesAndComesTwiceIsDoneOnceAndAnswered) {
  b_leads();
  const auto anna = session(a_, 70);
  const UserId user = UserId::trusted("anna");
  const DeviceId phone = device("phone");
  const std::vector<ManageRequest> all{SetPolicyRequest{user, false, Policy()}, RemoveDeviceRequest{user, phone},
                                       ReplayRequest{user, phone, {Sequence(1)}},
                                       DropParkedRequest{user, phone, {Sequence(1)}}};
  for (const ManageRequest& one : all) {
    SCOPED_TRACE(one.index());
    route(a_).post(ShardManage{anna, 5, one});
    ASSERT_EQ(wires_.frames.size(), 1u);
    const auto frame = wires_.frames.front();
    carry();
    wires_.frames.push_back(frame);
    carry();
    const auto asked = b_.take_requests();
    ASSERT_EQ(asked.size(), 1u);
    const auto& first = std::get<ShardManage>(asked[0]);
    first.from->post(ManageAnswered{first.request, ManageAnswer(Done{})});
    carry();
    ASSERT_EQ(anna->manages.size(), 1u);
    EXPECT_TRUE(anna->manages[0].answer.has_value());
    anna->manages.clear();
  }
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

TEST_F(ExchangeTest, AFullLinkIsAnOverloadedLeader) {
  b_leads();
  const auto anna = session(a_, 70);
  wires_.full = true;
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  ASSERT_EQ(anna->fetches.size(), 1u);
  EXPECT_EQ(anna->fetches[0].batch.error().code, ErrorCode::kOverloaded);
  route(a_).post(ShardAttempts{nullptr, 0, {UserId::trusted("anna"), device("phone"), {}}});  // nobody is told
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

TEST_F(ExchangeTest, WithoutALinkTheCallWaitsForOne) {
  b_leads();
  const auto anna = session(a_, 70);
  wires_.up = false;
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  EXPECT_TRUE(anna->fetches.empty());
  wires_.up = true;
  a_.exchange->link_up(kB);
  carry();
  EXPECT_EQ(b_.take_requests().size(), 1u);
}

TEST_F(ExchangeTest, ASessionElsewhereExplainsToTheOneThatAsks) {
  b_leads();
  const auto asker = session(a_, 70);
  const auto asked = session(c_, 90);
  route(c_).post(ShardRegister{asked, 90, UserId::trusted("anna"), device("phone"), true});
  carry();
  const auto port = std::get<ShardRegister>(b_.take_requests().at(0)).from;
  // The leader on B asks the session on C for the one on A.
  route(a_).post(ShardManage{asker, 5, DevicesRequest{UserId::trusted("anna")}});
  carry();
  const auto manage = b_.take_requests();
  port->post(SessionExplain{std::get<ShardManage>(manage.at(0)).from, 5, Sequence(1)});
  carry();
  ASSERT_EQ(asked->explains.size(), 1u);
  DeviceFate fate;
  fate.device = device("phone");
  asked->explains[0].from->post(SessionExplained{5, std::move(fate)});
  carry();
  EXPECT_EQ(asker->explained.size(), 1u);
}

TEST_F(ExchangeTest, GarbageChangesNothingAndIsCounted) {
  b_leads();
  const auto garbage = std::make_shared<const std::string>("no message at all");
  std::array to_a{cluster::PeerFrame{cluster::PeerTopic::kAnswer, {}, garbage},
                  cluster::PeerFrame{cluster::PeerTopic::kPulses, storage::kMetaGroup, garbage}};
  std::array to_b{cluster::PeerFrame{cluster::PeerTopic::kCall, kShard, garbage}};
  a_.exchange->received(kB, to_a);
  b_.exchange->received(kA, to_b);
  EXPECT_TRUE(b_.take_requests().empty());
  std::array of_nobody{cluster::PeerFrame{cluster::PeerTopic::kRaft, ShardId(999), garbage}};
  b_.exchange->received(kA, of_nobody);
  EXPECT_EQ(a_.exchange->malformed(), 2u);
  EXPECT_EQ(b_.exchange->malformed(), 1u);
}

TEST_F(ExchangeTest, WhereMembersAreIsAskedOfTheLeaderAcrossNodes) {
  b_leads();
  std::optional<Result<WhereAnswer>> told;
  route(a_).post(ShardWhere{
      LayerId::trusted("people"), {"ada", "bea"}, [&](Result<WhereAnswer> answer) { told = std::move(answer); }});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  const auto& where = std::get<ShardWhere>(asked[0]);
  EXPECT_EQ(where.members, (std::vector<std::string>{"ada", "bea"}));
  where.done(WhereAnswer{std::nullopt, Whereabouts{17, 5, true}});
  carry();
  ASSERT_TRUE(told.has_value() && told->has_value());
  EXPECT_EQ((*told)->at(1), (Whereabouts{17, 5, true}));
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

}  // namespace
}  // namespace earshot::actors
