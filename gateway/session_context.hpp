#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include <kj/timer.h>

#include "actors/broker.hpp"
#include "base/byte_budget.hpp"
#include "base/error.hpp"
#include "gateway/bridge.hpp"
#include "gateway/call_log.hpp"
#include "gateway/counters.hpp"
#include "gateway/gateway.hpp"
#include "gateway/login_desk.hpp"
#include "gateway/reading_room.hpp"

namespace earshot::gateway {

// Where events from the bridge go: the session of one connection.
class EventTarget {
 public:
  virtual ~EventTarget() noexcept(false) = default;
  virtual void handle(ClientEvent event) = 0;
  // The gateway ends the session, and tells its client why.
  virtual void end(Error reason) = 0;
};

// What the sessions of one KJ thread share. Owned by the thread; sessions leave it before it goes.
struct SessionContext {
  actors::Broker& broker;
  const NodeId node;                              // for log lines
  std::shared_ptr<const actors::PlaceDesk> desk;  // null: the broker keeps no places, and no session asks for them
  LoginDesk& logins;
  std::shared_ptr<Bridge> bridge;
  kj::Timer& timer;
  GatewayOptions options;
  ByteBudget& answers;   // what fetches, histories and large replies take of the node's memory
  ReadingRoom& reading;  // of this thread
  GatewayCounters& counters;
  CallLog calls;                                // of this thread
  const std::atomic<std::size_t>& connections;  // of all threads
  kj::TimePoint began_at = timer.now();
  std::uint16_t resp_port = 0;
  PortId last_port = 0;
  std::unordered_map<PortId, EventTarget*> ports;
  std::size_t calls_in_flight = 0;  // of all sessions here; each may put one answer into the bridge
};

}  // namespace earshot::gateway
