#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"

namespace earshot::gateway {
namespace {

using tests::FakeBroker;
using tests::FakeSession;
using tests::GatewayTest;
using tests::TestClient;
using tests::welcome_for;

class LoginTest : public GatewayTest {
 protected:
  Error refused(TestClient& client, const std::string& token) {
    auto answer = client.login_raw(token);
    EXPECT_TRUE(answer.isError());
    return answer.isError() ? wire::read(answer.getError()) : Error{};
  }
};

TEST_F(LoginTest, BringsTheWelcomeOfTheSession) {
  start();
  TestClient client = connect();
  auto answer = client.login_raw("alice", "tablet");
  ASSERT_TRUE(answer.isOk());
  const auto welcome = wire::read(answer.getOk().getWelcome());
  ASSERT_TRUE(welcome) << welcome.error().to_string();
  EXPECT_EQ(welcome->user.text(), "alice");
  EXPECT_EQ(welcome->shard_count, 8);
  EXPECT_EQ(welcome->login.producer, ProducerId(7));
  EXPECT_EQ(broker_->session()->request.device.text(), "tablet");
  EXPECT_EQ(broker_->session()->request.token, "") << "the token goes no further than the door";
}

TEST_F(LoginTest, ARefusedTokenOpensNoSession) {
  start();
  TestClient client = connect();
  EXPECT_EQ(refused(client, "").code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(refused(client, std::string(200, 'x')).code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(broker_->sessions(), 0u);
}

TEST_F(LoginTest, NamesTheFieldAtFault) {
  start();
  TestClient client = connect();
  auto request = client.broker().loginRequest();
  request.setProtocolMin(1);
  request.setProtocolMax(1);
  request.setToken("alice");
  auto answer = wait(kj::Promise<capnp::Response<schema::LoginAnswer>>(request.send()));
  ASSERT_TRUE(answer.isError());
  EXPECT_EQ(wire::read(answer.getError()).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(wire::read(answer.getError()).field, "device");
}

TEST_F(LoginTest, RefusesAProtocolThatItDoesNotSpeak) {
  start();
  TestClient client = connect();
  auto request = client.broker().loginRequest();
  request.setProtocolMin(90);
  request.setProtocolMax(99);
  request.setToken("alice");
  request.setDevice("phone");
  auto answer = wait(kj::Promise<capnp::Response<schema::LoginAnswer>>(request.send()));
  ASSERT_TRUE(answer.isError());
  EXPECT_EQ(wire::read(answer.getError()).code, ErrorCode::kUnsupportedVersion);
}

TEST_F(LoginTest, TheSessionsRefusalIsPassedOnAndMayBeTriedAgain) {
  int logins = 0;
  broker_ = std::make_unique<FakeBroker>([&](FakeSession& session) {
    if (++logins == 1)
      session.client->logged_in(fail(Error{ErrorCode::kOverloaded, "", "later", 50}));
    else
      session.client->logged_in(welcome_for(session.user));
  });
  start();
  TestClient client = connect();
  const Error error = refused(client, "alice");
  EXPECT_EQ(error.code, ErrorCode::kOverloaded);
  EXPECT_EQ(error.retry_after_ms, 50u);
  client.login("alice");
  EXPECT_EQ(broker_->session(0)->waiting(), 0u) << "a session that ended itself is not told that its client is gone";
}

TEST_F(LoginTest, ASecondLoginOnAConnectionIsRefused) {
  start();
  TestClient client = connect();
  client.login("alice");
  EXPECT_EQ(refused(client, "bob").code, ErrorCode::kConflict);
  EXPECT_EQ(broker_->sessions(), 1u);
}

TEST_F(LoginTest, ASecondLoginWhileTheFirstIsUnderWayIsRefused) {
  broker_ = std::make_unique<FakeBroker>([](FakeSession&) {});
  start();
  TestClient client = connect();
  auto request = client.broker().loginRequest();
  LoginRequest login;
  login.token = "alice";
  login.device = *DeviceId::parse("phone", "device");
  wire::write(login, request);
  auto first = request.send();
  EXPECT_EQ(refused(client, "bob").code, ErrorCode::kConflict);
  broker_->session()->client->logged_in(welcome_for(broker_->session()->user));
  EXPECT_TRUE(first.wait(io_.waitScope).isOk());
}

TEST_F(LoginTest, AConnectionThatDoesNotLogInIsClosed) {
  GatewayOptions options;
  options.login_timeout_ms = 20;
  start(options);
  TestClient silent = connect();
  EXPECT_TRUE(silent.wait_until_closed());
}

TEST_F(LoginTest, ALoginThatIsNeverAnsweredEndsWithTheTimeout) {
  broker_ = std::make_unique<FakeBroker>([](FakeSession&) {});
  GatewayOptions options;
  options.login_timeout_ms = 20;
  start(options);
  TestClient client = connect();
  EXPECT_THROW(client.login_raw("alice"), kj::Exception);
  broker_->session()->next<actors::ClientGone>();
}

TEST_F(LoginTest, TheLoginTimeoutDoesNotEndASession) {
  GatewayOptions options;
  options.login_timeout_ms = 50;
  start(options);
  TestClient client = connect();
  client.login("alice");
  TestClient later = connect();  // its timeout began later than the first one's
  EXPECT_TRUE(later.wait_until_closed());
  EXPECT_EQ(refused(client, "alice").code, ErrorCode::kConflict) << "still connected";
}

TEST_F(LoginTest, LogoutEndsTheSessionOnceAndClosesTheConnection) {
  GatewayOptions options;
  options.close_linger_ms = 20;
  start(options);
  TestClient client = connect();
  client.login("alice");
  client.session().logoutRequest().send().wait(io_.waitScope);
  broker_->session()->next<actors::ClientGone>();
  EXPECT_TRUE(client.wait_until_closed());
  gateway_->stop();
  EXPECT_EQ(broker_->session()->waiting(), 0u);
}

TEST_F(LoginTest, CallsAfterLogoutAreRefusedAsClosed) {
  start();
  TestClient client = connect();
  client.login("alice");
  auto logout = client.session().logoutRequest().send();
  auto ack = client.session().ackRequest().send();  // in the same breath
  auto answer = ack.wait(io_.waitScope);
  ASSERT_TRUE(answer.isError());
  EXPECT_EQ(wire::read(answer.getError()).code, ErrorCode::kClosed);
}

TEST_F(LoginTest, DroppingTheSessionCapabilityIsALogout) {
  start();
  TestClient client = connect();
  client.login("alice");
  client.drop_session();
  client.flush();
  broker_->session()->next<actors::ClientGone>();
}

TEST_F(LoginTest, ALostConnectionIsToldOnce) {
  start();
  {
    TestClient client = connect();
    client.login("alice");
  }
  broker_->session()->next<actors::ClientGone>();
  gateway_->stop();
  EXPECT_EQ(broker_->session()->waiting(), 0u);
}

TEST_F(LoginTest, AConnectionLostInMidCallIsToldOnceAndTheAnswerGoesNowhere) {
  start();
  {
    TestClient client = connect();
    client.login("alice");
    auto call = client.session().ackRequest().send();
    client.flush();
    broker_->session()->next<actors::ClientAck>();
  }
  auto session = broker_->session();
  session->next<actors::ClientGone>();
  session->client->answered(1, Result<Sequence>(Sequence(1)));
  session->client->closed(Error{ErrorCode::kUnavailable, "", ""});
  gateway_->stop();
  EXPECT_EQ(session->waiting(), 0u);
}

}  // namespace
}  // namespace earshot::gateway
