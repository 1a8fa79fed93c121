#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "client/client.hpp"

namespace earshot::client {

// A count that one thread changes and any thread reads.
class Counter {
 public:
  void operator+=(std::uint64_t n) { value_.store(get() + n, std::memory_order_relaxed); }
  void operator++() { *this += 1; }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// What Stats shows, less what the intake knows.
struct Counters {
  Counter sent, refused, uncertain, resent, repeats_answered, held, send_calls, received, repeats_dropped, rejected,
      lost, gaps_repaired, checksum_failures, store_failures, acks, connects, last_received, connected;
  std::array<Counter, kFetchCauses> fetches;

  [[nodiscard]] Stats snapshot() const {
    Stats stats;
    stats.sent = sent.get(), stats.refused = refused.get(), stats.uncertain = uncertain.get();
    stats.resent = resent.get(), stats.repeats_answered = repeats_answered.get(), stats.held = held.get();
    stats.send_calls = send_calls.get();
    stats.received = received.get(), stats.repeats_dropped = repeats_dropped.get(), stats.rejected = rejected.get();
    stats.lost = lost.get(), stats.gaps_repaired = gaps_repaired.get();
    stats.checksum_failures = checksum_failures.get(), stats.store_failures = store_failures.get();
    stats.acks = acks.get(), stats.connects = connects.get();
    stats.reconnects = stats.connects > 0 ? stats.connects - 1 : 0;
    stats.last_received = Sequence(last_received.get()), stats.connected = connected.get() != 0;
    for (std::size_t i = 0; i < kFetchCauses; ++i) stats.fetches[i] = fetches[i].get();
    return stats;
  }
};

}  // namespace earshot::client
