#include "gateway/gateway_thread.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <kj/async-io.h>
#include <kj/exception.h>
#include <spdlog/spdlog.h>

#include "base/limits.hpp"
#include "gateway/acceptor.hpp"
#include "gateway/resp_connection.hpp"
#include "gateway/rpc_connection.hpp"
#include "gateway/tls_handshake.hpp"
#include "transport/kj_log.hpp"

namespace earshot::gateway {
namespace {

// Events handled in a row before sockets are looked at again: a busy bridge must not starve them.
constexpr unsigned kBusyPollInterval = 256;
constexpr unsigned kSocketFlags =
    kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK;

// The work of one thread.
class Loop final : private kj::TaskSet::ErrorHandler {
 public:
  Loop(GatewayThread::Parts parts, kj::AsyncIoContext& io);
  ~Loop() noexcept(false);

  kj::Promise<void> run();  // until stopped

 private:
  void listen_to_bridge();
  void handle(Bridge::Taken taken);
  // Between events: what they gave actors to do, and what those say.
  void run_soon();
  void run_actors();
  void handle_event(Bridge::Event event);
  static void end_session(EventTarget& session, ErrorCode code, const char* why);
  void open_connection(AcceptedSocket socket);
  [[nodiscard]] kj::TimePoint login_due() const;
  void begin_handshake(AcceptedSocket socket);
  void handshake_failed(kj::Exception&& exception);
  // With a stream that is ready for what the client speaks, until the login is due.
  void serve_connection(Protocol protocol, kj::Own<kj::AsyncIoStream> stream, kj::TimePoint login_due);
  void close_connection(std::uint64_t id);
  kj::Promise<void> check_times();
  void stop();
  void taskFailed(kj::Exception&& exception) override;

  GatewayThread::Parts parts_;
  kj::AsyncIoContext& io_;
  SessionContext context_;
  std::unordered_map<std::uint64_t, kj::Own<ServedConnection>> connections_;
  std::uint64_t last_connection_ = 0;
  std::vector<kj::Own<Acceptor>> acceptors_;
  std::vector<kj::Promise<void>> accepting_;
  bool stopping_ = false;
  kj::Own<kj::PromiseFulfiller<void>> stopped_;
  RareLog failed_handshakes_{context_.timer};
  std::size_t handshakes_under_way_ = 0;
  std::unique_ptr<actors::Help> help_;  // null: the broker needs none
  bool runs_soon_ = false;
  // All gone before what they use.
  kj::Own<kj::TaskSet> handshakes_;
  kj::TaskSet tasks_;
  kj::Promise<void> listening_ = nullptr;
  kj::Promise<void> listens_again_ = nullptr;
};

Loop::Loop(GatewayThread::Parts parts, kj::AsyncIoContext& io)
    : parts_(std::move(parts)),
      io_(io),
      context_{.broker = parts_.broker,
               .node = parts_.broker.id(),
               .desk = parts_.broker.place_desk(),
               .logins = parts_.logins,
               .bridge = parts_.bridge,
               .timer = io.provider->getTimer(),
               .options = parts_.options,
               .answers = parts_.answers,
               .reading = parts_.reading,
               .counters = parts_.counters,
               .calls = {parts_.calls, io.provider->getTimer(), parts_.options.slow_call_ms},
               .connections = parts_.connections,
               .resp_port = parts_.resp_port,
               .ports = {}},
      handshakes_(kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this))),
      tasks_(*this) {
  for (auto& [protocol, listener] : parts_.listeners) {
    acceptors_.push_back(kj::heap<Acceptor>(io.unixEventPort, context_.timer, kj::mv(listener.fd),
                                            [this, protocol = protocol](kj::AutoCloseFd socket) {
                                              parts_.take({kj::mv(socket), protocol});
                                            }));
  }
}

Loop::~Loop() noexcept(false) {
  parts_.connections -= connections_.size() + handshakes_under_way_;
  connections_.clear();
  help_ = nullptr;
}

kj::Promise<void> Loop::run() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  stopped_ = kj::mv(paf.fulfiller);
  help_ = parts_.broker.help({[this] { run_soon(); }, [bridge = parts_.bridge] { bridge->post_actors_wait(); }});
  listen_to_bridge();
  tasks_.add(check_times());
  for (auto& acceptor : acceptors_) {
    accepting_.push_back(acceptor->run().eagerlyEvaluate([](kj::Exception&& exception) {
      spdlog::critical("the gateway accepts no more connections: {}", exception.getDescription().cStr());
    }));
  }
  return kj::mv(paf.promise);
}

