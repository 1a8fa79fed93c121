#include "gateway/resp_connection.hpp"

#include <array>
#include <string>
#include <utility>

#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "base/limits.hpp"
#include "transport/socket_progress.hpp"

namespace earshot::gateway {
namespace {

// Idle connections are many: each keeps this much, and more while it makes use of it.
constexpr std::size_t kBufferBytesMin = 1 << 10;
constexpr std::size_t kBufferBytesMax = 64 << 10;

// "127.0.0.1:50000", "[::1]:50000".
template <class Ask>
std::string text_of(Ask ask) {
  sockaddr_storage address{};
  kj::uint bytes = sizeof address;
  ask(reinterpret_cast<sockaddr*>(&address), &bytes);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), bytes, host.data(), host.size(), port.data(),
                    port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?:0";
  const std::string name(host.data());
  return (address.ss_family == AF_INET6 ? "[" + name + "]" : name) + ":" + port.data();
}

}  // namespace

RespConnection::RespConnection(SessionContext& context, kj::Own<kj::AsyncIoStream> stream, kj::TimePoint login_due,
                               std::function<void()> over)
    : context_(context),
      over_(std::move(over)),
      stream_(kj::mv(stream)),
      buffer_(kBufferBytesMin),
      session_(context, *this),
      began_at_(context.timer.now()),
      read_at_(began_at_),
      place_since_(began_at_),
      writing_since_(began_at_),
      progress_at_(began_at_) {
  KJ_IF_MAYBE (fd, stream_->getFd()) socket_ = *fd;
  if (!session_.is_logged_in()) expect_login(login_due);
  reading_ = kj::evalLater([this] { return read(); }).eagerlyEvaluate([this](kj::Exception&&) { close_now(); });
}

RespConnection::~RespConnection() noexcept(false) { over_ = nullptr; }

void RespConnection::expect_login(kj::TimePoint due) {
  login_timer_ = context_.timer.atTime(due)
                     .then([this] {
                       count(context_.counters.login_timeouts);
                       close_now();
                     })
                     .eagerlyEvaluate(nullptr);
}

resp::ClientFacts RespConnection::facts() {
  resp::ClientFacts facts;
  facts.address = text_of([&](sockaddr* to, kj::uint* bytes) { stream_->getpeername(to, bytes); });
  facts.local_address = text_of([&](sockaddr* to, kj::uint* bytes) { stream_->getsockname(to, bytes); });
  facts.age_s = ms_since(began_at_) / 1000;
  facts.idle_s = ms_since(read_at_) / 1000;
  return facts;
}

// ---- reading

kj::Promise<void> RespConnection::read() {
  if (session_.is_over()) return kj::READY_NOW;
  const bool is_small = session_.bytes_half_read() <= limits::kRespSmallRequestBytes;
  if (is_small) place_ = nullptr;
  if (!session_.takes_more()) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    resume_ = kj::mv(paf.fulfiller);
    return paf.promise.then([this] {
      place_since_ = context_.timer.now();  // until now it waited, and its client could not get on
      return read();
    });
  }
  if (is_small || place_.get() != nullptr) return read_on();
  return context_.reading.enter(limits::kRespRequestBytesMax).then([this](kj::Own<ReadingRoom::Place>&& place) {
    place_ = kj::mv(place);
    place_since_ = context_.timer.now();
    return read_on();
  });
}

kj::Promise<void> RespConnection::read_on() {
  listens_since_ = context_.timer.now();
  return stream_->tryRead(buffer_.data(), 1, buffer_.size()).then([this](std::size_t bytes) -> kj::Promise<void> {
    listens_since_.reset();
    if (bytes == 0) {
      session_.end_of_input();
      changed();
      return kj::READY_NOW;
    }
    read_at_ = context_.timer.now();
    session_.feed({buffer_.data(), bytes});
    if (bytes == buffer_.size() && bytes < kBufferBytesMax) buffer_.resize(4 * bytes);
    if (bytes < kBufferBytesMin && buffer_.size() > kBufferBytesMin && session_.bytes_half_read() == 0)
      std::vector<char>(kBufferBytesMin).swap(buffer_);
    changed();
    return read();
  });
}

