#include "gateway/call_stats.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/support/gateway_client.hpp"
#include "tests/support/log_capture.hpp"
#include "tests/support/place_map.hpp"
#include "tests/support/redis_client.hpp"

// What is counted of calls, and what of them gets a line in the log.
namespace earshot::gateway {
namespace {

using tests::answers_of;
using tests::FakeSession;
using tests::GatewayTest;
using tests::message_to;
using tests::send_request;
using tests::TestClient;

std::uint64_t code(const std::array<CallStats::Counter, actors::kErrorCodes>& of, ErrorCode which) {
  return of[static_cast<std::size_t>(which)];
}

class CallStatsTest : public GatewayTest {
 protected:
  [[nodiscard]] std::uint64_t answered(CallKind kind, Protocol protocol = Protocol::kRpc) const {
    return gateway_->calls().duration(protocol, kind).read().count();
  }
};

TEST_F(CallStatsTest, AnAnsweredCallCountsUnderItsKindWithItsTime) {
  start();
  TestClient client = connect();
  client.login("alice");
  EXPECT_EQ(answered(CallKind::kLogin), 1u);
  auto call = send_request(client.session(), {message_to("bob", 1), message_to("bob", 2)}).send();
  client.flush();
  const auto session = broker_->session();
  const auto sent = session->next<actors::ClientSend>();
  EXPECT_EQ(answered(CallKind::kSend), 0u) << "it has no answer yet";
  session->client->answered(sent.call, {SendAnswer{Stored{Sequence(1), Epoch(1)}}, SendAnswer{Stored{}}});
  call.wait(io_.waitScope);
  EXPECT_EQ(answered(CallKind::kSend), 1u);
  EXPECT_EQ(answered(CallKind::kAck), 0u);
  EXPECT_GT(gateway_->calls().duration(Protocol::kRpc, CallKind::kSend).read().sum, 0u);
  EXPECT_EQ(gateway_->calls().send_batches.read().counts[1], 1u) << "of two";
}

TEST_F(CallStatsTest, RefusalsCountByTheirCodeWhoeverGivesThem) {
  start();
  TestClient client = connect();
  client.login("alice");
  auto wrong = client.session().fetchRequest();
  wrong.setLimit(limits::kFetchMessagesMax + 1);
  EXPECT_TRUE(wrong.send().wait(io_.waitScope).isError());
  EXPECT_EQ(code(gateway_->calls().refused, ErrorCode::kInvalidArgument), 1u) << "at the door";
  auto ack = client.session().ackRequest().send();
  client.flush();
  const auto session = broker_->session();
  session->client->answered(session->next<actors::ClientAck>().call,
                            Result<Sequence>(fail(ErrorCode::kUnavailable, "", "no leader")));
  EXPECT_TRUE(ack.wait(io_.waitScope).isError());
  EXPECT_EQ(code(gateway_->calls().refused, ErrorCode::kUnavailable), 1u) << "by the session";
  EXPECT_EQ(answered(CallKind::kAck), 1u) << "and that was an answer";
}

TEST_F(CallStatsTest, MessagesThatTheSessionNeverHeardOfCountAtTheDoor) {
  GatewayOptions options;
  options.call_timeout_ms = 50;
  start(options);
  TestClient client = connect();
  client.login("alice");
  auto bad = message_to("bob", 0);  // a message without a number has no place in a lane
  EXPECT_TRUE(std::holds_alternative<SendAnswer::Refused>(
      answers_of(send_request(client.session(), {bad}).send().wait(io_.waitScope)).at(0).value));
  EXPECT_EQ(code(gateway_->calls().messages_refused, ErrorCode::kInvalidArgument), 1u);
  // Two that nobody answers.
  const auto late = answers_of(
      send_request(client.session(), {message_to("bob", 1), message_to("bob", 2)}).send().wait(io_.waitScope));
  EXPECT_TRUE(std::holds_alternative<SendAnswer::Held>(late.at(0).value));
  EXPECT_EQ(code(gateway_->calls().messages_held, ErrorCode::kDeadlineExceeded), 2u);
}

TEST_F(CallStatsTest, ASlowCallGetsOneLineWithItsName) {
  tests::LogCapture log;
  GatewayOptions options;
  options.slow_call_ms = 0;
  start(options);
  TestClient client = connect();
  client.login("alice");
  const auto session = broker_->session();
  for (int i = 0; i < 20; ++i) {
    auto ack = client.session().ackRequest().send();
    client.flush();
    session->client->answered(session->next<actors::ClientAck>().call, Result<Sequence>(Sequence(1)));
    ack.wait(io_.waitScope);
  }
  EXPECT_EQ(gateway_->calls().slow, 21u);
  gateway_->stop();
  const std::string lines = log.take();
  EXPECT_NE(lines.find("n0: login took 0 ms"), std::string::npos) << lines;
  EXPECT_LT(std::count(lines.begin(), lines.end(), '\n'), 10) << "one a second at most: " << lines;
}

TEST_F(CallStatsTest, WhatIsRefusedIsInTheLogForThoseWhoWantItAndNoBodyOrTokenIs) {
  tests::LogCapture log;
  spdlog::set_level(spdlog::level::debug);
  start();
  TestClient client = connect();
  client.login("alice");
  auto ack = client.session().ackRequest().send();
  client.flush();
  const auto session = broker_->session();
  session->client->answered(session->next<actors::ClientAck>().call,
                            Result<Sequence>(fail(ErrorCode::kUnavailable, "", "no leader")));
  ack.wait(io_.waitScope);
  auto call = send_request(client.session(), {message_to("bob", 1, "a secret body")}).send();
  client.flush();
  session->client->answered(
      session->next<actors::ClientSend>().call,
      {SendAnswer{SendAnswer::Held{Error{ErrorCode::kStorageFull, "", "no room", limits::kRetryAfterMs}}}});
  call.wait(io_.waitScope);
  gateway_->stop();
  const std::string lines = log.take();
  EXPECT_NE(lines.find("alice has logged in"), std::string::npos) << lines;
  EXPECT_NE(lines.find("n0.s0.c1: ack is refused, unavailable: no leader"), std::string::npos) << lines;
  EXPECT_NE(lines.find("n0.s0.c2: send is refused, storageFull: no room"), std::string::npos) << lines;
  EXPECT_EQ(lines.find("secret"), std::string::npos);
  spdlog::set_level(spdlog::level::info);
}

TEST_F(CallStatsTest, QuestionsAboutPlacesCountByTheirCompletenessInBothProtocols) {
  const auto map = std::make_shared<tests::PlaceMap>();
  broker_->keep_places(map->desk());
  start();
  for (int i = 1; i <= 3; ++i) map->put("people", std::to_string(i), geo::Point{116.4, 39.9 + 0.001 * i});
  TestClient client = connect();
  client.login("alice");
  const auto nearby = [&](std::uint32_t count) {
    NearbyRequest request;
    request.centre = geo::Point{116.4, 39.9};
    request.area = Circle{10'000};
    request.count = count;
    auto call = client.session().nearbyRequest();
    wire::write(request, call);
    return wire::read(call.send().wait(io_.waitScope)).value().completeness;
  };
  ASSERT_EQ(nearby(10), Completeness::kExact);
  ASSERT_EQ(nearby(2), Completeness::kTruncated);
  const auto& queries = gateway_->calls().place_queries[static_cast<std::size_t>(CallKind::kNearby)];
  EXPECT_EQ(queries[0], 1u);
  EXPECT_EQ(queries[1], 1u);
  EXPECT_EQ(answered(CallKind::kNearby), 2u);
  tests::RedisClient redis(gateway_->resp_port());
  redis.command({"GEOSEARCH", "people", "FROMLONLAT", "116.4", "39.9", "BYRADIUS", "10", "km"});
  redis.command({"GEOADD", "people", "1", "1", "x"});
  redis.command({"PING"});
  EXPECT_EQ(queries[0], 2u);
  EXPECT_EQ(answered(CallKind::kNearby, Protocol::kResp), 1u);
  EXPECT_EQ(answered(CallKind::kSetPositions, Protocol::kResp), 1u);
  EXPECT_EQ(answered(CallKind::kLayers, Protocol::kResp), 0u) << "a ping has nothing to do with places";
}

TEST_F(CallStatsTest, ItsReportTellsConnectionsAndWhatWaits) {
  NodeConfig config;
  config.gateway_threads = 2;
  config.connections_max = 7;
  start(config);
  TestClient client = connect();
  client.login("alice");
  const GatewayReport report = gateway_->report();
  EXPECT_EQ(report.accepted, 1u);
  EXPECT_EQ(report.connections.used, 1u);
  EXPECT_EQ(report.connections.limit, 7u);
  ASSERT_EQ(report.threads.size(), 2u);
  EXPECT_EQ(report.threads[1].events.limit, limits::kBridgeQueueItemsMax);
  EXPECT_EQ(report.threads[0].reading.used, 0u);
  EXPECT_EQ(report.answers.limit, limits::kAnswersBytesMax);
  gateway_->stop();
  EXPECT_EQ(gateway_->report().connections.used, 0u);
}

TEST(CallKinds, EachHasANameAndAProtocol) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kCallKinds; ++i) {
    const auto kind = static_cast<CallKind>(i);
    EXPECT_NE(name_of(kind), "unknown");
    EXPECT_TRUE(names.insert(name_of(kind)).second) << name_of(kind);
    EXPECT_TRUE(is_call_of(kind, Protocol::kRpc) || is_call_of(kind, Protocol::kResp));
  }
  EXPECT_FALSE(is_call_of(CallKind::kSend, Protocol::kResp));
  EXPECT_EQ(kind_of(resp::Command(resp::Search{})), CallKind::kNearby);
  resp::Search stored;
  stored.store = resp::StoreInto{"there"};
  EXPECT_EQ(kind_of(resp::Command(stored)), CallKind::kStore);
  EXPECT_EQ(kind_of(resp::Command(resp::Keys{})), CallKind::kLayers);
  EXPECT_EQ(kind_of(PlacesRequest(DistanceRequest{})), CallKind::kDistance);
}

}  // namespace
}  // namespace earshot::gateway
