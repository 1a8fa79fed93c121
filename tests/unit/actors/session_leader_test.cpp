#include <gmock/gmock.h>

#include "actors/shard_refusals.hpp"
#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

// A change of a shard's leader, which is a pause to the client and not an error.
namespace earshot::tests {
namespace {

using testing::ElementsAre;

class SessionLeader : public SessionTest {
 protected:
  static auto lost() { return fail(refusals::lost()); }
  // What is to be asked again has been asked again by then.
  void pause() { advance(limits::kAskAgainFirstMs); }
  void announce(std::uint64_t term, bool again = false) {
    session_->handle(LeaderAnnounced{shard_of(user("alice"), kShards), Term(term), again}, now_);
  }
  void answer_login(Result<LoginOutcome> outcome) {
    session_->handle(LoginAnswered{home().logins.back().request, std::move(outcome)}, now_);
  }
  CallId manage(ManageRequest request) {
    session_->handle(ClientManage{++call_, std::move(request)}, now_);
    return call_;
  }
  void answer_manage(Result<ManageAnswer> answer) {
    session_->handle(ManageAnswered{home().manages.back().request, std::move(answer)}, now_);
  }
  const DeviceId phone_ = DeviceId::trusted("phone");
};

TEST(LeaderChange, IsToldFromEveryOtherReasonToTryAgain) {
  EXPECT_TRUE(refusals::is_leader_change(refusals::lost()));
  EXPECT_TRUE(refusals::is_leader_change(refusals::not_leader()));
  EXPECT_FALSE(refusals::is_leader_change(refusals::stopping()));
  EXPECT_FALSE(refusals::is_leader_change(refusals::storage_full()));
  EXPECT_FALSE(refusals::is_leader_change(refusals::overloaded("")));
  EXPECT_FALSE(refusals::is_leader_change(refusals::device_removed()));
  for (const Error& error : {refusals::lost(), refusals::not_leader()}) {
    EXPECT_TRUE(error.is_temporary()) << "clients that meet it try again";
    EXPECT_GT(error.retry_after_ms, 0u);
  }
}

// ---- what is asked again

TEST_F(SessionLeader, ALoginThatMetAChangeOfLeaderIsAskedAgainAndTheClientSeesAPause) {
  connect(Epoch(1), LoginOrder{77, 5});
  session_->start(now_);
  answer_login(lost());
  EXPECT_EQ(home().logins.size(), 1u) << "not in a busy loop";
  pause();
  ASSERT_EQ(home().logins.size(), 2u);
  EXPECT_EQ(home().logins[1].command, home().logins[0].command) << "with the same order, or it were a later login";
  EXPECT_TRUE(client_->welcomes.empty());
  session_->handle(LoginAnswered{home().logins[0].request, outcome(0, 0)}, now_);
  EXPECT_TRUE(client_->welcomes.empty()) << "the first one's producer is forgotten when the second is applied";
  answer_login(outcome(0, 0));
  ASSERT_EQ(client_->welcomes.size(), 1u);
  EXPECT_TRUE(client_->welcomes[0]);
  EXPECT_EQ(home().registers.size(), 1u);
}

TEST_F(SessionLeader, ALoginIsAskedAgainUntilItsOwnDeadlineAndFewTimes) {
  const std::uint64_t end = now_ + kTimeoutMs;
  session_->start(now_);
  while (now_ + 1 < end) {
    answer_login(lost());
    advance(1);
  }
  EXPECT_TRUE(client_->welcomes.empty());
  EXPECT_GT(home().logins.size(), 15u);
  EXPECT_LT(home().logins.size(), 60u);
  advance(1);
  ASSERT_EQ(client_->welcomes.size(), 1u);
  EXPECT_EQ(client_->welcomes[0].error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_TRUE(host_.ended);
}

TEST_F(SessionLeader, AnAckIsAnsweredOnlyWhenANewLeaderHasCommittedIt) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 9);
  const CallId first = ack(2, {5});
  answer_ack(lost());
  const CallId second = ack(3);
  EXPECT_EQ(cursor_of(first), nullptr) << "no error";
  EXPECT_EQ(home().acks.size(), 1u);
  pause();
  ASSERT_EQ(home().acks.size(), 2u);
  EXPECT_EQ(home().acks[1].command, home().acks[0].command);
  answer_ack(seq(2));
  EXPECT_EQ(**cursor_of(first), seq(2));
  EXPECT_EQ(home().acks.back().command.up_to, seq(3)) << "what came meanwhile goes next";
  answer_ack(seq(3));
  EXPECT_EQ(**cursor_of(second), seq(3));
}

TEST_F(SessionLeader, AnAckThatNobodyCommitsFailsAtItsDeadlineAndGoesWithTheNext) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 9);
  const CallId first = ack(2);
  answer_ack(lost());
  advance(kTimeoutMs - 1);
  EXPECT_EQ(cursor_of(first), nullptr);
  advance(1);
  ASSERT_NE(cursor_of(first), nullptr);
  EXPECT_EQ(cursor_of(first)->error().code, ErrorCode::kDeadlineExceeded);
  ack(1);
  EXPECT_EQ(home().acks.back().command.up_to, seq(2));
}

