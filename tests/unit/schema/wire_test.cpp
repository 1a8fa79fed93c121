#include "schema/wire.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/flat.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/schema/random_values.hpp"
#include "tests/unit/schema/wire_through.hpp"

namespace earshot::tests {
namespace {

const std::string kLongName(129, 'x');

// ---- errors and answers

TEST(WireError, ComesBackWhole) {
  RandomValues values(seed_of_test());
  for (int round = 0; round < 200; ++round) {
    const Error error = values.error();
    ASSERT_EQ(through<schema::Error>(error), error);
  }
}

TEST(WireError, OfANewerServerIsInternalButKeepsItsText) {
  const Error error = through<schema::Error>(Error{ErrorCode::kConflict, "member", "exists"},
                                             [](auto e) { e.setCode(static_cast<schema::ErrorCode>(1'000)); });
  EXPECT_EQ(error, (Error{ErrorCode::kInternal, "member", "exists"}));
}

TEST(WireError, TextsAreCutAtTheLimitButNotInsideACharacter) {
  const std::string text = std::string(limits::kErrorTextBytesMax - 1, 'x') + "é and so on";
  const Error error = through<schema::Error>(Error{ErrorCode::kInternal, "", text});
  EXPECT_EQ(error.detail, std::string(limits::kErrorTextBytesMax - 1, 'x'));
}

TEST(WireSendAnswer, ComesBackWhole) {
  RandomValues values(seed_of_test());
  for (const SendAnswer& answer :
       {SendAnswer{Stored{Sequence(7), Epoch(2)}}, SendAnswer{SendAnswer::Refused{values.error()}},
        SendAnswer{SendAnswer::Held{values.error()}}})
    for (const bool repeat : {false, true}) {
      SendAnswer sent = answer;
      sent.repeat = repeat;
      const SendAnswer back = through<schema::SendAnswer>(sent);
      EXPECT_EQ(back, sent);
      EXPECT_EQ(back.repeat, repeat);
    }
}

TEST(WireSendAnswer, ThatMakesNoSenseHoldsTheMessageInsteadOfEndingIt) {
  const SendAnswer answer = through<schema::SendAnswer>(SendAnswer{Stored{Sequence{}, Epoch(1)}});
  const auto* held = std::get_if<SendAnswer::Held>(&answer.value);
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(held->error.code, ErrorCode::kInternal);
  EXPECT_EQ(held->error.field, "sequence");
}

TEST(WireAnswers, ComeBackAsValueOrError) {
  const Error error{ErrorCode::kOverloaded, "window", "is full", 100};
  EXPECT_TRUE(through<schema::StatusAnswer>(Status{}).has_value());
  EXPECT_EQ(through<schema::StatusAnswer>(Status(fail(error))).error(), error);
  EXPECT_EQ(through<schema::AckAnswer>(Result<Sequence>(Sequence(9))).value(), Sequence(9));
  EXPECT_EQ(through<schema::AckAnswer>(Result<Sequence>(fail(error))).error(), error);
  RandomValues values(3);
  const Batch batch = values.batch();
  EXPECT_EQ(through<schema::FetchAnswer>(Result<Batch>(batch)).value(), batch);
  EXPECT_EQ(through<schema::FetchAnswer>(Result<Batch>(fail(error))).error(), error);
}

// ---- sending

TEST(WireOutgoing, ComesBackWhole) {
  RandomValues values(seed_of_test());
  for (int round = 0; round < 200; ++round) {
    const OutgoingMessage message = values.outgoing();
    const auto back = through<schema::Outgoing>(message);
    ASSERT_TRUE(back.has_value()) << back.error().to_string();
    ASSERT_EQ(*back, message);
  }
}

TEST(WireOutgoing, NamesTheFieldAtFault) {
  using Break = std::function<void(schema::Outgoing::Builder)>;
  const std::vector<std::pair<std::string, Break>> cases{
      {"recipient", [](auto m) { m.setRecipient(""); }},
      {"recipient", [](auto m) { m.setRecipient(kLongName.c_str()); }},
      {"recipient", [](auto m) { m.setRecipient("\xff"); }},
      {"recipient", [](auto m) { m.setRecipient("a\nb"); }},
      {"number", [](auto m) { m.setNumber(0); }},
      {"answeredBelow", [](auto m) { m.setAnsweredBelow(m.getNumber() + 1); }},
      {"id", [](auto m) { m.setIdHigh(0), m.setIdLow(0); }},
  };
  RandomValues values(4);
  OutgoingMessage message = values.outgoing();
  message.number = LaneNumber(5), message.answered_below = LaneNumber(5);
  for (const auto& [field, breaks] : cases) EXPECT_EQ(refused(through<schema::Outgoing>(message, breaks)), field);
  const auto large = through<schema::Outgoing>(message, [](auto m) { m.initBody(limits::kBodyBytesMax + 1); });
  EXPECT_EQ(refused(large, ErrorCode::kTooLarge), "body");
  EXPECT_EQ(large.error().detail, "has 1048577 bytes, the limit is 1048576");
  EXPECT_TRUE(through<schema::Outgoing>(message, [](auto m) { m.initBody(limits::kBodyBytesMax); }).has_value());
}

TEST(WireOutgoing, MayLiveForTheLongestTimeAndNotOneMillisecondMore) {
  RandomValues values(4);
  OutgoingMessage message = values.outgoing();
  message.ttl_ms = limits::kTtlMsMax;
  EXPECT_TRUE(through<schema::Outgoing>(message).has_value());
  message.ttl_ms += 1;
  const auto longer = through<schema::Outgoing>(message);
  EXPECT_EQ(refused(longer), "ttlMs");
  EXPECT_EQ(longer.error().detail, "is 31622400001, the limit is 31622400000");
}

TEST(WireOutgoing, StillTellsItsPlaceInTheLaneWhenRefused) {
  RandomValues values(5);
  const OutgoingMessage message = values.outgoing();
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<schema::Outgoing>();
  wire::write(message, root);
  root.setRecipient(kLongName.c_str());
  ASSERT_FALSE(wire::read(root.asReader()).has_value());
  const auto place = wire::read_refused(root.asReader());
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->number, message.number);
  EXPECT_EQ(place->answered_below, message.answered_below);
  EXPECT_EQ(place->id, message.id);
  EXPECT_TRUE(place->recipient.empty() && place->body.empty());
  EXPECT_EQ(wire::lane_of(root.asReader(), 64), shard_of(kLongName, 64));
  root.setNumber(0);
  EXPECT_EQ(refused(wire::read_refused(root.asReader())), "number");
}

TEST(WireOutgoing, ACallIsBoundedInMessagesAndBytes) {
  capnp::MallocMessageBuilder many, heavy, fine, full, over;
  const auto size_of = [](capnp::MallocMessageBuilder& message, capnp::uint count, capnp::uint bytes) {
    auto list = message.initRoot<schema::Session::SendParams>().initMessages(count);
    for (auto each : list) each.initBody(bytes);
    return wire::check_size(list.asReader());
  };
  EXPECT_EQ(refused(size_of(many, limits::kBatchMessagesMax + 1, 0), ErrorCode::kTooLarge), "messages");
  EXPECT_EQ(refused(size_of(heavy, 5, limits::kBodyBytesMax), ErrorCode::kTooLarge), "messages");
  EXPECT_TRUE(size_of(fine, limits::kBatchMessagesMax, 0).has_value());
  EXPECT_TRUE(size_of(full, 4, limits::kBodyBytesMax).has_value());
  ASSERT_TRUE(size_of(over, 4, limits::kBodyBytesMax).has_value());
  auto one_byte_more = over.getRoot<schema::Session::SendParams>().getMessages();
  one_byte_more[0].initBody(limits::kBodyBytesMax + 1);
  EXPECT_EQ(refused(wire::check_size(one_byte_more.asReader()), ErrorCode::kTooLarge), "messages");
}

// ---- delivery

TEST(WireBatch, ComesBackWhole) {
  RandomValues values(seed_of_test());
  for (int round = 0; round < 200; ++round) {
    const Batch batch = values.batch();
    const auto back = through<schema::Batch>(batch);
    ASSERT_TRUE(back.has_value()) << back.error().to_string();
    ASSERT_EQ(*back, batch);
  }
}

TEST(WireBatch, CarriesTheAttemptOfTheDeviceItGoesTo) {
  RandomValues values(6);
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::Incoming>();
  wire::write(values.incoming(), 17, root);
  EXPECT_EQ(wire::read(root.asReader()).value().attempt, 17u);
}

TEST(WireBatch, NamesTheFieldAtFault) {
  RandomValues values(7);
  Batch batch;
  batch.epoch = Epoch(1);
  batch.messages = {values.incoming()};
  batch.lost = {{Sequence(1), Sequence(2), LostReason::kTrimmed}};
  using Break = std::function<void(schema::Batch::Builder)>;
  const std::vector<std::pair<std::string, Break>> cases{
      {"epoch", [](auto b) { b.setEpoch(0); }},
      {"sequence", [](auto b) { b.getMessages()[0].setSequence(0); }},
      {"sender", [](auto b) { b.getMessages()[0].setSender(""); }},
      {"senderDevice", [](auto b) { b.getMessages()[0].setSenderDevice("\x01"); }},
      {"attempt", [](auto b) { b.getMessages()[0].setAttempt(0); }},
      {"copyOf", [](auto b) { b.getMessages()[0].setCopyOf(kLongName.c_str()); }},
      {"replayOf", [](auto b) { b.getMessages()[0].setReplayOf(b.getMessages()[0].getSequence()); }},
      {"first", [](auto b) { b.getLost()[0].setFirst(0); }},
      {"last", [](auto b) { b.getLost()[0].setLast(0); }},
  };
  for (const auto& [field, breaks] : cases) EXPECT_EQ(refused(through<schema::Batch>(batch, breaks)), field);
  const auto tell = [&](const Break& breaks) {
    return refused(through<schema::Batch>(batch, breaks), ErrorCode::kTooLarge);
  };
  const LostRange lost = batch.lost[0];
  batch.messages.resize(limits::kFetchMessagesMax, batch.messages[0]);
  batch.lost.resize(limits::kLostRangesMax, lost);
  EXPECT_TRUE(through<schema::Batch>(batch).has_value());
  EXPECT_EQ(tell([](auto b) { b.initMessages(limits::kFetchMessagesMax + 1); }), "messages");
  EXPECT_EQ(tell([](auto b) { b.initLost(limits::kLostRangesMax + 1); }), "lost");
  EXPECT_EQ(tell([](auto b) { b.getMessages()[0].initBody(limits::kBodyBytesMax + 1); }), "body");
  const auto newer =
      through<schema::Batch>(batch, [](auto b) { b.getLost()[0].setReason(static_cast<schema::LostReason>(99)); });
  EXPECT_EQ(newer.value().lost[0].reason, LostReason::kUnknown) << "lost is lost, whatever the reason";
}

// ---- login

LoginRequest login_request() {
  LoginRequest request;
  request.token = "alice", request.device = DeviceId::trusted("phone"), request.agent = "test 1.0";
  request.producer = ProducerId(3), request.epoch = Epoch(1), request.last_received = Sequence(42);
  request.start_at = StartAt::kNewest, request.order = {UINT64_MAX, 12};
  return request;
}

Welcome welcome() {
  Welcome welcome;
  welcome.user = UserId::trusted("alice"), welcome.shard_count = 64, welcome.node = NodeId(1);
  welcome.role = Role::kService, welcome.addresses = {"a.example:7400", "[::1]:7400"};
  welcome.login = {ProducerId(3), true, Epoch(2), Sequence(5), Sequence(4), Sequence(9)};
  return welcome;
}

TEST(WireLogin, ComesBackWhole) {
  EXPECT_EQ(through<schema::LoginRequest>(login_request()).value(), login_request());
  EXPECT_EQ(through<schema::Welcome>(welcome()).value(), welcome());
}

TEST(WireLogin, NamesTheFieldAtFault) {
  const auto tell = [](const std::function<void(schema::LoginRequest::Builder)>& breaks,
                       ErrorCode code = ErrorCode::kInvalidArgument) {
    return refused(through<schema::LoginRequest>(login_request(), breaks), code);
  };
  EXPECT_EQ(tell([](auto r) { r.setDevice(""); }), "device");
  EXPECT_EQ(tell([](auto r) { r.setAgent("forged\nline"); }), "agent");
  EXPECT_EQ(tell([](auto r) { r.setStartAt(static_cast<schema::StartAt>(7)); }), "startAt");
  EXPECT_EQ(tell([](auto r) { r.initToken(limits::kTokenBytesMax + 1); }, ErrorCode::kTooLarge), "token");
  const auto longest = [](auto r) { r.initToken(limits::kTokenBytesMax); };
  EXPECT_TRUE(through<schema::LoginRequest>(login_request(), longest).has_value());
  EXPECT_TRUE(through<schema::LoginRequest>(login_request(), [](auto r) { r.setAgent(""); }).has_value());
}

TEST(WireWelcome, NamesTheFieldAtFault) {
  using Break = std::function<void(schema::Welcome::Builder)>;
  const std::vector<std::pair<std::string, Break>> cases{
      {"user", [](auto w) { w.setUser(""); }},
      {"shardCount", [](auto w) { w.setShardCount(0); }},
      {"shardCount", [](auto w) { w.setShardCount(limits::kShardsMax + 1); }},
      {"producer", [](auto w) { w.setProducer(0); }},
      {"epoch", [](auto w) { w.setEpoch(0); }},
      {"limits.bodyBytesMax", [](auto w) { w.getLimits().setBodyBytesMax(0); }},
      {"limits.batchMessagesMax", [](auto w) { w.getLimits().setBatchMessagesMax(0); }},
      {"limits.batchBytesMax", [](auto w) { w.getLimits().setBatchBytesMax(0); }},
      {"limits.fetchMessagesMax", [](auto w) { w.getLimits().setFetchMessagesMax(0); }},
      {"limits.windowMessagesMax", [](auto w) { w.getLimits().setWindowMessagesMax(0); }},
      {"limits.laneWindowMax", [](auto w) { w.getLimits().setLaneWindowMax(0); }},
      {"limits.callsInFlightMax", [](auto w) { w.getLimits().setCallsInFlightMax(0); }},
      {"limits.callBytesInFlightMax", [](auto w) { w.getLimits().setCallBytesInFlightMax(0); }},
  };
  for (const auto& [field, breaks] : cases) EXPECT_EQ(refused(through<schema::Welcome>(welcome(), breaks)), field);
  const auto most = [](auto w) { w.setShardCount(limits::kShardsMax); };
  EXPECT_TRUE(through<schema::Welcome>(welcome(), most).has_value());
  const auto role = through<schema::Welcome>(welcome(), [](auto w) { w.setRole(static_cast<schema::Role>(9)); });
  EXPECT_EQ(role.value().role, Role::kUser) << "it only tells what is worth asking for";
  const auto newer = through<schema::Welcome>(welcome(), [](auto w) { w.setProtocol(kProtocolMax + 1); });
  EXPECT_EQ(refused(newer, ErrorCode::kUnsupportedVersion), "protocol");
}

TEST(WireWelcome, AddressesThatCannotBeOnesOrAreTooManyAreLeftOut) {
  const std::string longest(limits::kAddressBytesMax, 'a');
  Welcome from = welcome();
  from.addresses.clear();
  GoAway away{{}, 250};
  for (const std::string& text : {std::string("a:7400"), std::string(), std::string("a\n:7400"), std::string("ä:1"),
                                  std::string("a b:1"), longest, longest + "a"})
    from.addresses.push_back(text), away.addresses.push_back(text);
  const std::vector<std::string> good{"a:7400", longest};
  EXPECT_EQ(through<schema::Welcome>(from).value().addresses, good);
  EXPECT_EQ(through<schema::Receiver::GoAwayParams>(away).value(), (GoAway{good, 250}));

  const auto many = [](std::size_t count) {
    return [count](auto root) {
      auto list = root.initAddresses(static_cast<capnp::uint>(count));
      for (capnp::uint i = 0; i < list.size(); ++i) list.set(i, "a:1");
    };
  };
  for (const std::size_t count : {limits::kNodeAddressesMax, limits::kNodeAddressesMax + 1}) {
    EXPECT_EQ(through<schema::Welcome>(welcome(), many(count)).value().addresses.size(), limits::kNodeAddressesMax);
    EXPECT_EQ(through<schema::Receiver::GoAwayParams>(away, many(count)).value().addresses.size(),
              limits::kNodeAddressesMax);
  }
}

// ---- the session's calls

TEST(WireRequests, ComeBackWhole) {
  using Session = schema::Session;
  const SubscribeRequest subscribe{DeliveryMode::kUnordered, 77};
  EXPECT_EQ(through<Session::SubscribeParams>(subscribe).value(), subscribe);
  const AckRequest ack{Sequence(5), {Sequence(7), Sequence(9)}};
  EXPECT_EQ(through<Session::AckParams>(ack).value(), ack);
  const NackRequest nack{{Sequence(1), Sequence(2)}, 500};
  EXPECT_EQ(through<Session::NackParams>(nack).value(), nack);
  const FetchRequest fetch{Sequence(0), 1'024, FetchCause::kGap};
  EXPECT_EQ(through<Session::FetchParams>(fetch).value(), fetch);
  const HistoryRequest history{Sequence(100), 1};
  EXPECT_EQ(through<Session::HistoryParams>(history).value(), history);
}

TEST(WireRequests, SubscribeTakesTheDefaultWindowAndRefusesAnUnknownMode) {
  using Params = schema::Session::SubscribeParams;
  const SubscribeRequest request{DeliveryMode::kOrdered, 1};
  EXPECT_EQ(through<Params>(request, [](auto p) { p.setWindowMessages(0); }).value().window_messages,
            limits::kWindowMessagesDefault);
  EXPECT_EQ(refused(through<Params>(request, [](auto p) { p.setWindowMessages(limits::kWindowMessagesMax + 1); })),
            "windowMessages");
  const SubscribeRequest widest{DeliveryMode::kOrdered, limits::kWindowMessagesMax};
  EXPECT_EQ(through<Params>(widest).value(), widest);
  EXPECT_EQ(refused(through<Params>(request, [](auto p) { p.setMode(static_cast<schema::Mode>(3)); })), "mode");
}

TEST(WireRequests, AcksAndNacksAreBoundedAndAscend) {
  using Ack = schema::Session::AckParams;
  using Nack = schema::Session::NackParams;
  const auto sequences = [](std::vector<std::uint64_t> from) {
    return std::vector<Sequence>(from.begin(), from.end());
  };
  EXPECT_EQ(refused(through<Ack>(AckRequest{Sequence(5), sequences({5})})), "above");
  EXPECT_EQ(refused(through<Ack>(AckRequest{Sequence(5), sequences({8, 8})})), "above");
  const auto many = [](auto p) { p.initAbove(limits::kSelectiveAcksMax + 1); };
  EXPECT_EQ(refused(through<Ack>(AckRequest{}, many), ErrorCode::kTooLarge), "above");
  EXPECT_EQ(refused(through<Nack>(NackRequest{})), "sequences");
  EXPECT_EQ(refused(through<Nack>(NackRequest{sequences({0}), 0})), "sequences");
  EXPECT_EQ(refused(through<Nack>(NackRequest{sequences({1}), limits::kNackDelayMsMax + 1})), "delayMs");
  const auto more = [](auto p) { p.initSequences(limits::kSelectiveAcksMax + 1); };
  EXPECT_EQ(refused(through<Nack>(NackRequest{sequences({1}), 0}, more), ErrorCode::kTooLarge), "sequences");
  std::vector<Sequence> most;
  for (std::uint64_t i = 1; i <= limits::kSelectiveAcksMax; ++i) most.emplace_back(i);
  EXPECT_TRUE(through<Ack>(AckRequest{Sequence(0), most}).has_value());
  EXPECT_TRUE(through<Nack>(NackRequest{most, limits::kNackDelayMsMax}).has_value());
}

TEST(WireRequests, FetchesAreBoundedAndAnUnknownCauseIsUnspecified) {
  using Fetch = schema::Session::FetchParams;
  using History = schema::Session::HistoryParams;
  const FetchRequest fetch{Sequence(1), 10, FetchCause::kGap};
  EXPECT_EQ(refused(through<Fetch>(fetch, [](auto p) { p.setLimit(0); })), "limit");
  EXPECT_EQ(refused(through<Fetch>(fetch, [](auto p) { p.setLimit(limits::kFetchMessagesMax + 1); })), "limit");
  EXPECT_EQ(refused(through<History>(HistoryRequest{}, [](auto p) { p.setLimit(0); })), "limit");
  const auto most = [](auto p) { p.setLimit(limits::kFetchMessagesMax); };
  EXPECT_TRUE(through<Fetch>(fetch, most).has_value());
  EXPECT_TRUE(through<History>(HistoryRequest{}, most).has_value());
  const auto newer = through<Fetch>(fetch, [](auto p) { p.setCause(static_cast<schema::FetchCause>(99)); });
  EXPECT_EQ(newer.value().cause, FetchCause::kUnspecified);
}

// ---- messages that are no messages

TEST(Wire, MalformedPointersAreErrorsAndNotExceptions) {
  RandomValues values(seed_of_test());
  int refusals = 0;
  for (int round = 0; round < 2'000; ++round) {
    capnp::MallocMessageBuilder message;
    const bool is_batch = values.coin();
    if (is_batch) {
      wire::write(values.batch(), message.initRoot<schema::Batch>());
    } else {
      wire::write(values.outgoing(), message.initRoot<schema::Outgoing>());
    }
    auto words = capnp::messageToFlatArray(message);
    auto bytes = words.asBytes();
    for (int flips = 0; flips < 3; ++flips) {  // behind the framing and the root: connections check these
      const std::size_t at = 16 + values.random.below(bytes.size() - 16);
      bytes[at] = static_cast<kj::byte>(bytes[at] ^ (1 << values.random.below(8)));
    }
    capnp::FlatArrayMessageReader reader(words, flat::options_for(bytes.size()));
    bool accepted = false;
    ASSERT_NO_THROW(accepted = is_batch ? wire::read(reader.getRoot<schema::Batch>()).has_value()
                                        : wire::read(reader.getRoot<schema::Outgoing>()).has_value());
    if (!accepted) ++refusals;
  }
  EXPECT_GT(refusals, 100);
}

}  // namespace
}  // namespace earshot::tests
