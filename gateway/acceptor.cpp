#include "gateway/acceptor.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "base/limits.hpp"
#include "gateway/listener.hpp"

namespace earshot::gateway {
namespace {

constexpr int kAcceptsPerTurn = 64;  // then the connections accepted before have their turn

}  // namespace

bool RareLog::due() {
  const kj::TimePoint now = timer_.now();
  if (last_ && now - *last_ < 1 * kj::SECONDS) return false;
  last_ = now;
  return true;
}

Acceptor::Acceptor(kj::UnixEventPort& port, kj::Timer& timer, kj::AutoCloseFd listener,
                   std::function<void(kj::AutoCloseFd)> take)
    : timer_(timer),
      listener_(kj::mv(listener)),
      observer_(port, listener_.get(), kj::UnixEventPort::FdObserver::OBSERVE_READ),
      take_(std::move(take)),
      failures_(timer) {}

Acceptor::Outcome Acceptor::accept_one() {
  const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    kj::AutoCloseFd socket(fd);
    tune_connection(fd);
    take_(kj::mv(socket));
    return Outcome::kTaken;
  }
  switch (errno) {
    case EAGAIN: return Outcome::kNoneWaiting;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: {
      const int error = errno;
      if (failures_.due()) spdlog::warn("cannot accept a connection: {}", std::generic_category().message(error));
      return Outcome::kRetryLater;
    }
    // Of this one connection (or a signal): accept(2) passes errors of the network on. The next may be fine.
    default: return Outcome::kTaken;
  }
}

kj::Promise<void> Acceptor::run() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    switch (accept_one()) {
      case Outcome::kTaken: break;
      case Outcome::kNoneWaiting: return observer_.whenBecomesReadable().then([this] { return run(); });
      case Outcome::kRetryLater:
        return timer_.afterDelay(limits::kAcceptRetryMs * kj::MILLISECONDS).then([this] { return run(); });
    }
  }
  return kj::evalLater([this] { return run(); });
}

}  // namespace earshot::gateway