TEST_F(SessionLeader, RefusalsOfOtherKindsAreToldTheClientAtOnce) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 9);
  for (const Error& error : {refusals::overloaded("full"), refusals::storage_full(), refusals::stopping()}) {
    const CallId call = ack(1);
    answer_ack(fail(error));
    ASSERT_NE(cursor_of(call), nullptr);
    EXPECT_EQ(cursor_of(call)->error(), error);
  }
}

TEST_F(SessionLeader, TheClientsReadsAreAskedAgainAsTheyWere) {
  open(0, 50);
  session_->handle(ClientFetch{1, seq(10), 7, FetchCause::kGap}, now_);
  session_->handle(ClientHistory{2, seq(20), 8}, now_);
  session_->handle(FetchAnswered{home().histories[0].request, lost()}, now_);
  session_->handle(FetchAnswered{home().fetches[0].request, lost()}, now_);
  EXPECT_TRUE(client_->batches.empty());
  pause();
  ASSERT_EQ(home().fetches.size(), 2u);
  EXPECT_EQ(home().fetches[1].after, seq(10));
  EXPECT_EQ(home().fetches[1].limit, 7u);
  ASSERT_EQ(home().histories.size(), 2u);
  EXPECT_EQ(home().histories[1].before, seq(20));
  EXPECT_EQ(home().histories[1].limit, 8u);
  answer_read(batch_of(11, 17, 50));
  session_->handle(FetchAnswered{home().histories[1].request, batch_of(12, 19, 50)}, now_);
  ASSERT_EQ(client_->batches.size(), 2u);
  EXPECT_EQ(client_->batches[0].first, 1u);
  EXPECT_TRUE(client_->batches[0].second);
  EXPECT_EQ(client_->batches[1].first, 2u);
  EXPECT_EQ(counters_->refetches_of(FetchCause::kGap), 1u) << "the client asked once";
}

TEST_F(SessionLeader, AReadOfTheMailboxThatMetAChangeOfLeaderIsTriedAgainSoon) {
  open(0, 1);
  subscribe(DeliveryMode::kOrdered);
  answer_read(lost());
  EXPECT_EQ(home().fetches.size(), 1u);
  pause();
  ASSERT_EQ(home().fetches.size(), 2u);
  answer_read(batch_of(1, 1, 1));
  EXPECT_EQ(delivered(0), numbers(1, 1));
}

TEST_F(SessionLeader, ManagementIsAskedAgainOfTheSameShard) {
  open();
  const CallId call = manage(DevicesRequest{});
  answer_manage(lost());
  EXPECT_TRUE(client_->manages.empty());
  pause();
  ASSERT_EQ(home().manages.size(), 2u);
  EXPECT_EQ(home().manages[1].manage, home().manages[0].manage);
  answer_manage(ManageAnswer(std::vector<DeviceInfo>(2)));
  ASSERT_EQ(client_->manages.size(), 1u);
  EXPECT_EQ(client_->manages[0].first, call);
  EXPECT_TRUE(client_->manages[0].second);
}

TEST_F(SessionLeader, ADeviceThatTheFirstAskingMayHaveRemovedIsRemoved) {
  open();
  manage(RemoveDeviceRequest{{}, phone_});
  answer_manage(fail(ErrorCode::kNotFound, "device", ""));
  EXPECT_EQ(client_->manages.at(0).second.error().code, ErrorCode::kNotFound) << "it was asked once";
  manage(RemoveDeviceRequest{{}, phone_});
  answer_manage(lost());
  pause();
  answer_manage(fail(ErrorCode::kNotFound, "device", ""));
  EXPECT_TRUE(client_->manages.at(1).second);
}

TEST_F(SessionLeader, WhatTheFirstAskingMayHaveReplayedIsNotSaidToBeNotParked) {
  open();
  const ReplayRequest replay{{}, phone_, {seq(4), seq(5)}};
  manage(replay);
  answer_manage(ManageAnswer(Replayed{{Sequence(), seq(9)}}));
  EXPECT_TRUE(client_->manages.at(0).second) << "it was asked once: 4 was not parked";
  manage(replay);
  answer_manage(lost());
  pause();
  answer_manage(ManageAnswer(Replayed{{seq(8), seq(9)}}));
  EXPECT_TRUE(client_->manages.at(1).second) << "all of them now, so none before";
  manage(replay);
  answer_manage(lost());
  pause();
  answer_manage(ManageAnswer(Replayed{{Sequence(), seq(9)}}));
  EXPECT_EQ(client_->manages.at(2).second.error().code, ErrorCode::kDeadlineExceeded) << "nobody knows";
}

