#include "actors/call_codec.hpp"

#include <set>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/actors/call_values.hpp"

namespace earshot::actors {
namespace {

using tests::CallValues;
using tests::kCallShards;

constexpr int kRounds = 200;
const PortAddress kAddress{NodeId(3), 7, 9};

Result<Call> over(const CallRequest& request) { return decode_call(encode_call({kAddress, 0, request}), kCallShards); }
Result<Answer> back(const AnswerContent& content) {
  return decode_answer(encode_answer({kAddress, content}), kCallShards);
}

// A leader's numbers, from 1.
NextMark next_mark() {
  return [mark = PushMark{ShardId(1), Term(2), 0}]() mutable {
    ++mark.number;
    return mark;
  };
}

// As many segments as the message has: more than one when its size was reckoned too small, which costs a copy.
std::uint32_t segments_of(const std::string& frame) { return static_cast<unsigned char>(frame.at(0)) + 1u; }

TEST(CallCodec, EveryRequestComesOverUnchanged) {
  CallValues values(tests::seed_of_test());
  for (int round = 0; round < kRounds; ++round) {
    for (CallRequest& request : values.requests()) {
      const Call call{values.address(), static_cast<std::uint8_t>(round), std::move(request)};
      const std::string frame = encode_call(call);
      const auto decoded = decode_call(frame, kCallShards);
      ASSERT_TRUE(decoded) << call.request.index() << ": " << decoded.error().to_string();
      EXPECT_EQ(decoded->from, call.from);
      EXPECT_EQ(decoded->hops, call.hops);
      EXPECT_TRUE(tests::is_same(decoded->request, call.request)) << call.request.index();
      EXPECT_EQ(encode_call(*decoded), frame) << call.request.index();
      EXPECT_EQ(segments_of(frame), 1u) << call.request.index();
    }
  }
}

TEST(CallCodec, EveryAnswerComesBackUnchanged) {
  CallValues values(tests::seed_of_test());
  for (int round = 0; round < kRounds; ++round) {
    for (AnswerContent& content : values.answers()) {
      const Answer answer{values.address(), std::move(content)};
      const std::string frame = encode_answer(answer);
      const auto decoded = decode_answer(frame, kCallShards);
      ASSERT_TRUE(decoded) << answer.content.index() << ": " << decoded.error().to_string();
      EXPECT_EQ(decoded->to, answer.to);
      EXPECT_TRUE(tests::is_same(decoded->content, answer.content)) << answer.content.index();
      EXPECT_EQ(encode_answer(*decoded), frame) << answer.content.index();
      EXPECT_EQ(segments_of(frame), 1u) << answer.content.index();
    }
  }
}

TEST(CallCodec, EveryKindIsAmongTheValuesThatAreTried) {
  CallValues values(1);
  std::set<std::size_t> requests;
  std::set<std::size_t> answers;
  for (const CallRequest& request : values.requests()) requests.insert(request.index());
  for (const AnswerContent& content : values.answers()) answers.insert(content.index());
  EXPECT_EQ(requests.size(), std::variant_size_v<CallRequest>);
  EXPECT_EQ(answers.size(), std::variant_size_v<AnswerContent>);
}

TEST(CallCodec, PortsStayOnTheirNode) {
  const auto send = over(ShardSend{nullptr, 1, {ProducerId(1), UserId::trusted("a"), DeviceId::trusted("d"), {}}});
  EXPECT_EQ(std::get<ShardSend>(send->request).from, nullptr);
  const auto set = over(ShardPositions{ClearLayersCommand{}, nullptr});
  EXPECT_EQ(std::get<ShardPositions>(set->request).done, nullptr);
  const auto explain = back(ExplainAsked{{nullptr, 5, Sequence(8)}, {NodeId(2), 0, 44}});
  EXPECT_EQ(std::get<ExplainAsked>(explain->content).question.from, nullptr);
  EXPECT_EQ(std::get<ExplainAsked>(explain->content).from, (PortAddress{NodeId(2), 0, 44}));
}

TEST(CallCodec, NamesAndMembersOfTheLargestSizePass) {
  const auto user = UserId::trusted(std::string(limits::kNameBytesMax, 'u'));
  const auto device = DeviceId::trusted(std::string(limits::kNameBytesMax, 'd'));
  EXPECT_TRUE(over(ShardRegister{nullptr, 1, user, device, true, {1, 2}, ProducerId(4)}));
  std::string member;
  for (std::size_t i = 0; i < limits::kMemberBytesMax; ++i) member.push_back(static_cast<char>(i));
  SetPositionsCommand set{
      LayerId::trusted("people"), PositionCondition::kAlways, {{member, 1.5, limits::kTtlMsMax, true}}};
  const CallRequest request = ShardPositions{set, nullptr};
  const auto decoded = over(request);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_TRUE(tests::is_same(decoded->request, request));
}

SendItem item_of(std::uint64_t number, std::size_t bytes) {
  SendItem item;
  item.message.recipient = UserId::trusted("bob");
  item.message.number = LaneNumber(number);
  item.message.id = MessageId{1, number};
  item.message.body.assign(bytes, 'b');
  item.message.checksum = checksum_of(item.message.body);
  return item;
}

ShardSend send_of(std::size_t messages, std::size_t bytes) {
  ShardSend send{nullptr, 1, {ProducerId(1), UserId::trusted("alice"), DeviceId::trusted("phone"), {}}};
  for (std::size_t i = 1; i <= messages; ++i) send.command.items.push_back(item_of(i, bytes));
  return send;
}

TEST(CallCodec, ASendOfTheLargestBatchPassesAndOneMoreMessageOrByteIsRefused) {
  EXPECT_TRUE(over(send_of(limits::kBatchMessagesMax, 128)));
  EXPECT_EQ(over(send_of(limits::kBatchMessagesMax + 1, 128)).error().code, ErrorCode::kTooLarge);
  EXPECT_TRUE(over(send_of(limits::kBatchBytesMax / limits::kBodyBytesMax, limits::kBodyBytesMax)));
  ShardSend send = send_of(limits::kBatchBytesMax / limits::kBodyBytesMax, limits::kBodyBytesMax);
  send.command.items.push_back(item_of(99, 1));
  EXPECT_EQ(over(send).error().field, "items");
  EXPECT_EQ(over(send_of(1, limits::kBodyBytesMax + 1)).error().field, "body");
}

TEST(CallCodec, WhatManyErrorsTakeStillFitsOneAnswer) {
  const Error error{ErrorCode::kOverloaded, std::string(limits::kErrorTextBytesMax, 'f'),
                    std::string(limits::kErrorTextBytesMax, 'd'), 100, 5};
  const AnswerContent content =
      SendsAnswered{1, std::vector<SendAnswer>(limits::kBatchMessagesMax, SendAnswer{SendAnswer::Held{error}})};
  const auto decoded = back(content);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_TRUE(tests::is_same(decoded->content, content));
}

TEST(CallCodec, FramesPassAtTheLimitAndOneByteMoreIsRefusedUnread) {
  std::string frame(limits::kCallBytesMax, 'x');
  EXPECT_EQ(decode_call(frame, kCallShards).error().code, ErrorCode::kChecksumMismatch);
  EXPECT_EQ(decode_answer(frame, kCallShards).error().code, ErrorCode::kChecksumMismatch);
  frame.push_back('x');
  EXPECT_EQ(decode_call(frame, kCallShards).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(decode_answer(frame, kCallShards).error().code, ErrorCode::kTooLarge);
}

TEST(CallCodec, WhoseACallIsCanBeReadThoughTheCallIsRefused) {
  ShardSend send = send_of(1, 10);
  send.command.items[0].message.number = LaneNumber(0);
  const std::string frame = encode_call(kAddress, 0, send);
  EXPECT_EQ(decode_call(frame, kCallShards).error().field, "number");
  EXPECT_EQ(decode_call_from(frame), kAddress);
  std::string altered = frame;
  altered[20] ^= 1;
  EXPECT_EQ(decode_call_from(altered).error().code, ErrorCode::kChecksumMismatch);
  EXPECT_EQ(decode_call(encode_call(PortAddress{}, 0, send_of(1, 10)), kCallShards).error().field, "node");
}

// ---- pushes

std::shared_ptr<const IncomingMessage> message_of(std::uint64_t sequence, std::size_t bytes) {
  IncomingMessage message;
  message.sequence = Sequence(sequence);
  message.sender = UserId::trusted("alice");
  message.sender_device = DeviceId::trusted("phone");
  message.body.assign(bytes, 'b');
  message.checksum = checksum_of(message.body);
  return std::make_shared<const IncomingMessage>(std::move(message));
}

std::vector<Sequence> sequences_in(const std::vector<std::string>& frames) {
  std::vector<Sequence> sequences;
  for (const std::string& frame : frames) {
    const auto answer = decode_answer(frame, kCallShards);
    if (!answer) {
      ADD_FAILURE() << answer.error().to_string();
      continue;
    }
    EXPECT_EQ(answer->to, kAddress);
    for (const auto& message : std::get<MailboxPush>(answer->content).messages) sequences.push_back(message->sequence);
  }
  return sequences;
}

TEST(CallCodec, APushOfAnySizeCrossesInOrder) {
  const struct {
    std::size_t messages, bytes, frames;
  } cases[] = {{0, 0, 0}, {1, 128, 1}, {1024, 1, 1}, {1025, 1, 2}, {3000, 128, 3}, {1, 1 << 20, 1}, {9, 1 << 20, 3}};
  for (const auto& one : cases) {
    MailboxPush push;
    std::vector<Sequence> expected;
    for (std::uint64_t sequence = 1; sequence <= one.messages; ++sequence) {
      push.messages.push_back(message_of(sequence, one.bytes));
      expected.emplace_back(sequence);
    }
    const auto frames = encode_push(kAddress, push, next_mark());
    EXPECT_EQ(frames.size(), one.frames) << one.messages << " of " << one.bytes;
    EXPECT_EQ(sequences_in(frames), expected);
  }
}

TEST(CallCodec, EndedRangesOfAnyNumberCrossInOrder) {
  MessagesEnded ended;
  for (std::uint64_t i = 1; i <= 2 * limits::kLostRangesMax + 1; ++i)
    ended.ranges.push_back({Sequence(2 * i), Sequence(2 * i), LostReason::kExpired});
  const auto frames = encode_push(kAddress, ended, next_mark());
  EXPECT_EQ(frames.size(), 3u);
  std::vector<LostRange> ranges;
  std::uint64_t number = 0;
  for (const std::string& frame : frames) {
    const auto answer = decode_answer(frame, kCallShards);
    ASSERT_TRUE(answer) << answer.error().to_string();
    const auto& part = std::get<MessagesEnded>(answer->content).ranges;
    ranges.insert(ranges.end(), part.begin(), part.end());
    EXPECT_EQ(answer->mark, (PushMark{ShardId(1), Term(2), ++number}));
  }
  EXPECT_EQ(ranges, ended.ranges);
}

TEST(CallCodec, AnAnswerThatHoldsMoreThanItMayIsRefused) {
  const auto refused = [](const AnswerContent& content) { return back(content).error().field; };
  MailboxPush push;
  for (std::uint64_t i = 1; i <= limits::kFetchMessagesMax + 1; ++i) push.messages.push_back(message_of(i, 0));
  EXPECT_EQ(refused(push), "push");
  EXPECT_EQ(refused(MessagesEnded{std::vector<LostRange>(limits::kLostRangesMax + 1, {Sequence(1), Sequence(1)})}),
            "ended");
  EXPECT_EQ(refused(SendsAnswered{
                1, std::vector<SendAnswer>(limits::kBatchMessagesMax + 1, SendAnswer{Stored{Sequence(1), Epoch(1)}})}),
            "sends");
  PositionsAnswer positions;
  positions.outcomes.resize(limits::kPositionsPerCommandMax + 1);
  EXPECT_EQ(refused(PositionsAnswered{positions}), "outcomes");
  positions.outcomes.clear();
  positions.of_layers.resize(limits::kLayersPerCommandMax + 1);
  EXPECT_EQ(refused(PositionsAnswered{positions}), "ofLayers");
}

TEST(CallCodec, AWordAboutAShardThatThereIsNotIsRefused) {
  EXPECT_TRUE(back(LeaderAnnounced{ShardId(kCallShards - 1), Term(1)}));
  EXPECT_EQ(back(LeaderAnnounced{ShardId(kCallShards), Term(1)}).error().field, "shard");
  EXPECT_EQ(back(LeaderAnnounced{ShardId(0), Term(0)}).error().field, "term");
  EXPECT_EQ(back(LeaderFollowed{ShardId(kCallShards), Term(1), NodeId(1)}).error().field, "shard");
  EXPECT_EQ(back(LeaderFollowed{ShardId(0), Term(0), NodeId(1)}).error().field, "term");
  EXPECT_EQ(back(LeaderFollowed{ShardId(0), Term(1), NodeId()}).error().field, "leader");
}

}  // namespace
}  // namespace earshot::actors
