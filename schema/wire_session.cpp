#include <algorithm>

#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/wire.hpp"

// Login and the parameters of a session's calls.
namespace earshot::wire {
namespace {

void write(const ServerLimits& from, schema::Limits::Builder to) {
  to.setBodyBytesMax(from.body_bytes_max);
  to.setBatchMessagesMax(from.batch_messages_max);
  to.setBatchBytesMax(from.batch_bytes_max);
  to.setFetchMessagesMax(from.fetch_messages_max);
  to.setWindowMessagesMax(from.window_messages_max);
  to.setLaneWindowMax(from.lane_window_max);
  to.setCallsInFlightMax(from.calls_in_flight_max);
  to.setCallBytesInFlightMax(from.call_bytes_in_flight_max);
}

// A limit of zero would hold the client for ever.
ServerLimits read(schema::Limits::Reader from, Fields& fields) {
  const auto limit = [&](std::uint32_t value, std::string_view field) {
    return static_cast<std::uint32_t>(fields.positive(value, field));
  };
  ServerLimits limits;
  limits.body_bytes_max = limit(from.getBodyBytesMax(), "limits.bodyBytesMax");
  limits.batch_messages_max = limit(from.getBatchMessagesMax(), "limits.batchMessagesMax");
  limits.batch_bytes_max = limit(from.getBatchBytesMax(), "limits.batchBytesMax");
  limits.fetch_messages_max = limit(from.getFetchMessagesMax(), "limits.fetchMessagesMax");
  limits.window_messages_max = limit(from.getWindowMessagesMax(), "limits.windowMessagesMax");
  limits.lane_window_max = limit(from.getLaneWindowMax(), "limits.laneWindowMax");
  limits.calls_in_flight_max = limit(from.getCallsInFlightMax(), "limits.callsInFlightMax");
  limits.call_bytes_in_flight_max = limit(from.getCallBytesInFlightMax(), "limits.callBytesInFlightMax");
  return limits;
}

void write(const std::vector<std::string>& from, capnp::List<capnp::Text>::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, flat::text(from[i]));
}

capnp::uint count_of(const std::vector<std::string>& addresses) {
  return static_cast<capnp::uint>(std::min(addresses.size(), limits::kNodeAddressesMax));
}

std::vector<std::string> read_addresses(capnp::List<capnp::Text>::Reader from) {
  std::vector<std::string> addresses;
  for (capnp::uint i = 0; i < from.size() && i < limits::kNodeAddressesMax; ++i) {
    const capnp::Text::Reader text = from[i];
    if (is_address({text.begin(), text.size()})) addresses.emplace_back(text.begin(), text.size());
  }
  return addresses;
}

std::uint32_t read_count(std::uint32_t count, Fields& fields) {
  fields.positive(count, "limit");
  fields.at_most(count, limits::kFetchMessagesMax, "limit");
  return count;
}

}  // namespace

void write(const std::vector<Sequence>& from, capnp::List<std::uint64_t>::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, from[i].value);
}

void write(const LoginRequest& from, schema::LoginRequest::Builder to) {
  to.setProtocolMin(from.protocol_min);
  to.setProtocolMax(from.protocol_max);
  to.setToken(flat::text(from.token));
  to.setDevice(flat::text(from.device.text()));
  to.setProducer(from.producer.value);
  to.setEpoch(from.epoch.value);
  to.setLastReceived(from.last_received.value);
  to.setStartAt(static_cast<schema::StartAt>(from.start_at));
  to.setAgent(flat::text(from.agent));
  to.setStore(from.order.store);
  to.setLoginNumber(from.order.number);
}

Result<LoginRequest> read(schema::LoginRequest::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    LoginRequest request;
    request.protocol_min = from.getProtocolMin();
    request.protocol_max = from.getProtocolMax();
    request.token = fields.text(from.getToken(), limits::kTokenBytesMax, "token");
    request.device = fields.device(from.getDevice(), "device");
    request.producer = ProducerId(from.getProducer());
    request.epoch = Epoch(from.getEpoch());
    request.last_received = Sequence(from.getLastReceived());
    request.start_at = static_cast<StartAt>(from.getStartAt());
    fields.require(request.start_at <= StartAt::kNewest, "startAt", "is unknown to this server");
    // It goes into logs: what is no name could forge lines there.
    request.agent = fields.text_or_none(from.getAgent(), "agent");
    request.order = {from.getStore(), from.getLoginNumber()};
    return fields.finish(std::move(request));
  });
}

void write(const Welcome& from, schema::Welcome::Builder to) {
  to.setProtocol(from.protocol);
  to.setUser(flat::text(from.user.text()));
  to.setShardCount(from.shard_count);
  to.setProducer(from.login.producer.value);
  to.setNewProducer(from.login.new_producer);
  to.setEpoch(from.login.epoch.value);
  to.setRestoredUpTo(from.login.restored_up_to.value);
  to.setCursor(from.login.cursor.value);
  to.setLastSequence(from.login.last_sequence.value);
  write(from.limits, to.initLimits());
  to.setNode(from.node.value);
  to.setRole(static_cast<schema::Role>(from.role));
  if (!from.addresses.empty()) write(from.addresses, to.initAddresses(count_of(from.addresses)));
}

