#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/client_eventually.hpp"
#include "transport/socket_progress.hpp"

namespace earshot::tests {

// Stands between clients and a server on loopback and lets as many bytes through, each way, as the test says: a slow
// line without its time. It holds few bytes itself, so that what is not let through stays at its sender.
class ByteRelay {
 public:
  enum Way : std::size_t { kUp, kDown };  // to the server, to the client
  static constexpr int kBufferBytes = 64 << 10;
  // So many bytes do not pass unless the sender's kernel hears that some of them have.
  static constexpr std::size_t kStepBytes = 512 << 10;

  // `enter`: done once by the thread that connects to the server, so that it does that from another network.
  explicit ByteRelay(std::uint16_t server_port, std::function<void()> enter = {})
      : server_port_(server_port), enter_(std::move(enter)) {
    revive();
  }
  ~ByteRelay() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    changed_.notify_all();
    stop_listening();
    for (std::thread& pump : pumps_) pump.join();
    for (const int socket : sockets_) ::close(socket);
  }
  ByteRelay(const ByteRelay&) = delete;
  ByteRelay& operator=(const ByteRelay&) = delete;

  // As if the node behind it had died: every connection breaks, and new ones are refused until revive().
  void kill() {
    stop_listening();
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  // On the same port as before; one that lives goes on.
  void revive() {
    if (acceptor_.joinable()) return;
    listener_ = new_socket();
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = loopback(port_);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, SOMAXCONN) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("the relay cannot listen");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this, listener = listener_] {
      if (enter_) enter_();
      accept(listener);
    });
  }

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Nothing passes any more, but for a buffer that was waited for already.
  void hold(Way way) { set(way, 0); }
  void open(Way way) { set(way, SIZE_MAX); }
  // Turns over one bit of what passes next, as a network that checks little does.
  void flip(Way way) { flips_[way] = true; }
  // Lets so many bytes through; whether they have arrived.
  bool let_through(Way way, std::size_t bytes) {
    set(way, bytes);
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return allowed_[way] == 0 && std::all_of(sockets_.begin(), sockets_.end(), [](int socket) {
               const auto moved = transport::socket_progress(socket);
               return moved && moved->bytes_waiting == 0;
             });
    });
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static int new_socket() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) throw std::runtime_error("the relay cannot have a socket");
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);  // accepted ones get it from here
    return socket;
  }

  void set(Way way, std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      allowed_[way] = bytes;
    }
    changed_.notify_all();
  }

  void stop_listening() {
    if (!acceptor_.joinable()) return;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
  }

  void accept(int listener) {
    for (;;) {
      const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      const int server = new_socket();
      const sockaddr_in address = loopback(server_port_);
      const bool connected = ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      const std::lock_guard lock(mutex_);
      sockets_.insert(sockets_.end(), {client, server});
      if (ends_ || !connected) return;
      pumps_.emplace_back([this, client, server] { pump(client, server, kUp); });
      pumps_.emplace_back([this, client, server] { pump(server, client, kDown); });
    }
  }

  void pump(int from, int to, Way way) {
    std::vector<char> buffer(kBufferBytes);
    for (;;) {
      std::size_t size = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ends_ || allowed_[way] > 0; });
        size = std::min(buffer.size(), allowed_[way]);
      }
      const ssize_t got = ::recv(from, buffer.data(), size, 0);
      if (got > 0 && flips_[way].exchange(false)) buffer[static_cast<std::size_t>(got) / 2] ^= 4;
      if (got <= 0 || ::send(to, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) break;
      const std::lock_guard lock(mutex_);
      if (allowed_[way] != SIZE_MAX) allowed_[way] -= std::min(allowed_[way], static_cast<std::size_t>(got));
    }
    ::shutdown(from, SHUT_RDWR);
    ::shutdown(to, SHUT_RDWR);
  }

  const std::uint16_t server_port_;
  const std::function<void()> enter_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t allowed_[2] = {SIZE_MAX, SIZE_MAX};
  std::atomic<bool> flips_[2] = {false, false};
  std::vector<int> sockets_;
  std::list<std::thread> pumps_;
  bool ends_ = false;
  std::thread acceptor_;
};

}  // namespace earshot::tests
