// Redis's protocol at the door of a node: real sockets, real threads.
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <kj/compat/tls.h>

#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/fake_places.hpp"
#include "tests/support/gateway_client.hpp"
#include "tests/support/redis_client.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::gateway {
namespace {

using actors::ScoresQuestion;
using actors::SizeQuestion;
using tests::FakeBroker;
using tests::FakePlaces;
using tests::GatewayTest;
using tests::RedisClient;
using tests::Reply;

class RespTest : public GatewayTest {
 protected:
  RespTest() { broker_->keep_places(places_->desk()); }
  // Everything is passed on from a socket by the time that another command of the same connection is answered, so what
  // another connection is told comes later.
  void expect_all_is_passed_on() { EXPECT_EQ(RedisClient(gateway_->resp_port()).command({"PING"}).text, "PONG"); }
  static std::uint64_t ms_of(const std::function<void()>& work) {
    const auto begun = std::chrono::steady_clock::now();
    work();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count());
  }

  const std::shared_ptr<FakePlaces> places_ = std::make_shared<FakePlaces>();
};

TEST_F(RespTest, RepliesComeInTheOrderOfTheCommandsWhateverTheOrderOfTheAnswers) {
  start();
  RedisClient client(gateway_->resp_port());
  for (const char* member : {"ada", "bea", "cy"}) client.send({"ZSCORE", "people", member});
  std::vector<FakePlaces::Question> asked;
  for (int i = 0; i < 3; ++i) asked.push_back(places_->next_question());
  for (const double score : {3.0, 2.0, 1.0}) {
    asked.back().answer<ScoresQuestion>(actors::Scores{score});
    asked.pop_back();
  }
  for (const char* score : {"1", "2", "3"}) EXPECT_EQ(client.receive().text, score);
}

TEST_F(RespTest, ChangesArePassedOnAtOnceAndAQuestionBehindThemWaits) {
  start();
  RedisClient client(gateway_->resp_port());
  client.send({"GEOADD", "people", "13", "38", "ada"});
  client.send({"GEOADD", "people", "13", "38", "bea"});
  client.send({"ZCARD", "people"});
  const auto first = places_->next_change(), second = places_->next_change();
  second.done();
  expect_all_is_passed_on();
  EXPECT_EQ(places_->questions(), 0u);
  first.done();
  places_->next_question().answer<SizeQuestion>(std::size_t{2});
  for (const int number : {1, 1, 2}) EXPECT_EQ(client.receive().integer, number);
}

TEST_F(RespTest, ManyConnectionsOfSeveralThreadsHaveTheirOwnOrder) {
  NodeConfig config;
  config.gateway_threads = 3;
  start(config);
  std::vector<std::unique_ptr<RedisClient>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(std::make_unique<RedisClient>(gateway_->resp_port()));
  for (int round = 0; round < 20; ++round) {
    for (const auto& client : clients) {
      client->send({"GEOADD", "people", "13", "38", "ada"});
      client->send({"ZCARD", "people"});
      client->send({"PING"});
    }
    for (std::size_t i = 0; i < clients.size(); ++i) places_->next_change().done();
    for (std::size_t i = 0; i < clients.size(); ++i)
      places_->next_question().answer<SizeQuestion>(static_cast<std::size_t>(round));
    for (const auto& client : clients) {
      ASSERT_EQ(client->receive().integer, 1);
      ASSERT_EQ(client->receive().integer, round);
      ASSERT_EQ(client->receive().text, "PONG");
    }
  }
  EXPECT_EQ(gateway_->counters().resp_commands, 12u * 20 * 3);
}

TEST_F(RespTest, IdsOfClientsGrowWhicheverThreadServesThem) {
  NodeConfig config;
  config.gateway_threads = 3;
  start(config);
  std::vector<std::unique_ptr<RedisClient>> clients;
  std::int64_t last = 0;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<RedisClient>(gateway_->resp_port()));
    const std::int64_t id = clients.back()->command({"CLIENT", "ID"}).integer;
    EXPECT_GT(id, last);
    last = id;
    EXPECT_EQ(clients.back()->command({"HELLO", "2"}).elements.at(7).integer, id);
  }
}

