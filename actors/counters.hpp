#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/error.hpp"
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
inline constexpr std::size_t kErrorCodes = static_cast<std::size_t>(ErrorCode::kConflict) + 1;

// What the sessions of a node have done since it started; shared by all of them. Thread-safe: each number is exact,
// together they are no snapshot.
struct SessionCounters {
  using Counter = std::atomic<std::uint64_t>;

  Counter sends{0};                                      // messages that clients handed in
  std::array<Counter, kErrorCodes> held{};               // Held answers by code
  Counter deliveries{0};                                 // batches given to clients
  Counter messages_delivered{0};                         // messages in them, repeats included
  std::array<Counter, kRetransmitCauses> retransmits{};  // messages by cause
  Counter windows_given_up{0};                           // sessions that ended for want of memory for windows
  Counter mailbox_reads{0};                              // reads made to fill a window, not asked for by the client
  std::array<Counter, kFetchCauses> refetches{};         // the client's own fetches by its cause

  Counter& retransmits_of(RetransmitCause cause) { return retransmits[static_cast<std::size_t>(cause)]; }
  // Causes and codes may come from outside: an unknown one counts as the first.
  Counter& refetches_of(FetchCause cause) { return refetches[known(static_cast<std::size_t>(cause), kFetchCauses)]; }
  Counter& held_of(ErrorCode code) { return held[known(static_cast<std::size_t>(code), kErrorCodes)]; }

 private:
  static std::size_t known(std::size_t value, std::size_t end) { return value < end ? value : 0; }
};

inline void count(SessionCounters::Counter& counter, std::uint64_t n = 1) {
  counter.fetch_add(n, std::memory_order_relaxed);
}

}  // namespace earshot::actors
