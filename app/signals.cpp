#include "app/signals.hpp"

#include <cerrno>
#include <csignal>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.hpp"

namespace earshot::app {

SignalWatch::SignalWatch(std::function<void()> interrupted) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const int arrivals = ::signalfd(-1, &signals, SFD_CLOEXEC);
  end_ = ::eventfd(0, EFD_CLOEXEC);
  EARSHOT_INVARIANT(arrivals >= 0 && end_ >= 0, "a process has two descriptors to spare at its start");
  thread_ = std::thread([arrivals, end = end_, interrupted = std::move(interrupted)] {
    pollfd waiting[2] = {{arrivals, POLLIN, 0}, {end, POLLIN, 0}};
    while (::poll(waiting, 2, -1) < 0 && errno == EINTR) {
    }
    if (waiting[0].revents != 0 && waiting[1].revents == 0) interrupted();
    ::close(arrivals);
  });
}

SignalWatch::~SignalWatch() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(end_, &one, sizeof one);
  thread_.join();
  ::close(end_);
}

}  // namespace earshot::app
