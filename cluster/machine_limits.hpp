#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.hpp"

namespace earshot::cluster {

// The bounds that a shard's state machine keeps. All but the cache's decide results, so they must be the same on every
// replica of a shard and for the whole life of its log: the product uses the defaults, tests use small ones.
struct MachineLimits {
  std::size_t lane_window_max = limits::kLaneWindowMax;
  std::uint64_t mailbox_messages_max = limits::kMailboxMessagesMax;
  std::uint32_t devices_per_user_max = limits::kDevicesPerUserMax;
  std::size_t selective_acks_max = limits::kSelectiveAcksMax;
  std::uint64_t outbox_records_max = limits::kOutboxRecordsMax;
  std::size_t cache_bytes_max = limits::kStateCacheBytesMax;
};

}  // namespace earshot::cluster
