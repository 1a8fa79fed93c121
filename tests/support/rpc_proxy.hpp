#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <capnp/rpc.capnp.h>
#include <kj/array.h>

namespace earshot::tests {

// Stands between clients and a node on loopback and does what a network does to messages, one call at a time: lets it
// through, loses it, or holds it back. Cap'n Proto's other messages always pass.
class RpcProxy {
 public:
  enum class Fate : std::uint8_t {
    kPass,
    kLose,  // the other side never gets it; whoever called waits for ever
    kHold   // until release()
  };
  // One call on its way. `bytes` is the whole message, which may be altered.
  struct Call {
    std::uint64_t interface = 0;
    std::uint16_t method = 0;
    kj::ArrayPtr<kj::byte> bytes;
    template <class Interface>
    [[nodiscard]] bool is(std::uint16_t number) const {
      return interface == capnp::typeId<Interface>() && method == number;
    }
  };
  // Asked on the proxy's threads, once at a time.
  using Judge = std::function<Fate(Call&)>;

  RpcProxy(std::uint16_t node_port, Judge judge);
  ~RpcProxy();
  RpcProxy(const RpcProxy&) = delete;
  RpcProxy& operator=(const RpcProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // What was held back goes on its way now.
  void release();

 private:
  class Socket;
  struct Held {
    std::shared_ptr<Socket> to;
    kj::Array<capnp::word> message;
  };

  void accept();
  void pump(const std::shared_ptr<Socket>& from, const std::shared_ptr<Socket>& to);
  Fate judge(kj::ArrayPtr<capnp::word> message);

  const std::uint16_t node_port_;
  const Judge judge_;
  std::unique_ptr<Socket> listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Socket>> sockets_;  // guarded by mutex_, as the rest
  std::vector<std::thread> pumps_;
  std::vector<Held> held_;
  bool ends_ = false;
  std::thread acceptor_;
};

}  // namespace earshot::tests
