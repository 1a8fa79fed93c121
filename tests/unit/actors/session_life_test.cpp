#include <gmock/gmock.h>

#include "actors/attempt_notes.hpp"
#include "actors/manage_desk.hpp"
#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

// What a session does with messages that end, or are given up on, and with calls that look after mailboxes.
namespace earshot::tests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionLife : public SessionTest {
 protected:
  void ended(std::uint64_t first, std::uint64_t last, LostReason reason) {
    session_->handle(MessagesEnded{{LostRange{seq(first), seq(last), reason}}}, now_);
  }
  void parks_after(std::uint32_t deliveries) { session_->handle(ParkingRule{deliveries}, now_); }
  [[nodiscard]] const Delivery& last() const { return client_->deliveries.back(); }
  // What was noted so far: each sequence as often as it was in vain.
  Numbers in_vain() {
    Numbers all;
    for (const auto& attempts : home().attempts) {
      for (const auto& note : attempts.command.notes) {
        for (std::uint64_t s = note.first.value; s <= note.last.value; ++s) all.insert(all.end(), note.count, s);
      }
    }
    return all;
  }
  void answer_attempts(Status status = {}) {
    session_->handle(AttemptsAnswered{home().attempts.back().request, std::move(status)}, now_);
  }
};

LostRange lost(std::uint64_t first, std::uint64_t last, LostReason reason) {
  return LostRange{seq(first), seq(last), reason};
}

// ---- ended

TEST_F(SessionLife, WhatEndsBeforeItWentOutGoesOutAsLost) {
  for (const auto mode : {DeliveryMode::kOrdered, DeliveryMode::kUnordered, DeliveryMode::kSequenceOnly}) {
    connect();
    deliver_from(0, mode);
    for (std::uint64_t s = 1; s <= 8; ++s) push(s, s);  // four deliveries fill the socket, the rest waits
    ended(6, 6, LostReason::kExpired);
    take_in_one();
    EXPECT_EQ(last_delivered(), (Numbers{5, 7, 8}));
    EXPECT_THAT(last().lost, ElementsAre(lost(6, 6, LostReason::kExpired)));
    take_in();
  }
}

TEST_F(SessionLife, AnOrderedRepeatTellsWhatEndedMeanwhile) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  take_in();
  ended(2, 2, LostReason::kExpired);
  advance(kMaxMs);
  EXPECT_THAT(last().lost, ElementsAre(lost(2, 2, LostReason::kExpired)));
  EXPECT_EQ(last_delivered(), (Numbers{1, 3}));
}

TEST_F(SessionLife, AnUnorderedMessageThatEndsIsToldAtOnce) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 3);
  take_in();
  nack({2}, 3'600'000);
  ended(2, 2, LostReason::kExpired);
  EXPECT_THAT(last().lost, ElementsAre(lost(2, 2, LostReason::kExpired)));
  EXPECT_THAT(last_delivered(), IsEmpty());
}

TEST_F(SessionLife, ANackedMessageThatEndsHoldsNothingBack) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  take_in();
  ack(1);
  nack({2}, 3'600'000);
  const std::size_t before = deliveries();
  ended(2, 2, LostReason::kParked);
  ASSERT_EQ(deliveries(), before + 1);
  EXPECT_THAT(last().lost, ElementsAre(lost(2, 2, LostReason::kParked)));
  EXPECT_EQ(last_delivered(), Numbers{3});
}

TEST_F(SessionLife, AMessageThatIsParkedIsToldAtOnceAndLetsTheRestGoOn) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  take_in();
  ended(1, 1, LostReason::kParked);
  ASSERT_EQ(deliveries(), 2u) << "not when its time is up";
  EXPECT_THAT(last().lost, ElementsAre(lost(1, 1, LostReason::kParked)));
  EXPECT_EQ(last_delivered(), numbers(2, 3));
}

TEST_F(SessionLife, ANackOfWhatHasEndedDoesNotDelayTheRest) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  ended(1, 1, LostReason::kExpired);
  take_in();
  nack({1}, 3'600'000);
  EXPECT_THAT(last().lost, ElementsAre(lost(1, 1, LostReason::kExpired)));
  EXPECT_EQ(last_delivered(), (Numbers{2, 3}));
}

