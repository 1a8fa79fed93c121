#include "schema/commands.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "schema/command.capnp.h"
#include "schema/command_codec.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/record_codec.hpp"
#include "schema/wire.hpp"

namespace earshot {
namespace {

// ---- sizes: the words that a command takes, its struct in the list not counted

std::size_t words_of_names(const UserId& user, const DeviceId& device) {
  return flat::words_of_text(user.text().size()) + flat::words_of_text(device.text().size());
}

std::size_t words_behind(const SendItem& item) {
  std::size_t words = flat::words_of<schema::Outgoing>() + flat::words_of_text(item.message.recipient.text().size()) +
                      flat::words_of_data(item.message.body.size());
  if (item.refusal) words += flat::words_of<schema::Error>() + codec::words_behind(*item.refusal);
  return words;
}

std::size_t words_of(const SendCommand& send) {
  std::size_t words = flat::words_of<schema::Send>() + words_of_names(send.user, send.device) +
                      flat::words_of_list<schema::SendItem>(send.items.size());
  for (const SendItem& item : send.items) words += words_behind(item);
  return words;
}

std::size_t words_of(const LoginCommand& login) {
  return flat::words_of<schema::Login>() + words_of_names(login.user, login.device);
}

std::size_t words_of(const AckCommand& ack) {
  return flat::words_of<schema::Ack>() + words_of_names(ack.user, ack.device) + ack.above.size();
}

std::size_t words_of(const TransferCommand& transfer) {
  std::size_t words =
      flat::words_of<schema::Transfer>() + flat::words_of_list<schema::OutboxRecord>(transfer.records.size());
  for (const OutboxRecord& record : transfer.records) words += codec::words_behind(record);
  return words;
}

std::size_t words_of(const ConfirmCommand&) { return flat::words_of<schema::Confirm>(); }

std::size_t words_of(const TouchCommand& touch) {
  std::size_t words = flat::words_of<schema::Touch>() + flat::words_of_list<schema::DeviceName>(touch.devices.size());
  for (const auto& name : touch.devices) words += words_of_names(name.user, name.device);
  return words;
}

std::size_t words_of(const AttemptsCommand& attempts) {
  return flat::words_of<schema::Attempts>() + words_of_names(attempts.user, attempts.device) +
         flat::words_of_list<schema::Attempts::Note>(attempts.notes.size());
}

std::size_t words_of(const RemoveDeviceCommand& remove) {
  return flat::words_of<schema::RemoveDevice>() + words_of_names(remove.user, remove.device);
}

template <class ParkedChange>  // ReplayCommand, DropParkedCommand
std::size_t words_of(const ParkedChange& change) {
  return flat::words_of<schema::ParkedChange>() + words_of_names(change.user, change.device) + change.sequences.size();
}

std::size_t words_of(const Mover& mover) {
  return mover.login == 0 ? 0 : flat::words_of<schema::Mover>() + words_of_names(mover.user, mover.device);
}

std::size_t words_of(const SetPolicyCommand& set) {
  return words_of(set.mover) + flat::words_of<schema::SetPolicy>() + flat::words_of_text(set.user.text().size()) +
         flat::words_of<schema::Policy>();
}

std::size_t words_of(const SetPositionsCommand& set) {
  std::size_t words = words_of(set.mover) + flat::words_of<schema::SetPositions>() +
                      flat::words_of_text(set.layer.text().size()) +
                      flat::words_of_list<schema::SetPositions::Item>(set.items.size());
  for (const auto& item : set.items) words += flat::words_of_data(item.member.size());
  return words;
}

std::size_t words_of(const ClearPositionsCommand& clear) {
  std::size_t words = words_of(clear.mover) + flat::words_of<schema::ClearPositions>() +
                      flat::words_of_text(clear.layer.text().size()) + clear.members.size();
  for (const std::string& member : clear.members) words += flat::words_of_data(member.size());
  return words;
}

std::size_t words_of(const ClearLayersCommand& clear) {
  std::size_t words = words_of(clear.mover) + clear.layers.size();
  for (const LayerId& layer : clear.layers) words += flat::words_of_text(layer.text().size());
  return words;
}

std::size_t words_of(const SetLayerPrivacyCommand& set) {
  return words_of(set.mover) + flat::words_of<schema::SetLayerPrivacy>() +
         flat::words_of_text(set.layer.text().size()) + flat::words_of<schema::LayerPrivacy>();
}

std::size_t words_of(const Command& command) {
  return std::visit([](const auto& value) { return words_of(value); }, command);
}

// ---- writing

void write(const SendCommand& from, schema::Command::Builder command) {
  auto to = command.initSend();
  to.setProducer(from.producer.value);
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  auto items = to.initItems(static_cast<capnp::uint>(from.items.size()));
  for (capnp::uint i = 0; i < items.size(); ++i) {
    wire::write(from.items[i].message, items[i].initMessage());
    if (from.items[i].refusal) wire::write(*from.items[i].refusal, items[i].initRefusal());
  }
}

void write(const LoginCommand& from, schema::Command::Builder command) {
  auto to = command.initLogin();
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  to.setProducer(from.producer.value);
  to.setEpoch(from.epoch.value);
  to.setLastReceived(from.last_received.value);
  to.setStartAt(static_cast<schema::StartAt>(from.start_at));
  to.setStore(from.order.store);
  to.setNumber(from.order.number);
}

void write(const AckCommand& from, schema::Command::Builder command) {
  auto to = command.initAck();
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  to.setUpTo(from.up_to.value);
  auto above = to.initAbove(static_cast<capnp::uint>(from.above.size()));
  for (capnp::uint i = 0; i < above.size(); ++i) above.set(i, from.above[i].value);
}

void write(const TransferCommand& from, schema::Command::Builder command) {
  auto to = command.initTransfer();
  to.setOrigin(from.origin.value);
  to.setEpoch(from.epoch.value);
  to.setFirst(from.first);
  auto records = to.initRecords(static_cast<capnp::uint>(from.records.size()));
  for (capnp::uint i = 0; i < records.size(); ++i) codec::write(from.records[i], records[i]);
}

void write(const ConfirmCommand& from, schema::Command::Builder command) {
  auto to = command.initConfirm();
  to.setTarget(from.target.value);
  to.setUpTo(from.up_to);
}

void write(const TouchCommand& from, schema::Command::Builder command) {
  auto devices = command.initTouch().initDevices(static_cast<capnp::uint>(from.devices.size()));
  for (capnp::uint i = 0; i < devices.size(); ++i) {
    devices[i].setUser(flat::text(from.devices[i].user.text()));
    devices[i].setDevice(flat::text(from.devices[i].device.text()));
  }
}

void write(const AttemptsCommand& from, schema::Command::Builder command) {
  auto to = command.initAttempts();
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  auto notes = to.initNotes(static_cast<capnp::uint>(from.notes.size()));
  for (capnp::uint i = 0; i < notes.size(); ++i) {
    notes[i].setFirst(from.notes[i].first.value);
    notes[i].setLast(from.notes[i].last.value);
    notes[i].setCount(from.notes[i].count);
  }
}

void write(const RemoveDeviceCommand& from, schema::Command::Builder command) {
  auto to = command.initRemoveDevice();
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
}

template <class ParkedChange>
void write_change(const ParkedChange& from, schema::ParkedChange::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  auto sequences = to.initSequences(static_cast<capnp::uint>(from.sequences.size()));
  for (capnp::uint i = 0; i < sequences.size(); ++i) sequences.set(i, from.sequences[i].value);
}

void write(const ReplayCommand& from, schema::Command::Builder command) { write_change(from, command.initReplay()); }

void write(const DropParkedCommand& from, schema::Command::Builder command) {
  write_change(from, command.initDropParked());
}

void write(const Mover& from, schema::Command::Builder command) {
  if (from.login != 0) codec::write(from, command.initMover());
}

void write(const SetPolicyCommand& from, schema::Command::Builder command) {
  write(from.mover, command);
  auto to = command.initSetPolicy();
  to.setUser(flat::text(from.user.text()));
  if (from.policy) codec::write(*from.policy, to.initPolicy());
  to.setInherit(!from.policy);
}

void write(const SetPositionsCommand& from, schema::Command::Builder command) {
  write(from.mover, command);
  auto to = command.initSetPositions();
  to.setLayer(flat::text(from.layer.text()));
  to.setCondition(static_cast<schema::PositionCondition>(from.condition));
  to.setAccepted(from.accepted);
  auto items = to.initItems(static_cast<capnp::uint>(from.items.size()));
  for (capnp::uint i = 0; i < items.size(); ++i) {
    items[i].setMember(flat::data(from.items[i].member));
    items[i].setScore(from.items[i].score);
    items[i].setTtlMs(from.items[i].ttl_ms);
    items[i].setHidden(from.items[i].hidden);
  }
}

void write(const ClearPositionsCommand& from, schema::Command::Builder command) {
  write(from.mover, command);
  auto to = command.initClearPositions();
  to.setLayer(flat::text(from.layer.text()));
  auto members = to.initMembers(static_cast<capnp::uint>(from.members.size()));
  for (capnp::uint i = 0; i < members.size(); ++i) members.set(i, flat::data(from.members[i]));
}

void write(const ClearLayersCommand& from, schema::Command::Builder command) {
  write(from.mover, command);
  auto to = command.initClearLayers(static_cast<capnp::uint>(from.layers.size()));
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, flat::text(from.layers[i].text()));
}

void write(const SetLayerPrivacyCommand& from, schema::Command::Builder command) {
  write(from.mover, command);
  auto to = command.initSetLayerPrivacy();
  to.setLayer(flat::text(from.layer.text()));
  if (from.privacy) codec::write(*from.privacy, to.initPrivacy());
  to.setInherit(!from.privacy);
}

// ---- reading. An entry that cannot be read stops its node, for ever. Therefore only what keeps memory safe and names
// valid is checked here, and of what comes over a wire also how long its lists are; rules between fields are checked
// before something becomes a command, and by the state machine.

SendItem read(schema::SendItem::Reader from, Fields& fields) {
  SendItem item;
  if (from.hasRefusal()) item.refusal = wire::read(from.getRefusal());
  const auto message = from.getMessage();
  item.message.recipient = item.refusal ? fields.user_or_none(message.getRecipient(), "recipient")
                                        : fields.user(message.getRecipient(), "recipient");
  item.message.number = LaneNumber(message.getNumber());
  item.message.answered_below = LaneNumber(message.getAnsweredBelow());
  item.message.id = MessageId{message.getIdHigh(), message.getIdLow()};
  item.message.body = fields.data(message.getBody(), limits::kBodyBytesMax, "body");
  item.message.checksum = message.getChecksum();
  item.message.sent_at_ms = message.getSentAtMs();
  item.message.copy_to_self = message.getCopyToSelf();
  item.message.ttl_ms = message.getTtlMs();
  item.message.expired = message.getExpired();
  return item;
}

SendCommand read(schema::Send::Reader from, Fields& fields) {
  SendCommand send;
  send.producer = ProducerId(from.getProducer());
  send.user = fields.user(from.getUser(), "user");
  send.device = fields.device(from.getDevice(), "device");
  const auto items = from.getItems();
  if (!fields.may_hold(items.size(), limits::kBatchMessagesMax, "items")) return send;
  send.items.reserve(std::min<std::size_t>(items.size(), limits::kBatchMessagesMax));  // a damaged count may be huge
  for (auto item : items) {
    send.items.push_back(read(item, fields));
    if (!fields.ok()) break;
  }
  return send;
}

LoginCommand read(schema::Login::Reader from, Fields& fields) {
  LoginCommand login;
  login.user = fields.user(from.getUser(), "user");
  login.device = fields.device(from.getDevice(), "device");
  login.producer = ProducerId(from.getProducer());
  login.epoch = Epoch(from.getEpoch());
  login.last_received = Sequence(from.getLastReceived());
  login.start_at = static_cast<StartAt>(from.getStartAt());
  fields.require(login.start_at <= StartAt::kNewest, "startAt", "is unknown");
  login.order = {from.getStore(), from.getNumber()};
  return login;
}

std::vector<Sequence> sequences(capnp::List<std::uint64_t>::Reader from, std::size_t count_max, std::string_view field,
                                Fields& fields) {
  std::vector<Sequence> sequences;
  if (!fields.may_hold(from.size(), count_max, field)) return sequences;
  sequences.reserve(from.size());  // as large as the entry at most: each stands there
  for (const std::uint64_t sequence : from) sequences.emplace_back(sequence);
  return sequences;
}

AckCommand read(schema::Ack::Reader from, Fields& fields) {
  AckCommand ack;
  ack.user = fields.user(from.getUser(), "user");
  ack.device = fields.device(from.getDevice(), "device");
  ack.up_to = Sequence(from.getUpTo());
  // A session merges what its client acked with what it did not get answered before.
  ack.above = sequences(from.getAbove(), 2 * limits::kSelectiveAcksMax, "above", fields);
  return ack;
}

TransferCommand read(schema::Transfer::Reader from, Fields& fields) {
  TransferCommand transfer;
  transfer.origin = ShardId(from.getOrigin());
  transfer.epoch = Epoch(from.getEpoch());
  transfer.first = from.getFirst();
  const auto records = from.getRecords();
  if (!fields.may_hold(records.size(), limits::kOutboxWindowMax, "records")) return transfer;
  for (auto record : records) {
    transfer.records.push_back(fields.inner(codec::read(record, fields.source())));
    if (!fields.ok()) break;
  }
  return transfer;
}

TouchCommand read(schema::Touch::Reader from, Fields& fields) {
  TouchCommand touch;
  const auto devices = from.getDevices();
  if (!fields.may_hold(devices.size(), limits::kTouchDevicesMax, "devices")) return touch;
  for (auto name : devices) {
    touch.devices.push_back({fields.user(name.getUser(), "user"), fields.device(name.getDevice(), "device")});
    if (!fields.ok()) break;
  }
  return touch;
}

AttemptsCommand read(schema::Attempts::Reader from, Fields& fields) {
  AttemptsCommand attempts;
  attempts.user = fields.user(from.getUser(), "user");
  attempts.device = fields.device(from.getDevice(), "device");
  const auto notes = from.getNotes();
  if (!fields.may_hold(notes.size(), limits::kAttemptsKeptMax, "notes")) return attempts;
  for (auto note : notes)
    attempts.notes.push_back({Sequence(note.getFirst()), Sequence(note.getLast()), note.getCount()});
  return attempts;
}

RemoveDeviceCommand read(schema::RemoveDevice::Reader from, Fields& fields) {
  return {fields.user(from.getUser(), "user"), fields.device(from.getDevice(), "device")};
}

template <class ParkedChange>
ParkedChange read_change(schema::ParkedChange::Reader from, Fields& fields) {
  return {fields.user(from.getUser(), "user"), fields.device(from.getDevice(), "device"),
          sequences(from.getSequences(), limits::kParkedPageMax, "sequences", fields)};
}

SetPolicyCommand read(schema::SetPolicy::Reader from, Fields& fields) {
  SetPolicyCommand set;
  set.user = fields.user_or_none(from.getUser(), "user");
  if (!from.getInherit()) set.policy = codec::read(from.getPolicy());
  return set;
}

SetLayerPrivacyCommand read(schema::SetLayerPrivacy::Reader from, Fields& fields) {
  SetLayerPrivacyCommand set;
  set.layer = fields.layer(from.getLayer(), "layer");
  if (from.getInherit()) return set;
  set.privacy = codec::read(from.getPrivacy());
  if (fields.source() == Fields::Source::kWire) codec::check(*set.privacy, fields);
  return set;
}

SetPositionsCommand read(schema::SetPositions::Reader from, Fields& fields) {
  SetPositionsCommand set;
  set.layer = fields.layer(from.getLayer(), "layer");
  set.condition = static_cast<PositionCondition>(from.getCondition());
  fields.require(set.condition <= PositionCondition::kIfExists, "condition", "is unknown");
  set.accepted = from.getAccepted();
  fields.require(!set.accepted || set.condition == PositionCondition::kAlways, "accepted", "goes with no condition");
  const auto items = from.getItems();
  if (!fields.may_hold(items.size(), limits::kPositionsPerCommandMax, "items")) return set;
  for (auto item : items) {
    set.items.push_back({fields.data(item.getMember(), limits::kMemberBytesMax, "member"), item.getScore(),
                         item.getTtlMs(), item.getHidden()});
    if (!fields.ok()) break;
  }
  return set;
}

ClearPositionsCommand read(schema::ClearPositions::Reader from, Fields& fields) {
  ClearPositionsCommand clear;
  clear.layer = fields.layer(from.getLayer(), "layer");
  const auto members = from.getMembers();
  if (!fields.may_hold(members.size(), limits::kPositionsPerCommandMax, "members")) return clear;
  for (auto member : members) {
    clear.members.push_back(fields.data(member, limits::kMemberBytesMax, "members"));
    if (!fields.ok()) break;
  }
  return clear;
}

ClearLayersCommand read(capnp::List<capnp::Text>::Reader from, Fields& fields) {
  ClearLayersCommand clear;
  if (!fields.may_hold(from.size(), limits::kLayersPerCommandMax, "clearLayers")) return clear;
  for (auto layer : from) {
    clear.layers.push_back(fields.layer(layer, "clearLayers"));
    if (!fields.ok()) break;
  }
  return clear;
}

Result<Command> read(schema::Command::Reader from, Fields::Source source) {
  Fields fields(source);
  Command command;
  switch (from.which()) {
    case schema::Command::SEND: command = read(from.getSend(), fields); break;
    case schema::Command::LOGIN: command = read(from.getLogin(), fields); break;
    case schema::Command::ACK: command = read(from.getAck(), fields); break;
    case schema::Command::TRANSFER: command = read(from.getTransfer(), fields); break;
    case schema::Command::CONFIRM:
      command = ConfirmCommand{ShardId(from.getConfirm().getTarget()), from.getConfirm().getUpTo()};
      break;
    case schema::Command::TOUCH: command = read(from.getTouch(), fields); break;
    case schema::Command::ATTEMPTS: command = read(from.getAttempts(), fields); break;
    case schema::Command::REMOVE_DEVICE: command = read(from.getRemoveDevice(), fields); break;
    case schema::Command::REPLAY: command = read_change<ReplayCommand>(from.getReplay(), fields); break;
    case schema::Command::DROP_PARKED: command = read_change<DropParkedCommand>(from.getDropParked(), fields); break;
    case schema::Command::SET_POLICY: command = read(from.getSetPolicy(), fields); break;
    case schema::Command::SET_POSITIONS: command = read(from.getSetPositions(), fields); break;
    case schema::Command::CLEAR_POSITIONS: command = read(from.getClearPositions(), fields); break;
    case schema::Command::OBSOLETE_CLEAR_LAYER:
      command = ClearLayersCommand{{fields.layer(from.getObsoleteClearLayer(), "clearLayer")}};
      break;
    case schema::Command::SET_LAYER_PRIVACY: command = read(from.getSetLayerPrivacy(), fields); break;
    case schema::Command::CLEAR_LAYERS: command = read(from.getClearLayers(), fields); break;
    default:
      return fail(ErrorCode::kUnsupportedVersion, "command",
                  "command " + std::to_string(static_cast<std::uint16_t>(from.which())) +
                      " comes from a newer version of this program");
  }
  if (from.hasMover()) {
    std::visit(
        [&](auto& one) {
          if constexpr (requires { one.mover; }) one.mover = codec::read(from.getMover(), fields);
        },
        command);
  }
  return fields.finish(std::move(command));
}

}  // namespace

