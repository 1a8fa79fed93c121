#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "actors/call_codec.hpp"
#include "actors/call_frame.hpp"
#include "actors/call_rules.hpp"
#include "base/limits.hpp"
#include "schema/command_codec.hpp"
#include "schema/wire.hpp"

namespace earshot::actors {
namespace {

using schema::Session;

// ---- the parameters of a session's method that a request to look after mailboxes is told by

Session::DevicesParams::Builder init(const DevicesRequest&, schema::Manage::Builder to) {
  return to.initDevices().initAs<Session::DevicesParams>();
}
Session::RemoveDeviceParams::Builder init(const RemoveDeviceRequest&, schema::Manage::Builder to) {
  return to.initRemoveDevice().initAs<Session::RemoveDeviceParams>();
}
Session::ParkedParams::Builder init(const ParkedRequest&, schema::Manage::Builder to) {
  return to.initParked().initAs<Session::ParkedParams>();
}
Session::ReplayParams::Builder init(const ReplayRequest&, schema::Manage::Builder to) {
  return to.initReplay().initAs<Session::ReplayParams>();
}
Session::DropParkedParams::Builder init(const DropParkedRequest&, schema::Manage::Builder to) {
  return to.initDropParked().initAs<Session::DropParkedParams>();
}
Session::ExplainParams::Builder init(const ExplainRequest&, schema::Manage::Builder to) {
  return to.initExplain().initAs<Session::ExplainParams>();
}
Session::PolicyParams::Builder init(const PolicyRequest&, schema::Manage::Builder to) {
  return to.initPolicy().initAs<Session::PolicyParams>();
}
Session::SetPolicyParams::Builder init(const SetPolicyRequest&, schema::Manage::Builder to) {
  return to.initSetPolicy().initAs<Session::SetPolicyParams>();
}

template <class Params, class Request>
Result<ManageRequest> read_params(capnp::AnyPointer::Reader from) {
  Result<Request> request = wire::read(from.getAs<Params>());
  if (!request) return fail(std::move(request.error()));
  return ManageRequest(std::move(*request));
}

Result<ManageRequest> read(schema::Manage::Reader from) {
  switch (from.which()) {
    case schema::Manage::DEVICES: return read_params<Session::DevicesParams, DevicesRequest>(from.getDevices());
    case schema::Manage::REMOVE_DEVICE:
      return read_params<Session::RemoveDeviceParams, RemoveDeviceRequest>(from.getRemoveDevice());
    case schema::Manage::PARKED: return read_params<Session::ParkedParams, ParkedRequest>(from.getParked());
    case schema::Manage::REPLAY: return read_params<Session::ReplayParams, ReplayRequest>(from.getReplay());
    case schema::Manage::DROP_PARKED:
      return read_params<Session::DropParkedParams, DropParkedRequest>(from.getDropParked());
    case schema::Manage::EXPLAIN: return read_params<Session::ExplainParams, ExplainRequest>(from.getExplain());
    case schema::Manage::POLICY: return read_params<Session::PolicyParams, PolicyRequest>(from.getPolicy());
    case schema::Manage::SET_POLICY:
      return read_params<Session::SetPolicyParams, SetPolicyRequest>(from.getSetPolicy());
  }
  return fail(ErrorCode::kUnsupportedVersion, "manage", "a request that this version does not know");
}

// ---- sizes: the words behind the Call struct and its address. One that is too small costs a copy, nothing else.

std::size_t words_of_names(const UserId& user, const DeviceId& device) {
  return flat::words_of_text(user.text().size()) + flat::words_of_text(device.text().size());
}

template <class One>
std::size_t words_of_command(const One& command) {
  return flat::words_of<schema::Command>() + codec::words_behind_command(command);
}

template <class Request>
requires requires(const Request& request) { codec::words_behind_command(request.command); }
std::size_t words_behind(const Request& request) { return words_of_command(request.command); }

std::size_t words_behind(const ShardPositions& request) {
  return std::visit([](const auto& command) { return words_of_command(command); }, request.command);
}

template <class Read>  // ShardFetch, ShardHistory
std::size_t words_of_read(const Read& request) {
  return flat::words_of<schema::MailboxRead>() + flat::words_of_text(request.user.text().size());
}
std::size_t words_behind(const ShardFetch& request) { return words_of_read(request); }
std::size_t words_behind(const ShardHistory& request) { return words_of_read(request); }

// Rare and small: what the largest of them takes, beside its names and sequences.
std::size_t words_behind(const ShardManage& request) {
  constexpr std::size_t kParams = flat::words_of<Session::ExplainParams>() + flat::words_of<schema::Policy>();
  std::size_t words = flat::words_of<schema::Manage>() + codec::words_of(request.mover) + kParams;
  std::visit(
      [&words](const auto& one) {
        words += flat::words_of_text(one.user.text().size());
        if constexpr (requires { one.device; }) words += flat::words_of_text(one.device.text().size());
        if constexpr (requires { one.sequences; }) words += one.sequences.size();
      },
      request.manage);
  return words;
}

template <class Registration>  // ShardRegister, ShardUnregister
std::size_t words_of_registration(const Registration& registration) {
  return flat::words_of<schema::Registration>() + words_of_names(registration.user, registration.device);
}
std::size_t words_behind(const ShardRegister& request) { return words_of_registration(request); }
std::size_t words_behind(const ShardUnregister& request) { return words_of_registration(request); }

std::size_t words_behind(const ShardWhere& request) {
  std::size_t words = flat::words_of<schema::Where>() + flat::words_of_text(request.layer.text().size());
  words += request.members.size();  // a pointer each
  for (const std::string& member : request.members) words += flat::words_of_data(member.size());
  return words;
}

std::size_t words_behind(const ShardTransferred&) { return flat::words_of<schema::Transferred>(); }

// ---- writing

template <class Request>
requires requires(const Request& request) { codec::words_behind_command(request.command); }
void write(const Request& from, schema::Call::Builder to) { codec::write_command(from.command, to.initCommand()); }

void write(const ShardPositions& from, schema::Call::Builder to) {
  std::visit([&](const auto& command) { codec::write_command(command, to.initCommand()); }, from.command);
}

template <class Read>
void write_read(const Read& from, Sequence at, schema::MailboxRead::Builder to) {
  to.setUser(flat::text(from.user.text()));
  to.setAt(at.value);
  to.setLimit(from.limit);
  to.setBytesMax(from.bytes_max);
}
void write(const ShardFetch& from, schema::Call::Builder to) { write_read(from, from.after, to.initFetch()); }
void write(const ShardHistory& from, schema::Call::Builder to) { write_read(from, from.before, to.initHistory()); }

void write(const ShardManage& from, schema::Call::Builder to) {
  auto manage = to.initManage();
  if (from.mover.login != 0) codec::write(from.mover, manage.initMover());
  std::visit([&manage](const auto& one) { wire::write(one, init(one, manage)); }, from.manage);
}

void write(const ShardRegister& from, schema::Call::Builder call) {
  auto to = call.initRegister();
  to.setSession(from.session);
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
  to.setPush(from.push);
  to.setStore(from.order.store);
  to.setLoginNumber(from.order.number);
  to.setProducer(from.producer.value);
}

void write(const ShardUnregister& from, schema::Call::Builder call) {
  auto to = call.initUnregister();
  to.setSession(from.session);
  to.setUser(flat::text(from.user.text()));
  to.setDevice(flat::text(from.device.text()));
}

void write(const ShardWhere& from, schema::Call::Builder call) {
  auto to = call.initWhere();
  to.setLayer(flat::text(from.layer.text()));
  auto members = to.initMembers(static_cast<capnp::uint>(from.members.size()));
  for (capnp::uint i = 0; i < members.size(); ++i) members.set(i, flat::data(from.members[i]));
}

void write(const ShardTransferred& from, schema::Call::Builder call) {
  auto to = call.initTransferred();
  to.setTarget(from.target.value);
  to.setEpoch(from.epoch.value);
  to.setLast(from.last);
}

// ---- reading

// Whose command it is. Others are a leader's own: no node asks another for them.
template <class One>
Result<CallRequest> request_of(RequestId request, One command) {
  if constexpr (std::is_same_v<One, SendCommand>)
    return CallRequest(ShardSend{nullptr, request, std::move(command)});
  else if constexpr (std::is_same_v<One, LoginCommand>)
    return CallRequest(ShardLogin{nullptr, request, std::move(command)});
  else if constexpr (std::is_same_v<One, AckCommand>)
    return CallRequest(ShardAck{nullptr, request, std::move(command)});
  else if constexpr (std::is_same_v<One, AttemptsCommand>)
    return CallRequest(ShardAttempts{nullptr, request, std::move(command)});
  else if constexpr (std::is_same_v<One, TransferCommand>)
    return CallRequest(ShardTransfer{std::move(command)});
  else if constexpr (std::is_constructible_v<decltype(ShardPositions::command), One>)
    return CallRequest(ShardPositions{std::move(command), nullptr});
  else
    return fail(ErrorCode::kInvalidArgument, "command", "is none that a node asks another for");
}

Result<CallRequest> read_command(RequestId request, schema::Command::Reader from) {
  Result<Command> command = codec::read_command(from, Fields::Source::kWire);
  if (!command) return fail(std::move(command.error()));
  return std::visit([request](auto& one) { return request_of(request, std::move(one)); }, *command);
}

ShardFetch read_fetch(RequestId request, schema::MailboxRead::Reader from, Fields& fields) {
  return {nullptr,         request,           fields.user(from.getUser(), "user"), Sequence(from.getAt()),
          from.getLimit(), from.getBytesMax()};
}

ShardHistory read_history(RequestId request, schema::MailboxRead::Reader from, Fields& fields) {
  return {nullptr,         request,           fields.user(from.getUser(), "user"), Sequence(from.getAt()),
          from.getLimit(), from.getBytesMax()};
}

ShardManage read_manage(RequestId request, schema::Manage::Reader from, Fields& fields) {
  ShardManage manage{nullptr, request, fields.inner(read(from))};
  if (from.hasMover()) manage.mover = codec::read(from.getMover(), fields);
  return manage;
}

ShardRegister read_register(schema::Registration::Reader from, Fields& fields) {
  return {nullptr,
          from.getSession(),
          fields.user(from.getUser(), "user"),
          fields.device(from.getDevice(), "device"),
          from.getPush(),
          {from.getStore(), from.getLoginNumber()},
          ProducerId(from.getProducer())};
}

ShardUnregister read_unregister(schema::Registration::Reader from, Fields& fields) {
  return {from.getSession(), fields.user(from.getUser(), "user"), fields.device(from.getDevice(), "device")};
}

ShardWhere read_where(schema::Where::Reader from, Fields& fields) {
  ShardWhere where{fields.layer(from.getLayer(), "layer"), {}, nullptr};
  if (!fields.fits(from.getMembers().size(), limits::kPositionsPerCommandMax, "members", "entries")) return where;
  where.members.reserve(from.getMembers().size());
  for (const auto member : from.getMembers())
    where.members.push_back(fields.data(member, limits::kMemberBytesMax, "member"));
  return where;
}

Result<CallRequest> read_request(schema::Call::Reader from) {
  const RequestId request = from.getRequest();
  Fields fields(Fields::Source::kWire);
  CallRequest result;
  switch (from.which()) {
    case schema::Call::COMMAND: return read_command(request, from.getCommand());
    case schema::Call::FETCH: result = read_fetch(request, from.getFetch(), fields); break;
    case schema::Call::HISTORY: result = read_history(request, from.getHistory(), fields); break;
    case schema::Call::MANAGE: result = read_manage(request, from.getManage(), fields); break;
    case schema::Call::REGISTER: result = read_register(from.getRegister(), fields); break;
    case schema::Call::UNREGISTER: result = read_unregister(from.getUnregister(), fields); break;
    case schema::Call::WHERE: result = read_where(from.getWhere(), fields); break;
    case schema::Call::TRANSFERRED: {
      const auto transferred = from.getTransferred();
      result = ShardTransferred{ShardId(transferred.getTarget()), Epoch(transferred.getEpoch()), transferred.getLast()};
      break;
    }
    default:
      return fail(ErrorCode::kUnsupportedVersion, "call",
                  "request " + std::to_string(static_cast<std::uint16_t>(from.which())) +
                      " comes from a newer version of this program");
  }
  return fields.finish(std::move(result));
}

Result<Call> read(schema::Call::Reader from) {
  Fields fields(Fields::Source::kWire);
  Call call{read_address(from.getFrom(), fields), from.getHops(), {}};
  if (Status status = fields.finish(); !status) return fail(std::move(status.error()));
  Result<CallRequest> request = read_request(from);
  if (!request) return fail(std::move(request.error()));
  call.request = std::move(*request);
  std::visit(
      [&](auto& one) {
        if constexpr (requires { one.client_call; }) one.client_call = from.getClientCall();
        if constexpr (requires { one.tag; })
          one.tag = {call.from.node, RequestTag::door_of(from.getDoor()), from.getClient(), from.getClientCall()};
      },
      call.request);
  return call;
}

}  // namespace

template <class Request>
std::string encode_call(const PortAddress& from, std::uint8_t hops, const Request& request) {
  return encode_frame<schema::Call>(words_behind(request), [&](schema::Call::Builder to) {
    write_address(from, to.initFrom());
    to.setHops(hops);
    if constexpr (requires { request.request; }) to.setRequest(request.request);
    if constexpr (requires { request.client_call; }) to.setClientCall(request.client_call);
    if constexpr (requires { request.tag; }) {
      to.setDoor(static_cast<std::uint8_t>(request.tag.door));
      to.setClient(request.tag.client);
      to.setClientCall(request.tag.call);
    }
    write(request, to);
  });
}

template std::string encode_call(const PortAddress&, std::uint8_t, const ShardSend&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardLogin&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardAck&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardFetch&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardHistory&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardManage&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardAttempts&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardRegister&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardUnregister&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardPositions&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardWhere&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardTransfer&);
template std::string encode_call(const PortAddress&, std::uint8_t, const ShardTransferred&);

std::string encode_call(const Call& call) {
  return std::visit([&](const auto& request) { return encode_call(call.from, call.hops, request); }, call.request);
}

Result<Call> decode_call(std::string_view bytes, std::uint16_t shard_count) {
  Result<Call> call = decode_frame<schema::Call>(bytes, "call", [](schema::Call::Reader from) { return read(from); });
  if (!call) return call;
  if (Status status = check(call->request, shard_count); !status) return fail(std::move(status.error()));
  return call;
}

Result<PortAddress> decode_call_from(std::string_view bytes) {
  return decode_frame<schema::Call>(bytes, "call", [](schema::Call::Reader call) {
    Fields fields(Fields::Source::kWire);
    const PortAddress from = read_address(call.getFrom(), fields);
    return fields.finish(from);
  });
}

}  // namespace earshot::actors
