// Who may say what over Redis's protocol where tokens are asked for.
#include <string>

#include <gtest/gtest.h>

#include "tests/support/gateway_resp.hpp"

namespace earshot::gateway {
namespace {

using tests::RespConnectionTest;
using tests::RespPeer;

const std::string kAdd = "GEOADD people 13.36 38.11 ada\r\n";
const std::string kNoAuth = "-NOAUTH Authentication required.\r\n";

class RespLogin : public RespConnectionTest {
 protected:
  RespLogin() {
    tokens_are_secret_ = true;
    tokens_role_ = Role::kService;
  }
  RespPeer& log_in() {
    RespPeer& client = connect();
    client.say("AUTH ok\r\n");
    EXPECT_EQ(client.hear(), "+OK\r\n");
    return client;
  }
  bool is_let_in() {
    client_->say(kAdd);
    const bool is_passed_on = places_->changes() > 0;
    finish_changes();
    EXPECT_EQ(client_->hear(), is_passed_on ? ":1\r\n" : kNoAuth);
    return is_passed_on;
  }
  // A token that is refused, when its turn has come.
  void guess() {
    connect();
    client_->say("AUTH wrong\r\n");
    advance(limits::kLoginDelayMaxMs);
    ASSERT_TRUE(client_->hear().starts_with("-WRONGPASS"));
  }
};

TEST_F(RespLogin, WithoutOneOnlyLoginsAreTaken) {
  RespPeer& client = connect();
  EXPECT_FALSE(is_let_in());
  for (const char* command : {"PING", "INFO", "DBSIZE", "COMMAND", "CLIENT ID", "CONFIG GET *"}) {
    client.say(std::string(command) + "\r\n");
    EXPECT_EQ(client.hear(), kNoAuth) << command;
  }
  client.say("HELLO 3\r\n");
  EXPECT_TRUE(client.hear().starts_with("-NOAUTH HELLO must be called with"));
  EXPECT_EQ(places_->questions(), 0u);
}

TEST_F(RespLogin, AServicesTokenLogsIn) {
  log_in();
  EXPECT_TRUE(is_let_in());
  EXPECT_EQ(counters_.logins_refused, 0u);
}

TEST_F(RespLogin, SoDoesAnOperatorsAndAUserNameIsNotLookedAt) {
  tokens_role_ = Role::kOperator;
  RespPeer& client = connect();
  client.say("AUTH default ok\r\n");
  EXPECT_EQ(client.hear(), "+OK\r\n");
  EXPECT_TRUE(is_let_in());
}

TEST_F(RespLogin, AUsersTokenDoesNot) {
  tokens_role_ = Role::kUser;
  RespPeer& client = connect();
  client.say("AUTH alice\r\n");
  EXPECT_TRUE(client.hear().starts_with("-NOPERM"));
  EXPECT_FALSE(is_let_in());
  EXPECT_EQ(counters_.logins_refused, 1u);
}

TEST_F(RespLogin, AWrongTokenIsRefused) {
  RespPeer& client = connect();
  client.say("AUTH wrong\r\n");
  EXPECT_TRUE(client.hear().starts_with("-WRONGPASS"));
  EXPECT_FALSE(is_let_in());
  client.say("HELLO 3 AUTH default wrong\r\n");
  EXPECT_TRUE(client.hear().starts_with("-WRONGPASS"));
  EXPECT_FALSE(is_let_in());
  EXPECT_EQ(counters_.logins_refused, 2u);
}

TEST_F(RespLogin, HelloLogsInAndChoosesTheProtocol) {
  RespPeer& client = connect();
  client.say("HELLO 3 AUTH default ok SETNAME bus\r\nCLIENT GETNAME\r\n");
  const std::string heard = client.hear();
  EXPECT_TRUE(heard.starts_with("%")) << heard;
  EXPECT_TRUE(heard.ends_with("$3\r\nbus\r\n")) << heard;
  EXPECT_TRUE(is_let_in());
}

TEST_F(RespLogin, AWrongTokenDoesNotLogOutWhoWasIn) {
  RespPeer& client = log_in();
  client.say("AUTH wrong\r\n");
  EXPECT_TRUE(client.hear().starts_with("-WRONGPASS"));
  EXPECT_TRUE(is_let_in());
}

TEST_F(RespLogin, GuessesWaitLongerAndLonger) {
  RespPeer& client = connect();
  for (std::uint32_t i = 0; i <= limits::kLoginFailuresFree; ++i) {
    client.say("AUTH wrong\r\n");
    ASSERT_TRUE(client.hear().starts_with("-WRONGPASS")) << i;
  }
  client.say("AUTH ok\r\nPING\r\n");
  advance(limits::kLoginDelayFirstMs - 1);
  EXPECT_EQ(client.hear(), "") << "and what came behind it waits";
  advance(1);
  EXPECT_EQ(client.hear(), "+OK\r\n+PONG\r\n");
}

TEST_F(RespLogin, MoreGuessesThanMayWaitAreNotJudged) {
  for (int i = 0; i < 12; ++i) guess();
  const auth::Origin here{false, INADDR_LOOPBACK};
  for (int i = 0; logins_.admit(here); ++i) ASSERT_LT(i, 100);
  RespPeer& client = connect();
  client.say("AUTH ok\r\n");
  EXPECT_TRUE(client.hear().starts_with("-TRYAGAIN overloaded"));
  EXPECT_FALSE(is_let_in());
}

TEST_F(RespLogin, AClientThatGoesWhileItsLoginWaitsLeavesNothingBehind) {
  for (int i = 0; i < 8; ++i) guess();
  connect();
  client_->say("AUTH ok\r\nPING\r\n");
  hang_up();
  advance(limits::kLoginDelayMaxMs);
  EXPECT_TRUE(context_.ports.empty());
  EXPECT_EQ(context_.calls_in_flight, 0u);
}

// ---- limits of strangers

TEST_F(RespLogin, AStrangersArgumentsPassAtTheLimitAndOneMoreIsRefused) {
  RespPeer& client = connect();
  client.say("*" + std::to_string(limits::kRespStrangerArgumentsMax) + "\r\n$4\r\nPING\r\n");
  for (std::size_t i = 1; i < limits::kRespStrangerArgumentsMax; ++i) client.say("$1\r\nx\r\n");
  EXPECT_EQ(client.hear(), kNoAuth);
  client.say("*" + std::to_string(limits::kRespStrangerArgumentsMax + 1) + "\r\n");
  EXPECT_EQ(client.hear(), "-ERR Protocol error: invalid multibulk length, the limit is 10 arguments\r\n");
  EXPECT_TRUE(is_over());
}

TEST_F(RespLogin, AStrangersBytesPassAtTheLimitAndOneMoreIsRefused) {
  RespPeer& client = connect();
  client.say(request({"PING", std::string(limits::kRespStrangerBytesMax - 4, 'x')}));
  EXPECT_EQ(client.hear(), kNoAuth);
  client.say("*2\r\n$4\r\nPING\r\n$" + std::to_string(limits::kRespStrangerBytesMax - 3) + "\r\n");
  EXPECT_TRUE(client.hear().starts_with("-ERR Protocol error: too big request"));
  EXPECT_TRUE(is_over());
}

TEST_F(RespLogin, AStrangersLineIsBoundedToo) {
  RespPeer& client = connect();
  client.say(std::string(limits::kRespStrangerBytesMax + 1, 'x'));
  EXPECT_TRUE(client.hear().starts_with("-ERR Protocol error: too big inline request"));
  EXPECT_TRUE(is_over());
}

// It would hold up those who have logged in.
TEST_F(RespLogin, AStrangerTakesNoRoomForReading) {
  RespPeer& client = connect();
  client.say("*10\r\n");
  for (int i = 0; i < 9 && !client.is_closed(); ++i) {
    client.say("$" + std::to_string(limits::kRespStrangerBytesMax) + "\r\n" +
               std::string(limits::kRespStrangerBytesMax, 'x') + "\r\n");
    EXPECT_EQ(reading_.used(), 0u) << i;
    client.hear();
  }
}

TEST_F(RespLogin, WhoHasLoggedInMaySayMore) {
  RespPeer& client = log_in();
  client.say(request({"ECHO", std::string(limits::kRespArgumentBytesMax, 'x')}));
  EXPECT_EQ(client.hear().size(), limits::kRespArgumentBytesMax + 10);
}

// ---- times

TEST_F(RespLogin, AConnectionWithoutOneIsClosedAtTheTimeout) {
  RespPeer& client = connect();
  advance(limits::kLoginTimeoutMs - 1);
  client.say("PING\r\n");
  EXPECT_EQ(client.hear(), kNoAuth);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.login_timeouts, 1u);
}

TEST_F(RespLogin, WhoHasLoggedInMayBeSilent) {
  log_in();
  for (int hour = 0; hour < 24; ++hour) advance(3'600'000);
  EXPECT_FALSE(is_over());
  EXPECT_EQ(counters_.login_timeouts, 0u);
}

TEST_F(RespLogin, WhereNothingIsSecretNobodyNeedsOne) {
  tokens_are_secret_ = false;
  RespPeer& client = connect();
  advance(10 * limits::kLoginTimeoutMs);
  EXPECT_FALSE(is_over());
  EXPECT_TRUE(is_let_in());
  client.say("AUTH any\r\nAUTH default any\r\n");
  const std::string heard = client.hear();
  EXPECT_TRUE(heard.starts_with("-ERR AUTH <password> called without any password configured")) << heard;
  EXPECT_TRUE(heard.ends_with("\r\n+OK\r\n")) << heard;
}

TEST_F(RespLogin, ATokenThatExpiresEndsTheConnection) {
  tokens_end_at_ms_ = clock_.wall_ms() + 60'000;
  RespPeer& client = log_in();
  client.say(kAdd);
  clock_.jump_wall(59'999);
  look();
  EXPECT_EQ(client.hear(), "");
  EXPECT_FALSE(is_over());
  clock_.jump_wall(1);
  look();
  EXPECT_TRUE(client.hear().starts_with("-TRYAGAIN unavailable: the outcome is unknown: it has expired"));
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.tokens_expired, 1u);
}

TEST_F(RespLogin, AWallClockThatIsSetBackDoesNotLengthenIt) {
  tokens_end_at_ms_ = clock_.wall_ms() + 60'000;
  log_in();
  clock_.jump_wall(-1'000'000'000);
  advance(59'999);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.tokens_expired, 1u);
}

// ---- RESET

TEST_F(RespLogin, ResetLogsOut) {
  RespPeer& client = log_in();
  client.say("RESET\r\n");
  EXPECT_EQ(client.hear(), "+RESET\r\n");
  EXPECT_FALSE(is_let_in());
  client.say("AUTH ok\r\n");
  EXPECT_EQ(client.hear(), "+OK\r\n");
  EXPECT_TRUE(is_let_in());
}

TEST_F(RespLogin, WhoHasLoggedOutIsAStrangerAgain) {
  RespPeer& client = log_in();
  client.say("RESET\r\n*" + std::to_string(limits::kRespStrangerArgumentsMax + 1) + "\r\n");
  EXPECT_EQ(client.hear(), "+RESET\r\n-ERR Protocol error: invalid multibulk length, the limit is 10 arguments\r\n");
  EXPECT_TRUE(is_over());
}

TEST_F(RespLogin, WhoHasLoggedOutAndDoesNotLogInAgainIsClosed) {
  RespPeer& client = log_in();
  advance(10 * limits::kLoginTimeoutMs);
  client.say("RESET\r\n");
  EXPECT_EQ(client.hear(), "+RESET\r\n");
  advance(limits::kLoginTimeoutMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.login_timeouts, 1u);
}

}  // namespace
}  // namespace earshot::gateway
