#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "actors/call_codec.hpp"
#include "base/checksum.hpp"
#include "base/limits.hpp"
#include "tests/unit/schema/random_values.hpp"

namespace earshot::tests {

inline constexpr std::uint16_t kCallShards = 64;

// Random requests and answers of every kind that keep every rule.
class CallValues {
 public:
  explicit CallValues(std::uint64_t seed) : values(seed) {}

  RandomValues values;

  actors::PortAddress address() { return {NodeId(values.positive()), values.number(), values.number()}; }
  ShardId shard() { return ShardId(static_cast<std::uint16_t>(values.random.below(kCallShards))); }

  std::vector<actors::CallRequest> requests() {
    std::vector<actors::CallRequest> all{
        actors::ShardSend{nullptr, values.number(), send(), values.number()},
        actors::ShardLogin{nullptr, values.number(), login()},
        actors::ShardAck{nullptr, values.number(), ack()},
        actors::ShardFetch{nullptr, values.number(), values.user(), Sequence(values.number()), some(), values.number(),
                           values.number()},
        actors::ShardHistory{nullptr, values.number(), values.user(), Sequence(values.number()), some(),
                             values.number(), values.number()},
        actors::ShardAttempts{nullptr, values.number(), attempts()},
        actors::ShardRegister{nullptr,
                              values.positive(),
                              values.user(),
                              values.device(),
                              values.coin(),
                              {values.number(), values.number()},
                              ProducerId(values.number())},
        actors::ShardUnregister{values.positive(), values.user(), values.device()},
        actors::ShardTransfer{transfer()},
        actors::ShardTransferred{shard(), Epoch(values.positive()), values.number()},
    };
    for (ManageRequest& one : manage_requests()) {
      all.emplace_back(actors::ShardManage{nullptr, values.number(), std::move(one), values.number(), values.mover()});
    }
    all.emplace_back(actors::ShardPositions{set_positions(), nullptr});
    all.emplace_back(actors::ShardPositions{clear_positions(), nullptr});
    all.emplace_back(actors::ShardPositions{ClearLayersCommand{{values.layer(), values.layer()}}, nullptr});
    all.emplace_back(actors::ShardPositions{
        SetLayerPrivacyCommand{values.layer(), values.coin() ? std::optional(privacy()) : std::nullopt}, nullptr});
    all.emplace_back(actors::ShardWhere{values.layer(), clear_positions().members, nullptr});
    return all;
  }

  std::vector<actors::AnswerContent> answers() {
    using namespace actors;
    std::vector<AnswerContent> all{
        SendsAnswered{values.number(), send_answers()},
        LoginAnswered{values.number(), or_error(login_outcome())},
        AckAnswered{values.number(), or_error(Sequence(values.number()))},
        FetchAnswered{values.number(), or_error(batch())},
        push(),
        AttemptsAnswered{values.number(), values.coin() ? Status{} : Status(fail(values.error()))},
        MessagesEnded{lost_ranges()},
        ParkingRule{some(), Sequence(values.number())},
        ExplainAsked{{nullptr, values.number(), Sequence(values.positive())}, address()},
        SessionExplained{values.number(), fate()},
        SessionEvicted{values.error()},
        LeaderAnnounced{shard(), Term(values.positive()), values.coin(), values.number()},
        LeaderFollowed{shard(), Term(values.positive()), NodeId(values.positive())},
        PositionsAnswered{or_error(positions_answer())},
        WhereAnswered{or_error(where_answer())},
        CallRefused{values.error()},
    };
    for (ManageAnswer& one : manage_answers()) {
      all.emplace_back(ManageAnswered{values.number(), or_error(std::move(one)), some()});
    }
    return all;
  }

