#include "client/connection.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/limits.hpp"
#include "client/tls.hpp"
#include "schema/flat.hpp"
#include "schema/text.hpp"
#include "schema/wire.hpp"
#include "transport/reader_options.hpp"

namespace earshot::client {
namespace {

constexpr std::size_t kOutgoingWords = 24;  // of one message beside its body: a hint for the first segment
constexpr int kKeepAliveIdleS = 30;         // a silent peer is found dead within about a minute
constexpr int kKeepAliveIntervalS = 10;
constexpr int kKeepAliveProbes = 3;

Error error_of(const kj::Exception& exception) {
  ErrorCode code = ErrorCode::kUnavailable;
  if (exception.getType() == kj::Exception::Type::OVERLOADED) code = ErrorCode::kOverloaded;
  if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED) code = ErrorCode::kUnsupportedVersion;
  return Error{code, "", wire::cut(exception.getDescription().cStr(), limits::kErrorTextBytesMax), 0, 0};
}

Status read_status(schema::StatusAnswer::Reader answer) {
  if (answer.isError()) return fail(wire::read(answer.getError()));
  return {};
}

// Batches are small calls that must not wait for one another, and a peer that vanished must be noticed without traffic.
// Streams that are no TCP sockets refuse; they have no such needs.
void prepare(kj::AsyncIoStream& stream) {
  const auto set = [&](int level, int option, int value) {
    kj::runCatchingExceptions([&] { stream.setsockopt(level, option, &value, sizeof value); });
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalS);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

}  // namespace

// What the server calls. It lives as long as the RPC system wants, hence may outlive the connection.
class Connection::ReceiverServer final : public schema::Receiver::Server {
 public:
  explicit ReceiverServer(std::shared_ptr<Connection*> connection) : connection_(std::move(connection)) {}

  kj::Promise<void> deliver(DeliverContext context) override {
    Connection* connection = *connection_;
    if (connection == nullptr || connection->events_ == nullptr) return kj::READY_NOW;
    if (connection->deliveries_ >= limits::kClientDeliveriesMax)
      return KJ_EXCEPTION(OVERLOADED, "earlier batches are not taken in yet");
    Result<Batch> batch = wire::read(context.getParams().getBatch());
    context.releaseParams();
    if (!batch) {
      connection->loop_->post([link = connection_, error = batch.error()] {
        if (*link != nullptr) (*link)->fail_with(error);
      });
      return kj::READY_NOW;
    }
    ++connection->deliveries_;
    auto pair = kj::newPromiseAndFulfiller<void>();
    // std::function wants to be copied; the fulfiller has one owner.
    auto fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(pair.fulfiller));
    connection->events_->delivered(std::move(*batch), [fulfiller, link = connection_] {
      if (*link != nullptr) --(*link)->deliveries_;
      (*fulfiller)->fulfill();
    });
    return kj::mv(pair.promise);
  }

  kj::Promise<void> goAway(GoAwayContext context) override {
    Connection* connection = *connection_;
    if (connection == nullptr || connection->events_ == nullptr) return kj::READY_NOW;
    Result<GoAway> request = wire::read(context.getParams());
    if (!request) return KJ_EXCEPTION(FAILED, "malformed", request.error().to_string().c_str());
    connection->events_->go_away(std::move(*request));
    return kj::READY_NOW;
  }

  kj::Promise<void> closed(ClosedContext context) override {
    Connection* connection = *connection_;
    if (connection != nullptr && connection->events_ != nullptr)
      connection->events_->closed(wire::read(context.getParams().getReason()));
    return kj::READY_NOW;
  }

 private:
  const std::shared_ptr<Connection*> connection_;
};

Connection::Connection(std::shared_ptr<Loop> loop, kj::AsyncIoProvider& io, LinkEvents& events, const Options& options,
                       std::string address)
    : loop_(std::move(loop)),
      timer_(io.getTimer()),
      events_(&events),
      address_(std::move(address)),
      timeout_ms_(options.request_timeout_ms),
      tls_(options.tls),
      connector_(*loop_, io.getNetwork(), address_, options.connect_timeout_ms),
      self_(std::make_shared<Connection*>(this)),
      tasks_(kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this))) {}

Connection::~Connection() noexcept { *self_ = nullptr; }

// ---- from connecting to logged in

