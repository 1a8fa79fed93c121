#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "actors/counters.hpp"
#include "base/error.hpp"
#include "base/histogram.hpp"
#include "gateway/bridge.hpp"
#include "resp/command.hpp"
#include "schema/places.hpp"

namespace earshot::gateway {

// What clients call, as far as it is told apart by those who watch.
enum class CallKind : std::uint8_t {
  kLogin,
  kSend,
  kSubscribe,
  kAck,
  kNack,
  kFetch,
  kHistory,
  kManage,  // devices, parked messages, policies, explanations
  kSetPositions,
  kClearPositions,
  kNearby,
  kPositions,  // of members, as positions, geohashes or scores
  kDistance,
  kLayers,  // which there are, how many are in them, and who, in order of their scores
  kStore,   // what a search finds becomes a layer
  kPrivacy,
  kCluster,  // how the cluster is
};
inline constexpr std::size_t kCallKinds = static_cast<std::size_t>(CallKind::kCluster) + 1;
inline constexpr std::size_t kProtocols = 2;
inline constexpr std::size_t kCompletenesses = 3;

// As in metrics and log lines: "set_positions".
std::string_view name_of(CallKind kind);
// Whether such a call can be made in this protocol.
bool is_call_of(CallKind kind, Protocol protocol);
// Whether it asks where somebody is.
bool is_place_query(CallKind kind);
CallKind kind_of(const PlacesRequest& request);
// Precondition: the command has to do with places.
CallKind kind_of(const resp::Command& command);

// What clients have called since the start, and how long the answers took: from when a call was decoded to when its
// answer was handed to the connection. Thread-safe: each number is exact, together they are no snapshot.
struct CallStats {
  using Counter = std::atomic<std::uint64_t>;

  std::array<std::array<DurationHistogram, kCallKinds>, kProtocols> durations;
  std::array<std::array<Counter, kCompletenesses>, kCallKinds> place_queries{};  // those that were answered
  BatchHistogram send_batches;                                                   // messages in a send
  std::array<Counter, actors::kErrorCodes> refused{};           // calls answered with an error, by code
  std::array<Counter, actors::kErrorCodes> messages_held{};     // of sends, before their session heard of them …
  std::array<Counter, actors::kErrorCodes> messages_refused{};  // … and those that have no place in a lane
  Counter slow{0};                                              // calls that took longer than slow_call_ms

  DurationHistogram& duration(Protocol protocol, CallKind kind) {
    return durations[static_cast<std::size_t>(protocol)][static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] const DurationHistogram& duration(Protocol protocol, CallKind kind) const {
    return durations[static_cast<std::size_t>(protocol)][static_cast<std::size_t>(kind)];
  }
  void note_query(CallKind kind, Completeness completeness) {
    place_queries[static_cast<std::size_t>(kind)][static_cast<std::size_t>(completeness)].fetch_add(
        1, std::memory_order_relaxed);
  }
  // A code that nobody knows counts as the first: it may come from elsewhere.
  static void count(std::array<Counter, actors::kErrorCodes>& of, ErrorCode code, std::uint64_t n = 1) {
    const auto place = static_cast<std::size_t>(code);
    of[place < of.size() ? place : 0].fetch_add(n, std::memory_order_relaxed);
  }
};

}  // namespace earshot::gateway