  IncomingMessage incoming() {
    IncomingMessage message = values.incoming();
    message.checksum = checksum_of(message.body);
    return message;
  }
  OutboxRecord outbox_record() {
    OutboxRecord record = values.outbox_record();
    if (record.cause != OutboxCause::kCopyToSelf) return record;
    record.recipients = {values.user()};
    record.message.checksum = checksum_of(record.message.body);
    record.message.ended = LostReason::kUnknown;
    return record;
  }
  Policy policy() {
    Policy policy = values.policy();
    if (policy.device_idle_ms != 0) policy.device_idle_ms |= limits::kDeviceIdleMsMin << 1;
    return policy;
  }

 private:
  std::uint32_t some() { return static_cast<std::uint32_t>(values.number()); }
  std::size_t few() { return values.random.below(6); }

  template <class T>
  Result<T> or_error(T value) {
    if (values.random.chance(0.2)) return fail(values.error());
    return value;
  }

  SendCommand send() {
    SendCommand send{ProducerId(values.number()), values.user(), values.device(), {}};
    for (std::size_t i = few(); i > 0; --i) send.items.push_back(values.send_item());
    return send;
  }
  LoginCommand login() {
    return {values.user(),
            values.device(),
            ProducerId(values.number()),
            Epoch(values.number()),
            Sequence(values.number()),
            StartAt(values.random.below(2)),
            {values.number(), values.number()}};
  }
  AckCommand ack() {
    const std::uint64_t up_to = values.number() / 2;
    return {values.user(), values.device(), Sequence(up_to), values.ascending(up_to, 30)};
  }
  AttemptsCommand attempts() {
    AttemptsCommand attempts{values.user(), values.device(), {}};
    for (const Sequence first : values.ascending(0, 9))
      attempts.notes.push_back({first, first, static_cast<std::uint32_t>(values.positive())});
    if (!attempts.notes.empty()) attempts.notes.back().last = Sequence(UINT64_MAX);
    return attempts;
  }
  TransferCommand transfer() {
    TransferCommand transfer{shard(), Epoch(values.positive()), values.positive() / 2 + 1, {}};
    for (std::size_t i = few(); i > 0; --i) transfer.records.push_back(outbox_record());
    return transfer;
  }
  std::vector<Sequence> parked_sequences() {
    std::vector<Sequence> sequences(1 + few());
    for (Sequence& sequence : sequences) sequence = Sequence(values.positive());
    return sequences;
  }
  std::vector<ManageRequest> manage_requests() {
    const DeviceId any = values.coin() ? values.device() : DeviceId{};
    const auto limit = static_cast<std::uint32_t>(1 + values.random.below(limits::kParkedPageMax));
    return {DevicesRequest{values.user()},
            RemoveDeviceRequest{values.user(), values.device()},
            ParkedRequest{values.user(), any, Sequence(values.number()), limit},
            ReplayRequest{values.user(), values.device(), parked_sequences()},
            DropParkedRequest{values.user(), values.device(), parked_sequences()},
            ExplainRequest{values.user(), Sequence(values.number()), values.id()},
            PolicyRequest{values.user(), false},
            PolicyRequest{{}, true},
            SetPolicyRequest{values.user(), false, std::nullopt},
            SetPolicyRequest{values.user(), false, policy()},
            SetPolicyRequest{{}, true, policy()}};
  }
  std::string member() { return "\xff" + values.bytes(limits::kMemberBytesMax - 1); }
  SetPositionsCommand set_positions() {
    SetPositionsCommand set{values.layer(), PositionCondition(values.random.below(3)), {}};
    set.accepted = set.condition == PositionCondition::kAlways && values.coin();
    for (std::size_t i = few(); i > 0; --i)
      set.items.push_back({member(), values.score(), values.random.below(limits::kTtlMsMax + 1), values.coin()});
    set.mover = values.mover();
    return set;
  }
  ClearPositionsCommand clear_positions() {
    ClearPositionsCommand clear{values.layer(), {}};
    for (std::size_t i = few(); i > 0; --i) clear.members.push_back(member());
    clear.mover = values.mover();
    return clear;
  }
  LayerPrivacy privacy() {
    const auto up_to = [this](std::uint32_t max) { return static_cast<std::uint32_t>(values.random.below(max + 1)); };
    return {up_to(limits::kPrecisionMMax), up_to(limits::kDistanceStepMMax), up_to(limits::kQueriesPerMinuteMax)};
  }

