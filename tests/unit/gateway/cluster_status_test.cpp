// What a gateway tells of the cluster: to whom, how often, and without a session.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/gateway_connection.hpp"
#include "tests/unit/schema/cluster_status_values.hpp"

namespace earshot::gateway {
namespace {

class ClusterStatusCall : public tests::ConnectionTest {
 protected:
  ClusterStatusCall() {
    tokens_role_ = Role::kOperator;
    broker_.know(tests::some_cluster_status());
  }
  Result<ClusterStatus> ask(const std::string& token = "olga") {
    auto request = client_->broker().clusterStatusRequest();
    request.setToken(token.c_str());
    auto answered = request.send();
    look();
    return wire::read(answered.wait(io_.waitScope));
  }
  ErrorCode refusal(const std::string& token = "olga") {
    const auto status = ask(token);
    EXPECT_FALSE(status);
    return status ? ErrorCode::kInternal : status.error().code;
  }
  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<tests::TestClient> client_ = std::make_unique<tests::TestClient>(io_, serve());
};

TEST_F(ClusterStatusCall, NeedsNoSession) {
  EXPECT_EQ(ask().value(), tests::some_cluster_status());
  EXPECT_EQ(broker_.sessions(), 0u) << "a shard that does not work would keep it from being told";
}

TEST_F(ClusterStatusCall, IsForServicesAndOperatorsAlone) {
  tokens_role_ = Role::kUser;
  EXPECT_EQ(refusal(), ErrorCode::kPermissionDenied);
  advance(limits::kClusterStatusPauseMs);
  tokens_role_ = Role::kService;
  EXPECT_TRUE(ask());
}

TEST_F(ClusterStatusCall, AWrongTokenIsToldNothingAndSlowsItsOriginDown) {
  tokens_are_secret_ = true;
  ErrorCode code = ErrorCode::kUnauthenticated;
  for (int attempts = 0; attempts < 1'000 && code == ErrorCode::kUnauthenticated; ++attempts) {
    code = refusal("wrong");
    advance(limits::kClusterStatusPauseMs);
  }
  EXPECT_EQ(code, ErrorCode::kOverloaded) << "tokens could be guessed here as fast as the network goes";
  EXPECT_GT(counters_.logins_refused.load(), 0u);
}

TEST_F(ClusterStatusCall, ATokenThatIsTooLongIsNotLookedAt) {
  EXPECT_EQ(refusal(std::string(limits::kTokenBytesMax + 1, 'x')), ErrorCode::kTooLarge);
}

TEST_F(ClusterStatusCall, AskedAgainAtOnceIsOverloaded) {
  EXPECT_TRUE(ask());
  EXPECT_EQ(refusal(), ErrorCode::kOverloaded);
  advance(limits::kClusterStatusPauseMs);
  EXPECT_TRUE(ask());
}

TEST_F(ClusterStatusCall, IsRefusedWhileTheMemoryForAnswersIsTaken) {
  const ByteLease all(answers_, limits::kAnswersBytesMax);
  EXPECT_EQ(refusal(), ErrorCode::kOverloaded);
  EXPECT_EQ(counters_.answers_refused.load(), 1u);
}

TEST_F(ClusterStatusCall, ItsMemoryIsGivenBackWhenItIsWritten) {
  EXPECT_TRUE(ask());
  settle();
  EXPECT_EQ(answers_.used(), 0u);
}

TEST_F(ClusterStatusCall, GoesBesideASessionOfTheSameConnection) {
  client_->login("olga");
  EXPECT_TRUE(ask());
  EXPECT_EQ(broker_.sessions(), 1u);
}

}  // namespace
}  // namespace earshot::gateway
