#include "gateway/rpc_connection.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "base/limits.hpp"
#include "gateway/rpc_interfaces.hpp"
#include "transport/reader_options.hpp"

namespace earshot::gateway {
namespace {

// Of calls that wait for an answer before the login, such as those ahead on the session that it will give: a stranger
// may have logins judged late, and the RPC system keeps all requests until then. Behind a larger login nothing is read.
constexpr std::size_t kStrangerCallBytes = limits::kLoginMessageBytesMax / 8;

}  // namespace

RpcConnection::RpcConnection(SessionContext& context, kj::Own<kj::AsyncIoStream> stream, kj::TimePoint login_due,
                             std::function<void()> over)
    : context_(context),
      over_(std::move(over)),
      stream_(kj::mv(stream)),
      guard_(*stream_, context.timer, context.reading),
      session_(kj::refcounted<RpcSession>(context, *this)),
      network_(guard_, guard_.queue(), capnp::rpc::twoparty::Side::SERVER, transport::reader_options(),
               [this] { close_now(); }),
      rpc_(capnp::makeRpcServer(network_, static_cast<capnp::BootstrapFactory<capnp::rpc::twoparty::VatId>&>(*this))),
      timer_(nullptr) {
  rpc_.setFlowLimit(kStrangerCallBytes / sizeof(capnp::word));
  timer_ = context_.timer.atTime(login_due)
               .then([this] {
                 spdlog::debug("a connection is closed: no login within {} ms", context_.options.login_timeout_ms);
                 count(context_.counters.login_timeouts);
                 close_now();
               })
               .eagerlyEvaluate(nullptr);
}

// The session first: the actor must hear at once, while calls in the RPC system may still hold the session's object.
RpcConnection::~RpcConnection() noexcept(false) {
  over_ = nullptr;  // the RPC system lets the network go now
  if (guard_.violated()) count(context_.counters.violations);
  session_->detach();
}

// Made for each time that a client asks, and gone when it has let go of it: a session does without.
capnp::Capability::Client RpcConnection::createFor(capnp::rpc::twoparty::VatId::Reader) {
  return schema::Broker::Client(kj::heap<BrokerInterface>(kj::addRef(*session_)));
}

void RpcConnection::end(const Error& reason) {
  ending_ = true;
  if (session_->open()) return session_->end(reason);
  close_now();
}

void RpcConnection::check_times() {
  session_->expire_calls();
  session_->check_expiry();
  if (ending_) return;
  auto why = too_slow();
  if (why) {
    count(context_.counters.slow_readers);
  } else if (why = too_slow_a_sender(); why) {
    count(context_.counters.slow_senders);
  } else {
    return;
  }
  spdlog::info("{}: its connection is closed, the client {}", session_->tag().to_string(), *why);
  // It hears the reason if it reads again before the linger is over; what it missed it gets when it logs in again.
  end(Error{ErrorCode::kOverloaded, "", "the client " + *why, limits::kRetryAfterMs});
}

std::optional<std::string> RpcConnection::too_slow() {
  if (const auto ms = guard_.stalled_ms(); ms >= context_.options.write_timeout_ms)
    return "has taken in nothing for " + std::to_string(ms) + " ms";
  // A slow client may take its time, unless that is at the cost of others.
  if (!guard_.holds_leases() || !context_.answers.is_full()) return std::nullopt;
  if (const auto ms = guard_.writing_ms(); ms >= context_.options.write_pressed_ms)
    return "has not taken in a message for " + std::to_string(ms) + " ms while the node is short of memory for answers";
  return std::nullopt;
}

// The same for a client that does not get on with a message of its own, at the cost of one that waits to be read.
std::optional<std::string> RpcConnection::too_slow_a_sender() {
  const BoundedInput& input = guard_.input();
  if (const auto ms = input.stalled_ms(); ms >= context_.options.write_timeout_ms)
    return "has sent nothing of a message for " + std::to_string(ms) + " ms";
  if (!context_.reading.is_pressed()) return std::nullopt;
  if (const auto ms = input.reading_ms(); ms >= context_.options.write_pressed_ms)
    return "has not sent a message for " + std::to_string(ms) + " ms while the node is short of memory for reading";
  return std::nullopt;
}

void RpcConnection::session_opened() {
  timer_ = nullptr;
  guard_.login_done();
  rpc_.setFlowLimit(limits::kCallBytesInFlightMax / sizeof(capnp::word));
}

void RpcConnection::close_later() {
  timer_ = context_.timer.afterDelay(context_.options.close_linger_ms * kj::MILLISECONDS)
               .then([this] { close_now(); })
               .eagerlyEvaluate(nullptr);
}

void RpcConnection::close_soon() {
  guard_.hurry();
  // After all that is ready now: answers just given are then in the queue that has to drain.
  auto written = kj::evalLast([this] { return guard_.drained(0); });
  timer_ = written.exclusiveJoin(context_.timer.afterDelay(context_.options.close_linger_ms * kj::MILLISECONDS))
               .then([this] { close_now(); }, [this](kj::Exception&&) { close_now(); })
               .eagerlyEvaluate(nullptr);
}

void RpcConnection::close_now() {
  if (const auto over = std::exchange(over_, nullptr)) over();
}

}  // namespace earshot::gateway