TEST_F(SessionLife, ALostRangeIsAckedLikeAMessage) {
  for (const auto mode : {DeliveryMode::kOrdered, DeliveryMode::kUnordered}) {
    connect();
    deliver_from(0, mode);
    push(1, 2);
    ended(1, 2, LostReason::kExpired);
    take_in();
    ack(2);
    answer_ack(seq(2));
    const std::size_t before = deliveries();
    advance(10 * kMaxMs);
    EXPECT_EQ(deliveries(), before);
    EXPECT_EQ(host_.wake_ms, 0u);
  }
}

TEST_F(SessionLife, WhatAnEarlierSessionHadParkedComesByAsLost) {
  session_->start(now_);
  LoginOutcome outcome = SessionTest::outcome(0, 4);
  outcome.parked = {seq(2), seq(6)};
  session_->handle(LoginAnswered{home().logins.back().request, outcome}, now_);
  subscribe(DeliveryMode::kOrdered);
  answer_read(batch_of(1, 4, 4));
  EXPECT_EQ(last_delivered(), (Numbers{1, 3, 4}));
  EXPECT_THAT(last().lost, ElementsAre(lost(2, 2, LostReason::kParked)));
  push(5, 6);
  EXPECT_EQ(last_delivered(), Numbers{5});
  EXPECT_THAT(last().lost, ElementsAre(lost(6, 6, LostReason::kParked)));
}

// ---- in vain

TEST_F(SessionLife, NothingIsCountedWhileNothingCanBeParked) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 3);
  take_in();
  advance(10 * kMaxMs);
  take_in();
  session_->handle(ClientGone{}, now_);
  EXPECT_THAT(home().attempts, IsEmpty());
}

TEST_F(SessionLife, EveryUnorderedRepeatCountsTheDeliveryBefore) {
  deliver_from(0, DeliveryMode::kUnordered);
  parks_after(3);
  push(1, 2);
  take_in();
  nack({2}, 0);
  EXPECT_EQ(in_vain(), Numbers{2});
}

TEST_F(SessionLife, OfAnOrderedRepeatOnlyWhatBlocksCounts) {
  deliver_from(0, DeliveryMode::kOrdered);
  parks_after(3);
  push(1, 9);
  take_in();
  advance(kFirstMs * 2);
  EXPECT_EQ(last_delivered(), numbers(1, 9));
  EXPECT_EQ(in_vain(), Numbers{1}) << "2 to 9 only wait behind 1";
  answer_attempts();
  take_in();
  ack(4);
  nack({6}, 0);
  EXPECT_EQ(in_vain(), (Numbers{1, 6})) << "a nack says itself which";
}

