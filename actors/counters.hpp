#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/error.hpp"
#include "base/histogram.hpp"
#include "schema/messages.hpp"

namespace earshot::actors {

// Why a message goes to a device that may have had it already.
enum class RetransmitCause : std::uint8_t {
  kTimer = 0,      // not acked in time
  kNack = 1,       // the client asked for it again
  kWithNew = 2,    // not acked for half its time when new messages came along
  kReconnect = 3,  // it was waiting in the mailbox when the device logged in
};
inline constexpr std::size_t kRetransmitCauses = 4;
inline constexpr std::size_t kErrorCodes = static_cast<std::size_t>(ErrorCode::kExpired) + 1;

// What the sessions of a node have done since it started; shared by all of them. Thread-safe: each number is exact,
// together they are no snapshot.
struct SessionCounters {
  using Counter = std::atomic<std::uint64_t>;

  Counter sends{0};                                      // messages that clients handed in
  Counter stored{0};                                     // answered: in its mailbox
  Counter repeats{0};                                    // answered: it was answered before, and this is that again
  std::array<Counter, kErrorCodes> refused{};            // answered: not taken, for good, by code
  std::array<Counter, kErrorCodes> held{};               // answered: not taken now, by code
  Counter deliveries{0};                                 // batches given to clients
  Counter messages_delivered{0};                         // messages in them, repeats included
  std::array<Counter, kRetransmitCauses> retransmits{};  // messages by cause
  Counter acks{0};                                       // that clients made, merged ones each by itself
  Counter logins{0};                                     // that got their welcome
  Counter evicted{0};                                    // sessions that another one, or their shard, has put out
  Counter windows_given_up{0};                           // sessions that ended for want of memory for windows
  Counter mailbox_reads{0};                              // reads made to fill a window, not asked for by the client
  std::array<Counter, kFetchCauses> refetches{};         // the client's own fetches by its cause

  Counter& retransmits_of(RetransmitCause cause) { return retransmits[static_cast<std::size_t>(cause)]; }
  // Causes and codes may come from outside: an unknown one counts as the first.
  Counter& refetches_of(FetchCause cause) { return refetches[known(static_cast<std::size_t>(cause), kFetchCauses)]; }
  Counter& held_of(ErrorCode code) { return held[known(static_cast<std::size_t>(code), kErrorCodes)]; }
  Counter& refused_of(ErrorCode code) { return refused[known(static_cast<std::size_t>(code), kErrorCodes)]; }

 private:
  static std::size_t known(std::size_t value, std::size_t end) { return value < end ? value : 0; }
};

inline void count(SessionCounters::Counter& counter, std::uint64_t n = 1) {
  counter.fetch_add(n, std::memory_order_relaxed);
}

// What one of the writers has done, and what its shards have given it to do. Thread-safe, as above.
struct WriterCounters {
  DurationHistogram commits;               // how long each took, its sync included
  BatchHistogram batches;                  // writes, or overlays, in each
  std::atomic<std::uint64_t> failed{0};    // attempts that found no room
  std::atomic<std::uint64_t> began_ms{0};  // monotonic: since when one is under way; 0: none is
};

}  // namespace earshot::actors