TEST_F(RespTest, PlacesThatBecomeCompleteLetWhatWaitedGoOn) {
  places_->set_complete(false);
  GatewayOptions options;
  options.call_timeout_ms = 200;
  start(options);
  RedisClient early(gateway_->resp_port());
  EXPECT_EQ(early.command({"ZCARD", "people"}),
            (Reply{Reply::Kind::kError, "LOADING Earshot is finding out where everybody is", 0, {}}));
  RedisClient client(gateway_->resp_port());
  client.send({"ZCARD", "people"});
  expect_all_is_passed_on();
  places_->set_complete(true);
  places_->next_question().answer<SizeQuestion>(std::size_t{4});
  EXPECT_EQ(client.receive().integer, 4);
}

TEST_F(RespTest, AClientThatStopsReadingIsClosed) {
  GatewayOptions options;
  options.write_timeout_ms = 200;
  start(options);
  const RedisClient client(gateway_->resp_port());
  const tests::Words echo{"ECHO", std::string(limits::kRespArgumentBytesMax, 'x')};
  EXPECT_THROW(
      {
        for (;;) client.send(echo);
      },
      std::runtime_error);
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_EQ(gateway_->counters().slow_readers, 1u);
}

TEST_F(RespTest, AClientThatGoesWithCommandsUnderWayLeavesNothingBehind) {
  start();
  {
    const RedisClient client(gateway_->resp_port());
    for (int i = 0; i < 10; ++i) client.send({"GEOADD", "people", "13", "38", "ada"});
    client.send({"ZCARD", "people"});
    for (int i = 0; i < 5; ++i) places_->next_change().done();
  }
  for (int i = 0; i < 5; ++i) places_->next_change().done();
  run_until([&] {
    if (places_->questions() > 0) places_->next_question().answer<SizeQuestion>(std::size_t{1});
    return gateway_->connections() == 0;
  });
}

// ---- stopping

TEST_F(RespTest, StoppingTellsWhoWaitsAndClosesAll) {
  start();
  RedisClient idle(gateway_->resp_port()), waiting(gateway_->resp_port());
  idle.command({"PING"});
  waiting.send({"GEOADD", "people", "13", "38", "ada"});
  const auto change = places_->next_change();
  EXPECT_LT(ms_of([&] { gateway_->stop(); }), limits::kCloseLingerMs);
  EXPECT_EQ(idle.read_until_closed(), "");
  EXPECT_TRUE(waiting.read_until_closed().starts_with("-TRYAGAIN unavailable: the outcome is unknown"));
  EXPECT_EQ(gateway_->connections(), 0u);
  change.done();  // to nobody
}

TEST_F(RespTest, StoppingDoesNotWaitForWhoDoesNotRead) {
  GatewayOptions options;
  options.close_linger_ms = 200;
  start(options);
  const RedisClient client(gateway_->resp_port());
  std::thread sender([&] {
    const tests::Words echo{"ECHO", std::string(limits::kRespArgumentBytesMax, 'x')};
    EXPECT_THROW(
        {
          for (;;) client.send(echo);
        },
        std::runtime_error);
  });
  std::uint64_t taken = 0;
  run_until([&] {  // until it is not read any more
    io_.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).wait(io_.waitScope);
    const std::uint64_t before = std::exchange(taken, gateway_->counters().resp_commands);
    return taken > 0 && taken == before;
  });
  const std::uint64_t ms = ms_of([&] { gateway_->stop(); });
  sender.join();
  EXPECT_GE(ms, options.close_linger_ms);
  EXPECT_LT(ms, 3 * options.close_linger_ms);
}

// ---- ports

TEST_F(RespTest, WhereItIsNotWantedThereIsNoPort) {
  NodeConfig config;
  config.resp = false;
  start(config);
  EXPECT_EQ(gateway_->resp_port(), 0);
}

TEST_F(RespTest, WithoutPlacesThereIsNoPort) {
  broker_->keep_places(nullptr);
  start();
  EXPECT_EQ(gateway_->resp_port(), 0);
  connect().login("alice");
}

