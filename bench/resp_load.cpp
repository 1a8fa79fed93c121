#include "resp_load.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resp_replies.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSilenceMaxMs = 60'000;
constexpr std::size_t kReadBytes = 256 << 10;

[[noreturn]] void fail(const char* call) { throw std::system_error(errno, std::generic_category(), call); }

class Descriptor {
 public:
  Descriptor(int number, const char* call) : number_(number) {
    if (number_ < 0) fail(call);
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
    const int yes = 1;
    ::setsockopt(descriptor(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (::fcntl(descriptor(), F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  }

  [[nodiscard]] int descriptor() const { return socket_.get(); }
  [[nodiscard]] const RespReplies& replies() const { return replies_; }
  [[nodiscard]] bool is_idle() const { return waiting_ == 0; }
  [[nodiscard]] Clock::time_point sent_at() const { return sent_at_; }

  void begin(std::uint64_t requests, Clock::time_point now, const MakeRequest& make_request) {
    waiting_ = requests;
    sent_at_ = now;
    out_.clear();
    written_ = 0;
    for (std::uint64_t i = 0; i < requests; ++i) make_request(out_);
  }
  // Writes what the socket takes; whether that was all.
  bool write() {
    while (written_ < out_.size()) {
      const ssize_t count = ::send(descriptor(), out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) return false;
      if (count < 0 && errno != EINTR) fail("send");
      if (count > 0) written_ += static_cast<std::size_t>(count);
    }
    return true;
  }
  // Reads once; the replies that are complete now.
  std::uint64_t read(std::vector<char>& buffer) {
    const ssize_t count = ::recv(descriptor(), buffer.data(), buffer.size(), 0);
    if (count == 0) throw std::runtime_error("the server hung up");
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (count < 0) fail("recv");
    const std::uint64_t complete = replies_.take({buffer.data(), static_cast<std::size_t>(count)});
    if (complete > waiting_) throw std::runtime_error("more replies than requests");
    waiting_ -= complete;
    return complete;
  }

 private:
  Descriptor socket_;
  RespReplies replies_;
  std::uint64_t waiting_ = 0;  // replies
  Clock::time_point sent_at_;
  std::string out_;
  std::size_t written_ = 0;
};

class Load {
 public:
  Load(const RespLoad& load, const MakeRequest& make_request) : load_(load), make_request_(make_request) {
    for (std::uint32_t i = 0; i < load.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>(load.port));
      epoll_event event = interest(*connections_.back(), EPOLLIN);
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_.back()->descriptor(), &event) != 0) fail("epoll_ctl");
    }
    times_us_.reserve(std::min<std::uint64_t>(load.requests_max, 1 << 20));
  }

  RespLoadResult run() {
    begin_ = last_reply_ = Clock::now();
    for (auto& connection : connections_) send_next(*connection, begin_);
    std::array<epoll_event, 64> events;
    while (working_ > 0) {
      const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), kSilenceMaxMs);
      if (ready < 0 && errno == EINTR) continue;
      if (ready < 0) fail("epoll_wait");
      if (ready == 0) throw std::runtime_error("the server said nothing for a minute");
      for (int i = 0; i < ready; ++i) serve(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
    }
    return result();
  }

 private:
  static epoll_event interest(Connection& connection, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &connection;
    return event;
  }

  void serve(Connection& connection, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && connection.write()) watch(connection, EPOLLIN);
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    const std::uint64_t complete = connection.read(buffer_);
    if (complete == 0) return;
    const auto now = last_reply_ = Clock::now();
    times_us_.insert(times_us_.end(), complete,
                     std::chrono::duration<float, std::micro>(now - connection.sent_at()).count());
    if (!connection.is_idle()) return;
    --working_;
    send_next(connection, now);
  }
  void send_next(Connection& connection, Clock::time_point now) {
    if (now - begin_ >= load_.time_max || begun_ == load_.requests_max) return;
    const std::uint64_t requests = std::min<std::uint64_t>(load_.pipeline, load_.requests_max - begun_);
    begun_ += requests;
    ++working_;
    connection.begin(requests, now, make_request_);
    if (!connection.write()) watch(connection, EPOLLIN | EPOLLOUT);
  }
  void watch(Connection& connection, std::uint32_t events) {
    epoll_event event = interest(connection, events);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.descriptor(), &event) != 0) fail("epoll_ctl");
  }
  RespLoadResult result() {
    RespLoadResult result;
    result.requests = times_us_.size();
    result.seconds = std::chrono::duration<double>(last_reply_ - begin_).count();
    for (const auto& connection : connections_) {
      const RespReplies& replies = connection->replies();
      if (result.errors == 0) result.first_error = replies.first_error();
      result.errors += replies.errors();
      result.strings += replies.strings();
    }
    if (times_us_.empty()) return result;
    const auto p99 = times_us_.begin() + static_cast<std::ptrdiff_t>((times_us_.size() - 1) * 99 / 100);
    std::nth_element(times_us_.begin(), p99, times_us_.end());
    result.p99_us = static_cast<double>(*p99);
    return result;
  }

  const RespLoad& load_;
  const MakeRequest& make_request_;
  Descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  std::vector<float> times_us_;
  Clock::time_point begin_;
  Clock::time_point last_reply_;
  std::uint64_t begun_ = 0;
  std::uint32_t working_ = 0;  // connections that wait for replies
};

}  // namespace

RespLoadResult run_load(const RespLoad& load, const MakeRequest& make_request) {
  return Load(load, make_request).run();
}

}  // namespace earshot::bench
