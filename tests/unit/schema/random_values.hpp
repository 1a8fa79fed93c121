#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/checksum.hpp"
#include "base/random.hpp"
#include "schema/commands.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"

namespace earshot::tests {

// Random values that keep every rule, with the edges (empty, one, longest) more often than chance would give them.
class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random(seed) {}

  Random random;

  std::uint64_t number() { return random.chance(0.1) ? UINT64_MAX : random.next() >> random.below(64); }
  std::uint64_t positive() { return std::max<std::uint64_t>(number(), 1); }
  bool coin() { return random.chance(0.5); }

  std::string name() {
    const std::size_t size = random.chance(0.1) ? 128 : 1 + random.below(20);
    std::string text;
    while (text.size() < size) text.push_back(static_cast<char>(' ' + random.below(95)));
    return text;
  }
  UserId user() { return UserId::trusted(name()); }
  DeviceId device() { return DeviceId::trusted(name()); }
  std::string bytes(std::size_t size_max) {
    std::string body(random.chance(0.1) ? 0 : random.below(size_max + 1), '\0');
    for (char& byte : body) byte = static_cast<char>(random.next());
    return body;
  }
  MessageId id() { return random.message_id(); }

  std::vector<Sequence> ascending(std::uint64_t floor, std::size_t count_max) {
    std::vector<Sequence> list;
    for (std::size_t i = random.below(count_max + 1); i > 0; --i) list.emplace_back(floor += 1 + random.below(1'000));
    return list;
  }

  Error error() {
    Error error;
    error.code = ErrorCode(static_cast<std::uint16_t>(random.below(20)));
    if (coin()) error.field = name();
    if (coin()) error.detail = name() + name();
    error.retry_after_ms = static_cast<std::uint32_t>(number());
    error.expected = number();
    return error;
  }

  OutgoingMessage outgoing() {
    OutgoingMessage message;
    message.recipient = user();
    message.number = LaneNumber(positive());
    message.answered_below = LaneNumber(random.below(message.number.value) + 1);
    message.id = id();
    message.body = bytes(300);
    message.checksum = checksum_of(message.body);
    message.sent_at_ms = number();
    message.copy_to_self = coin();
    if (coin()) message.ttl_ms = 1 + random.below(limits::kTtlMsMax);
    message.expired = random.chance(0.1);
    return message;
  }

  IncomingMessage incoming() {
    IncomingMessage message{
        Sequence(positive()), user(), device(), id(), bytes(300), number(), number(), number(), 1, {}};
    message.attempt = static_cast<std::uint32_t>(1 + random.below(1'000));
    if (coin()) message.copy_of = user();
    if (coin()) message.expires_at_ms = number();
    if (coin()) message.replay_of = Sequence(random.below(message.sequence.value));
    return message;
  }

  Batch batch() {
    Batch batch;
    batch.epoch = Epoch(positive());
    for (std::size_t i = random.below(5); i > 0; --i) batch.messages.push_back(incoming());
    for (std::size_t i = random.below(3); i > 0; --i) {
      const std::uint64_t first = 1 + random.below(1'000);
      batch.lost.push_back({Sequence(first), Sequence(first + random.below(9)), LostReason(random.below(5))});
    }
    batch.last_sequence = Sequence(number());
    return batch;
  }

  MailboxRecord mailbox_record() {
    MailboxRecord record{user(), device(), id(), bytes(500), number(), number(), number(), {}};
    if (coin()) record.copy_of = user();
    if (coin()) record.expires_at_ms = number();
    if (coin()) record.replay_of = Sequence(number());
    if (random.chance(0.2)) record.ended = LostReason::kExpired, record.ended_at_ms = number();
    return record;
  }
  MailboxHead mailbox_head() {
    const std::uint64_t last = number() / 2;
    return {Sequence(1 + random.below(last + 1)), Sequence(last), static_cast<std::uint32_t>(number()),
            LostReason(random.below(5))};
  }
  CursorRecord cursor_record() {
    const std::uint64_t up_to = number() / 2;
    CursorRecord cursor;
    cursor.up_to = Sequence(up_to);
    cursor.above = ascending(up_to, 50);
    cursor.producer = ProducerId(number());
    cursor.last_seen_ms = number();
    for (const Sequence sequence : ascending(up_to, limits::kAttemptsKeptMax))
      cursor.attempts.push_back({sequence, static_cast<std::uint32_t>(number())});
    for (std::size_t i = random.below(limits::kAckMarksMax + 1); i > 0; --i)
      cursor.marks.push_back({Sequence(number()), number()});
    cursor.parked = static_cast<std::uint32_t>(number());
    cursor.last_login = {number(), number()};
    return cursor;
  }
  ParkedRecord parked_record() { return {static_cast<std::uint32_t>(number()), number()}; }
  ForgottenProducer forgotten_producer() { return {number()}; }
  Policy policy() { return {number(), number(), number(), static_cast<std::uint32_t>(number())}; }
  SweepHead sweep_head() { return {bytes(300), number(), number(), number()}; }
  LaneRecord lane_record() {
    LaneRecord lane{user(), device(), LaneNumber(100 + number() / 2), {}, number()};
    for (std::size_t i = random.below(20); i > 0; --i) {
      const KnownAnswer answer =
          coin() ? KnownAnswer(Stored{Sequence(number()), Epoch(number())}) : KnownAnswer(error());
      lane.known.push_back({id(), answer});
    }
    return lane;
  }
  OutboxRecord outbox_record() {
    if (random.chance(0.1)) return OutboxRecord{OutboxCause::kLost};
    if (random.chance(0.3)) {
      OutboxRecord forget{OutboxCause::kForgetProducers};
      for (std::size_t i = random.below(6); i > 0; --i) forget.producers.emplace_back(number());
      return forget;
    }
    return copy_to_self();
  }
  OutboxRecord copy_to_self() {
    OutboxRecord record{OutboxCause::kCopyToSelf, {}, mailbox_record()};
    for (std::size_t i = random.below(6); i > 0; --i) record.recipients.push_back(user());
    return record;
  }
  OutboxHead outbox_head() {
    const std::uint64_t next = positive();
    return {next, random.below(next)};
  }
  InboundHead inbound_head() { return {Epoch(number()), number()}; }
  ShardHead shard_head() {
    return {LogIndex(number()), Term(number()), number(), Epoch(positive()), positive(), number(), number()};
  }
  LastLogin last_login() { return {number(), {number(), number()}, number()}; }

  LayerId layer() { return LayerId::trusted(name()); }
  std::string member() { return bytes(limits::kMemberBytesMax); }
  double score() {
    return coin() ? static_cast<double>(random.below(std::uint64_t{1} << 52))
                  : -0.5 * static_cast<double>(random.next());
  }
  PositionRecord position_record() { return {score(), number(), number(), coin()}; }
  LayerPrivacy layer_privacy() {
    const auto some = [this] { return static_cast<std::uint32_t>(number()); };
    return {some(), some(), some()};
  }
  LayerHead layer_head() { return {number(), number(), number(), member()}; }

  SendItem send_item() {
    SendItem item{outgoing(), std::nullopt};
    if (random.chance(0.2)) {
      item.refusal = error();
      item.message.body.clear();
      if (coin()) item.message.recipient = UserId{};  // what was refused may have had no valid recipient
    }
    return item;
  }
  Mover mover() { return coin() ? Mover{user(), device(), positive()} : Mover(); }
  Command command() {
    switch (random.below(15)) {
      case 0: {
        SendCommand send{ProducerId(number()), user(), device(), {}};
        for (std::size_t i = random.below(6); i > 0; --i) send.items.push_back(send_item());
        return send;
      }
      case 1:
        return LoginCommand{user(),
                            device(),
                            ProducerId(number()),
                            Epoch(number()),
                            Sequence(number()),
                            StartAt(random.below(2)),
                            {number(), number()}};
      case 2: {
        const std::uint64_t up_to = number() / 2;
        return AckCommand{user(), device(), Sequence(up_to), ascending(up_to, 30)};
      }
      case 3: {
        TransferCommand transfer{ShardId(static_cast<std::uint16_t>(number())), Epoch(number()), number(), {}};
        for (std::size_t i = random.below(4); i > 0; --i) transfer.records.push_back(outbox_record());
        return transfer;
      }
      case 4: {
        TouchCommand touch;
        for (std::size_t i = random.below(5); i > 0; --i) touch.devices.push_back({user(), device()});
        return touch;
      }
      case 5: {
        AttemptsCommand attempts{user(), device(), {}};
        for (const Sequence first : ascending(0, 5))
          attempts.notes.push_back({first, Sequence(number()), static_cast<std::uint32_t>(number())});
        return attempts;
      }
      case 6: return RemoveDeviceCommand{user(), device()};
      case 7: return ReplayCommand{user(), device(), ascending(0, 9)};
      case 8: return DropParkedCommand{user(), device(), ascending(0, 9)};
      case 9:
        return SetPolicyCommand{coin() ? user() : UserId{}, coin() ? std::optional(policy()) : std::nullopt, mover()};
      case 10: {
        SetPositionsCommand set{layer(), PositionCondition(random.below(3)), {}};
        set.accepted = set.condition == PositionCondition::kAlways && coin();
        for (std::size_t i = random.below(5); i > 0; --i) set.items.push_back({member(), score(), number(), coin()});
        set.mover = mover();
        return set;
      }
      case 11: {
        ClearPositionsCommand clear{layer(), {}};
        for (std::size_t i = random.below(5); i > 0; --i) clear.members.push_back(member());
        clear.mover = mover();
        return clear;
      }
      case 12: {
        ClearLayersCommand clear;
        for (std::uint64_t i = random.below(4); i > 0; --i) clear.layers.push_back(layer());
        clear.mover = mover();
        return clear;
      }
      case 13: return SetLayerPrivacyCommand{layer(), coin() ? std::optional(layer_privacy()) : std::nullopt, mover()};
      default: return ConfirmCommand{ShardId(static_cast<std::uint16_t>(number())), number()};
    }
  }
  CommandBatch command_batch() {
    CommandBatch batch;
    batch.tick_ms = number();
    batch.now_ms = number();
    for (std::size_t i = random.below(5); i > 0; --i) batch.commands.push_back(command());
    return batch;
  }
};

}  // namespace earshot::tests
