#include "storage/log_codec.hpp"

#include "storage/keys.hpp"
#include "storage/seal.hpp"

namespace earshot::storage {
namespace {

using keys::append_big_endian;
using keys::read_big_endian;

constexpr std::size_t kGroupBytes = 2;
constexpr std::size_t kIndexOffset = kGroupBytes;
constexpr std::size_t kTermOffset = kIndexOffset + 8;
constexpr std::size_t kTypeOffset = kTermOffset + 8;
constexpr std::size_t kDataOffset = kTypeOffset + 1;
constexpr std::size_t kSnapshotHeaderBytes = 24;

bool is_entry_type(std::uint64_t type) {
  return type >= static_cast<std::uint64_t>(EntryType::kCommand) &&
         type <= static_cast<std::uint64_t>(EntryType::kConfiguration);
}

}  // namespace

void encode_running_number(std::uint64_t number, std::string& key) {
  key.clear();
  append_big_endian(key, number);
}

std::optional<std::uint64_t> decode_running_number(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  return read_big_endian(key, 0);
}

std::string encode_group(GroupId group) {
  std::string key;
  append_big_endian(key, group.value, kGroupBytes);
  return key;
}

std::optional<GroupId> decode_group(std::string_view key) {
  if (key.size() != kGroupBytes) return std::nullopt;
  return GroupId(static_cast<std::uint16_t>(read_big_endian(key, 0, kGroupBytes)));
}

void encode_log_record(std::string_view key, GroupId group, const LogEntry& entry, std::string& sealed) {
  begin_sealed(sealed);
  sealed.reserve(kSealBytes + kDataOffset + entry.data->size());
  append_big_endian(sealed, group.value, kGroupBytes);
  append_big_endian(sealed, entry.index.value);
  append_big_endian(sealed, entry.term.value);
  append_big_endian(sealed, static_cast<std::uint64_t>(entry.type), 1);
  sealed.append(*entry.data);
  finish_sealed(key, sealed);
}

std::optional<LogRecord> decode_log_record(std::string_view key, std::string_view sealed) {
  const auto bytes = open_sealed(key, sealed);
  if (!bytes || bytes->size() < kDataOffset) return std::nullopt;
  const std::uint64_t type = read_big_endian(*bytes, kTypeOffset, 1);
  if (!is_entry_type(type)) return std::nullopt;
  return LogRecord{GroupId(static_cast<std::uint16_t>(read_big_endian(*bytes, 0, kGroupBytes))),
                   LogIndex(read_big_endian(*bytes, kIndexOffset)), Term(read_big_endian(*bytes, kTermOffset)),
                   static_cast<EntryType>(type), bytes->substr(kDataOffset)};
}

std::string describe_damaged_record(std::string_view sealed) {
  if (sealed.size() < kSealBytes + kDataOffset) return "a record too short to name its group";
  return "group " + std::to_string(read_big_endian(sealed, kSealBytes, kGroupBytes)) + ", index " +
         std::to_string(read_big_endian(sealed, kSealBytes + kIndexOffset));
}

std::string encode_hard_state(std::string_view key, const HardState& state) {
  std::string sealed;
  begin_sealed(sealed);
  append_big_endian(sealed, state.term.value);
  append_big_endian(sealed, state.voted_for.value);
  finish_sealed(key, sealed);
  return sealed;
}

std::optional<HardState> decode_hard_state(std::string_view key, std::string_view sealed) {
  const auto bytes = open_sealed(key, sealed);
  if (!bytes || bytes->size() != 16) return std::nullopt;
  return HardState{Term(read_big_endian(*bytes, 0)), NodeId(read_big_endian(*bytes, 8))};
}

std::string encode_snapshot(std::string_view key, const SnapshotMetadata& snapshot) {
  std::string sealed;
  begin_sealed(sealed);
  append_big_endian(sealed, snapshot.index.value);
  append_big_endian(sealed, snapshot.term.value);
  append_big_endian(sealed, snapshot.configuration_index.value);
  sealed.append(snapshot.configuration);
  finish_sealed(key, sealed);
  return sealed;
}

std::optional<SnapshotMetadata> decode_snapshot(std::string_view key, std::string_view sealed) {
  const auto bytes = open_sealed(key, sealed);
  if (!bytes || bytes->size() < kSnapshotHeaderBytes) return std::nullopt;
  return SnapshotMetadata{LogIndex(read_big_endian(*bytes, 0)), Term(read_big_endian(*bytes, 8)),
                          std::string(bytes->substr(kSnapshotHeaderBytes)), LogIndex(read_big_endian(*bytes, 16))};
}

}  // namespace earshot::storage