void Connection::open(LoginRequest request) {
  const CallNumber call = begin_call({});
  tasks_->add(connector_.connect()
                  .then([this](kj::Own<kj::AsyncIoStream> stream) { return secure(kj::mv(stream)); })
                  .then([this, request = std::move(request)](kj::Own<kj::AsyncIoStream> stream) mutable {
                    return login(kj::mv(stream), std::move(request));
                  })
                  .then([this, call] { end_call(call); }));
}

kj::Promise<kj::Own<kj::AsyncIoStream>> Connection::secure(kj::Own<kj::AsyncIoStream> stream) {
  prepare(*stream);
  KJ_IF_MAYBE (fd, stream->getFd()) socket_ = *fd;
  if (!tls_.on) return kj::mv(stream);
  using Secured = kj::Promise<kj::Own<kj::AsyncIoStream>>;
  return kj::evalNow([&] { return connect_tls(kj::mv(stream), tls_, address_); })
      .then([](kj::Own<kj::AsyncIoStream> secured) -> Secured { return kj::mv(secured); },
            [this](kj::Exception&& exception) -> Secured {
              fail_with(tls_error_of(exception));
              return kj::NEVER_DONE;
            });
}

kj::Promise<void> Connection::login(kj::Own<kj::AsyncIoStream> stream, LoginRequest request) {
  stream_ = kj::mv(stream);
  messages_ = kj::heap<ServerStream>(*stream_, timer_);
  network_ = kj::heap<transport::MessageNetwork>(*messages_, messages_->queue(), capnp::rpc::twoparty::Side::CLIENT,
                                                 transport::reader_options(), [link = self_] {
                                                   if (*link != nullptr) (*link)->closed_by_server();
                                                 });
  rpc_ = kj::heap<capnp::RpcSystem<capnp::rpc::twoparty::VatId>>(capnp::makeRpcClient(*network_));
  rpc_->setFlowLimit(limits::kCallBytesInFlightMax / sizeof(capnp::word));

  capnp::MallocMessageBuilder scratch(8);
  auto server = scratch.initRoot<capnp::rpc::twoparty::VatId>();
  server.setSide(capnp::rpc::twoparty::Side::SERVER);
  auto broker = rpc_->bootstrap(server).castAs<schema::Broker>();
  auto call = broker.loginRequest();
  wire::write(request, call);
  return call.send().then([this](capnp::Response<schema::LoginAnswer> response) {
    if (events_ == nullptr) return;
    if (response.isError()) {
      events_->logged_in(fail(wire::read(response.getError())));
      return;
    }
    Result<Welcome> welcome = wire::read(response.getOk().getWelcome());
    if (welcome) session_ = response.getOk().getSession();
    events_->logged_in(std::move(welcome));
  });
}

template <class Request>
auto Connection::make_call(Request request, CallNumber& number, std::function<void(Error)> failed) {
  auto sent = request.send();
  number = begin_call(std::move(failed));
  return sent;
}

void Connection::subscribe(DeliveryMode mode, std::uint32_t window_messages) {
  auto request = session_.subscribeRequest();
  request.setReceiver(kj::heap<ReceiverServer>(self_));
  request.setMode(static_cast<schema::Mode>(mode));
  request.setWindowMessages(window_messages);
  CallNumber call = 0;
  auto sent = make_call(std::move(request), call);
  tasks_->add(sent.then([this, call](auto response) {
    end_call(call);
    const Status status = read_status(response);
    if (!status) fail_with(status.error());
  }));
}

// ---- calls

void Connection::send(const Outbox::Call& call) {
  capnp::MessageSize size{call.bytes / sizeof(capnp::word) + call.items.size() * kOutgoingWords, 0};
  auto request = session_.sendRequest(size);
  auto messages = request.initMessages(static_cast<capnp::uint>(call.items.size()));
  for (capnp::uint i = 0; i < messages.size(); ++i) {
    auto to = messages[i];
    const Outbox::Item& item = call.items[i];
    if (item.expired) {
      wire::write(item.expired_form(), to);
    } else {
      wire::write(*item.message, to);
      to.setTtlMs(item.ttl_ms);
    }
    to.setAnsweredBelow(item.answered_below.value);
  }
  CallNumber number = 0;
  auto sent = make_call(std::move(request), number);
  tasks_->add(sent.then([this, number, id = call.id](auto response) {
    end_call(number);
    if (events_ == nullptr) return;
    answers_.clear();
    for (const auto answer : response.getAnswers()) answers_.push_back(wire::read(answer));
    events_->sent(id, answers_);
  }));
}