// Again behind all that comes of what was taken: what is posted until then needs no bell. Each round is a promise of
// its own: promises that wait for one another would be a chain that grows, and is taken down by one call within
// another.
void Loop::listen_to_bridge() {
  const auto failed = [this](kj::Exception&& exception) { taskFailed(kj::mv(exception)); };
  listening_ = parts_.bridge->wait()
                   .then([this, failed] {
                     listens_again_ = kj::evalLast([this] { listen_to_bridge(); }).eagerlyEvaluate(failed);
                     handle(parts_.bridge->take());
                   })
                   .eagerlyEvaluate(failed);
}

void Loop::run_soon() {
  if (std::exchange(runs_soon_, true)) return;
  tasks_.add(kj::evalLast([this] { run_actors(); }));
}

void Loop::run_actors() {
  runs_soon_ = false;
  parts_.bridge->attend();
  if (help_->run_some()) run_soon();
  handle(parts_.bridge->take());
}

void Loop::handle(Bridge::Taken taken) {
  for (AcceptedSocket& socket : taken.sockets) open_connection(kj::mv(socket));
  for (Bridge::Event& event : taken.events) handle_event(std::move(event));
  for (const PortId overflowed : taken.overflowed) {
    const auto port = context_.ports.find(overflowed);
    if (port == context_.ports.end()) continue;
    count(context_.counters.events_overflowed);
    end_session(*port->second, ErrorCode::kOverloaded, "the node cannot keep up with this connection");
  }
  if (!taken.overflowed.empty())
    spdlog::warn("{} connections are closed: more than {} events waited for a gateway thread", taken.overflowed.size(),
                 limits::kBridgeQueueItemsMax);
  if (taken.actors_wait) run_soon();
  if (taken.stopping) stop();
}

// One event that cannot be passed on ends its session, and nothing else.
void Loop::handle_event(Bridge::Event event) {
  const auto port = context_.ports.find(event.port);
  if (port == context_.ports.end()) return;
  EventTarget& session = *port->second;
  KJ_IF_MAYBE (failure, kj::runCatchingExceptions([&] { session.handle(std::move(event.event)); })) {
    count(context_.counters.broken_events);
    spdlog::error("an event cannot be passed on to its client, whose session ends: {}",
                  failure->getDescription().cStr());
    end_session(session, ErrorCode::kInternal, "an event of this session cannot be passed on");
  }
}

void Loop::end_session(EventTarget& session, ErrorCode code, const char* why) {
  KJ_IF_MAYBE (failure, kj::runCatchingExceptions([&] { session.end(Error{code, "", why, limits::kRetryAfterMs}); })) {
    spdlog::error("a session cannot be ended in order: {}", failure->getDescription().cStr());
  }
}

void Loop::open_connection(AcceptedSocket socket) {
  if (stopping_) {
    --parts_.connections;
    return;
  }
  // One that cannot be served (epoll may refuse its socket) must not end the listening to the bridge with it.
  const auto open = [&] {
    if (parts_.tls != nullptr) return begin_handshake(kj::mv(socket));
    serve_connection(socket.protocol, io_.lowLevelProvider->wrapSocketFd(kj::mv(socket.fd), kSocketFlags), login_due());
  };
  KJ_IF_MAYBE (failure, kj::runCatchingExceptions(open)) {
    --parts_.connections;
    spdlog::warn("a connection cannot be served: {}", failure->getDescription().cStr());
  }
}

kj::TimePoint Loop::login_due() const {
  return context_.timer.now() + parts_.options.login_timeout_ms * kj::MILLISECONDS;
}

