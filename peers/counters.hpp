#pragma once

#include <atomic>
#include <cstdint>

namespace earshot::peers {

// What the links of a node have done since it started. Thread-safe: each number is exact, together they are no
// snapshot.
struct PeerCounters {
  using Counter = std::atomic<std::uint64_t>;

  Counter frames_sent{0};
  Counter bytes_sent{0};  // on the wire, before TLS
  Counter writes{0};
  Counter frames_received{0};
  Counter bytes_received{0};
  Counter sends_refused{0};      // no link, or no room
  Counter links_up{0};           // how often one came up
  Counter links_broken{0};       // how often one ended against the will of this node
  Counter links_silent{0};       // of these: the other end was not heard
  Counter links_stalled{0};      // of these: the other end took nothing
  Counter frames_broken{0};      // of these: bytes that were altered, too many, or no frames
  Counter guests_refused{0};     // connections of others that became no link, told why
  Counter guests_failed{0};      // that said nothing, or nothing that can be read
  Counter dials_failed{0};       //
  Counter requests_answered{0};  // of joiners
};

inline void count(PeerCounters::Counter& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace earshot::peers