void Connection::ack(const AckRequest& ack) {
  auto request = session_.ackRequest();
  request.setUpTo(ack.up_to.value);
  auto above = request.initAbove(static_cast<capnp::uint>(ack.above.size()));
  for (capnp::uint i = 0; i < above.size(); ++i) above.set(i, ack.above[i].value);
  CallNumber number = 0;
  auto sent = make_call(std::move(request), number);
  tasks_->add(sent.then([this, number](auto response) {
    end_call(number);
    if (events_ == nullptr) return;
    events_->acked(response.isError() ? Status(fail(wire::read(response.getError()))) : Status());
  }));
}

void Connection::nack(const NackRequest& nack) {
  auto request = session_.nackRequest();
  auto sequences = request.initSequences(static_cast<capnp::uint>(nack.sequences.size()));
  for (capnp::uint i = 0; i < sequences.size(); ++i) sequences.set(i, nack.sequences[i].value);
  request.setDelayMs(nack.delay_ms);
  CallNumber number = 0;
  auto sent = make_call(std::move(request), number);
  // A refused nack changes nothing: what is not acked comes again when its timer fires.
  tasks_->add(sent.then([this, number](auto) { end_call(number); }));
}

template <class T, class Request, class Read>
void Connection::ask(Request request, Answer<T> done, Read read) {
  CallNumber number = 0;
  auto sent = make_call(std::move(request), number, [done](Error error) { done(fail(std::move(error))); });
  tasks_->add(sent.then([this, number, done = std::move(done), read](auto response) {
    if (end_call(number)) done(read(response));
  }));
}

void Connection::fetch(Sequence after, std::uint32_t limit, FetchCause cause, FetchDone done) {
  auto request = session_.fetchRequest();
  request.setAfter(after.value);
  request.setLimit(limit);
  request.setCause(static_cast<schema::FetchCause>(cause));
  ask<Batch>(std::move(request), std::move(done),
             [](schema::FetchAnswer::Reader answer) { return wire::read(answer); });
}

void Connection::history(Sequence before, std::uint32_t limit, FetchDone done) {
  auto request = session_.historyRequest();
  request.setBefore(before.value);
  request.setLimit(limit);
  ask<Batch>(std::move(request), std::move(done),
             [](schema::FetchAnswer::Reader answer) { return wire::read(answer); });
}

void Connection::manage(const ManageRequest& request, Answer<ManageAnswer> done) {
  const auto any = [](const auto& answer) -> Result<ManageAnswer> {
    auto value = wire::read(answer);
    if (!value) return fail(std::move(value.error()));
    if constexpr (std::is_same_v<decltype(value), Status>) {
      return ManageAnswer(earshot::Done{});
    } else {
      return ManageAnswer(std::move(*value));
    }
  };
  const auto call = [&](auto message, const auto& parameters) {
    wire::write(parameters, message);
    ask<ManageAnswer>(std::move(message), std::move(done), any);
  };
  struct Calls {
    schema::Session::Client& session;
    const decltype(call)& send;
    void operator()(const DevicesRequest& one) const { send(session.devicesRequest(), one); }
    void operator()(const RemoveDeviceRequest& one) const { send(session.removeDeviceRequest(), one); }
    void operator()(const ParkedRequest& one) const { send(session.parkedRequest(), one); }
    void operator()(const ReplayRequest& one) const { send(session.replayRequest(), one); }
    void operator()(const DropParkedRequest& one) const { send(session.dropParkedRequest(), one); }
    void operator()(const ExplainRequest& one) const { send(session.explainRequest(), one); }
    void operator()(const PolicyRequest& one) const { send(session.policyRequest(), one); }
    void operator()(const SetPolicyRequest& one) const { send(session.setPolicyRequest(), one); }
  };
  std::visit(Calls{session_, call}, request);
}