  std::vector<SendAnswer> send_answers() {
    std::vector<SendAnswer> answers;
    for (std::size_t i = few(); i > 0; --i) {
      SendAnswer answer{Stored{Sequence(values.positive()), Epoch(values.positive())}, values.coin()};
      if (values.random.chance(0.3)) answer.value = SendAnswer::Refused{values.error()};
      if (values.random.chance(0.3)) answer.value = SendAnswer::Held{values.error()};
      answers.push_back(std::move(answer));
    }
    return answers;
  }
  LoginOutcome login_outcome() {
    const std::uint64_t cursor = values.number() / 2;
    return {ProducerId(values.positive()),
            values.coin(),
            Epoch(values.positive()),
            Sequence(values.number()),
            Sequence(cursor),
            Sequence(values.number()),
            values.ascending(cursor, 20),
            values.ascending(cursor, 20),
            values.number()};
  }
  Batch batch() {
    Batch batch = values.batch();
    for (IncomingMessage& message : batch.messages) message.checksum = checksum_of(message.body);
    return batch;
  }
  std::vector<LostRange> lost_ranges() { return values.batch().lost; }
  actors::MailboxPush push() {
    actors::MailboxPush push;
    for (std::size_t i = few(); i > 0; --i)
      push.messages.push_back(std::make_shared<const IncomingMessage>(incoming()));
    return push;
  }
  DeviceFate fate() {
    return {values.device(), DeliveryState(values.random.below(4)),
            values.number(), values.number(),
            some(),          values.number(),
            values.coin(),   some(),
            values.number(), values.number()};
  }
  ParkedMessage parked_message() {
    ParkedMessage parked{values.device(), Sequence(values.positive()), some(), values.number(), std::nullopt};
    if (values.coin()) parked.message = incoming();
    if (parked.message && values.coin()) parked.message->body.clear();  // in a list of every device
    return parked;
  }
  Explanation explanation() {
    Explanation explanation;
    explanation.user = values.user();
    explanation.epoch = Epoch(values.positive());
    explanation.shard = shard();
    explanation.node = NodeId(values.positive());
    explanation.kept = values.coin();
    explanation.ended_reason = LostReason(values.random.below(5));
    explanation.ended_at_ms = values.number();
    explanation.message.sequence = Sequence(values.positive());
    if (values.coin()) {
      explanation.message = values.incoming();
      explanation.message.body.clear();
    }
    explanation.body_bytes = some();
    for (std::size_t i = few(); i > 0; --i) explanation.devices.push_back(fate());
    return explanation;
  }
  std::vector<ManageAnswer> manage_answers() {
    std::vector<DeviceInfo> devices;
    std::vector<ParkedMessage> parked;
    Replayed replayed;
    for (std::size_t i = few(); i > 0; --i) {
      devices.push_back({values.device(), Sequence(values.number()), values.number(), values.number(), values.number(),
                         values.coin()});
      parked.push_back(parked_message());
      replayed.sequences.emplace_back(values.number());
    }
    return {Done{},
            std::move(devices),
            std::move(parked),
            std::move(replayed),
            explanation(),
            PolicyInfo{values.policy(), values.coin()}};
  }
  actors::PositionsAnswer positions_answer() {
    actors::PositionsAnswer answer;
    for (std::size_t i = few(); i > 0; --i) {
      answer.outcomes.push_back(cluster::PositionOutcome(values.random.below(5)));
      answer.of_layers.push_back(values.number());
    }
    answer.members = values.number();
    return answer;
  }
  actors::WhereAnswer where_answer() {
    actors::WhereAnswer answer(few());
    for (auto& member : answer)
      if (values.coin()) member = actors::Whereabouts{values.score(), values.number(), values.coin()};
    return answer;
  }
};

// ---- all fields that cross, to compare by

inline auto crossing(const actors::ShardSend& m) { return std::tie(m.request, m.command, m.client_call); }
inline auto crossing(const actors::ShardLogin& m) { return std::tie(m.request, m.command); }
inline auto crossing(const actors::ShardAck& m) { return std::tie(m.request, m.command); }
inline auto crossing(const actors::ShardFetch& m) {
  return std::tie(m.request, m.user, m.after, m.limit, m.bytes_max, m.client_call);
}
inline auto crossing(const actors::ShardHistory& m) {
  return std::tie(m.request, m.user, m.before, m.limit, m.bytes_max, m.client_call);
}
inline auto crossing(const actors::ShardManage& m) { return std::tie(m.request, m.manage, m.client_call, m.mover); }
inline auto crossing(const actors::ShardAttempts& m) { return std::tie(m.request, m.command); }
inline auto crossing(const actors::ShardRegister& m) {
  return std::tie(m.session, m.user, m.device, m.push, m.order, m.producer);
}
inline auto crossing(const actors::ShardUnregister& m) { return std::tie(m.session, m.user, m.device); }
inline auto crossing(const actors::ShardPositions& m) { return std::tie(m.command); }
inline auto crossing(const actors::ShardWhere& m) { return std::tie(m.layer, m.members); }
inline auto crossing(const actors::ShardTransfer& m) { return std::tie(m.command); }
inline auto crossing(const actors::ShardTransferred& m) { return std::tie(m.target, m.epoch, m.last); }

inline auto crossing(const actors::SendsAnswered& m) { return std::tie(m.request, m.answers); }
inline auto crossing(const actors::LoginAnswered& m) { return std::tie(m.request, m.outcome); }
inline auto crossing(const actors::AckAnswered& m) { return std::tie(m.request, m.cursor); }
inline auto crossing(const actors::FetchAnswered& m) { return std::tie(m.request, m.batch); }
inline auto crossing(const actors::MailboxPush& m) {
  std::vector<IncomingMessage> messages;
  for (const auto& message : m.messages) messages.push_back(*message);
  return messages;
}
inline auto crossing(const actors::ManageAnswered& m) { return std::tie(m.request, m.answer, m.live); }
inline auto crossing(const actors::AttemptsAnswered& m) {
  return std::pair(m.request, m.status ? std::nullopt : std::optional(m.status.error()));
}
inline auto crossing(const actors::MessagesEnded& m) { return std::tie(m.ranges); }
inline auto crossing(const actors::ParkingRule& m) { return std::tie(m.deliveries_max, m.mailbox_end); }
inline auto crossing(const actors::ExplainAsked& m) {
  return std::tie(m.question.request, m.question.sequence, m.from);
}
inline auto crossing(const actors::SessionExplained& m) { return std::tie(m.request, m.live); }
inline auto crossing(const actors::SessionEvicted& m) { return std::tie(m.reason); }
inline auto crossing(const actors::LeaderAnnounced& m) { return std::tie(m.shard, m.term, m.again, m.pushes); }
inline auto crossing(const actors::LeaderFollowed& m) { return std::tie(m.shard, m.term, m.leader); }
inline auto crossing(const actors::PositionsAnswered& m) {
  using Fields = std::tuple<std::vector<cluster::PositionOutcome>, std::uint64_t, std::vector<std::uint64_t>>;
  return m.answer.map([](const auto& answer) { return Fields(answer.outcomes, answer.members, answer.of_layers); });
}
inline auto crossing(const actors::WhereAnswered& m) { return std::tie(m.answer); }
inline auto crossing(const actors::CallRefused& m) { return std::tie(m.error); }

// CallRequest or AnswerContent. SendAnswer::repeat is compared by the bytes alone: two answers are equal without it.
template <class Variant>
bool is_same(const Variant& a, const Variant& b) {
  return a.index() == b.index() &&
         std::visit(
             [&b](const auto& one) { return crossing(one) == crossing(std::get<std::decay_t<decltype(one)>>(b)); }, a);
}

}  // namespace earshot::tests
