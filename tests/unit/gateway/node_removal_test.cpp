// Removing a node: who may ask, and what becomes of the question.
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/gateway_connection.hpp"

namespace earshot::gateway {
namespace {

class NodeRemovalCall : public tests::ConnectionTest {
 protected:
  using Done = std::function<void(Result<RemovalAnswer>)>;

  NodeRemovalCall() {
    tokens_role_ = Role::kOperator;
    broker_.remove_by([this](NodeId node, Done done) {
      removed_ = node;
      done(NodeRemoved{});
    });
  }
  auto send(const std::string& token = "olga", std::uint64_t node = 3) {
    auto request = client_->broker().removeNodeRequest();
    request.setToken(token.c_str());
    request.setNode(node);
    return request.send();
  }
  Result<RemovalAnswer> ask(const std::string& token = "olga", std::uint64_t node = 3) {
    auto answered = send(token, node);
    look();
    return wire::read(answered.wait(io_.waitScope));
  }
  ErrorCode refusal(const std::string& token = "olga", std::uint64_t node = 3) {
    const auto answer = ask(token, node);
    EXPECT_FALSE(answer);
    EXPECT_EQ(removed_, NodeId());
    return answer ? ErrorCode::kInternal : answer.error().code;
  }

  NodeId removed_;
  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<tests::TestClient> client_ = std::make_unique<tests::TestClient>(io_, serve());
};

TEST_F(NodeRemovalCall, NeedsNoSession) {
  EXPECT_EQ(ask().value(), RemovalAnswer(NodeRemoved{}));
  EXPECT_EQ(removed_, NodeId(3));
  EXPECT_EQ(broker_.sessions(), 0u);
}

TEST_F(NodeRemovalCall, IsForOperatorsAlone) {
  for (const Role role : {Role::kUser, Role::kService}) {
    tokens_role_ = role;
    EXPECT_EQ(refusal(), ErrorCode::kPermissionDenied);
    advance(limits::kClusterStatusPauseMs);
  }
}

TEST_F(NodeRemovalCall, AWrongTokenRemovesNobody) {
  tokens_are_secret_ = true;
  EXPECT_EQ(refusal("wrong"), ErrorCode::kUnauthenticated);
  EXPECT_GT(counters_.logins_refused.load(), 0u);
}

TEST_F(NodeRemovalCall, WhatIsNoNodeOrNoTokenIsNotLookedAt) {
  EXPECT_EQ(refusal("olga", 0), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(std::string(limits::kTokenBytesMax + 1, 'x')), ErrorCode::kTooLarge);
}

TEST_F(NodeRemovalCall, AnAnswerFromAThreadOfTheBrokersGetsThere) {
  std::thread broker;
  broker_.remove_by(
      [&broker](NodeId, const Done& done) { broker = std::thread([done] { done(AskLeader{{"127.0.0.1:7401"}}); }); });
  EXPECT_EQ(ask().value(), RemovalAnswer(AskLeader{{"127.0.0.1:7401"}}));
  broker.join();
}

TEST_F(NodeRemovalCall, ABrokerThatEndsFirstIsSaid) {
  broker_.remove_by([](NodeId, const Done&) {});
  const auto answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

TEST_F(NodeRemovalCall, AMetaGroupThatCannotCommitIsSaidBeforeTheConnectionIsClosed) {
  Done kept;
  broker_.remove_by([&kept](NodeId, Done done) { kept = std::move(done); });
  auto answered = send();
  settle();
  advance(context_.options.login_timeout_ms - 1);
  look();
  const auto answer = wire::read(answered.wait(io_.waitScope));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kDeadlineExceeded);
  kept(NodeRemoved{});  // into nothing
}

TEST_F(NodeRemovalCall, AskedAgainAtOnceIsOverloaded) {
  EXPECT_TRUE(ask());
  const auto again = ask();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kOverloaded);
}

}  // namespace
}  // namespace earshot::gateway