void Connection::places(const PlacesRequest& request, Answer<PlacesReply> done) {
  const auto any = [](const auto& answer) -> Result<PlacesReply> {
    auto value = wire::read(answer);
    if (!value) return fail(std::move(value.error()));
    if constexpr (std::is_same_v<decltype(value), Status>) {
      return PlacesReply(earshot::Done{});
    } else {
      return PlacesReply(std::move(*value));
    }
  };
  const auto call = [&](auto message, const auto& parameters) {
    wire::write(parameters, message);
    ask<PlacesReply>(std::move(message), std::move(done), any);
  };
  struct Calls {
    schema::Session::Client& session;
    const decltype(call)& send;
    void operator()(const SetPositionsRequest& one) const { send(session.setPositionsRequest(), one); }
    void operator()(const ClearPositionsRequest& one) const { send(session.clearPositionsRequest(), one); }
    void operator()(const ClearLayerRequest& one) const { send(session.clearLayerRequest(), one); }
    void operator()(const NearbyRequest& one) const { send(session.nearbyRequest(), one); }
    void operator()(const PositionsRequest& one) const { send(session.positionsRequest(), one); }
    void operator()(const DistanceRequest& one) const { send(session.distanceRequest(), one); }
    void operator()(const LayersRequest& one) const { send(session.layersRequest(), one); }
    void operator()(const LayerPrivacyRequest& one) const { send(session.layerPrivacyRequest(), one); }
    void operator()(const SetLayerPrivacyRequest& one) const { send(session.setLayerPrivacyRequest(), one); }
  };
  std::visit(Calls{session_, call}, request);
}

void Connection::logout(std::function<void()> done) {
  auto request = session_.logoutRequest();
  tasks_->add(request.send().then([done](auto) { done(); }, [done](kj::Exception&&) { done(); }));
}

void Connection::detach() {
  events_ = nullptr;
  std::map<CallNumber, Call> calls;
  calls.swap(calls_);
  for (auto& [number, call] : calls)
    if (call.failed) call.failed(Error{ErrorCode::kUnavailable, "", "the connection is lost", 0, 0});
}

// ---- deadlines and failures

Connection::CallNumber Connection::begin_call(std::function<void(Error)> failed) {
  const CallNumber number = next_call_++;
  calls_.emplace_hint(calls_.end(), number, Call{CallWait(now_ms(), progress()), std::move(failed)});
  watch();
  return number;
}

bool Connection::end_call(CallNumber call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return false;
  answered_made_ms_ = std::max(answered_made_ms_, found->second.wait.made_ms());
  calls_.erase(found);
  return true;
}

// One timer for all calls: it looks what has moved, often enough to see within an eighth of the timeout that nothing
// does any more. The oldest call waits the longest, since what a later one needs is behind what it needs.
void Connection::watch() {
  if (watching_ || calls_.empty() || events_ == nullptr) return;
  watching_ = true;
  const std::uint64_t now = now_ms();
  const std::uint64_t deadline = calls_.begin()->second.wait.since_ms() + timeout_ms_;
  const std::uint64_t look_ms = std::max<std::uint64_t>(timeout_ms_ / 8, 1);
  loop_->after(deadline > now ? std::min(deadline - now, look_ms) : 0, [link = self_] {
    if (*link == nullptr) return;
    (*link)->watching_ = false;
    (*link)->look_at_calls();
  });
}

void Connection::look_at_calls() {
  const std::uint64_t now = now_ms();
  look_at_socket();
  const auto moved = progress();
  for (auto& [number, call] : calls_) {
    call.wait.look(now, moved);
    call.wait.answered(now, answered_made_ms_, timeout_ms_);
  }
  if (!calls_.empty() && calls_.begin()->second.wait.since_ms() + timeout_ms_ <= now)
    fail_with(Error{ErrorCode::kDeadlineExceeded, "", "the server does not answer", 0, 0});
  else
    watch();
}

// Two system calls: not with every call, which begins from what was seen last.
void Connection::look_at_socket() {
  if (socket_) socket_progress_ = transport::socket_progress(*socket_);
}

// Until the login is answered nothing is large: it has its time, with all that is before it, and no more.
std::optional<LineProgress> Connection::progress() {
  if (!socket_ || network_.get() == nullptr) return std::nullopt;
  if (!socket_progress_) look_at_socket();
  if (!socket_progress_) return std::nullopt;
  return LineProgress{messages_->queue().messages_written(), messages_->queue().messages(), *socket_progress_};
}

void Connection::fail_with(Error reason) {
  if (events_ != nullptr) events_->lost(std::move(reason));
}

// Not from inside the RPC system.
void Connection::closed_by_server() {
  tasks_->add(kj::evalLater([this] {
    fail_with(Error{ErrorCode::kUnavailable, "", "the server closed the connection", 0, 0});
  }));
}

void Connection::taskFailed(kj::Exception&& exception) { fail_with(error_of(exception)); }

}  // namespace earshot::client