namespace codec {

std::size_t words_of(const Mover& mover) { return earshot::words_of(mover); }

void write(const Mover& from, schema::Mover::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  to.setLogin(from.login);
}

Mover read(schema::Mover::Reader from, Fields& fields) {
  return {fields.user(from.getUser(), "mover"), fields.device(from.getDevice(), "mover"),
          fields.positive(from.getLogin(), "mover")};
}

template <class One>
std::size_t words_behind_command(const One& command) {
  return earshot::words_of(command);
}

template <class One>
void write_command(const One& command, schema::Command::Builder to) {
  earshot::write(command, to);
}

Result<Command> read_command(schema::Command::Reader from, Fields::Source source) {
  return earshot::read(from, source);
}

// What sessions, shards and the place desk ask for.
template std::size_t words_behind_command(const SendCommand&);
template std::size_t words_behind_command(const LoginCommand&);
template std::size_t words_behind_command(const AckCommand&);
template std::size_t words_behind_command(const TransferCommand&);
template std::size_t words_behind_command(const AttemptsCommand&);
template std::size_t words_behind_command(const SetPositionsCommand&);
template std::size_t words_behind_command(const ClearPositionsCommand&);
template std::size_t words_behind_command(const ClearLayersCommand&);
template std::size_t words_behind_command(const SetLayerPrivacyCommand&);
template void write_command(const SendCommand&, schema::Command::Builder);
template void write_command(const LoginCommand&, schema::Command::Builder);
template void write_command(const AckCommand&, schema::Command::Builder);
template void write_command(const TransferCommand&, schema::Command::Builder);
template void write_command(const AttemptsCommand&, schema::Command::Builder);
template void write_command(const SetPositionsCommand&, schema::Command::Builder);
template void write_command(const ClearPositionsCommand&, schema::Command::Builder);
template void write_command(const ClearLayersCommand&, schema::Command::Builder);
template void write_command(const SetLayerPrivacyCommand&, schema::Command::Builder);

}  // namespace codec

