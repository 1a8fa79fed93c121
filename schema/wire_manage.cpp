#include <string>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/read_answer.hpp"
#include "schema/record_codec.hpp"
#include "schema/wire.hpp"

// The calls that look after mailboxes.
namespace earshot::wire {
namespace {

void write(const UserId& user, const DeviceId& device, auto to) {
  to.setUser(flat::text(user.text()));
  to.setDevice(flat::text(device.text()));
}

// At most `count_max` elements, each as `read_one` reads it.
template <class List, class ReadOne>
auto read_list(List from, std::size_t count_max, std::string_view field, Fields& fields, ReadOne read_one) {
  std::vector<decltype(read_one(from[0], fields))> values;
  if (!fields.fits(from.size(), count_max, field, "entries")) return values;
  values.reserve(from.size());
  for (auto element : from) values.push_back(read_one(element, fields));
  return values;
}

// Parked messages that a call names. Any order, and repeats: the answer has its place for each.
std::vector<Sequence> read_sequences(capnp::List<std::uint64_t>::Reader from, Fields& fields) {
  fields.require(from.size() > 0, "sequences", "must not be empty");
  const auto read_one = [](std::uint64_t sequence, Fields& rules) {
    return Sequence(rules.positive(sequence, "sequences"));
  };
  return read_list(from, limits::kParkedPageMax, "sequences", fields, read_one);
}

// ReplayRequest, DropParkedRequest
template <class Request, class Reader>
Result<Request> read_change(Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    Request request;
    request.user = fields.user_or_none(from.getUser(), "user");
    request.device = fields.device(from.getDevice(), "device");
    request.sequences = read_sequences(from.getSequences(), fields);
    return fields.finish(std::move(request));
  });
}

template <class Request, class Builder>
void write_change(const Request& from, Builder to) {
  write(from.user, from.device, to);
  wire::write(from.sequences, to.initSequences(static_cast<capnp::uint>(from.sequences.size())));
}

void write(const DeviceInfo& from, schema::Device::Builder to) {
  to.setDevice(flat::text(from.device.text()));
  to.setUpTo(from.up_to.value);
  to.setUnacked(from.unacked);
  to.setParked(from.parked);
  to.setLastSeenMs(from.last_seen_ms);
  to.setConnected(from.connected);
}

DeviceInfo read_device(schema::Device::Reader from, Fields& fields) {
  return DeviceInfo{fields.device(from.getDevice(), "device"),
                    Sequence(from.getUpTo()),
                    from.getUnacked(),
                    from.getParked(),
                    from.getLastSeenMs(),
                    from.getConnected()};
}

void write(const ParkedMessage& from, schema::ParkedMessage::Builder to) {
  to.setDevice(flat::text(from.device.text()));
  to.setSequence(from.sequence.value);
  to.setDeliveries(from.deliveries);
  to.setParkedAtMs(from.parked_at_ms);
  to.setKept(from.message.has_value());
  if (from.message) wire::write(*from.message, to.initMessage());
}

ParkedMessage read_parked(schema::ParkedMessage::Reader from, Fields& fields) {
  ParkedMessage parked;
  parked.device = fields.device(from.getDevice(), "device");
  parked.sequence = Sequence(fields.positive(from.getSequence(), "sequence"));
  parked.deliveries = from.getDeliveries();
  parked.parked_at_ms = from.getParkedAtMs();
  if (from.getKept()) parked.message = fields.inner(wire::read(from.getMessage()));
  return parked;
}

DeviceFate read_fate(schema::DeviceFate::Reader from, Fields& fields) {
  DeviceFate fate;
  fate.device = fields.device(from.getDevice(), "devices");
  fate.state = static_cast<DeliveryState>(from.getState());
  fields.require(fate.state <= DeliveryState::kParked, "state", "is unknown to this client");
  fate.acked_after_ms = from.getAckedAfterMs();
  fate.acked_by_ms = from.getAckedByMs();
  fate.deliveries = from.getDeliveries();
  fate.parked_at_ms = from.getParkedAtMs();
  fate.connected = from.getConnected();
  fate.attempts = from.getAttempts();
  fate.first_delivered_ms = from.getFirstDeliveredMs();
  fate.last_delivered_ms = from.getLastDeliveredMs();
  return fate;
}

