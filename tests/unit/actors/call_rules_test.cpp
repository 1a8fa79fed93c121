#include "actors/call_rules.hpp"

#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "base/limits.hpp"
#include "schema/commands.hpp"
#include "tests/unit/actors/call_values.hpp"

// What another node may not bring in, over the wire and back: an entry that cannot be read stops its node.
namespace earshot::actors {
namespace {

using tests::kCallShards;

const UserId kAlice = UserId::trusted("alice");
const DeviceId kPhone = DeviceId::trusted("phone");
const LayerId kPeople = LayerId::trusted("people");

// "accepted", or the code and the field at fault.
std::string verdict(const CallRequest& request) {
  const auto call = decode_call(encode_call(Call{PortAddress{NodeId(1), 1, 1}, 0, request}), kCallShards);
  if (call) return "accepted";
  return std::string(name_of(call.error().code)) + "(" + call.error().field + ")";
}

std::string verdict(const AnswerContent& content) {
  const auto answer = decode_answer(encode_answer(Answer{PortAddress{NodeId(1), 1, 1}, content}), kCallShards);
  if (answer) return "accepted";
  return std::string(name_of(answer.error().code)) + "(" + answer.error().field + ")";
}

ShardSend send_of(const std::function<void(SendItem&)>& change = [](SendItem&) {}) {
  SendItem item;
  item.message.recipient = UserId::trusted("bob");
  item.message.number = LaneNumber(5);
  item.message.answered_below = LaneNumber(5);
  item.message.id = MessageId{1, 2};
  item.message.body = "hello";
  item.message.checksum = checksum_of(item.message.body);
  change(item);
  return ShardSend{nullptr, 1, {ProducerId(1), kAlice, kPhone, {item}}};
}

TEST(CallRules, OfASendKeepWhatTheGatewayHoldsClientsTo) {
  EXPECT_EQ(verdict(send_of()), "accepted");
  EXPECT_EQ(verdict(send_of([](auto& item) { item.message.recipient = {}; })), "invalidArgument(recipient)");
  EXPECT_EQ(verdict(send_of([](auto& item) { item.message.number = LaneNumber(0); })), "invalidArgument(number)");
  EXPECT_EQ(verdict(send_of([](auto& item) { item.message.answered_below = LaneNumber(6); })),
            "invalidArgument(answeredBelow)");
  EXPECT_EQ(verdict(send_of([](auto& item) { item.message.id = {}; })), "invalidArgument(id)");
  EXPECT_EQ(verdict(send_of([](auto& item) { item.message.ttl_ms = limits::kTtlMsMax + 1; })),
            "invalidArgument(ttlMs)");
  EXPECT_EQ(verdict(send_of([](auto& item) { item.message.body += "!"; })), "checksumMismatch(body)");
}

TEST(CallRules, WhatWasRefusedAtTheDoorNeedsANumberAlone) {
  const auto refused = [](const std::function<void(SendItem&)>& change) {
    return verdict(send_of([&](SendItem& item) {
      item.refusal = Error{ErrorCode::kInvalidArgument, "recipient", "must not be empty"};
      item.message.recipient = {};
      item.message.id = {};
      item.message.body.clear();  // its checksum stays
      change(item);
    }));
  };
  EXPECT_EQ(refused([](SendItem&) {}), "accepted");
  EXPECT_EQ(refused([](SendItem& item) { item.message.number = LaneNumber(0); }), "invalidArgument(number)");
}

TEST(CallRules, NamesThatNoGatewayLetsInDoNotComeFromANodeEither) {
  for (const std::string& name : {std::string(), std::string("a\0b", 3), std::string("line\n"), std::string("\xff"),
                                  std::string(limits::kNameBytesMax + 1, 'x')}) {
    const auto user = UserId::trusted(name);
    const auto device = DeviceId::trusted(name);
    const auto layer = LayerId::trusted(name);
    const std::vector<CallRequest> requests{
        ShardLogin{nullptr, 1, {user, kPhone, {}, {}, {}, StartAt::kOldest, {}}},
        ShardLogin{nullptr, 1, {kAlice, device, {}, {}, {}, StartAt::kOldest, {}}},
        ShardAck{nullptr, 1, {user, kPhone, Sequence(1), {}}},
        ShardFetch{nullptr, 1, user, Sequence(0), 1, 1},
        ShardHistory{nullptr, 1, user, Sequence(0), 1, 1},
        ShardManage{nullptr, 1, DevicesRequest{user}},
        ShardManage{nullptr, 1, RemoveDeviceRequest{kAlice, device}},
        ShardManage{nullptr, 1, ReplayRequest{kAlice, device, {Sequence(1)}}},
        ShardManage{nullptr, 1, SetPolicyRequest{user, false, Policy{}}},
        ShardAttempts{nullptr, 1, {kAlice, device, {}}},
        ShardRegister{nullptr, 1, user, kPhone},
        ShardUnregister{1, kAlice, device},
        ShardPositions{SetPositionsCommand{layer, {}, {}}, nullptr},
        ShardPositions{ClearPositionsCommand{layer, {}}, nullptr},
        ShardPositions{ClearLayersCommand{{layer}}, nullptr},
        ShardWhere{layer, {}, nullptr},
        ShardPositions{SetLayerPrivacyCommand{layer, std::nullopt}, nullptr},
        ShardTransfer{{ShardId(1),
                       Epoch(1),
                       1,
                       {OutboxRecord{OutboxCause::kCopyToSelf, {user}, {kAlice, kPhone, {}, "", checksum_of("")}}}}},
    };
    for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_NE(verdict(requests[i]), "accepted") << i << " " << name;
  }
}

TEST(CallRules, AcksAndAttemptsAscend) {
  const auto ack = [](std::vector<Sequence> above) {
    return verdict(ShardAck{nullptr, 1, {kAlice, kPhone, Sequence(5), std::move(above)}});
  };
  EXPECT_EQ(ack({Sequence(7), Sequence(9)}), "accepted");
  EXPECT_EQ(ack({Sequence(5)}), "invalidArgument(above)");
  EXPECT_EQ(ack({Sequence(9), Sequence(7)}), "invalidArgument(above)");
  std::vector<Sequence> many;
  for (std::uint64_t i = 6; many.size() < 2 * limits::kSelectiveAcksMax; ++i) many.emplace_back(i);
  EXPECT_EQ(ack(many), "accepted");
  many.emplace_back(1'000'000);
  EXPECT_EQ(ack(many), "tooLarge(above)");

  const auto attempts = [](std::vector<AttemptsCommand::Note> notes) {
    return verdict(ShardAttempts{nullptr, 1, {kAlice, kPhone, std::move(notes)}});
  };
  EXPECT_EQ(attempts({{Sequence(1), Sequence(4), 1}, {Sequence(5), Sequence(5), 2}}), "accepted");
  EXPECT_EQ(attempts({{Sequence(0), Sequence(4), 1}}), "invalidArgument(notes)");
  EXPECT_EQ(attempts({{Sequence(4), Sequence(3), 1}}), "invalidArgument(notes)");
  EXPECT_EQ(attempts({{Sequence(1), Sequence(4), 1}, {Sequence(4), Sequence(5), 2}}), "invalidArgument(notes)");
  std::vector<AttemptsCommand::Note> notes;
  for (std::uint64_t i = 1; i <= limits::kAttemptsKeptMax + 1; ++i) notes.push_back({Sequence(i), Sequence(i), 1});
  EXPECT_EQ(attempts(notes), "tooLarge(notes)");
}

TEST(CallRules, ARequestAboutSomebodyDoesNotBecomeOneAboutAll) {
  const auto manage = [](ManageRequest request) { return verdict(ShardManage{nullptr, 1, std::move(request)}); };
  EXPECT_EQ(manage(SetPolicyRequest{{}, true, Policy{}}), "accepted");
  EXPECT_EQ(manage(SetPolicyRequest{{}, false, Policy{}}), "invalidArgument(user)");
  EXPECT_EQ(manage(SetPolicyRequest{kAlice, true, Policy{}}), "invalidArgument(user)");
  EXPECT_EQ(manage(PolicyRequest{{}, false}), "invalidArgument(user)");
  EXPECT_EQ(manage(RemoveDeviceRequest{{}, kPhone}), "invalidArgument(user)");
  EXPECT_EQ(manage(ReplayRequest{kAlice, kPhone, {}}), "invalidArgument(sequences)");
  EXPECT_EQ(manage(ParkedRequest{kAlice, {}, Sequence(0), limits::kParkedPageMax + 1}), "invalidArgument(limit)");
  EXPECT_EQ(manage(ExplainRequest{kAlice, {}, {}}), "invalidArgument(id)");
}

TEST(CallRules, ARegistrationHasASession) {
  EXPECT_EQ(verdict(ShardRegister{nullptr, 0, kAlice, kPhone}), "invalidArgument(session)");
  EXPECT_EQ(verdict(ShardUnregister{0, kAlice, kPhone}), "invalidArgument(session)");
}

TEST(CallRules, OfPositionsKeepThoseOfThePlaceDesk) {
  const auto set = [](SetPositionsCommand::Item item, PositionCondition condition = PositionCondition::kAlways) {
    return verdict(ShardPositions{SetPositionsCommand{kPeople, condition, {std::move(item)}, true}, nullptr});
  };
  EXPECT_EQ(set({"m", 1, 0, false}), "accepted");
  EXPECT_EQ(set({"m", 1, 0, false}, PositionCondition::kIfNew), "invalidArgument(accepted)");
  EXPECT_EQ(set({"", 1, 0, false}), "invalidArgument(member)");
  EXPECT_EQ(set({std::string(limits::kMemberBytesMax + 1, 'm'), 1, 0, false}), "tooLarge(member)");
  EXPECT_EQ(set({"m", std::numeric_limits<double>::quiet_NaN(), 0, false}), "invalidArgument(score)");
  EXPECT_EQ(set({"m", 1, limits::kTtlMsMax + 1, false}), "invalidArgument(ttl)");
  EXPECT_EQ(verdict(ShardPositions{ClearPositionsCommand{kPeople, {""}}, nullptr}), "invalidArgument(member)");

  const auto many = [](std::size_t count) {
    SetPositionsCommand command{kPeople, {}, {}};
    for (std::size_t i = 0; i < count; ++i) command.items.push_back({std::to_string(i), 1, 0, false});
    return verdict(ShardPositions{command, nullptr});
  };
  EXPECT_EQ(many(limits::kPositionsPerCommandMax), "accepted");
  EXPECT_EQ(many(limits::kPositionsPerCommandMax + 1), "tooLarge(items)");
  const std::vector<std::string> members(limits::kPositionsPerCommandMax + 1, "m");
  EXPECT_EQ(verdict(ShardPositions{ClearPositionsCommand{kPeople, members}, nullptr}), "tooLarge(members)");
  EXPECT_EQ(verdict(ShardWhere{kPeople, {"m"}, nullptr}), "accepted");
  EXPECT_EQ(verdict(ShardWhere{kPeople, {""}, nullptr}), "invalidArgument(member)");
  EXPECT_EQ(verdict(ShardWhere{kPeople, {std::string(limits::kMemberBytesMax + 1, 'm')}, nullptr}), "tooLarge(member)");
  EXPECT_EQ(verdict(ShardWhere{kPeople, members, nullptr}), "tooLarge(members)");
  EXPECT_EQ(verdict(WhereAnswered{WhereAnswer(limits::kPositionsPerCommandMax)}), "accepted");
  EXPECT_EQ(verdict(WhereAnswered{WhereAnswer(limits::kPositionsPerCommandMax + 1)}), "tooLarge(where)");
  EXPECT_EQ(verdict(WhereAnswered{WhereAnswer{Whereabouts{std::numeric_limits<double>::quiet_NaN(), 1, false}}}),
            "invalidArgument(score)");
  const std::vector<LayerId> layers(limits::kLayersPerCommandMax + 1, kPeople);
  EXPECT_EQ(verdict(ShardPositions{ClearLayersCommand{layers}, nullptr}), "tooLarge(clearLayers)");

  const auto privacy = [](LayerPrivacy privacy) {
    return verdict(ShardPositions{SetLayerPrivacyCommand{kPeople, privacy}, nullptr});
  };
  EXPECT_EQ(privacy({limits::kPrecisionMMax, limits::kDistanceStepMMax, limits::kQueriesPerMinuteMax}), "accepted");
  EXPECT_EQ(privacy({limits::kPrecisionMMax + 1, 0, 0}), "invalidArgument(privacy.precisionM)");
}

TEST(CallRules, OfATransferKeepWhatTheTargetTakesForGranted) {
  const auto transfer = [](const std::function<void(TransferCommand&)>& change) {
    MailboxRecord message{kAlice, kPhone, MessageId{1, 2}, "hello", checksum_of("hello")};
    TransferCommand command{ShardId(1), Epoch(1), 1, {OutboxRecord{OutboxCause::kCopyToSelf, {kAlice}, message}}};
    change(command);
    return verdict(ShardTransfer{command});
  };
  EXPECT_EQ(transfer([](auto&) {}), "accepted");
  EXPECT_EQ(transfer([](auto& command) { command.records = {OutboxRecord{OutboxCause::kLost}}; }), "accepted");
  EXPECT_EQ(transfer([](auto& command) { command.origin = ShardId(kCallShards); }), "invalidArgument(origin)");
  EXPECT_EQ(transfer([](auto& command) { command.epoch = Epoch(0); }), "invalidArgument(epoch)");
  EXPECT_EQ(transfer([](auto& command) { command.first = 0; }), "invalidArgument(first)");
  EXPECT_EQ(transfer([](auto& command) { command.first = UINT64_MAX; }), "invalidArgument(first)");
  EXPECT_EQ(transfer([](auto& command) { command.records[0].message.body[0] = 'H'; }), "checksumMismatch(body)");
  EXPECT_EQ(transfer([](auto& command) { command.records[0].recipients.push_back(kAlice); }),
            "invalidArgument(recipients)");
  EXPECT_EQ(transfer([](auto& command) { command.records[0].message.ended = LostReason::kExpired; }),
            "invalidArgument(ended)");
  EXPECT_EQ(transfer([](auto& command) {
              command.records.assign(limits::kOutboxWindowMax + 1, OutboxRecord{OutboxCause::kLost});
            }),
            "tooLarge(records)");
  EXPECT_EQ(verdict(ShardTransferred{ShardId(kCallShards), Epoch(1), 1}), "invalidArgument(target)");
  EXPECT_EQ(verdict(ShardTransferred{ShardId(1), Epoch(0), 1}), "invalidArgument(epoch)");
}

TEST(CallRules, ABodyThatWasAlteredIsNotDelivered) {
  const auto altered = [](bool has_body) {
    tests::CallValues values(1);
    IncomingMessage message = values.incoming();
    message.body = has_body ? "hello" : "";
    message.checksum = checksum_of("hallo");
    return message;
  };
  EXPECT_EQ(verdict(MailboxPush{{std::make_shared<const IncomingMessage>(altered(true))}}), "checksumMismatch(body)");
  EXPECT_EQ(verdict(FetchAnswered{1, Batch{Epoch(1), {altered(true)}, {}, Sequence(1)}}), "checksumMismatch(body)");
  const auto parked = [](const IncomingMessage& message) {
    return verdict(
        ManageAnswered{1, ManageAnswer(std::vector<ParkedMessage>{{kPhone, Sequence(1), 1, 1, message}}), 0});
  };
  EXPECT_EQ(parked(altered(true)), "checksumMismatch(body)");
  EXPECT_EQ(parked(altered(false)), "accepted");  // without its body, in a list of every device
}

// The whole chain: whatever decode_call() lets in can be read back from the log.
TEST(CallRules, WhatIsLetInMakesEntriesThatCanBeRead) {
  tests::CallValues values(7);
  for (int round = 0; round < 50; ++round) {
    for (const CallRequest& request : values.requests()) {
      const auto call = decode_call(encode_call(Call{PortAddress{NodeId(1), 1, 1}, 0, request}), kCallShards);
      ASSERT_TRUE(call) << call.error().to_string();
      std::visit(
          [](const auto& one) {
            if constexpr (requires { Command(one.command); }) {
              EXPECT_TRUE(decode_command_batch(encode(CommandBatch{1, {Command(one.command)}})));
            }
          },
          call->request);
    }
  }
}

}  // namespace
}  // namespace earshot::actors