TEST_F(SessionLife, NothingBehindANackCountsWhenAnAckPassesIt) {
  deliver_from(0, DeliveryMode::kOrdered);
  parks_after(1);
  push(1, 9);
  take_in();
  nack({3}, 1'000);
  ack(5);
  EXPECT_EQ(in_vain(), Numbers{}) << "6 was not refused";
}

TEST_F(SessionLife, OneNoteIsUnderWayAndTheNextIsMerged) {
  deliver_from(0, DeliveryMode::kUnordered);
  parks_after(9);
  push(1, 3);
  take_in();
  nack({1}, 0);
  take_in();
  nack({2}, 0);
  take_in();
  nack({2, 3}, 0);
  EXPECT_EQ(home().attempts.size(), 1u);
  answer_attempts();
  ASSERT_EQ(home().attempts.size(), 2u);
  EXPECT_EQ(home().attempts[1].command.notes,
            (std::vector<AttemptsCommand::Note>{{seq(2), seq(2), 2}, {seq(3), seq(3), 1}}));
}

TEST_F(SessionLife, ANoteThatTheShardCouldNotTakeGoesWithTheNext) {
  deliver_from(0, DeliveryMode::kUnordered);
  parks_after(9);
  push(1, 3);
  take_in();
  nack({1}, 0);
  answer_attempts(fail(ErrorCode::kOverloaded, "", ""));
  EXPECT_EQ(home().attempts.size(), 1u) << "not in haste";
  take_in();
  nack({1}, 0);
  ASSERT_EQ(home().attempts.size(), 2u);
  EXPECT_EQ(home().attempts[1].command.notes, (std::vector<AttemptsCommand::Note>{{seq(1), seq(1), 2}}));
}

TEST_F(SessionLife, ANoteThatTheShardRefusesForGoodIsNotToldAgain) {
  deliver_from(0, DeliveryMode::kUnordered);
  parks_after(9);
  push(1, 3);
  take_in();
  nack({1}, 0);
  answer_attempts(fail(ErrorCode::kNotFound, "device", ""));
  take_in();
  nack({2}, 0);
  ASSERT_EQ(home().attempts.size(), 2u);
  EXPECT_EQ(home().attempts[1].command.notes, (std::vector<AttemptsCommand::Note>{{seq(2), seq(2), 1}}));
}

// Whether it was counted is not known: a delivery too few is the smaller harm.
TEST_F(SessionLife, ANoteWithoutAnswerMakesWayAndIsNotCountedTwice) {
  deliver_from(0, DeliveryMode::kUnordered);
  parks_after(9);
  push(1, 2);
  take_in();
  nack({1}, 0);
  nack({2}, 0);
  ASSERT_EQ(home().attempts.size(), 1u);
  advance(kTimeoutMs);
  take_in();
  ASSERT_EQ(home().attempts.size(), 2u);
  EXPECT_EQ(home().attempts[1].command.notes, (std::vector<AttemptsCommand::Note>{{seq(2), seq(2), 1}}));
}

TEST_F(SessionLife, AClientThatGoesLeavesItsLastDeliveriesInVain) {
  deliver_from(0, DeliveryMode::kUnordered);
  parks_after(3);
  push(1, 4);
  take_in();
  ack(1, {3});
  push(5, 5);  // not taken in
  session_->handle(ClientGone{}, now_);
  EXPECT_EQ(in_vain(), (Numbers{2, 4}));
  EXPECT_EQ(home().attempts.back().from, nullptr);
  EXPECT_EQ(home().log.back(), "unregister");
}

TEST_F(SessionLife, AnOrderedClientThatGoesLeavesTheFirstUnacked) {
  deliver_from(0, DeliveryMode::kOrdered);
  parks_after(3);
  push(1, 4);
  take_in();
  ack(1);
  session_->handle(ClientGone{}, now_);
  EXPECT_EQ(in_vain(), Numbers{2});
}

TEST_F(SessionLife, ASessionThatTheNodeEndsCountsNothing) {
  deliver_from(0, DeliveryMode::kOrdered);
  parks_after(3);
  push(1, 4);
  take_in();
  session_->handle(ClientGone{true}, now_);
  EXPECT_THAT(home().attempts, IsEmpty());
}

TEST_F(SessionLife, AReplacedSessionCountsNothing) {
  deliver_from(0, DeliveryMode::kOrdered);
  parks_after(3);
  push(1, 4);
  take_in();
  session_->handle(SessionEvicted{Error{ErrorCode::kSessionReplaced, "", ""}}, now_);
  EXPECT_THAT(home().attempts, IsEmpty());
}

TEST_F(SessionLife, AClientOfANodeThatCannotServeIsAskedToGo) {
  deliver_from(0, DeliveryMode::kOrdered);
  session_->handle(SentAway{GoAway{{"other:7400"}, 4'000}}, now_);
  EXPECT_THAT(client_->goings, ElementsAre(GoAway{{"other:7400"}, 4'000}));
}

TEST(AttemptNotes, CountsNoMoreMessagesThanTheShardDoes) {
  AttemptNotes notes;
  for (std::uint64_t s = 1; s <= limits::kAttemptsKeptMax + 1; ++s) notes.add(seq(s));
  notes.add(seq(1));
  EXPECT_EQ(*notes.next(),
            (std::vector<AttemptNotes::Note>{{seq(1), seq(1), 2}, {seq(2), seq(limits::kAttemptsKeptMax), 1}}));
}

TEST(AttemptNotes, WhatIsPutBackStaysWithinTheBoundToo) {
  AttemptNotes notes;
  for (std::uint64_t s = 1; s <= limits::kAttemptsKeptMax; ++s) notes.add(seq(s));
  ASSERT_TRUE(notes.next());
  notes.add(seq(1));
  for (std::uint64_t s = 101; s < 100 + limits::kAttemptsKeptMax; ++s) notes.add(seq(s));
  notes.answered(true);
  EXPECT_EQ(notes.rest(),
            (std::vector<AttemptNotes::Note>{{seq(1), seq(1), 2}, {seq(101), seq(99 + limits::kAttemptsKeptMax), 1}}));
}

// ---- calls that look after mailboxes

class Desk : public testing::Test {
 protected:
  std::optional<ManageDesk::Answer> ask(Role role, ManageRequest request) {
    desk_.emplace(user("alice"), role, 4);
    return desk_->start(ClientManage{7, std::move(request)}, [this](ShardId shard, ManageRequest part) {
      parts_.push_back({shard, std::move(part)});
      return RequestId(100 + parts_.size());
    });
  }
  bool may(Role role, ManageRequest request) {
    parts_.clear();
    const auto refused = ask(role, std::move(request));
    if (refused) {
      EXPECT_EQ(refused->answer.error().code, ErrorCode::kPermissionDenied);
      EXPECT_EQ(refused->answer.error().field, "user");
    }
    EXPECT_EQ(parts_.empty(), refused.has_value());
    return !refused;
  }

  struct Part {
    ShardId shard;
    ManageRequest request;
  };
  std::optional<ManageDesk> desk_;
  std::vector<Part> parts_;
};

TEST_F(Desk, LetsEachRoleDoWhatItMay) {
  const UserId bob = user("bob");
  const DeviceId phone = DeviceId::trusted("phone");
  for (const auto& own : {UserId(), user("alice")}) {
    for (const auto role : {Role::kUser, Role::kService, Role::kOperator}) {
      EXPECT_TRUE(may(role, DevicesRequest{own}));
      EXPECT_TRUE(may(role, RemoveDeviceRequest{own, phone}));
      EXPECT_TRUE(may(role, ParkedRequest{own, phone, {}, 0}));
      EXPECT_TRUE(may(role, ReplayRequest{own, phone, {seq(1)}}));
      EXPECT_TRUE(may(role, DropParkedRequest{own, phone, {seq(1)}}));
      EXPECT_TRUE(may(role, ExplainRequest{own, seq(1), {}}));
      EXPECT_TRUE(may(role, PolicyRequest{own, false}));
      EXPECT_EQ(may(role, SetPolicyRequest{own, false, Policy()}), role == Role::kOperator);
    }
  }
  for (const auto role : {Role::kUser, Role::kService, Role::kOperator}) {
    const bool reads = role != Role::kUser;
    const bool changes = role == Role::kOperator;
    EXPECT_EQ(may(role, DevicesRequest{bob}), reads);
    EXPECT_EQ(may(role, ParkedRequest{bob, phone, {}, 0}), reads);
    EXPECT_EQ(may(role, ExplainRequest{bob, seq(1), {}}), reads);
    EXPECT_EQ(may(role, PolicyRequest{bob, false}), reads);
    EXPECT_EQ(may(role, PolicyRequest{{}, true}), reads);
    EXPECT_EQ(may(role, RemoveDeviceRequest{bob, phone}), changes);
    EXPECT_EQ(may(role, ReplayRequest{bob, phone, {seq(1)}}), changes);
    EXPECT_EQ(may(role, DropParkedRequest{bob, phone, {seq(1)}}), changes);
    EXPECT_EQ(may(role, SetPolicyRequest{bob, false, Policy()}), changes);
    EXPECT_EQ(may(role, SetPolicyRequest{{}, true, Policy()}), changes);
  }
}

TEST_F(Desk, NamesTheFieldThatBreaksARule) {
  const DeviceId phone = DeviceId::trusted("phone");
  const auto field_of = [&](ManageRequest request) {
    const auto refused = ask(Role::kOperator, std::move(request));
    return refused ? refused->answer.error().field : "";
  };
  EXPECT_EQ(field_of(RemoveDeviceRequest{{}, {}}), "device");
  EXPECT_EQ(field_of(ReplayRequest{{}, phone, {}}), "sequences");
  EXPECT_EQ(field_of(DropParkedRequest{{}, phone, std::vector<Sequence>(limits::kParkedPageMax + 1, seq(1))}),
            "sequences");
  EXPECT_EQ(field_of(DropParkedRequest{{}, phone, std::vector<Sequence>(limits::kParkedPageMax, seq(1))}), "");
  EXPECT_EQ(field_of(ParkedRequest{{}, phone, {}, limits::kParkedPageMax + 1}), "limit");
  EXPECT_EQ(field_of(ExplainRequest{{}, {}, {}}), "sequence");
  EXPECT_EQ(field_of(SetPolicyRequest{{}, true, std::nullopt}), "inherit");
}

TEST_F(Desk, AsksTheShardOfTheUser) {
  ASSERT_FALSE(ask(Role::kService, DevicesRequest{user("bob")}));
  ASSERT_EQ(parts_.size(), 1u);
  EXPECT_EQ(parts_[0].shard, shard_of(user("bob"), 4));
  EXPECT_EQ(std::get<DevicesRequest>(parts_[0].request).user, user("bob"));
}

TEST_F(Desk, ADefaultIsSetWhenEveryShardHasSetIt) {
  ASSERT_FALSE(ask(Role::kOperator, SetPolicyRequest{user("bob"), true, Policy()}));
  ASSERT_EQ(parts_.size(), 4u);
  for (std::uint16_t s = 0; s < 4; ++s) {
    EXPECT_EQ(parts_[s].shard, ShardId(s));
    EXPECT_TRUE(std::get<SetPolicyRequest>(parts_[s].request).user.empty());
  }
  EXPECT_FALSE(desk_->answered(ManageAnswered{101, ManageAnswer(Done{})}, 0));
  EXPECT_FALSE(desk_->answered(ManageAnswered{103, fail(ErrorCode::kOverloaded, "", "")}, 0));
  EXPECT_FALSE(desk_->answered(ManageAnswered{102, ManageAnswer(Done{})}, 0));
  const auto answer = desk_->answered(ManageAnswered{104, ManageAnswer(Done{})}, 0);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->call, 7u);
  EXPECT_EQ(answer->answer.error().code, ErrorCode::kOverloaded) << "one shard has not set it";
}

Explanation explained_for(const std::string& device) {
  Explanation explanation;
  explanation.kept = true;
  DeviceFate fate;
  fate.device = DeviceId::trusted(device);
  explanation.devices.push_back(fate);
  return explanation;
}

DeviceFate live_fate(const std::string& device, std::uint32_t attempts) {
  DeviceFate fate;
  fate.device = DeviceId::trusted(device);
  fate.attempts = attempts;
  fate.first_delivered_ms = 5;
  return fate;
}

TEST_F(Desk, AnExplanationIsCompletedByTheSessionsThatLive) {
  ask(Role::kUser, ExplainRequest{{}, seq(1), {}});
  EXPECT_FALSE(desk_->answered(ManageAnswered{101, ManageAnswer(explained_for("phone")), 1}, 0));
  const auto answer = desk_->explained(SessionExplained{101, live_fate("phone", 2)});
  ASSERT_TRUE(answer);
  const auto& fate = std::get<Explanation>(*answer->answer).devices.at(0);
  EXPECT_EQ(fate.attempts, 2u);
  EXPECT_EQ(fate.state, DeliveryState::kDelivered);
  EXPECT_EQ(desk_->wake_at(), 0u);
}

TEST_F(Desk, ASessionThatSpeaksBeforeTheShardCountsToo) {
  ask(Role::kUser, ExplainRequest{{}, seq(1), {}});
  EXPECT_FALSE(desk_->explained(SessionExplained{101, live_fate("phone", 1)}));
  const auto answer = desk_->answered(ManageAnswered{101, ManageAnswer(explained_for("phone")), 1}, 0);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<Explanation>(*answer->answer).devices.at(0).attempts, 1u);
}

TEST_F(Desk, SessionsThatSpeakForOneExplanationAreBounded) {
  ask(Role::kUser, ExplainRequest{{}, seq(1), {}});
  const auto sessions = static_cast<std::uint32_t>(limits::kDevicesPerUserMax + 1);
  for (std::uint32_t i = 0; i < sessions; ++i) {
    EXPECT_FALSE(desk_->explained(SessionExplained{101, live_fate("device-" + std::to_string(i), 1)}));
  }
  EXPECT_FALSE(desk_->answered(ManageAnswered{101, ManageAnswer(explained_for("device-0")), sessions}, 0));
  EXPECT_NE(desk_->wake_at(), 0u) << "one was not kept, and is not counted";
  ASSERT_TRUE(desk_->expire(limits::kExplainWaitMs));
}

TEST_F(Desk, AnExplanationDoesNotWaitForASessionThatIsGone) {
  ask(Role::kUser, ExplainRequest{{}, seq(1), {}});
  EXPECT_FALSE(desk_->answered(ManageAnswered{101, ManageAnswer(explained_for("phone")), 1}, 50));
  EXPECT_EQ(desk_->wake_at(), 50 + limits::kExplainWaitMs);
  EXPECT_FALSE(desk_->expire(49 + limits::kExplainWaitMs));
  const auto answer = desk_->expire(50 + limits::kExplainWaitMs);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->answer.has_value());
  EXPECT_FALSE(desk_->explained(SessionExplained{101, live_fate("phone", 1)})) << "too late";
}

TEST_F(SessionLife, AManagementCallGoesToTheShardAndBack) {
  open();
  session_->handle(ClientManage{5, DevicesRequest{}}, now_);
  ASSERT_EQ(home().manages.size(), 1u);
  EXPECT_EQ(std::get<DevicesRequest>(home().manages[0].manage).user, user("alice"));
  session_->handle(ManageAnswered{home().manages[0].request, ManageAnswer(std::vector<DeviceInfo>(1))}, now_);
  ASSERT_EQ(client_->manages.size(), 1u);
  EXPECT_EQ(client_->manages[0].first, 5u);
  EXPECT_TRUE(client_->manages[0].second.has_value());
}

// A shard is to know what an earlier session of the device asked, when that comes late.
TEST_F(SessionLife, AManagementCallNamesItsSession) {
  session_->start(now_);
  LoginOutcome login = outcome(0, 0);
  login.number = 77;
  session_->handle(LoginAnswered{home().logins.back().request, login}, now_);
  session_->handle(ClientManage{5, RemoveDeviceRequest{{}, DeviceId::trusted("tablet")}}, now_);
  ASSERT_EQ(home().manages.size(), 1u);
  EXPECT_EQ(home().manages[0].mover, (Mover{user("alice"), DeviceId::trusted("phone"), 77}));
}

TEST_F(SessionLife, AManagementCallWithoutAnswerFailsAtItsDeadline) {
  open();
  session_->handle(ClientManage{5, DevicesRequest{}}, now_);
  advance(kTimeoutMs);
  ASSERT_EQ(client_->manages.size(), 1u);
  EXPECT_EQ(client_->manages[0].second.error().code, ErrorCode::kDeadlineExceeded);
}

TEST_F(SessionLife, AManagementCallBeforeTheLoginIsRefused) {
  session_->start(now_);
  session_->handle(ClientManage{5, DevicesRequest{}}, now_);
  ASSERT_EQ(client_->manages.size(), 1u);
  EXPECT_EQ(client_->manages[0].second.error().code, ErrorCode::kUnavailable);
}

TEST_F(SessionLife, TellsWhatItHasDoneWithAMessage) {
  const auto asker = std::make_shared<FakeSessionPort>();
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 1);
  take_in();
  advance(2 * kFirstMs);  // again
  ASSERT_EQ(client_->deliveries.size(), 2u);
  host_.wall += 60'000;
  now_ += 60'000;
  session_->handle(SessionExplain{asker, 9, seq(1)}, now_);
  session_->handle(SessionExplain{asker, 10, seq(2)}, now_);
  ASSERT_EQ(asker->explained.size(), 2u);
  const DeviceFate& fate = asker->explained[0].live;
  EXPECT_EQ(asker->explained[0].request, 9u);
  EXPECT_EQ(fate.device.text(), "phone");
  EXPECT_EQ(fate.attempts, 2u);
  EXPECT_LT(fate.first_delivered_ms, fate.last_delivered_ms);
  EXPECT_LE(fate.last_delivered_ms, host_.wall - 60'000);
  EXPECT_EQ(asker->explained[1].live.attempts, 0u);
}

}  // namespace
}  // namespace earshot::tests
