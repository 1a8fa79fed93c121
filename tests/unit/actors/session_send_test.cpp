#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class SessionSend : public SessionTest {
 protected:
  void SetUp() override { open(); }

  static LaneItem item(std::uint16_t shard, std::uint64_t number, const std::string& body = "hi") {
    LaneItem lane{ShardId(shard), {}};
    lane.item.message.recipient = user("bob");
    lane.item.message.number = LaneNumber(number);
    lane.item.message.body = body;
    lane.item.message.checksum = checksum_of(body);
    return lane;
  }
  void send(CallId call, std::vector<LaneItem> items) { session_->handle(ClientSend{call, std::move(items)}, now_); }
  // The shard stores everything of its newest request, with sequences from `first` on.
  void store(std::uint16_t shard, std::uint64_t first) {
    const ShardSend& request = shards_[shard]->sends.back();
    SendsAnswered answer{request.request, {}};
    for (std::size_t i = 0; i < request.command.items.size(); ++i) {
      answer.answers.push_back(SendAnswer{Stored{seq(first + i), Epoch(1)}});
    }
    session_->handle(std::move(answer), now_);
  }
  static std::uint64_t stored(const SendAnswer& answer) { return std::get<Stored>(answer.value).sequence.value; }
  static const Error& held(const SendAnswer& answer) { return std::get<SendAnswer::Held>(answer.value).error; }
};

TEST_F(SessionSend, SplitsByShardKeepsLaneOrderAndJoinsTheAnswers) {
  send(1, {item(0, 1), item(1, 1), item(0, 2), item(2, 5), item(1, 2)});
  ASSERT_EQ(shards_[0]->sends.size(), 1u);
  const SendCommand& command = shards_[0]->sends[0].command;
  EXPECT_EQ(command.producer, ProducerId(9));
  EXPECT_EQ(command.device, DeviceId::trusted("phone"));
  ASSERT_EQ(command.items.size(), 2u);
  EXPECT_EQ(command.items[0].message.number, LaneNumber(1));
  EXPECT_EQ(command.items[1].message.number, LaneNumber(2));
  store(1, 10);
  store(0, 20);
  EXPECT_TRUE(client_->sends.empty()) << "answered only when every part is";
  store(2, 30);
  ASSERT_EQ(client_->sends.size(), 1u);
  const auto& answers = client_->sends[0].second;
  ASSERT_EQ(answers.size(), 5u);
  EXPECT_EQ(stored(answers[0]), 20u);
  EXPECT_EQ(stored(answers[1]), 10u);
  EXPECT_EQ(stored(answers[2]), 21u);
  EXPECT_EQ(stored(answers[3]), 30u);
  EXPECT_EQ(stored(answers[4]), 11u);
}

TEST_F(SessionSend, AlteredBodyHoldsItsLane) {
  auto altered = item(0, 2);
  altered.item.message.body = "hu";
  send(1, {item(0, 1), altered, item(1, 1), item(0, 3), item(0, 4)});
  ASSERT_EQ(shards_[0]->sends.at(0).command.items.size(), 1u);
  ASSERT_EQ(shards_[1]->sends.at(0).command.items.size(), 1u);
  store(0, 1);
  store(1, 1);
  const auto& answers = client_->sends.at(0).second;
  EXPECT_EQ(held(answers[1]).code, ErrorCode::kChecksumMismatch);
  EXPECT_EQ(stored(answers[2]), 1u);
  for (const std::size_t later : {3u, 4u}) {
    EXPECT_EQ(held(answers[later]).code, ErrorCode::kOutOfOrder);
    EXPECT_EQ(held(answers[later]).expected, 2u);
  }
  EXPECT_EQ(counters_->held_of(ErrorCode::kChecksumMismatch), 1u);
  EXPECT_EQ(counters_->held_of(ErrorCode::kOutOfOrder), 2u);
}

TEST_F(SessionSend, CallOfNothingButAlteredMessagesIsAnsweredAtOnce) {
  auto altered = item(0, 1);
  altered.item.message.checksum ^= 1;
  send(1, {altered});
  EXPECT_EQ(held(client_->sends.at(0).second.at(0)).code, ErrorCode::kChecksumMismatch);
  EXPECT_TRUE(shards_[0]->sends.empty());
  send(2, {});
  EXPECT_TRUE(client_->sends.at(1).second.empty());
}

TEST_F(SessionSend, RefusedItemGoesToTheShardWhateverItsBody) {
  auto refused = item(0, 1);
  refused.item.message.body.clear();
  refused.item.refusal = Error{ErrorCode::kTooLarge, "body", ""};
  send(1, {refused, item(0, 2)});
  EXPECT_EQ(shards_[0]->sends.at(0).command.items.size(), 2u) << "a refusal uses up its lane number";
}

TEST_F(SessionSend, LateAnswerAfterDeadlineIsIgnored) {
  send(1, {item(0, 1), item(1, 1)});
  store(1, 1);
  advance(kTimeoutMs);
  ASSERT_EQ(client_->sends.size(), 1u);
  EXPECT_EQ(held(client_->sends[0].second[0]).code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(stored(client_->sends[0].second[1]), 1u);
  store(0, 1);
  EXPECT_EQ(client_->sends.size(), 1u);
  EXPECT_EQ(host_.wake_ms, 0u);
}

TEST_F(SessionSend, SecondAnswerToOneRequestIsIgnored) {
  send(1, {item(0, 1)});
  store(0, 1);
  store(0, 1);
  EXPECT_EQ(client_->sends.size(), 1u);
}

TEST_F(SessionSend, TooManyUnderWayAreHeldWhole) {
  std::vector<LaneItem> full;
  for (std::uint64_t n = 1; n <= limits::kBatchMessagesMax; ++n) full.push_back(item(0, n));
  for (CallId call = 1; call <= limits::kSendsInFlightMax / limits::kBatchMessagesMax; ++call) send(call, full);
  EXPECT_TRUE(client_->sends.empty());
  send(100, {item(1, 1)});
  EXPECT_EQ(held(client_->sends.at(0).second.at(0)).code, ErrorCode::kOverloaded);
  EXPECT_GT(held(client_->sends.at(0).second.at(0)).retry_after_ms, 0u);
  EXPECT_TRUE(shards_[1]->sends.empty());
  store(0, 1);
  send(101, {item(1, 1)});
  EXPECT_EQ(shards_[1]->sends.size(), 1u);
}

TEST_F(SessionSend, OversizedCallAndUnknownShardAreRefused) {
  send(1, std::vector<LaneItem>(limits::kBatchMessagesMax + 1));
  EXPECT_EQ(client_->sends.at(0).second.size(), limits::kBatchMessagesMax + 1);
  EXPECT_EQ(held(client_->sends[0].second.back()).code, ErrorCode::kInvalidArgument);
  send(2, {item(kShards, 1)});
  EXPECT_EQ(held(client_->sends.at(1).second.at(0)).code, ErrorCode::kInvalidArgument);
}

TEST_F(SessionSend, ShardThatAnswersTheWrongNumberCannotShiftAnswers) {
  send(1, {item(0, 1), item(0, 2)});
  session_->handle(SendsAnswered{shards_[0]->sends[0].request, {SendAnswer{Stored{seq(1), Epoch(1)}}}}, now_);
  const auto& answers = client_->sends.at(0).second;
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(held(answers[0]).code, ErrorCode::kInternal);
  EXPECT_EQ(held(answers[1]).code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace earshot::tests
