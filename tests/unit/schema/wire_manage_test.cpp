#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <capnp/message.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/manage.hpp"
#include "schema/wire.hpp"
#include "tests/unit/schema/random_values.hpp"
#include "tests/unit/schema/wire_through.hpp"

namespace earshot::tests {
namespace {

using Session = schema::Session;

const UserId kBob = UserId::trusted("bob");
const DeviceId kPhone = DeviceId::trusted("phone");
const std::vector<Sequence> kSome{Sequence(9), Sequence(4), Sequence(9)};

TEST(WireManage, RequestsComeBackWhole) {
  for (const UserId& user : {kBob, UserId{}}) {
    EXPECT_EQ(through<Session::DevicesParams>(DevicesRequest{user}).value(), DevicesRequest{user});
    const RemoveDeviceRequest remove{user, kPhone};
    EXPECT_EQ(through<Session::RemoveDeviceParams>(remove).value(), remove);
    for (const DeviceId& device : {kPhone, DeviceId{}}) {
      const ParkedRequest parked{user, device, Sequence(7), 20};
      EXPECT_EQ(through<Session::ParkedParams>(parked).value(), parked);
    }
    const ReplayRequest replay{user, kPhone, kSome};
    EXPECT_EQ(through<Session::ReplayParams>(replay).value(), replay) << "in the order asked for, repeats too";
    const DropParkedRequest drop{user, kPhone, kSome};
    EXPECT_EQ(through<Session::DropParkedParams>(drop).value(), drop);
    const ExplainRequest by_id{user, Sequence{}, MessageId{3, 4}};
    EXPECT_EQ(through<Session::ExplainParams>(by_id).value(), by_id);
    const ExplainRequest by_sequence{user, Sequence(5), MessageId{}};
    EXPECT_EQ(through<Session::ExplainParams>(by_sequence).value(), by_sequence);
    const PolicyRequest policy{user, false};
    EXPECT_EQ(through<Session::PolicyParams>(policy).value(), policy);
    for (const auto& set : {SetPolicyRequest{user, false, Policy{1, 2, 0, 4}}, SetPolicyRequest{user, false, {}},
                            SetPolicyRequest{{}, true, Policy{}}}) {
      EXPECT_EQ(through<Session::SetPolicyParams>(set).value(), set);
    }
  }
}

TEST(WireManage, RequestsNameTheFieldAtFault) {
  const ReplayRequest replay{kBob, kPhone, kSome};
  const auto tell_replay = [&](const std::function<void(Session::ReplayParams::Builder)>& breaks,
                               ErrorCode code = ErrorCode::kInvalidArgument) {
    return refused(through<Session::ReplayParams>(replay, breaks), code);
  };
  EXPECT_EQ(tell_replay([](auto p) { p.setUser("\x01"); }), "user");
  EXPECT_EQ(tell_replay([](auto p) { p.setDevice(""); }), "device");
  EXPECT_EQ(tell_replay([](auto p) { p.initSequences(0); }), "sequences");
  EXPECT_EQ(tell_replay([](auto p) { p.getSequences().set(1, 0); }), "sequences");
  const DropParkedRequest drop{kBob, kPhone, kSome};
  EXPECT_EQ(refused(through<Session::DropParkedParams>(drop, [](auto p) { p.initSequences(0); })), "sequences");

  EXPECT_EQ(refused(through<Session::DevicesParams>(DevicesRequest{}, [](auto p) { p.setUser("\n"); })), "user");
  const RemoveDeviceRequest remove{kBob, kPhone};
  EXPECT_EQ(refused(through<Session::RemoveDeviceParams>(remove, [](auto p) { p.setDevice(""); })), "device");
  const ParkedRequest parked{kBob, kPhone, {}, 1};
  EXPECT_EQ(refused(through<Session::ParkedParams>(parked, [](auto p) { p.setDevice("\t"); })), "device");
  EXPECT_EQ(through<Session::ParkedParams>(parked, [](auto p) { p.setLimit(0); }).value().limit,
            limits::kParkedPageMax);
  EXPECT_EQ(refused(through<Session::ExplainParams>(ExplainRequest{kBob, {}, {}})), "id");
  EXPECT_EQ(refused(through<Session::PolicyParams>(PolicyRequest{kBob, true})), "user");
  EXPECT_EQ(refused(through<Session::SetPolicyParams>(SetPolicyRequest{kBob, true, Policy{}})), "user");
}

TEST(WireManage, RequestsHoldAPageOfParkedMessagesAndNotOneMore) {
  std::vector<Sequence> page(limits::kParkedPageMax, Sequence(7));
  EXPECT_TRUE(through<Session::ReplayParams>(ReplayRequest{kBob, kPhone, page}).has_value());
  EXPECT_TRUE(through<Session::DropParkedParams>(DropParkedRequest{kBob, kPhone, page}).has_value());
  EXPECT_TRUE(through<Session::ParkedParams>(ParkedRequest{kBob, kPhone, {}, limits::kParkedPageMax}).has_value());
  page.emplace_back(7);
  const auto replay = through<Session::ReplayParams>(ReplayRequest{kBob, kPhone, page});
  EXPECT_EQ(refused(replay, ErrorCode::kTooLarge), "sequences");
  EXPECT_EQ(replay.error().detail, "has 257 entries, the limit is 256");
  const auto drop = through<Session::DropParkedParams>(DropParkedRequest{kBob, kPhone, page});
  EXPECT_EQ(refused(drop, ErrorCode::kTooLarge), "sequences");
  const ParkedRequest longer{kBob, kPhone, {}, limits::kParkedPageMax + 1};
  EXPECT_EQ(refused(through<Session::ParkedParams>(longer)), "limit");
}

TEST(WireManage, PolicyThatWouldRemoveConnectedDevicesIsRefused) {
  SetPolicyRequest set{kBob, false, Policy{}};
  set.policy->device_idle_ms = limits::kDeviceIdleMsMin - 1;
  EXPECT_EQ(refused(through<Session::SetPolicyParams>(set)), "deviceIdleMs");
  for (const std::uint64_t idle_ms : {std::uint64_t{0}, limits::kDeviceIdleMsMin}) {
    set.policy->device_idle_ms = idle_ms;
    EXPECT_TRUE(through<Session::SetPolicyParams>(set).has_value());
  }
}

// ---- answers

std::vector<ParkedMessage> some_parked(RandomValues& values) {
  return {ParkedMessage{kPhone, Sequence(3), 7, 1000, values.incoming()},
          ParkedMessage{kPhone, Sequence(4), 7, 1001, std::nullopt}};
}

Explanation some_explanation(RandomValues& values) {
  Explanation explanation;
  explanation.user = kBob;
  explanation.epoch = Epoch(1), explanation.shard = ShardId(3), explanation.node = NodeId(2);
  explanation.kept = true;
  explanation.message = values.incoming();
  explanation.body_bytes = 77;
  explanation.devices = {DeviceFate{kPhone, DeliveryState::kAcked, 5, 6, 1, 0, true, 2, 8, 9},
                         DeviceFate{kPhone, DeliveryState::kParked, 0, 0, 4, 10, false, 0, 0, 0}};
  return explanation;
}

TEST(WireManage, AnswersComeBackAsValueOrError) {
  RandomValues values(1);
  const Error error{ErrorCode::kPermissionDenied, "user", "needs another role"};
  using Devices = Result<std::vector<DeviceInfo>>;
  const std::vector<DeviceInfo> devices{{kPhone, Sequence(4), 5, 6, 7, true}, {kPhone, {}, 0, 0, 0, false}};
  EXPECT_EQ(through<schema::DevicesAnswer>(Devices(devices)).value(), devices);
  EXPECT_EQ(through<schema::DevicesAnswer>(Devices(fail(error))).error(), error);
  using Parked = Result<std::vector<ParkedMessage>>;
  const auto parked = some_parked(values);
  EXPECT_EQ(through<schema::ParkedAnswer>(Parked(parked)).value(), parked);
  EXPECT_EQ(through<schema::ParkedAnswer>(Parked(fail(error))).error(), error);
  const Replayed replayed{{Sequence(0), Sequence(9)}};
  EXPECT_EQ(through<schema::ReplayAnswer>(Result<Replayed>(replayed)).value(), replayed);
  EXPECT_EQ(through<schema::ReplayAnswer>(Result<Replayed>(fail(error))).error(), error);
  const PolicyInfo policy{Policy{1, 2, 3, 4}, true};
  EXPECT_EQ(through<schema::PolicyAnswer>(Result<PolicyInfo>(policy)).value(), policy);
  EXPECT_EQ(through<schema::PolicyAnswer>(Result<PolicyInfo>(fail(error))).error(), error);
  Explanation explanation = some_explanation(values);
  EXPECT_EQ(through<schema::ExplainAnswer>(Result<Explanation>(explanation)).value(), explanation);
  EXPECT_EQ(through<schema::ExplainAnswer>(Result<Explanation>(fail(error))).error(), error);
  explanation.kept = false, explanation.ended_reason = LostReason::kExpired, explanation.ended_at_ms = 99;
  explanation.message = IncomingMessage{};
  explanation.message.sequence = Sequence(8);
  EXPECT_EQ(through<schema::ExplainAnswer>(Result<Explanation>(explanation)).value(), explanation)
      << "nothing of the message is left but its place";
}

TEST(WireManage, AnswersNameTheFieldAtFault) {
  RandomValues values(2);
  using Parked = Result<std::vector<ParkedMessage>>;
  const auto tell_parked = [&](const std::function<void(schema::ParkedAnswer::Builder)>& breaks,
                               ErrorCode code = ErrorCode::kInvalidArgument) {
    return refused(through<schema::ParkedAnswer>(Parked(some_parked(values)), breaks), code);
  };
  EXPECT_EQ(tell_parked([](auto a) { a.getMessages()[0].setSequence(0); }), "sequence");
  EXPECT_EQ(tell_parked([](auto a) { a.getMessages()[1].setDevice(""); }), "device");
  EXPECT_EQ(tell_parked([](auto a) { a.getMessages()[0].getMessage().setSender(""); }), "sender");

  const auto tell_explained = [&](const std::function<void(schema::Explanation::Builder)>& breaks,
                                  ErrorCode code = ErrorCode::kInvalidArgument) {
    const Result<Explanation> explanation = some_explanation(values);
    return refused(through<schema::ExplainAnswer>(explanation, [&](auto a) { breaks(a.getExplanation()); }), code);
  };
  EXPECT_EQ(tell_explained([](auto e) { e.setUser(""); }), "user");
  EXPECT_EQ(tell_explained([](auto e) { e.setSequence(0); }), "sequence");
  EXPECT_EQ(tell_explained([](auto e) { e.getMessage().setSequence(e.getSequence() + 1); }), "sequence");
  EXPECT_EQ(tell_explained([](auto e) { e.setEpoch(0); }), "epoch");
  EXPECT_EQ(tell_explained([](auto e) { e.getDevices()[1].setState(static_cast<schema::DeviceFate::State>(9)); }),
            "state");
}

TEST(WireManage, AnswersHoldWhatOneMayAskForAndNotOneMore) {
  RandomValues values(3);
  const auto sized = [](std::size_t size, auto one) { return std::vector(size, one); };
  using Parked = Result<std::vector<ParkedMessage>>;
  const ParkedMessage parked{kPhone, Sequence(3), 7, 1000, std::nullopt};
  EXPECT_TRUE(through<schema::ParkedAnswer>(Parked(sized(limits::kParkedPageMax, parked))).has_value());
  EXPECT_EQ(
      refused(through<schema::ParkedAnswer>(Parked(sized(limits::kParkedPageMax + 1, parked))), ErrorCode::kTooLarge),
      "messages");
  using Devices = Result<std::vector<DeviceInfo>>;
  const DeviceInfo device{kPhone, Sequence(4), 5, 6, 7, true};
  EXPECT_TRUE(through<schema::DevicesAnswer>(Devices(sized(limits::kDevicesPerUserMax, device))).has_value());
  EXPECT_EQ(refused(through<schema::DevicesAnswer>(Devices(sized(limits::kDevicesPerUserMax + 1, device))),
                    ErrorCode::kTooLarge),
            "devices");
  Explanation explanation = some_explanation(values);
  explanation.devices.resize(limits::kDevicesPerUserMax, explanation.devices[0]);
  EXPECT_TRUE(through<schema::ExplainAnswer>(Result<Explanation>(explanation)).has_value());
  explanation.devices.push_back(explanation.devices[0]);
  EXPECT_EQ(refused(through<schema::ExplainAnswer>(Result<Explanation>(explanation)), ErrorCode::kTooLarge), "devices");
  Replayed replayed{sized(limits::kParkedPageMax, Sequence(1))};
  EXPECT_TRUE(through<schema::ReplayAnswer>(Result<Replayed>(replayed)).has_value());
  replayed.sequences.emplace_back(1);
  EXPECT_EQ(refused(through<schema::ReplayAnswer>(Result<Replayed>(replayed)), ErrorCode::kTooLarge), "replayed");
}

}  // namespace
}  // namespace earshot::tests
