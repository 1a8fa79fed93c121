#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class SessionLogin : public SessionTest {};

TEST_F(SessionLogin, RegistersAndWelcomesWhenTheShardHasDecided) {
  session_->start(now_);
  ASSERT_EQ(home().logins.size(), 1u);
  EXPECT_EQ(home().logins[0].command.user, user("alice"));
  EXPECT_TRUE(client_->welcomes.empty());
  session_->handle(LoginAnswered{home().logins[0].request, outcome(3, 5)}, now_);
  EXPECT_EQ(home().log, (std::vector<std::string>{"login", "register"}));
  ASSERT_EQ(client_->welcomes.size(), 1u);
  ASSERT_TRUE(client_->welcomes[0]);
  EXPECT_EQ(client_->welcomes[0]->login, outcome(3, 5));
  EXPECT_EQ(client_->welcomes[0]->shard_count, kShards);
}

TEST_F(SessionLogin, TellsTheShardTheOrderOfTheLogin) {
  connect({}, {77, 3});
  open();
  EXPECT_EQ(home().logins.back().command.order, (LoginOrder{77, 3}));
  EXPECT_EQ(home().registers.back().order, (LoginOrder{77, 3}));
  EXPECT_EQ(home().registers.back().producer, outcome(0, 0).producer);
}

TEST_F(SessionLogin, EndsWhenTheShardDoesNotAnswerInTime) {
  session_->start(now_);
  advance(kTimeoutMs - 1);
  EXPECT_TRUE(client_->welcomes.empty());
  advance(1);
  ASSERT_EQ(client_->welcomes.size(), 1u);
  EXPECT_EQ(client_->welcomes[0].error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_TRUE(host_.ended);
  session_->handle(LoginAnswered{home().logins[0].request, outcome(0, 0)}, now_);
  EXPECT_EQ(client_->welcomes.size(), 1u);
}

TEST_F(SessionLogin, EndsWhenTheShardRefuses) {
  session_->start(now_);
  session_->handle(LoginAnswered{home().logins[0].request, fail(ErrorCode::kOverloaded, "devices", "too many")}, now_);
  ASSERT_EQ(client_->welcomes.size(), 1u);
  EXPECT_EQ(client_->welcomes[0].error().code, ErrorCode::kOverloaded);
  EXPECT_TRUE(host_.ended);
  EXPECT_TRUE(home().registers.empty());
}

TEST_F(SessionLogin, NewerSessionWinsAndTheOlderIsToldWhy) {
  open();
  session_->handle(SessionEvicted{Error{ErrorCode::kSessionReplaced, "", "a newer login"}}, now_);
  ASSERT_EQ(client_->closings.size(), 1u);
  EXPECT_EQ(client_->closings[0].code, ErrorCode::kSessionReplaced);
  EXPECT_TRUE(host_.ended);
  EXPECT_EQ(host_.wake_ms, 0u);
  push(1, 1);
  ack(0);
  EXPECT_EQ(deliveries(), 0u);
  EXPECT_TRUE(client_->cursors.empty());
}

TEST_F(SessionLogin, LeavesQuietlyWhenTheConnectionIsGone) {
  open();
  session_->handle(ClientGone{}, now_);
  ASSERT_EQ(home().unregisters.size(), 1u);
  EXPECT_EQ(home().unregisters[0].session, 7u);
  EXPECT_TRUE(client_->closings.empty());
  EXPECT_TRUE(host_.ended);
}

TEST_F(SessionLogin, CallsBeforeTheLoginIsCompleteAreRefusedNotLost) {
  session_->start(now_);
  ClientSend send{1, {}};
  send.items.resize(2);
  session_->handle(std::move(send), now_);
  subscribe(DeliveryMode::kOrdered);
  const CallId acked = ack(1);
  session_->handle(ClientFetch{50, seq(0), 0, FetchCause::kGap}, now_);
  push(1, 1);
  ASSERT_EQ(client_->sends.size(), 1u);
  EXPECT_EQ(client_->sends[0].second.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<SendAnswer::Held>(client_->sends[0].second[0].value));
  EXPECT_FALSE(client_->statuses.at(0).second);
  EXPECT_FALSE(*cursor_of(acked));
  EXPECT_FALSE(client_->batches.at(0).second);
}

TEST_F(SessionLogin, NewLeaderGetsTheRegistrationAgain) {
  open();
  session_->handle(LeaderAnnounced{shard_of(user("alice"), kShards), Term(2)}, now_);
  EXPECT_EQ(home().registers.size(), 2u);
  EXPECT_FALSE(home().registers[1].push);
  const auto other = static_cast<std::uint16_t>((shard_of(user("alice"), kShards).value + 1) % kShards);
  session_->handle(LeaderAnnounced{ShardId(other), Term(2)}, now_);
  EXPECT_EQ(home().registers.size(), 2u);
}

TEST_F(SessionLogin, NoTimerWhenNothingIsOutstanding) {
  open();
  EXPECT_EQ(host_.wake_ms, 0u);
  subscribe(DeliveryMode::kOrdered);
  answer_read(batch_of(1, 0, 0));
  EXPECT_EQ(host_.wake_ms, 0u);
  push(1, 1);
  EXPECT_EQ(host_.wake_ms, 0u) << "what the client has not yet taken in is not late";
  take_in();
  EXPECT_NE(host_.wake_ms, 0u);
  ack(1);
  answer_ack(seq(1));
  EXPECT_EQ(host_.wake_ms, 0u);
}

}  // namespace
}  // namespace earshot::tests