// It counts as a connection, and its time is part of the time for the login.
void Loop::begin_handshake(AcceptedSocket socket) {
  const kj::TimePoint due = login_due();
  const Protocol protocol = socket.protocol;
  auto stream = accept_tls(io_, kj::mv(socket), parts_.tls->context());
  auto too_late = context_.timer.atTime(due).then([this]() -> kj::Own<kj::AsyncIoStream> {
    count(context_.counters.login_timeouts);
    kj::throwFatalException(KJ_EXCEPTION(OVERLOADED, "no handshake in time"));
  });
  ++handshakes_under_way_;
  handshakes_->add(stream.exclusiveJoin(kj::mv(too_late))
                       .then([this, due, protocol](kj::Own<kj::AsyncIoStream>&& ready) {
                         serve_connection(protocol, kj::mv(ready), due);
                       })
                       .then([this] { --handshakes_under_way_; },
                             [this](kj::Exception&& exception) { handshake_failed(kj::mv(exception)); }));
}

void Loop::handshake_failed(kj::Exception&& exception) {
  --handshakes_under_way_;
  --parts_.connections;
  count(context_.counters.handshakes_failed);
  if (failed_handshakes_.due()) spdlog::info("a TLS handshake failed: {}", exception.getDescription().cStr());
}

void Loop::serve_connection(Protocol protocol, kj::Own<kj::AsyncIoStream> stream, kj::TimePoint login_due) {
  const std::uint64_t id = ++last_connection_;
  auto over = [this, id] { tasks_.add(kj::evalLater([this, id] { close_connection(id); })); };
  kj::Own<ServedConnection> connection;
  if (protocol == Protocol::kRpc)
    connection = kj::heap<RpcConnection>(context_, kj::mv(stream), login_due, std::move(over));
  else
    connection = kj::heap<RespConnection>(context_, kj::mv(stream), login_due, std::move(over));
  connections_.emplace(id, kj::mv(connection));
}

void Loop::close_connection(std::uint64_t id) {
  if (connections_.erase(id) > 0) --parts_.connections;
  if (stopping_ && connections_.empty()) stopped_->fulfill();
}

// One timer for all connections, since almost none of them has anything under way at any time.
kj::Promise<void> Loop::check_times() {
  const GatewayOptions& options = parts_.options;
  const std::uint64_t shortest_ms =
      std::min({options.write_timeout_ms, options.write_pressed_ms, options.call_timeout_ms});
  const std::uint64_t interval_ms = std::clamp<std::uint64_t>(shortest_ms / 4, 1, limits::kSessionCheckMs);
  return context_.timer.afterDelay(interval_ms * kj::MILLISECONDS).then([this] {
    for (auto& [id, connection] : connections_) connection->check_times();
    return check_times();
  });
}

void Loop::stop() {
  if (stopping_) return;
  stopping_ = true;
  accepting_.clear();
  acceptors_.clear();
  handshakes_ = nullptr;  // nobody there to be told
  parts_.connections -= std::exchange(handshakes_under_way_, 0);
  const Error reason{ErrorCode::kUnavailable, "", "the node is shutting down", limits::kRetryAfterMs};
  for (auto& [id, connection] : connections_) connection->end(reason);
  if (connections_.empty()) return stopped_->fulfill();
  // Each takes at most the linger to be told and the linger to be written out.
  tasks_.add(context_.timer.afterDelay(2 * parts_.options.close_linger_ms * kj::MILLISECONDS).then([this] {
    stopped_->fulfill();
  }));
}

void Loop::taskFailed(kj::Exception&& exception) {
  spdlog::error("a task of a gateway thread failed: {}", exception.getDescription().cStr());
}

void serve(const std::unique_ptr<GatewayThread::Parts>& given) {
  GatewayThread::Parts& parts = *given;
  transport::KjLog log;
  const std::shared_ptr<Bridge> bridge = parts.bridge;
  try {
    auto io = kj::setupAsyncIo();
    io.waitScope.setBusyPollInterval(kBusyPollInterval);
    Loop loop(std::move(parts), io);
    loop.run().wait(io.waitScope);
    bridge->close();
  } catch (const kj::Exception& exception) {
    invariant_broken("a gateway thread handles its exceptions", __FILE__, __LINE__, exception.getDescription().cStr());
  }
}

}  // namespace

// Behind a pointer: KJ's destructors may throw, and what a thread is given may not.
GatewayThread::GatewayThread(Parts parts)
    : bridge_(parts.bridge), thread_(serve, std::make_unique<Parts>(std::move(parts))) {}

GatewayThread::~GatewayThread() {
  bridge_->post_stop();
  join();
}

void GatewayThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace earshot::gateway
