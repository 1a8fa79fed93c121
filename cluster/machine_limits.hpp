#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.hpp"

namespace earshot::cluster {

// The bounds that a shard's state machine keeps. All but the last three decide what is stored, so they must be the same
// on every replica of a shard and for the whole life of its log: the product uses the defaults, tests use small ones.
struct MachineLimits {
  std::size_t lane_window_max = limits::kLaneWindowMax;
  std::uint64_t mailbox_messages_max = limits::kMailboxMessagesMax;
  std::uint32_t devices_per_user_max = limits::kDevicesPerUserMax;
  std::size_t selective_acks_max = limits::kSelectiveAcksMax;
  std::uint64_t outbox_records_max = limits::kOutboxRecordsMax;
  std::size_t attempts_kept_max = limits::kAttemptsKeptMax;
  std::size_t ack_marks_max = limits::kAckMarksMax;
  std::uint32_t parked_per_device_max = limits::kParkedPerDeviceMax;
  std::size_t expiries_per_entry_max = limits::kExpiriesPerEntryMax;
  std::size_t trims_per_append_max = limits::kTrimsPerAppendMax;
  std::size_t sweep_records_per_entry_max = limits::kSweepRecordsPerEntryMax;
  std::uint64_t sweep_interval_ms = limits::kSweepIntervalMs;
  std::uint64_t producer_idle_ms_max = limits::kProducerIdleMsMax;
  std::uint64_t forgotten_producer_ms = limits::kForgottenProducerMs;
  std::uint64_t last_login_ms = limits::kLastLoginMs;
  std::size_t layers_max = limits::kLayersMax;
  std::size_t explain_messages_max = limits::kExplainMessagesMax;
  std::size_t lost_ranges_max = limits::kLostRangesMax;
  std::size_t cache_bytes_max = limits::kStateCacheBytesMax;
};

}  // namespace earshot::cluster