TEST_F(RespTest, APortThatIsTakenIsNamed) {
  start();
  NodeConfig config;
  config.client_port = 0;
  config.resp_port = gateway_->resp_port();
  const auto second = Gateway::start(config, *broker_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(second.error().field, "resp_port");
  EXPECT_NE(second.error().detail.find("in use"), std::string::npos) << second.error().detail;
}

TEST_F(RespTest, ConnectionsOfBothProtocolsCountTogether) {
  NodeConfig config;
  config.connections_max = 2;
  start(config);
  tests::TestClient rpc = connect();
  rpc.login("alice");
  RedisClient client(gateway_->resp_port());
  EXPECT_EQ(client.command({"PING"}).text, "PONG");
  EXPECT_EQ(RedisClient(gateway_->resp_port()).read_until_closed(), "");
  EXPECT_EQ(gateway_->counters().connections_refused, 1u);
}

// ---- tokens and certificates

TEST_F(RespTest, TokensAreThoseOfTheOtherPort) {
  const tests::TemporaryDirectory directory;
  const auth::Key key = auth::new_key(auth::Algorithm::kEs256, "first").value();
  tests::write_file(directory / "keys.json", auth::to_json(std::vector{key}).value());
  NodeConfig config;
  config.auth = AuthMode::kJwt;
  config.jwt_keys = directory / "keys.json";
  start(config);
  const std::uint64_t now_s = SystemClock().wall_ms() / 1'000;
  const auto token = [&](Role role) {
    return auth::sign({UserId::trusted("bus"), role, now_s, now_s + 600}, key).value();
  };
  RedisClient client(gateway_->resp_port());
  EXPECT_TRUE(client.command({"ZCARD", "people"}).text.starts_with("NOAUTH"));
  EXPECT_TRUE(client.command({"AUTH", "guess"}).text.starts_with("WRONGPASS"));
  EXPECT_TRUE(client.command({"AUTH", token(Role::kUser)}).text.starts_with("NOPERM"));
  EXPECT_EQ(client.command({"AUTH", token(Role::kService)}).text, "OK");
  client.send({"ZCARD", "people"});
  places_->next_question().answer<SizeQuestion>(std::size_t{5});
  EXPECT_EQ(client.receive().integer, 5);
  RedisClient other(gateway_->resp_port());
  EXPECT_EQ(other.command({"HELLO", "3", "AUTH", "default", token(Role::kOperator)}).kind, Reply::Kind::kMap);
}

TEST_F(RespTest, WithACertificateItIsServedThroughTls) {
  const tests::TemporaryDirectory directory;
  const tests::Authority authority;
  const tests::Issued issued = authority.issue("node.example");
  tests::write_file(directory / "node.pem", issued.certificate_pem);
  tests::write_file(directory / "node.key", issued.key_pem);
  NodeConfig config;
  config.tls_certificate = directory / "node.pem";
  config.tls_key = directory / "node.key";
  GatewayOptions hurried;
  hurried.login_timeout_ms = 500;
  start(config, hurried);
  const auto dial = [&] {
    auto address = io_.provider->getNetwork().parseAddress("127.0.0.1", gateway_->resp_port()).wait(io_.waitScope);
    return address->connect().wait(io_.waitScope);
  };
  const kj::TlsCertificate trusted(kj::StringPtr(authority.pem().c_str()));
  kj::TlsContext::Options options;
  options.useSystemTrustStore = false;
  options.trustedCertificates = kj::arrayPtr(&trusted, 1);
  kj::TlsContext context(kj::mv(options));
  {
    auto stream = context.wrapClient(dial(), "node.example").wait(io_.waitScope);
    const std::string text = "PING\r\nCLIENT INFO\r\n";
    stream->write(text.data(), text.size()).wait(io_.waitScope);
    std::array<char, 64> heard{};
    const std::size_t bytes = stream->tryRead(heard.data(), 7, heard.size()).wait(io_.waitScope);
    EXPECT_TRUE(std::string(heard.data(), bytes).starts_with("+PONG\r\n"));
    const std::string quit = "QUIT\r\n";
    stream->write(quit.data(), quit.size()).wait(io_.waitScope);
  }
  RedisClient plain(gateway_->resp_port());
  plain.send({"PING"});
  EXPECT_EQ(plain.read_until_closed(), "-ERR this port speaks TLS\r\n");
  run_until([&] { return gateway_->connections() == 0; });
}

}  // namespace
}  // namespace earshot::gateway