void write(const Explanation& from, schema::Explanation::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setSequence(from.message.sequence.value);
  to.setEpoch(from.epoch.value);
  to.setShard(from.shard.value);
  to.setNode(from.node.value);
  to.setKept(from.kept);
  to.setEndedReason(static_cast<schema::LostReason>(from.ended_reason));
  to.setEndedAtMs(from.ended_at_ms);
  if (!from.message.sender.empty()) wire::write(from.message, to.initMessage());
  to.setBodyBytes(from.body_bytes);
  auto devices = to.initDevices(static_cast<capnp::uint>(from.devices.size()));
  for (capnp::uint i = 0; i < devices.size(); ++i) wire::write(from.devices[i], devices[i]);
}

Explanation read_explanation(schema::Explanation::Reader from, Fields& fields) {
  Explanation explanation;
  explanation.user = fields.user(from.getUser(), "user");
  explanation.epoch = Epoch(fields.positive(from.getEpoch(), "epoch"));
  explanation.shard = ShardId(from.getShard());
  explanation.node = NodeId(from.getNode());
  explanation.kept = from.getKept();
  explanation.ended_reason = read_reason(from.getEndedReason());
  explanation.ended_at_ms = from.getEndedAtMs();
  const Sequence sequence(fields.positive(from.getSequence(), "sequence"));
  if (from.hasMessage()) {
    explanation.message = fields.inner(wire::read(from.getMessage()));
    fields.require(explanation.message.sequence == sequence, "sequence", "is not the message's");
  }
  explanation.message.sequence = sequence;
  explanation.body_bytes = from.getBodyBytes();
  explanation.devices = read_list(from.getDevices(), limits::kDevicesPerUserMax, "devices", fields, read_fate);
  return explanation;
}

}  // namespace

void write(const DevicesRequest& from, schema::Session::DevicesParams::Builder to) {
  to.setUser(flat::text(from.user.text()));
}

Result<DevicesRequest> read(schema::Session::DevicesParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    return fields.finish(DevicesRequest{fields.user_or_none(from.getUser(), "user")});
  });
}

void write(const RemoveDeviceRequest& from, schema::Session::RemoveDeviceParams::Builder to) {
  write(from.user, from.device, to);
}

Result<RemoveDeviceRequest> read(schema::Session::RemoveDeviceParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    RemoveDeviceRequest request;
    request.user = fields.user_or_none(from.getUser(), "user");
    request.device = fields.device(from.getDevice(), "device");
    return fields.finish(std::move(request));
  });
}

void write(const ParkedRequest& from, schema::Session::ParkedParams::Builder to) {
  write(from.user, from.device, to);
  to.setAfter(from.after.value);
  to.setLimit(from.limit);
}

Result<ParkedRequest> read(schema::Session::ParkedParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    ParkedRequest request;
    request.user = fields.user_or_none(from.getUser(), "user");
    if (from.getDevice().size() > 0) request.device = fields.device(from.getDevice(), "device");
    request.after = Sequence(from.getAfter());
    request.limit = from.getLimit() > 0 ? from.getLimit() : static_cast<std::uint32_t>(limits::kParkedPageMax);
    fields.at_most(request.limit, limits::kParkedPageMax, "limit");
    return fields.finish(std::move(request));
  });
}

void write(const ReplayRequest& from, schema::Session::ReplayParams::Builder to) { write_change(from, to); }

Result<ReplayRequest> read(schema::Session::ReplayParams::Reader from) { return read_change<ReplayRequest>(from); }

void write(const DropParkedRequest& from, schema::Session::DropParkedParams::Builder to) { write_change(from, to); }

Result<DropParkedRequest> read(schema::Session::DropParkedParams::Reader from) {
  return read_change<DropParkedRequest>(from);
}

void write(const ExplainRequest& from, schema::Session::ExplainParams::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setSequence(from.sequence.value);
  to.setIdHigh(from.id.high);
  to.setIdLow(from.id.low);
}

Result<ExplainRequest> read(schema::Session::ExplainParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    ExplainRequest request;
    request.user = fields.user_or_none(from.getUser(), "user");
    request.sequence = Sequence(from.getSequence());
    request.id = MessageId{from.getIdHigh(), from.getIdLow()};
    fields.require(request.sequence != Sequence{} || request.id != MessageId{}, "id", "or sequence must be given");
    return fields.finish(std::move(request));
  });
}

void write(const PolicyRequest& from, schema::Session::PolicyParams::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setAll(from.all);
}

Result<PolicyRequest> read(schema::Session::PolicyParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    PolicyRequest request;
    request.user = fields.user_or_none(from.getUser(), "user");
    request.all = from.getAll();
    fields.require(!request.all || request.user.empty(), "user", "must be empty with all");
    return fields.finish(std::move(request));
  });
}