// Between nodes a registration may come behind the read that was made after it, and what is stored between the two is
// pushed to nobody.
TEST_F(SessionLeader, ARegistrationThatCameLateTellsHowFarTheMailboxGoes) {
  deliver_from(0, DeliveryMode::kOrdered);
  const std::size_t before = home().fetches.size();
  session_->handle(ParkingRule{0, seq(0)}, now_);
  EXPECT_EQ(home().fetches.size(), before) << "nothing is missing";
  session_->handle(ParkingRule{0, seq(2)}, now_);
  ASSERT_EQ(home().fetches.size(), before + 1);
  EXPECT_EQ(home().fetches.back().after, seq(0));
}

// A message must not be parked before it was delivered as often as its mailbox's policy asks.
TEST_F(SessionLeader, DeliveriesInVainThatMayHaveBeenCountedAreNotCountedAgain) {
  deliver_from(0, DeliveryMode::kUnordered);
  session_->handle(ParkingRule{3}, now_);
  push(1, 2);
  take_in();
  nack({1}, 0);
  ASSERT_EQ(home().attempts.size(), 1u);
  session_->handle(AttemptsAnswered{home().attempts[0].request, lost()}, now_);
  take_in();
  nack({2}, 0);
  ASSERT_EQ(home().attempts.size(), 2u);
  EXPECT_EQ(home().attempts[1].command.notes, (std::vector<AttemptsCommand::Note>{{seq(2), seq(2), 1}}));
}

TEST_F(SessionLeader, SendsGoBackToTheClientsLaneWhichSendsThemAgain) {
  open();
  LaneItem item{shard_of(user("alice"), kShards), {}};
  item.item.message.checksum = checksum_of("");
  session_->handle(ClientSend{5, {item, item}}, now_);
  std::vector<SendAnswer> held(2, SendAnswer{SendAnswer::Held{refusals::lost()}});
  session_->handle(SendsAnswered{home().sends.at(0).request, held}, now_);
  ASSERT_EQ(client_->sends.size(), 1u);
  const auto* first = std::get_if<SendAnswer::Held>(&client_->sends[0].second.at(0).value);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->error, refusals::lost());
  advance(kTimeoutMs);
  EXPECT_EQ(home().sends.size(), 1u);
}

TEST_F(SessionLeader, ASessionThatHasEndedAsksNothingAgain) {
  open(0, 9);
  ack(3);
  answer_ack(lost());
  session_->handle(ClientGone{}, now_);
  EXPECT_EQ(host_.wake_ms, 0u);
  session_->wake(now_ + limits::kAskAgainMaxMs);
  EXPECT_EQ(home().acks.size(), 1u);
}

// ---- announcements

TEST_F(SessionLeader, OnlyAnAnnouncementOfALaterTermIsNews) {
  deliver_from(0, DeliveryMode::kOrdered);
  home().log.clear();
  announce(5);
  EXPECT_THAT(home().log, ElementsAre("register push", "fetch"));
  answer_read(batch_of(1, 0, 0));
  announce(5);
  announce(4);
  announce(4, true);
  EXPECT_EQ(home().log.size(), 2u);
  announce(6);
  EXPECT_THAT(home().log, ElementsAre("register push", "fetch", "register push", "fetch"));
}

TEST_F(SessionLeader, WhatGotLostInATermIsRegisteredAndReadAgain) {
  deliver_from(0, DeliveryMode::kOrdered);
  announce(5);
  answer_read(batch_of(1, 0, 0));
  home().log.clear();
  announce(5, true);
  EXPECT_THAT(home().log, ElementsAre("register push", "fetch")) << "in this order, or a message falls between";
  answer_read(batch_of(1, 1, 1));
  EXPECT_EQ(delivered(0), numbers(1, 1)) << "its push was lost, and nothing has followed it";
}

TEST_F(SessionLeader, ASessionThatIsLoggingInRegistersOnceItIsLoggedIn) {
  session_->start(now_);
  announce(5);
  EXPECT_TRUE(home().registers.empty());
  answer_login(outcome(0, 0));
  EXPECT_EQ(home().registers.size(), 1u);
  announce(5);
  EXPECT_EQ(home().registers.size(), 1u) << "with the leader of that term already";
  announce(6);
  EXPECT_EQ(home().registers.size(), 2u);
}

