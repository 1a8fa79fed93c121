#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace earshot::gateway {

// What the door of a node had to do since it started. Thread-safe: each number is exact, together they are no snapshot.
struct GatewayCounters {
  using Counter = std::atomic<std::uint64_t>;

  Counter connections_refused{0};  // beyond connections_max
  Counter login_timeouts{0};       // connections without a login in time
  Counter handshakes_failed{0};    // TLS connections that did not come about
  Counter logins_refused{0};       // by their token, or since their origin failed too often
  Counter tokens_expired{0};       // sessions ended by that
  Counter slow_readers{0};         // cut off: took in nothing, or too slowly while memory was short
  Counter slow_senders{0};         // cut off: did not get on with a message, or too slowly while memory was short
  Counter careless_senders{0};     // cut off: called on in spite of kOverloaded
  Counter events_overflowed{0};    // connections closed since the bridge was full
  Counter receivers_failed{0};     // sessions ended since their client's receiver could not take a delivery
  Counter broken_events{0};        // sessions ended since an event could not be passed on
  Counter answers_refused{0};      // fetches refused since answers_bytes_max was reached
  Counter violations{0};           // connections failed by what the client sent or left unfinished
  Counter resp_connections{0};     // of Redis's protocol; a client's id is which of them it was
  Counter resp_commands{0};        //
};

// Those that are not zero, as one line: "login_timeouts 2, violations 1". Empty when nothing was counted.
std::string to_string(const GatewayCounters& counters);

inline void count(GatewayCounters::Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace earshot::gateway