void write(const SetPolicyRequest& from, schema::Session::SetPolicyParams::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setAll(from.all);
  if (from.policy) codec::write(*from.policy, to.initPolicy());
  to.setInherit(!from.policy);
}

Result<SetPolicyRequest> read(schema::Session::SetPolicyParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    SetPolicyRequest request;
    request.user = fields.user_or_none(from.getUser(), "user");
    request.all = from.getAll();
    fields.require(!request.all || request.user.empty(), "user", "must be empty with all");
    if (from.getInherit()) return fields.finish(std::move(request));
    request.policy = codec::read(from.getPolicy());
    const std::uint64_t idle_ms = request.policy->device_idle_ms;
    fields.require(idle_ms == 0 || idle_ms >= limits::kDeviceIdleMsMin, "deviceIdleMs",
                   "must be 0 or at least " + std::to_string(limits::kDeviceIdleMsMin));
    return fields.finish(std::move(request));
  });
}

void write(const Result<std::vector<DeviceInfo>>& from, schema::DevicesAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  auto devices = to.initDevices(static_cast<capnp::uint>(from->size()));
  for (capnp::uint i = 0; i < devices.size(); ++i) write((*from)[i], devices[i]);
}

Result<std::vector<DeviceInfo>> read(schema::DevicesAnswer::Reader from) {
  return read_answer(from, from.isDevices(), [&](Fields& fields) {
    return read_list(from.getDevices(), limits::kDevicesPerUserMax, "devices", fields, read_device);
  });
}

void write(const std::vector<ParkedMessage>& from, schema::ParkedAnswer::Builder to) {
  auto messages = to.initMessages(static_cast<capnp::uint>(from.size()));
  for (capnp::uint i = 0; i < messages.size(); ++i) write(from[i], messages[i]);
}

void write(const Result<std::vector<ParkedMessage>>& from, schema::ParkedAnswer::Builder to) {
  from ? write(*from, to) : write(from.error(), to.initError());
}

Result<std::vector<ParkedMessage>> read(schema::ParkedAnswer::Reader from) {
  return read_answer(from, from.isMessages(), [&](Fields& fields) {
    return read_list(from.getMessages(), limits::kParkedPageMax, "messages", fields, read_parked);
  });
}

void write(const Result<Replayed>& from, schema::ReplayAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  write(from->sequences, to.initReplayed(static_cast<capnp::uint>(from->sequences.size())));
}

Result<Replayed> read(schema::ReplayAnswer::Reader from) {
  return read_answer(from, from.isReplayed(), [&](Fields& fields) {
    const auto read_one = [](std::uint64_t sequence, Fields&) { return Sequence(sequence); };
    return Replayed{read_list(from.getReplayed(), limits::kParkedPageMax, "replayed", fields, read_one)};
  });
}

void write(const Result<Explanation>& from, schema::ExplainAnswer::Builder to) {
  from ? write(*from, to.initExplanation()) : write(from.error(), to.initError());
}

Result<Explanation> read(schema::ExplainAnswer::Reader from) {
  return read_answer(from, from.isExplanation(),
                     [&](Fields& fields) { return read_explanation(from.getExplanation(), fields); });
}

void write(const DeviceFate& from, schema::DeviceFate::Builder to) {
  to.setDevice(flat::text(from.device.text()));
  to.setState(static_cast<schema::DeviceFate::State>(from.state));
  to.setAckedAfterMs(from.acked_after_ms);
  to.setAckedByMs(from.acked_by_ms);
  to.setDeliveries(from.deliveries);
  to.setParkedAtMs(from.parked_at_ms);
  to.setConnected(from.connected);
  to.setAttempts(from.attempts);
  to.setFirstDeliveredMs(from.first_delivered_ms);
  to.setLastDeliveredMs(from.last_delivered_ms);
}

Result<DeviceFate> read(schema::DeviceFate::Reader from) {
  return guarded("fate", [&] {
    Fields fields(Fields::Source::kWire);
    DeviceFate fate = read_fate(from, fields);
    return fields.finish(std::move(fate));
  });
}

void write(const Result<PolicyInfo>& from, schema::PolicyAnswer::Builder to) {
  from ? codec::write(from->policy, to.initPolicy()) : write(from.error(), to.initError());
  to.setInherited(from && from->inherited);
}

Result<PolicyInfo> read(schema::PolicyAnswer::Reader from) {
  return read_answer(from, from.isPolicy(), [&](Fields&) {
    return PolicyInfo{codec::read(from.getPolicy()), from.getInherited()};
  });
}

}  // namespace earshot::wire
