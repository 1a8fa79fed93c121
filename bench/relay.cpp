#include "relay.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "storage/files.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;
using storage::FileDescriptor;

constexpr std::size_t kReceivers = 16;
constexpr auto kEvery = std::chrono::microseconds(200);
constexpr std::size_t kAnswerBytes = 144;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kFileBytes = 64 << 20;

struct Message {
  std::uint64_t number = 0;
  std::array<char, 400> body{};
};

void check(bool works, const char* what) {
  if (!works) throw std::runtime_error(std::string("the relay cannot ") + what);
}

// What one thread gives another, with a bell.
class Box {
 public:
  void put(const std::vector<Message>& messages) {
    bool rings = false;
    {
      const std::lock_guard lock(mutex_);
      rings = messages_.empty();
      messages_.insert(messages_.end(), messages.begin(), messages.end());
    }
    if (rings) ring();
  }
  void ring() const {
    const std::uint64_t one = 1;
    check(::write(bell_.get(), &one, sizeof one) == sizeof one, "ring");
  }
  // Waits for the bell; empty when it was rung for an end.
  std::vector<Message> take() {
    std::uint64_t rung = 0;
    check(::read(bell_.get(), &rung, sizeof rung) == sizeof rung, "wait");
    return take_now();
  }
  std::vector<Message> take_now() {
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }
  [[nodiscard]] int bell() const { return bell_.get(); }

 private:
  const FileDescriptor bell_{::eventfd(0, EFD_CLOEXEC)};
  std::mutex mutex_;
  std::vector<Message> messages_;
};

struct Connection {
  FileDescriptor near;  // the client's end
  FileDescriptor far;
};

Connection connection() {
  const FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t bytes = sizeof address;
  check(::bind(listener.get(), any, bytes) == 0 && ::listen(listener.get(), 1) == 0, "listen");
  check(::getsockname(listener.get(), any, &bytes) == 0, "find its port");
  Connection made{FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), FileDescriptor()};
  check(::connect(made.near.get(), any, bytes) == 0, "connect");
  made.far = FileDescriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const int on = 1;
  for (const int end : {made.near.get(), made.far.get()})
    check(::setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "set TCP_NODELAY");
  return made;
}

// Calls `ready` with the place of each descriptor that can be read, until `over`.
template <class Ready>
void serve(const std::vector<int>& descriptors, const std::atomic<bool>& over, Ready ready) {
  const FileDescriptor poll(::epoll_create1(EPOLL_CLOEXEC));
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    epoll_event event{EPOLLIN, {}};
    event.data.u64 = i;
    check(::epoll_ctl(poll.get(), EPOLL_CTL_ADD, descriptors[i], &event) == 0, "poll");
  }
  std::array<epoll_event, 32> events{};
  while (!over) {
    const int count = ::epoll_wait(poll.get(), events.data(), events.size(), 100);
    for (int i = 0; i < count; ++i) ready(events[i].data.u64);
  }
}

// Whole messages out of a stream.
class Reader {
 public:
  std::vector<Message> read(int descriptor) {
    const ssize_t bytes = ::read(descriptor, buffer_.data() + held_, buffer_.size() - held_);
    check(bytes >= 0, "read");
    held_ += static_cast<std::size_t>(bytes);
    std::vector<Message> messages(held_ / sizeof(Message));
    const std::size_t whole = messages.size() * sizeof(Message);
    if (whole > 0) std::memcpy(messages.data(), buffer_.data(), whole);
    std::memmove(buffer_.data(), buffer_.data() + whole, held_ -= whole);
    return messages;
  }

 private:
  std::vector<char> buffer_ = std::vector<char>(64 << 10);
  std::size_t held_ = 0;
};

void write_all(int descriptor, const void* bytes, std::size_t count) {
  check(::write(descriptor, bytes, count) == static_cast<ssize_t>(count), "write");
}

