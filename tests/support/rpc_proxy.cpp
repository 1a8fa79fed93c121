#include "tests/support/rpc_proxy.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/io.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace earshot::tests {

// A TCP socket; messages are written to it whole, by any thread.
class RpcProxy::Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {
    if (descriptor_ < 0) throw std::runtime_error("the proxy cannot have a socket");
    const int on = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Socket() { ::close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  // Ends reading and writing, also where a thread is at it.
  void shut() { ::shutdown(descriptor_, SHUT_RDWR); }

  bool read(void* to, std::size_t bytes) {
    auto* next = static_cast<char*>(to);
    while (bytes > 0) {
      const ssize_t count = ::recv(descriptor_, next, bytes, 0);
      if (count <= 0) return false;
      next += count, bytes -= static_cast<std::size_t>(count);
    }
    return true;
  }
  bool write(kj::ArrayPtr<const capnp::word> message) {
    const std::lock_guard lock(mutex_);
    auto bytes = message.asBytes();
    while (bytes.size() > 0) {
      const ssize_t count = ::send(descriptor_, bytes.begin(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes = bytes.slice(static_cast<std::size_t>(count), bytes.size());
    }
    return true;
  }
  // One message with its frame: the number of segments less one, their sizes in words, padding, the segments.
  bool read_message(kj::Array<capnp::word>& message) {
    std::uint32_t first = 0;
    if (!read(&first, sizeof first)) return false;
    const std::size_t segments = std::size_t{first} + 1;
    std::vector<std::uint32_t> frame(1 + segments + (segments % 2 == 0 ? 1 : 0));
    frame[0] = first;
    if (!read(&frame[1], (frame.size() - 1) * sizeof first)) return false;
    std::size_t words = frame.size() / 2;
    for (std::size_t i = 1; i <= segments; ++i) words += frame[i];
    message = kj::heapArray<capnp::word>(words);
    auto bytes = message.asBytes();
    const std::size_t frame_bytes = frame.size() * sizeof first;
    std::copy_n(reinterpret_cast<const kj::byte*>(frame.data()), frame_bytes, bytes.begin());
    return read(bytes.begin() + frame_bytes, bytes.size() - frame_bytes);
  }

 private:
  const int descriptor_;
  std::mutex mutex_;
};

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int new_socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

}  // namespace

RpcProxy::RpcProxy(std::uint16_t node_port, Judge judge)
    : node_port_(node_port), judge_(std::move(judge)), listener_(std::make_unique<Socket>(new_socket())) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_->descriptor(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_->descriptor(), SOMAXCONN) != 0 ||
      ::getsockname(listener_->descriptor(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("the proxy cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

RpcProxy::~RpcProxy() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    for (const auto& socket : sockets_) socket->shut();
  }
  listener_->shut();
  acceptor_.join();
  for (auto& pump : pumps_) pump.join();
}

void RpcProxy::accept() {
  for (;;) {
    const int accepted = ::accept4(listener_->descriptor(), nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) return;
    const auto client = std::make_shared<Socket>(accepted);
    const auto node = std::make_shared<Socket>(new_socket());
    const sockaddr_in address = loopback(node_port_);
    if (::connect(node->descriptor(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) continue;
    const std::lock_guard lock(mutex_);
    if (ends_) return;
    sockets_.insert(sockets_.end(), {client, node});
    pumps_.emplace_back([this, client, node] { pump(client, node); });
    pumps_.emplace_back([this, client, node] { pump(node, client); });
  }
}

void RpcProxy::pump(const std::shared_ptr<Socket>& from, const std::shared_ptr<Socket>& to) {
  kj::Array<capnp::word> message;
  while (from->read_message(message)) {
    {
      const std::lock_guard lock(mutex_);
      const Fate fate = judge(message);
      if (fate == Fate::kHold) held_.push_back(Held{to, kj::mv(message)});
      if (fate != Fate::kPass) continue;
    }
    if (!to->write(message)) break;
  }
  from->shut();
  to->shut();
}

RpcProxy::Fate RpcProxy::judge(kj::ArrayPtr<capnp::word> message) {
  capnp::FlatArrayMessageReader reader(message);
  const auto root = reader.getRoot<capnp::rpc::Message>();
  if (!root.isCall()) return Fate::kPass;
  Call call{root.getCall().getInterfaceId(), root.getCall().getMethodId(), message.asBytes()};
  return judge_(call);
}

void RpcProxy::release() {
  const std::lock_guard lock(mutex_);
  for (const auto& held : std::exchange(held_, {})) held.to->write(held.message);
}

}  // namespace earshot::tests