TEST_F(SessionLeader, ANewLeaderIsReadFromThoughAnEarlierReadWaitsOutItsBackoff) {
  deliver_from(0, DeliveryMode::kOrdered);
  announce(5);
  for (int failures = 0; failures < 8; ++failures) {
    answer_read(fail(refusals::overloaded("")));
    advance(10'000);
  }
  answer_read(fail(refusals::overloaded("")));
  const auto before = home().fetches.size();
  announce(6);
  EXPECT_EQ(home().fetches.size(), before + 1);
}

// ---- pushes of two leaders

TEST_F(SessionLeader, PushesOfAnOldLeaderBehindThoseOfANewOneMakeNoGapNoDoubleAndNoStall) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  announce(5);
  answer_read(batch_of(1, 3, 3));  // the window
  push(6, 7);                      // of the new leader, which 4 and 5 were committed under the old one
  push(4, 5);                      // of the old leader, late
  push(2, 3);                      // and doubled
  answer_read(batch_of(4, 7, 7));
  Numbers all;
  for (const auto& delivery : client_->deliveries) {
    for (const auto s : sequences_of(delivery)) all.push_back(s);
  }
  EXPECT_EQ(all, numbers(1, 7));
}

TEST_F(SessionLeader, TheLastPushWhenItGetsLostIsFoundByTheNextAnnouncement) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  take_in();
  ack(3);
  answer_ack(seq(3));
  advance(100'000);  // 4 was pushed to nobody: the session cannot know, and no timer stands
  EXPECT_EQ(host_.wake_ms, 0u);
  EXPECT_EQ(deliveries(), 1u);
  announce(1, true);
  answer_read(batch_of(4, 4, 4));
  EXPECT_EQ(last_delivered(), numbers(4, 4));
}

// ---- what ended meanwhile

TEST_F(SessionLeader, WhatHasEndedWithoutAWordIsNotDeliveredAgain) {
  for (const auto mode : {DeliveryMode::kOrdered, DeliveryMode::kUnordered}) {
    SCOPED_TRACE(static_cast<int>(mode));
    connect();
    deliver_from(0, mode);
    push(1, 3);
    take_in();
    announce(5);
    EXPECT_EQ(home().fetches.back().after, seq(0)) << "what is in the window";
    EXPECT_EQ(home().fetches.back().limit, 3u);
    Batch now = batch_of(1, 3, 3);
    now.messages.erase(now.messages.begin() + 1);
    now.lost.push_back(LostRange{seq(2), seq(2), LostReason::kExpired});
    answer_read(std::move(now));
    EXPECT_EQ(home().fetches.back().after, seq(3)) << "and what is behind it";
    answer_read(batch_of(1, 0, 3));
    advance(kMaxMs);
    EXPECT_THAT(client_->deliveries.back().lost, ElementsAre(LostRange{seq(2), seq(2), LostReason::kExpired}));
    for (std::size_t i = 0; i < last_delivered().size(); ++i) EXPECT_NE(last_delivered()[i], 2u);
    take_in();
  }
}

TEST_F(SessionLeader, WhatCannotBeReadAnyMoreIsStillDeliveredByWhoHasIt) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 2);
  take_in();
  announce(5);
  Batch now = batch_of(1, 1, 2);
  now.lost.push_back(LostRange{seq(2), seq(2), LostReason::kCorrupt});
  answer_read(std::move(now));
  advance(kMaxMs);
  EXPECT_EQ(last_delivered(), numbers(1, 2));
}

TEST_F(SessionLeader, AWindowIsReadAgainInPartsAndWhateverTheAnswersBringThereIsAnEnd) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 9);
  take_in();
  announce(5);
  answer_read(batch_of(1, 4, 9));
  EXPECT_EQ(home().fetches.back().after, seq(4));
  EXPECT_EQ(home().fetches.back().limit, 5u);
  answer_read(batch_of(1, 0, 9));  // nothing
  EXPECT_EQ(home().fetches.back().after, seq(9));
  answer_read(batch_of(1, 0, 9));
  const auto reads = home().fetches.size();
  advance(kFirstMs / 2);
  EXPECT_EQ(home().fetches.size(), reads);
  EXPECT_EQ(deliveries(), 1u) << "what is there already does not come twice";
}

TEST_F(SessionLeader, ANewLeaderDuringTheReviewBeginsItAnew) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  take_in();
  announce(5);
  announce(6);
  answer_read(batch_of(1, 3, 3));  // of the leader before
  EXPECT_EQ(home().fetches.back().after, seq(0));
}

}  // namespace
}  // namespace earshot::tests
