#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace earshot::tests {

// A long line to a server on loopback: what goes in comes out so much later, each way, as fast as it went in.
class DelayRelay {
 public:
  DelayRelay(std::uint16_t port, std::uint16_t server_port, std::chrono::milliseconds delay)
      : server_port_(server_port), delay_(delay), listener_(new_socket()) {
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, SOMAXCONN) != 0)
      throw std::runtime_error("the relay cannot listen");
    acceptor_ = std::thread([this] { accept(); });
  }
  ~DelayRelay() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (const auto& line : lines_) line->end();
    lines_.clear();
  }
  DelayRelay(const DelayRelay&) = delete;
  DelayRelay& operator=(const DelayRelay&) = delete;

  // Of what goes in from now on.
  void set_delay(std::chrono::milliseconds delay) { delay_ = delay; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kChunkBytes = 64 << 10;
  static constexpr std::size_t kOnTheWayMax = 1'024;  // chunks; then its sender waits

  // One way through: whoever reads gives to whoever writes.
  class Way {
   public:
    Way(int from, int to, const std::atomic<std::chrono::milliseconds>& delay) : from_(from), to_(to), delay_(delay) {
      reader_ = std::thread([this] { read(); });
      writer_ = std::thread([this] { write(); });
    }
    ~Way() {
      reader_.join();
      writer_.join();
    }
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;

   private:
    struct Chunk {
      Clock::time_point due;
      std::string bytes;  // none: the end
    };
    void read() {
      std::string buffer(kChunkBytes, '\0');
      for (ssize_t got = 1; got > 0;) {
        got = ::recv(from_, buffer.data(), buffer.size(), 0);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return broken_ || chunks_.size() < kOnTheWayMax; });
        if (broken_) return;
        chunks_.push_back(
            {Clock::now() + delay_.load(), got > 0 ? buffer.substr(0, static_cast<std::size_t>(got)) : ""});
        changed_.notify_all();
      }
    }
    void write() {
      for (;;) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !chunks_.empty(); });
        const Chunk chunk = std::move(chunks_.front());
        chunks_.pop_front();
        changed_.notify_all();
        lock.unlock();
        std::this_thread::sleep_until(chunk.due);
        if (chunk.bytes.empty() || !send_all(chunk.bytes)) break;
      }
      const std::lock_guard lock(mutex_);
      broken_ = true;
      ::shutdown(to_, SHUT_RDWR);
      ::shutdown(from_, SHUT_RDWR);
      changed_.notify_all();
    }
    bool send_all(const std::string& bytes) const {
      for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t more = ::send(to_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (more <= 0) return false;
        sent += static_cast<std::size_t>(more);
      }
      return true;
    }

    const int from_;
    const int to_;
    const std::atomic<std::chrono::milliseconds>& delay_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Chunk> chunks_;
    bool broken_ = false;
    std::thread reader_;
    std::thread writer_;
  };

  class Line {
   public:
    Line(int client, int server, const std::atomic<std::chrono::milliseconds>& delay)
        : client_(client),
          server_(server),
          up_(std::make_unique<Way>(client, server, delay)),
          down_(std::make_unique<Way>(server, client, delay)) {}
    ~Line() {
      up_.reset();
      down_.reset();
      ::close(client_);
      ::close(server_);
    }
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    void end() const {
      ::shutdown(client_, SHUT_RDWR);
      ::shutdown(server_, SHUT_RDWR);
    }

   private:
    const int client_;
    const int server_;
    std::unique_ptr<Way> up_;
    std::unique_ptr<Way> down_;
  };

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static int new_socket() {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) throw std::runtime_error("the relay cannot have a socket");
    return made;
  }

  void accept() {
    const int on = 1;
    for (;;) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      const int server = new_socket();
      const sockaddr_in address = loopback(server_port_);
      if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(client);
        ::close(server);
        continue;
      }
      ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      lines_.push_back(std::make_unique<Line>(client, server, delay_));
    }
  }

  const std::uint16_t server_port_;
  std::atomic<std::chrono::milliseconds> delay_;
  const int listener_;
  std::list<std::unique_ptr<Line>> lines_;  // the acceptor's, then the destructor's
  std::thread acceptor_;
};

}  // namespace earshot::tests
