#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "actors/broker.hpp"
#include "base/byte_budget.hpp"
#include "gateway/bridge.hpp"
#include "gateway/call_stats.hpp"
#include "gateway/counters.hpp"
#include "gateway/gateway.hpp"
#include "gateway/listener.hpp"
#include "gateway/login_desk.hpp"
#include "gateway/reading_room.hpp"
#include "gateway/tls.hpp"

namespace earshot::gateway {

// One KJ thread that serves connections of both protocols; one of a gateway's threads also accepts them. It ends by
// post_stop() on its bridge, after its connections are closed.
class GatewayThread {
 public:
  struct Parts {
    actors::Broker& broker;
    LoginDesk& logins;     // of all threads
    const ServerTls* tls;  // of all threads; null: plaintext
    GatewayOptions options;
    std::shared_ptr<Bridge> bridge;
    std::atomic<std::size_t>& connections;                 // of all threads; counted up by whoever accepts, down here
    ByteBudget& answers;                                   // of all threads
    ReadingRoom& reading;                                  // of this one
    GatewayCounters& counters;                             // of all threads
    CallStats& calls;                                      // of all threads
    std::uint16_t resp_port = 0;                           // 0: Redis's protocol is not served
    std::vector<std::pair<Protocol, Listener>> listeners;  // in the thread that accepts
    std::function<void(AcceptedSocket)> take;              // where that thread puts what it accepts
  };

  explicit GatewayThread(Parts parts);
  ~GatewayThread();
  GatewayThread(const GatewayThread&) = delete;
  GatewayThread& operator=(const GatewayThread&) = delete;

  // Waits for the thread to end; post_stop() first.
  void join();

 private:
  std::shared_ptr<Bridge> bridge_;
  std::thread thread_;
};

}  // namespace earshot::gateway
