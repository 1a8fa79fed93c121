#include "client/outbox.hpp"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "tests/support/seed.hpp"

namespace earshot::client {
namespace {

constexpr std::uint16_t kShards = 4;

// An outbox with the intake's numbering beside it, and time that the test moves.
class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    welcome_.shard_count = kShards, welcome_.login.producer = ProducerId(1), welcome_.login.new_producer = true;
  }

  void add(const std::string& body, const std::string& to = "bob") {
    OutboxMessage message;
    message.ticket = head_.next_ticket;
    head_.next_ticket = head_.next_ticket.next();
    message.message.recipient = UserId::trusted(to);
    message.message.id = MessageId{1, message.ticket.value};
    message.message.body = body;
    message.message.checksum = checksum_of(body);
    if (head_.shard_count != 0) {
      message.lane = shard_of(message.message.recipient, kShards);
      LaneNumber& next = head_.next[message.lane.value];
      message.message.number = next;
      next = next.next();
    }
    outbox_.add(std::move(message));
  }
  void log_in() {
    forget();
    auto plan = outbox_.plan(welcome_, head_);
    head_ = plan.head;
    outbox_.adopt(std::move(plan));
    outbox_.connected(limits_);
    welcome_.login.new_producer = false;
  }
  // The numbers in the next call; empty when there is none.
  std::vector<std::uint64_t> next_call() {
    std::vector<std::uint64_t> numbers;
    if (!outbox_.next_call(now_ms_, wall_ms_, call_)) return numbers;
    for (const auto& item : call_.items) numbers.push_back(item.message->number.value);
    return numbers;
  }
  void answer(std::vector<SendAnswer> answers) { answer(call_.id, std::move(answers)); }
  void answer(std::uint64_t call, std::vector<SendAnswer> answers) {
    ASSERT_TRUE(outbox_.answered(call, answers, now_ms_, reports_));
  }
  void forget() { outbox_.removed(outbox_.take_removable().tickets); }
  static SendAnswer stored() { return {Stored{Sequence(1), Epoch(1)}}; }
  static SendAnswer held(ErrorCode code, std::uint64_t expected = 0) {
    return {SendAnswer::Held{Error{code, "", "", 0, expected}}};
  }

