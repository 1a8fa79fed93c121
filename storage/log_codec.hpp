#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/log_types.hpp"

// The bytes of the log environment's records, all sealed (storage/seal.hpp), integers big-endian:
//
//   log         running number(8)  -> group(2) index(8) term(8) type(1) data
//   hard_state  group(2)           -> term(8) voted_for(8)
//   snapshot    group(2)           -> index(8) term(8) configuration_index(8) configuration
//
// Encoders reuse the buffers they are given. Decoders give nothing for a record that fails its checksum or has no such
// form.
namespace earshot::storage {

struct LogRecord {
  GroupId group;
  LogIndex index;
  Term term;
  EntryType type = EntryType::kCommand;
  std::string_view data;
};

void encode_running_number(std::uint64_t number, std::string& key);
std::optional<std::uint64_t> decode_running_number(std::string_view key);
std::string encode_group(GroupId group);
std::optional<GroupId> decode_group(std::string_view key);

void encode_log_record(std::string_view key, GroupId group, const LogEntry& entry, std::string& sealed);
std::optional<LogRecord> decode_log_record(std::string_view key, std::string_view sealed);
// "group 3, index 17" by the header of a record that is not to be trusted, for people who look for what was lost.
std::string describe_damaged_record(std::string_view sealed);

std::string encode_hard_state(std::string_view key, const HardState& state);
std::optional<HardState> decode_hard_state(std::string_view key, std::string_view sealed);

std::string encode_snapshot(std::string_view key, const SnapshotMetadata& snapshot);
std::optional<SnapshotMetadata> decode_snapshot(std::string_view key, std::string_view sealed);

}  // namespace earshot::storage