// Appends to a file that has its blocks already, as a node's log has.
class Log {
 public:
  explicit Log(const std::string& path)
      : file_(::open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600)), page_(1 << 20) {
    for (std::size_t at = 0; at < kFileBytes; at += page_.size()) write_all(file_.get(), page_.data(), page_.size());
    check(::fsync(file_.get()) == 0, "sync");
  }
  void append(const std::vector<Message>& messages) {
    const std::size_t bytes = std::min(messages.size() * sizeof(Message), page_.size());
    std::memcpy(page_.data(), messages.data(), bytes);
    const iovec whole_pages{page_.data(), (bytes + kPageBytes - 1) / kPageBytes * kPageBytes};
    if (at_ + whole_pages.iov_len > kFileBytes) at_ = 0;
    check(::pwritev2(file_.get(), &whole_pages, 1, static_cast<off_t>(at_), RWF_DSYNC) > 0, "append");
    at_ += whole_pages.iov_len;
  }

 private:
  const FileDescriptor file_;
  std::vector<char> page_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<double> relay_us(const std::string& directory, std::uint64_t messages) {
  Log log(directory + "/relay");
  const Connection sends = connection();
  std::vector<Connection> receives;
  for (std::size_t i = 0; i < kReceivers; ++i) receives.push_back(connection());
  Box to_send, to_log, logged;
  std::vector<Clock::time_point> sent_at(messages);
  std::vector<double> times_us(messages);
  std::atomic<std::uint64_t> arrived = 0;
  std::atomic<bool> over = false;

  std::jthread sender([&] {
    while (!over)
      if (const auto taken = to_send.take(); !taken.empty())
        write_all(sends.near.get(), taken.data(), taken.size() * sizeof(Message));
  });
  std::jthread writer([&] {
    while (!over)
      for (auto taken = to_log.take(); !taken.empty(); taken = to_log.take_now()) {
        log.append(taken);
        logged.put(taken);
      }
  });
  std::jthread server([&] {
    std::vector<int> ends{logged.bell(), sends.far.get()};
    for (const Connection& each : receives) ends.push_back(each.far.get());
    Reader reader;
    std::array<char, 1024> answers{};
    serve(ends, over, [&](std::size_t place) {
      if (place == 1) return to_log.put(reader.read(ends[1]));
      if (place > 1) return check(::read(ends[place], answers.data(), answers.size()) >= 0, "read");
      for (const Message& each : logged.take()) write_all(ends[2 + each.number % kReceivers], &each, sizeof each);
      write_all(sends.far.get(), answers.data(), kAnswerBytes);
    });
  });
  std::jthread receiver([&] {
    std::vector<int> ends{sends.near.get()};
    for (const Connection& each : receives) ends.push_back(each.near.get());
    std::vector<Reader> readers(ends.size());
    std::vector<std::uint64_t> seen(ends.size());
    std::array<char, 16 << 10> answers{};
    serve(ends, over, [&](std::size_t place) {
      if (place == 0) return check(::read(ends[0], answers.data(), answers.size()) >= 0, "read");
      for (const Message& each : readers[place].read(ends[place])) {
        const auto taken = Clock::now() - sent_at[each.number];
        times_us[each.number] = std::chrono::duration<double, std::micro>(taken).count();
        if (++seen[place] % 2 == 0) write_all(ends[place], answers.data(), kAnswerBytes);
        if (++arrived == messages) arrived.notify_all();
      }
    });
  });

  auto turn = Clock::now();
  for (std::uint64_t i = 0; i < messages; ++i, turn += kEvery) {
    std::this_thread::sleep_until(turn);
    sent_at[i] = Clock::now();
    to_send.put({Message{i, {}}});
  }
  for (auto now = arrived.load(); now < messages; now = arrived.load()) arrived.wait(now);
  over = true;
  for (const Box* each : {&to_send, &to_log, &logged}) each->ring();
  for (std::jthread* each : {&sender, &writer, &server, &receiver}) each->join();
  ::unlink((directory + "/relay").c_str());
  return times_us;
}

}  // namespace earshot::bench