  std::uint64_t now_ms_ = 1'000;
  std::uint64_t wall_ms_ = 1'700'000'000'000;
  Outbox outbox_{Outbox::Limits{}, Random(1)};
  OutboxHead head_;
  Welcome welcome_;
  ServerLimits limits_;
  Outbox::Call call_;
  std::vector<SendReport> reports_;
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(OutboxTest, WhatWasAddedBeforeTheFirstLoginIsNumberedThen) {
  add("a"), add("b");
  EXPECT_TRUE(next_call().empty());
  log_in();
  EXPECT_EQ(next_call(), (Numbers{1, 2}));
}

TEST_F(OutboxTest, AnsweredBelowMovesOnlyWhenTheStoreHasForgotten) {
  log_in();
  add("a");
  ASSERT_EQ(next_call(), Numbers{1});
  answer({stored()});
  add("b");
  ASSERT_EQ(next_call(), Numbers{2});
  EXPECT_EQ(call_.items[0].answered_below, LaneNumber(1));
  answer({stored()});
  forget();
  add("c");
  ASSERT_EQ(next_call(), Numbers{3});
  EXPECT_EQ(call_.items[0].answered_below, LaneNumber(3));
}

TEST_F(OutboxTest, AHeldLaneRestsThenGoesOnFromThere) {
  log_in();
  add("a"), add("b"), add("c");
  ASSERT_EQ(next_call(), (Numbers{1, 2, 3}));
  answer({stored(), held(ErrorCode::kOverloaded), held(ErrorCode::kOutOfOrder, 2)});
  EXPECT_TRUE(next_call().empty());
  const std::uint64_t wake = outbox_.wake_at_ms();
  ASSERT_GT(wake, now_ms_);
  now_ms_ = wake;
  EXPECT_EQ(next_call(), (Numbers{2, 3}));
  EXPECT_EQ(reports_.size(), 1u);
}

TEST_F(OutboxTest, AnEarlierCallThatIsHeldLastGoesAgainToo) {
  log_in();
  add("a");
  ASSERT_EQ(next_call(), Numbers{1});
  const std::uint64_t first = call_.id;
  add("b");
  ASSERT_EQ(next_call(), Numbers{2});
  answer({held(ErrorCode::kStorageFull)});              // refused at the shard's door, at once
  answer(first, {held(ErrorCode::kDeadlineExceeded)});  // went in and is not answered in time, but will be stored
  EXPECT_TRUE(next_call().empty());
  now_ms_ = outbox_.wake_at_ms();
  EXPECT_EQ(next_call(), (Numbers{1, 2}));
}

TEST_F(OutboxTest, ALateAnswerToAnEarlierSendingDoesNotSendTheLaneBackAgain) {
  log_in();
  add("a");
  ASSERT_EQ(next_call(), Numbers{1});
  const std::uint64_t first = call_.id;
  add("b");
  ASSERT_EQ(next_call(), Numbers{2});
  const std::uint64_t second = call_.id;
  answer(first, {held(ErrorCode::kOverloaded)});
  EXPECT_TRUE(next_call().empty());
  now_ms_ = outbox_.wake_at_ms();
  ASSERT_EQ(next_call(), (Numbers{1, 2}));
  answer(second, {held(ErrorCode::kOutOfOrder, 1)});
  now_ms_ += 60'000;
  EXPECT_TRUE(next_call().empty());
  answer({stored(), stored()});
  EXPECT_EQ(reports_.size(), 2u);
}

TEST_F(OutboxTest, RetryAfterIsObeyed) {
  log_in();
  add("a");
  next_call();
  answer({{SendAnswer::Held{Error{ErrorCode::kStorageFull, "", "", 5'000, 0}}}});
  EXPECT_TRUE(next_call().empty());
  EXPECT_GE(outbox_.wake_at_ms(), now_ms_ + 5'000);
}

TEST_F(OutboxTest, OutOfOrderGoesBackAtOnceAndOnce) {
  log_in();
  add("a");
  ASSERT_EQ(next_call(), Numbers{1});
  const std::uint64_t first = call_.id;
  add("b"), add("c");
  ASSERT_EQ(next_call(), (Numbers{2, 3}));
  const std::uint64_t second = call_.id;
  answer(second, {held(ErrorCode::kOutOfOrder, 1), held(ErrorCode::kOutOfOrder, 1)});
  EXPECT_EQ(next_call(), (Numbers{1, 2, 3}));
  answer(first, {stored()});
  answer({stored(), stored(), stored()});
  EXPECT_EQ(reports_.size(), 3u);  // one report each, however often it was answered
}

TEST_F(OutboxTest, AnExpectationBelowWhatWasForgottenAsksForANewProducer) {
  log_in();
  add("a"), add("b");
  next_call();
  answer({stored(), stored()});
  forget();
  add("c");
  ASSERT_EQ(next_call(), Numbers{3});
  answer({held(ErrorCode::kOutOfOrder, 1)});
  EXPECT_TRUE(outbox_.needs_new_producer());
}

TEST_F(OutboxTest, AnExpectationOfWhatWasAnsweredBeforeAsksForANewProducer) {
  log_in();
  add("a"), add("b");
  ASSERT_EQ(next_call(), (Numbers{1, 2}));
  answer({stored(), held(ErrorCode::kUnavailable)});
  ASSERT_TRUE(next_call().empty());
  now_ms_ = outbox_.wake_at_ms();
  ASSERT_EQ(next_call(), Numbers{2});
  answer({held(ErrorCode::kOutOfOrder, 1)});
  EXPECT_TRUE(outbox_.needs_new_producer());
}

// Requests overtake each other where a node waits for a leader: what came first is answered first, and was sent first.
TEST_F(OutboxTest, WhatIsAnsweredAfterALaterOneWasSentAgainIsNotLost) {
  log_in();
  add("a");
  ASSERT_EQ(next_call(), Numbers{1});
  const std::uint64_t first = call_.id;
  add("b");
  ASSERT_EQ(next_call(), Numbers{2});
  answer({held(ErrorCode::kChecksumMismatch)});
  ASSERT_EQ(next_call(), Numbers{2});
  answer(first, {stored()});
  answer({held(ErrorCode::kOutOfOrder, 1)});
  EXPECT_FALSE(outbox_.needs_new_producer());
  EXPECT_EQ(next_call(), Numbers{2});
}

TEST_F(OutboxTest, ASecondCopyThatIsHeldOnTheWayLosesNothing) {
  log_in();
  add("a");
  ASSERT_EQ(next_call(), Numbers{1});
  const std::uint64_t first = call_.id;
  add("b");
  ASSERT_EQ(next_call(), Numbers{2});
  answer({held(ErrorCode::kOutOfOrder, 1)});  // it overtook
  add("c");
  ASSERT_EQ(next_call(), (Numbers{1, 2, 3}));
  answer(first, {stored()});
  answer({held(ErrorCode::kChecksumMismatch), held(ErrorCode::kOutOfOrder, 1), held(ErrorCode::kOutOfOrder, 1)});
  EXPECT_FALSE(outbox_.needs_new_producer());
  EXPECT_EQ(next_call(), (Numbers{2, 3}));
}

TEST_F(OutboxTest, ANewProducerTakesTheUnsentAndHandsBackTheSent) {
  log_in();
  limits_.batch_messages_max = 2;
  log_in();
  add("a"), add("b"), add("c");
  ASSERT_EQ(next_call(), (Numbers{1, 2}));
  outbox_.disconnected();
  welcome_.login.producer = ProducerId(2), welcome_.login.new_producer = true;
  log_in();
  const auto uncertain = outbox_.take_uncertain();
  ASSERT_EQ(uncertain.size(), 2u);
  EXPECT_EQ(uncertain[0].message.body, "a");
  EXPECT_EQ(next_call(), Numbers{1});
  EXPECT_EQ(call_.items[0].message->body, "c");
}

TEST_F(OutboxTest, AnAbandonedPlanForgetsNothing) {
  log_in();
  add("sent");
  next_call();
  outbox_.disconnected();
  add("unsent");
  welcome_.login.producer = ProducerId(2), welcome_.login.new_producer = true;
  outbox_.abandon(outbox_.plan(welcome_, head_));
  log_in();
  EXPECT_EQ(outbox_.take_uncertain().size(), 1u);
  EXPECT_EQ(next_call(), Numbers{1});
  EXPECT_EQ(call_.items[0].message->body, "unsent");
}

TEST_F(OutboxTest, WhatIsAddedAfterAnAbandonedRestartWaitsForTheNext) {
  log_in();
  add("before");
  outbox_.disconnected();
  welcome_.login.producer = ProducerId(2), welcome_.login.new_producer = true;
  outbox_.abandon(outbox_.plan(welcome_, head_));
  add("after");
  EXPECT_TRUE(next_call().empty());
  log_in();
  EXPECT_EQ(next_call(), (Numbers{1, 2}));
  EXPECT_EQ(call_.items[1].message->body, "after");
}

TEST_F(OutboxTest, TheLaneWindowIsNeverExceeded) {
  limits_.lane_window_max = 3;
  log_in();
  for (int i = 0; i < 5; ++i) add("x");
  ASSERT_EQ(next_call(), (Numbers{1, 2, 3}));
  answer({stored(), stored(), stored()});
  EXPECT_TRUE(next_call().empty());  // answered, but the store has not forgotten
  forget();
  EXPECT_EQ(next_call(), (Numbers{4, 5}));
}

TEST_F(OutboxTest, CallsKeepTheServersLimits) {
  limits_.batch_messages_max = 3, limits_.batch_bytes_max = 1'000;
  log_in();
  add(std::string(2'000, 'x'));  // larger than a call should be: alone
  for (int i = 0; i < 5; ++i) add("y");
  EXPECT_EQ(next_call(), Numbers{1});
  EXPECT_EQ(next_call(), (Numbers{2, 3, 4}));
}

// The loop sleeps until so many are there: were it too many, a message would wait for no reason.
TEST_F(OutboxTest, AsManyMessagesAreAwaitedAsMakeACall) {
  const Outbox::Limits limits;
  EXPECT_EQ(outbox_.messages_awaited(), 1u);
  log_in();
  for (std::size_t calls = 0; calls < limits.calls_eager; ++calls) {
    EXPECT_EQ(outbox_.messages_awaited(), 1u);
    add("a");
    EXPECT_EQ(next_call().size(), 1u);
  }
  for (std::size_t missing = limits.call_worth_messages; missing > 0; --missing) {
    EXPECT_EQ(outbox_.messages_awaited(), missing);
    EXPECT_TRUE(next_call().empty());
    add("a");
  }
  EXPECT_EQ(next_call().size(), limits.call_worth_messages);
  answer({call_.items.size(), stored()});
  EXPECT_EQ(outbox_.messages_awaited(), limits.call_worth_messages);
}

TEST_F(OutboxTest, NoneIsAwaitedWhereAnAnswerHasToComeFirst) {
  limits_.calls_in_flight_max = 4;
  log_in();
  for (int calls = 0; calls < 2; ++calls) {
    add("a");
    EXPECT_EQ(next_call().size(), 1u);
  }
  EXPECT_EQ(outbox_.messages_awaited(), SIZE_MAX);
  answer({stored()});
  EXPECT_EQ(outbox_.messages_awaited(), 1u);
}

TEST_F(OutboxTest, CallsUnderWayLeaveHalfOfTheServersLimitToOthers) {
  limits_.batch_messages_max = 64, limits_.calls_in_flight_max = 6;
  log_in();
  for (int i = 0; i < 64 * 5; ++i) add("x");
  ASSERT_EQ(next_call().size(), 64u);
  const std::uint64_t first = call_.id;
  EXPECT_EQ(next_call().size(), 64u);
  EXPECT_EQ(next_call().size(), 64u);
  EXPECT_TRUE(next_call().empty());
  answer(first, std::vector<SendAnswer>(64, stored()));
  EXPECT_EQ(next_call().size(), 64u);
}

TEST_F(OutboxTest, BytesUnderWayKeepTheServersLimit) {
  limits_.call_bytes_in_flight_max = 1'000;
  log_in();
  add(std::string(2'000, 'x'));  // larger than the limit: when nothing else is under way
  add(std::string(500, 'x')), add(std::string(100, 'x')), add(std::string(500, 'x'));
  ASSERT_EQ(next_call(), Numbers{1});
  EXPECT_TRUE(next_call().empty());
  answer({stored()});
  EXPECT_EQ(next_call(), (Numbers{2, 3}));
  EXPECT_TRUE(next_call().empty());
  answer({stored(), stored()});
  EXPECT_EQ(next_call(), Numbers{4});
}

TEST_F(OutboxTest, MessagesUnderWayAreBoundedOverAllLanes) {
  log_in();
  const std::size_t most = Outbox::Limits{}.messages_under_way_max;
  for (std::size_t i = 0; i < most; ++i) add("x", "bob"), add("x", "carol");
  ASSERT_NE(shard_of(UserId::trusted("bob"), kShards), shard_of(UserId::trusted("carol"), kShards));
  std::size_t under_way = 0;
  while (const std::size_t items = next_call().size()) under_way += items;
  EXPECT_EQ(under_way, most);
}

TEST_F(OutboxTest, ALoadedOutboxGoesOnWithItsHoles) {
  std::vector<OutboxMessage> kept(3);
  const std::uint64_t numbers[] = {4, 5, 8};
  for (int i = 0; i < 3; ++i) {
    kept[i].ticket = Ticket(i + 1);
    kept[i].message.recipient = UserId::trusted("bob");
    kept[i].lane = shard_of(kept[i].message.recipient, kShards);
    kept[i].message.number = LaneNumber(numbers[i]);
  }
  head_ = OutboxHead{ProducerId(1), kShards, Ticket(4), Ticket(3), std::vector<LaneNumber>(kShards, LaneNumber(9))};
  ASSERT_TRUE(Outbox::check(head_, kept));
  outbox_.load(head_, kept);
  welcome_.login.new_producer = false;
  log_in();
  add("x");
  EXPECT_EQ(next_call(), (Numbers{4, 5, 8, 9}));
  EXPECT_EQ(call_.items[0].answered_below, LaneNumber(4));
  EXPECT_EQ(call_.resent, 3u);
}

TEST_F(OutboxTest, AnImpossibleOutboxIsCorrupt) {
  OutboxMessage message;
  message.ticket = Ticket(1), message.message.number = LaneNumber(1);
  const OutboxHead good{ProducerId(1), 1, Ticket(2), Ticket(), {LaneNumber(2)}};
  EXPECT_TRUE(Outbox::check(good, {&message, 1}));
  const std::vector<OutboxMessage> twice(2, message);
  EXPECT_FALSE(Outbox::check(good, twice));
  OutboxHead lanes_missing = good;
  lanes_missing.next.clear();
  EXPECT_FALSE(Outbox::check(lanes_missing, {}));
  OutboxHead most = good;
  most.shard_count = limits::kShardsMax;
  most.next.assign(limits::kShardsMax, LaneNumber(2));
  EXPECT_TRUE(Outbox::check(most, {}));
  most.shard_count += 1;
  most.next.emplace_back(2);
  EXPECT_FALSE(Outbox::check(most, {}));
  OutboxHead holed = good;  // the rest of the lane was answered
  holed.next[0] = LaneNumber(limits::kClientOutboxMessagesMax + 2);
  EXPECT_TRUE(Outbox::check(holed, {&message, 1}));
  holed.next[0] = holed.next[0].next();
  EXPECT_FALSE(Outbox::check(holed, {&message, 1}));
  OutboxHead behind = good;
  behind.next[0] = LaneNumber(1);
  EXPECT_FALSE(Outbox::check(behind, {&message, 1}));
}

// The model: a server that keeps the lane rules, a network that loses connections, a store that forgets late.
TEST_F(OutboxTest, EveryMessageIsTakenOnceAndInOrderWhateverHappens) {
  Random random(tests::seed_of_test());
  limits_.lane_window_max = 16, limits_.batch_messages_max = 5;
  std::map<std::uint16_t, StreamReceiver<MessageId, SendAnswer>> lanes;
  std::map<std::string, std::vector<std::string>> taken;
  const auto serve = [&](const Outbox::Call& call) {
    std::vector<SendAnswer> answers;
    std::map<std::uint16_t, std::uint64_t> altered;  // on the way: the session keeps it and what follows from the lane
    for (const auto& item : call.items) {
      const OutgoingMessage& m = *item.message;
      const std::uint16_t shard = shard_of(m.recipient, kShards).value;
      if (const auto found = altered.find(shard); found != altered.end()) {
        answers.push_back(held(ErrorCode::kOutOfOrder, found->second));
        continue;
      }
      if (random.chance(0.02)) {
        altered.emplace(shard, m.number.value);
        answers.push_back(held(ErrorCode::kChecksumMismatch));
        continue;
      }
      auto& lane = lanes.try_emplace(shard, 16).first->second;
      lane.forget_below(item.answered_below.value);
      switch (lane.judge(m.number.value, m.id)) {
        case StreamVerdict::kReset: ADD_FAILURE() << "the lane was reset"; [[fallthrough]];
        case StreamVerdict::kOutOfOrder: answers.push_back(held(ErrorCode::kOutOfOrder, lane.expected())); break;
        case StreamVerdict::kRepeat: answers.push_back(lane.find(m.number.value)->answer); break;
        case StreamVerdict::kAccept:
          if (random.chance(0.1)) {
            answers.push_back(held(ErrorCode::kOverloaded));
          } else {
            lane.record(m.id, stored()), answers.push_back(stored());
            taken[m.recipient.text()].push_back(m.body);
          }
      }
    }
    return answers;
  };
  log_in();
  std::deque<std::pair<std::uint64_t, std::vector<SendAnswer>>> on_the_way;
  constexpr int kMessages = 3'000;
  int added = 0;
  for (int step = 0; reports_.size() < kMessages && step < 1'000'000; ++step) {
    now_ms_ += random.below(20);
    switch (random.below(8)) {
      case 0:
      case 1:
        if (added < kMessages) add(std::to_string(added), "user" + std::to_string(random.below(6))), ++added;
        break;
      case 2:
      case 3:
        while (outbox_.next_call(now_ms_, wall_ms_, call_)) on_the_way.emplace_back(call_.id, serve(call_));
        break;
      case 4:
      case 5:
        if (!on_the_way.empty()) {
          auto it = on_the_way.begin() + static_cast<std::ptrdiff_t>(random.below(on_the_way.size()));
          answer(it->first, std::move(it->second)), on_the_way.erase(it);
        }
        break;
      case 6: forget(); break;
      case 7:
        if (random.chance(0.05)) {
          outbox_.disconnected();
          on_the_way.clear();
          log_in();
        }
    }
    ASSERT_FALSE(outbox_.needs_new_producer());
  }
  ASSERT_EQ(reports_.size(), std::size_t{kMessages});
  std::set<MessageId> ids;
  for (const SendReport& report : reports_) ids.insert(report.id);
  EXPECT_EQ(ids.size(), std::size_t{kMessages});
  std::size_t total = 0;
  for (const auto& [user, bodies] : taken) {
    total += bodies.size();
    for (std::size_t i = 1; i < bodies.size(); ++i) EXPECT_LT(std::stoi(bodies[i - 1]), std::stoi(bodies[i]));
  }
  EXPECT_EQ(total, std::size_t{kMessages});
}

}  // namespace
}  // namespace earshot::client
