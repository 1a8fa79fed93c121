#include "actors/call_rules.hpp"

#include <cstddef>
#include <string>
#include <variant>

#include "actors/place_desk.hpp"
#include "base/checksum.hpp"
#include "base/limits.hpp"
#include "schema/fields.hpp"

namespace earshot::actors {
namespace {

Fields wire_fields() { return Fields(Fields::Source::kWire); }

// ---- sessions

// What was refused at the door only uses up its number: nothing else of it counts.
Status check_item(const SendItem& item) {
  const OutgoingMessage& message = item.message;
  Fields fields = wire_fields();
  fields.positive(message.number.value, "number");
  fields.require(message.answered_below <= message.number, "answeredBelow", "must not exceed number");
  if (item.refusal) return fields.finish();
  fields.require(message.id != MessageId{}, "id", "must not be zero: it tells messages apart");
  fields.at_most(message.ttl_ms, limits::kTtlMsMax, "ttlMs");
  if (Status status = fields.finish(); !status) return status;
  return check_body(message.body, message.checksum);
}

Status judge(const ShardSend& send) {
  std::size_t bytes = 0;
  for (const SendItem& item : send.command.items) {
    if (Status status = check_item(item); !status) return status;
    bytes += item.message.body.size();
  }
  Fields fields = wire_fields();
  fields.fits(bytes, limits::kBatchBytesMax, "items", "bytes of bodies");
  return fields.finish();
}

Status judge(const ShardAck& ack) {
  Fields fields = wire_fields();
  Sequence floor = ack.command.up_to;
  for (const Sequence sequence : ack.command.above) {
    fields.require(sequence > floor, "above", "must ascend, and begin above what is acked as a whole");
    floor = sequence;
  }
  return fields.finish();
}

Status judge(const ShardAttempts& attempts) {
  Fields fields = wire_fields();
  Sequence floor;
  for (const auto& note : attempts.command.notes) {
    fields.require(note.first > floor && note.first <= note.last, "notes", "must be ranges that ascend");
    floor = note.last;
  }
  return fields.finish();
}

// A request without a user is about all mailboxes: one that was to be about somebody's must not become one.
Status judge(const ShardManage& request) {
  return std::visit(
      [](const auto& one) -> Status {
        bool is_about_all = false;
        if constexpr (requires { one.all; }) is_about_all = one.all;
        Fields fields = wire_fields();
        fields.require(one.user.empty() == is_about_all, "user", "must be named, or else all");
        return fields.finish();
      },
      request.manage);
}

template <class Registration>  // ShardRegister, ShardUnregister
Status check_registration(const Registration& registration) {
  Fields fields = wire_fields();
  fields.positive(registration.session, "session");
  return fields.finish();
}

Status judge(const ShardRegister& registration) { return check_registration(registration); }
Status judge(const ShardUnregister& registration) { return check_registration(registration); }

// Of these the form is all.
Status judge(const ShardLogin&) { return {}; }
Status judge(const ShardFetch&) { return {}; }
Status judge(const ShardHistory&) { return {}; }

// ---- the place desk

Status check_command(const SetPositionsCommand& command) { return check_change(command); }
Status check_command(const ClearPositionsCommand& command) {
  for (const std::string& member : command.members)
    if (Status status = check_member(member); !status) return status;
  return {};
}
Status check_command(const ClearLayersCommand&) { return {}; }
Status check_command(const SetLayerPrivacyCommand&) { return {}; }

Status judge(const ShardPositions& positions) {
  return std::visit([](const auto& command) { return check_command(command); }, positions.command);
}

Status judge(const ShardWhere& where) {
  for (const std::string& member : where.members)
    if (Status status = check_member(member); !status) return status;
  return {};
}

// ---- shards

Status check_record(const OutboxRecord& record) {
  if (record.cause != OutboxCause::kCopyToSelf) return {};
  Fields fields = wire_fields();
  // Each recipient gets a body of its own: a list of them would make much out of little.
  fields.require(record.recipients.size() == 1, "recipients", "of a copy are one");
  fields.require(record.message.ended == LostReason::kUnknown, "ended", "of a message on its way must be unset");
  if (Status status = fields.finish(); !status) return status;
  return check_body(record.message.body, record.message.checksum);
}

Status judge(const ShardTransfer& transfer, std::uint16_t shard_count) {
  const TransferCommand& command = transfer.command;
  Fields fields = wire_fields();
  fields.require(command.origin.value < shard_count, "origin", "is no shard of this cluster");
  fields.positive(command.epoch.value, "epoch");
  fields.positive(command.first, "first");
  fields.at_most(command.first, UINT64_MAX - limits::kOutboxWindowMax, "first");
  if (Status status = fields.finish(); !status) return status;
  for (const OutboxRecord& record : command.records)
    if (Status status = check_record(record); !status) return status;
  return {};
}

Status judge(const ShardTransferred& transferred, std::uint16_t shard_count) {
  Fields fields = wire_fields();
  fields.require(transferred.target.value < shard_count, "target", "is no shard of this cluster");
  fields.positive(transferred.epoch.value, "epoch");
  return fields.finish();
}

}  // namespace

Status check(const CallRequest& request, std::uint16_t shard_count) {
  return std::visit(
      [shard_count](const auto& one) {
        if constexpr (requires { judge(one, shard_count); })
          return judge(one, shard_count);
        else
          return judge(one);
      },
      request);
}

Status check_body(const std::string& body, std::uint64_t checksum) {
  if (checksum_of(body) == checksum) return {};
  return fail(ErrorCode::kChecksumMismatch, "body", "does not fit its checksum");
}

}  // namespace earshot::actors