// ---- writing

// Once for all that is ready by then.
void RespConnection::changed() {
  if (std::exchange(gets_on_soon_, true)) return;
  soon_ = kj::evalLast([this] {
            gets_on_soon_ = false;
            get_on();
          }).eagerlyEvaluate([this](kj::Exception&&) { close_now(); });
}

void RespConnection::get_on() {
  if (!is_writing_ && session_.has_replies()) {
    is_writing_ = true;
    writing_done_ = write().eagerlyEvaluate([this](kj::Exception&&) { close_now(); });
  } else if (!is_writing_ && session_.is_over()) {
    close_now();
  }
  if (resume_.get() != nullptr && (session_.takes_more() || session_.is_over())) {
    resume_->fulfill();
    resume_ = nullptr;
  }
}

kj::Promise<void> RespConnection::write() {
  writing_ = session_.take_replies();
  writing_since_ = progress_at_ = context_.timer.now();
  return stream_->write(writing_.bytes.data(), writing_.bytes.size()).then([this] {
    writing_ = {};
    is_writing_ = false;
    changed();
  });
}

// ---- ends

void RespConnection::end(const Error& reason) {
  session_.end(reason);
  linger_ = context_.timer.afterDelay(context_.options.close_linger_ms * kj::MILLISECONDS)
                .then([this] { close_now(); })
                .eagerlyEvaluate(nullptr);
  changed();
}

std::uint64_t RespConnection::ms_since(kj::TimePoint then) const {
  return static_cast<std::uint64_t>((context_.timer.now() - then) / kj::MILLISECONDS);
}

std::uint64_t RespConnection::stalled_ms() {
  if (!is_writing_) return 0;
  const auto progress = socket_ ? transport::socket_progress(*socket_) : std::nullopt;
  const std::uint64_t taken = progress ? progress->bytes_taken : 0;
  if (taken != taken_) {
    taken_ = taken;
    progress_at_ = context_.timer.now();
  }
  return ms_since(progress_at_);
}

std::optional<std::string> RespConnection::too_slow() {
  const GatewayOptions& options = context_.options;
  if (const auto ms = stalled_ms(); ms >= options.write_timeout_ms)
    return "has taken in nothing for " + std::to_string(ms) + " ms";
  // A slow client may take its time, unless that is at the cost of others.
  if (is_writing_ && !writing_.leases.empty() && context_.answers.is_full() &&
      ms_since(writing_since_) >= options.write_pressed_ms)
    return "has not taken in a reply while the node is short of memory for answers";
  // Its request does not get on before they are taken.
  if (is_writing_ && place_.get() != nullptr && !session_.takes_more() && context_.reading.is_pressed() &&
      ms_since(writing_since_) >= options.write_pressed_ms)
    return "has not taken in replies while the node is short of memory for reading";
  return std::nullopt;
}

void RespConnection::check_times() {
  session_.check_times();
  auto why = too_slow();
  if (why) {
    count(context_.counters.slow_readers);
  } else if (session_.bytes_half_read() > 0 && listens_since_ && session_.takes_more() &&
             ms_since(*listens_since_) >= context_.options.write_timeout_ms) {
    // Whoever waits for room to be read, or has replies to take first, is not slow.
    why = "has sent nothing of a request for " + std::to_string(ms_since(*listens_since_)) + " ms";
    count(context_.counters.slow_senders);
  } else if (place_.get() != nullptr && context_.reading.is_pressed() && session_.takes_more() &&
             ms_since(place_since_) >= context_.options.write_pressed_ms) {
    why = "has not sent a request while the node is short of memory for reading";
    count(context_.counters.slow_senders);
  }
  if (!why) return;
  spdlog::info("{}: closed, its client {}", session_.tag().to_string(), *why);
  close_now();
}

void RespConnection::close_now() {
  if (const auto over = std::exchange(over_, nullptr)) over();
}

}  // namespace earshot::gateway