std::string encode(const CommandBatch& batch) {
  std::size_t words =
      flat::words_of<schema::CommandBatch>() + flat::words_of_list<schema::Command>(batch.commands.size());
  for (const Command& command : batch.commands) words += words_of(command);
  flat::Writer writer(words);
  auto root = writer.initRoot<schema::CommandBatch>();
  root.setTickMs(batch.tick_ms);
  root.setNowMs(batch.now_ms);
  auto commands = root.initCommands(static_cast<capnp::uint>(batch.commands.size()));
  for (capnp::uint i = 0; i < commands.size(); ++i)
    std::visit([&](const auto& command) { write(command, commands[i]); }, batch.commands[i]);
  return writer.take();
}

Result<CommandBatch> decode_command_batch(std::string_view bytes) {
  return flat::read<schema::CommandBatch>(bytes, "commandBatch", [](auto root) -> Result<CommandBatch> {
    CommandBatch batch;
    batch.tick_ms = root.getTickMs();
    batch.now_ms = root.getNowMs();
    const auto commands = root.getCommands();
    if (commands.size() > kCommandPlacesPerEntry) return flat::corrupt("commands", "more than an entry has places for");
    for (auto element : commands) {
      Result<Command> command = read(element, Fields::Source::kStored);
      if (!command) return fail(std::move(command.error()));
      batch.commands.push_back(std::move(*command));
    }
    return batch;
  });
}

std::size_t size_of(const Command& command) {
  return (flat::words_of<schema::Command>() + words_of(command)) * sizeof(capnp::word);
}

}  // namespace earshot