Result<Welcome> read(schema::Welcome::Reader from) {
  return guarded("welcome", [&]() -> Result<Welcome> {
    Welcome welcome;
    welcome.protocol = from.getProtocol();
    if (auto protocol = common_protocol(welcome.protocol, welcome.protocol); !protocol)
      return fail(std::move(protocol.error()));
    Fields fields(Fields::Source::kWire);
    welcome.user = fields.user(from.getUser(), "user");
    welcome.shard_count = static_cast<std::uint16_t>(fields.positive(from.getShardCount(), "shardCount"));
    fields.at_most(welcome.shard_count, limits::kShardsMax, "shardCount");
    welcome.login.producer = ProducerId(fields.positive(from.getProducer(), "producer"));
    welcome.login.new_producer = from.getNewProducer();
    welcome.login.epoch = Epoch(fields.positive(from.getEpoch(), "epoch"));
    welcome.login.restored_up_to = Sequence(from.getRestoredUpTo());
    welcome.login.cursor = Sequence(from.getCursor());
    welcome.login.last_sequence = Sequence(from.getLastSequence());
    welcome.limits = read(from.getLimits(), fields);
    welcome.node = NodeId(from.getNode());
    // It only tells what is worth asking for: the server decides. A newer role may do what a user may.
    const auto role = static_cast<Role>(from.getRole());
    welcome.role = role <= Role::kOperator ? role : Role::kUser;
    welcome.addresses = read_addresses(from.getAddresses());
    return fields.finish(std::move(welcome));
  });
}

void write(const GoAway& from, schema::Receiver::GoAwayParams::Builder to) {
  write(from.addresses, to.initAddresses(count_of(from.addresses)));
  to.setWithinMs(from.within_ms);
}

Result<GoAway> read(schema::Receiver::GoAwayParams::Reader from) {
  return guarded("goAway", [&]() -> Result<GoAway> {
    return GoAway{read_addresses(from.getAddresses()), from.getWithinMs()};
  });
}

void write(const SubscribeRequest& from, schema::Session::SubscribeParams::Builder to) {
  to.setMode(static_cast<schema::Mode>(from.mode));
  to.setWindowMessages(from.window_messages);
}

Result<SubscribeRequest> read(schema::Session::SubscribeParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    SubscribeRequest request;
    request.mode = static_cast<DeliveryMode>(from.getMode());
    fields.require(name_of(request.mode) != "unknown", "mode", "is unknown to this server");
    if (from.getWindowMessages() > 0) request.window_messages = from.getWindowMessages();
    fields.at_most(request.window_messages, limits::kWindowMessagesMax, "windowMessages");
    return fields.finish(std::move(request));
  });
}

void write(const AckRequest& from, schema::Session::AckParams::Builder to) {
  to.setUpTo(from.up_to.value);
  write(from.above, to.initAbove(static_cast<capnp::uint>(from.above.size())));
}

Result<AckRequest> read(schema::Session::AckParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    AckRequest request;
    request.up_to = Sequence(from.getUpTo());
    request.above = fields.ascending(from.getAbove(), request.up_to, limits::kSelectiveAcksMax, "above");
    return fields.finish(std::move(request));
  });
}

void write(const NackRequest& from, schema::Session::NackParams::Builder to) {
  write(from.sequences, to.initSequences(static_cast<capnp::uint>(from.sequences.size())));
  to.setDelayMs(from.delay_ms);
}

Result<NackRequest> read(schema::Session::NackParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    NackRequest request;
    request.sequences = fields.ascending(from.getSequences(), Sequence{}, limits::kSelectiveAcksMax, "sequences");
    fields.require(from.getSequences().size() > 0, "sequences", "must not be empty");
    request.delay_ms = from.getDelayMs();
    fields.at_most(request.delay_ms, limits::kNackDelayMsMax, "delayMs");
    return fields.finish(std::move(request));
  });
}

void write(const FetchRequest& from, schema::Session::FetchParams::Builder to) {
  to.setAfter(from.after.value);
  to.setLimit(from.limit);
  to.setCause(static_cast<schema::FetchCause>(from.cause));
}

Result<FetchRequest> read(schema::Session::FetchParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    FetchRequest request;
    request.after = Sequence(from.getAfter());
    request.limit = read_count(from.getLimit(), fields);
    // A cause is only counted: one that a newer client invented must not cost it the answer.
    const auto cause = static_cast<FetchCause>(from.getCause());
    request.cause = name_of(cause) != "unknown" ? cause : FetchCause::kUnspecified;
    return fields.finish(std::move(request));
  });
}

void write(const HistoryRequest& from, schema::Session::HistoryParams::Builder to) {
  to.setBefore(from.before.value);
  to.setLimit(from.limit);
}

Result<HistoryRequest> read(schema::Session::HistoryParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    HistoryRequest request;
    request.before = Sequence(from.getBefore());
    request.limit = read_count(from.getLimit(), fields);
    return fields.finish(std::move(request));
  });
}

}  // namespace earshot::wire
