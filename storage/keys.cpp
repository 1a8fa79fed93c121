#include "storage/keys.hpp"

namespace earshot::storage::keys {
namespace {

// The number in the last `bytes` bytes. A key that is too short, as only damage can make one, reads as 0: "none".
std::uint64_t number_at_end(std::string_view key, std::size_t bytes) {
  return key.size() < bytes ? 0 : read_big_endian(key, key.size() - bytes, bytes);
}

std::string of_name(char kind, const std::string& name, std::size_t spare) {
  std::string key;
  key.reserve(2 + name.size() + spare);
  key.push_back(kind);
  key.append(name);
  key.push_back('\0');
  return key;
}

std::string of_device(char kind, const UserId& user, const DeviceId& device) {
  std::string key = of_name(kind, user.text(), device.text().size() + 1);
  key.append(device.text());
  key.push_back('\0');
  return key;
}

std::string of_number(char kind, std::uint64_t value, std::size_t bytes) {
  std::string key(1, kind);
  append_big_endian(key, value, bytes);
  return key;
}

}  // namespace

std::string mailbox_head(const UserId& user) { return of_name('H', user.text(), 0); }

std::string message(const UserId& user, Sequence sequence) {
  std::string key = of_name('M', user.text(), 8);
  append_big_endian(key, sequence.value);
  return key;
}

Sequence sequence_of(std::string_view message_key) { return Sequence(number_at_end(message_key, 8)); }

std::string cursor(const UserId& user, const DeviceId& device) { return of_device('C', user, device); }

std::string cursors_from(const UserId& user) { return of_name('C', user.text(), 0); }

std::string cursors_to(const UserId& user) {
  std::string key = cursors_from(user);
  key.back() = '\1';  // the zero that ends the name, plus one: the first key that is not this user's
  return key;
}

DeviceId device_of(std::string_view cursor_key, const UserId& user) {
  const std::size_t start = 2 + user.text().size();
  if (cursor_key.size() <= start + 1) return {};
  return DeviceId::trusted(cursor_key.substr(start, cursor_key.size() - start - 1));
}

UserId user_of(std::string_view key) {
  const std::size_t end = key.find('\0');
  return key.size() < 2 || end == std::string_view::npos ? UserId() : UserId::trusted(key.substr(1, end - 1));
}

std::string expiry(const Expiry& expiry) {
  std::string key;
  key.reserve(18 + expiry.user.text().size());
  key.push_back('E');
  append_big_endian(key, expiry.at_ms);
  key.append(expiry.user.text());
  key.push_back('\0');
  append_big_endian(key, expiry.sequence.value);
  return key;
}

Expiry expiry_of(std::string_view expiry_key) {
  constexpr std::size_t kAround = 1 + 8 + 1 + 8;  // what stands around the user's name
  if (expiry_key.size() <= kAround) return {};
  return Expiry{read_big_endian(expiry_key, 1), UserId::trusted(expiry_key.substr(9, expiry_key.size() - kAround)),
                Sequence(number_at_end(expiry_key, 8))};
}

std::string expiries_to(std::uint64_t at_ms) {
  return at_ms == UINT64_MAX ? std::string("F") : of_number('E', at_ms + 1, 8);
}

std::string parked(const UserId& user, const DeviceId& device, Sequence sequence) {
  std::string key = of_name('K', user.text(), device.text().size() + 9);
  key.append(device.text());
  key.push_back('\0');
  append_big_endian(key, sequence.value);
  return key;
}

std::string policy(const UserId& user) { return user.empty() ? std::string("P") : of_name('P', user.text(), 0); }

std::string position(const LayerId& layer, std::string_view member) {
  std::string key = of_name('G', layer.text(), member.size());
  key.append(member);
  return key;
}

std::string positions_from(const LayerId& layer) { return of_name('G', layer.text(), 0); }

std::string positions_to(const LayerId& layer) {
  std::string key = positions_from(layer);
  key.back() = '\1';
  return key;
}

LayerId layer_of(std::string_view key) {
  const std::size_t end = key.find('\0');
  return key.size() < 2 || end == std::string_view::npos ? LayerId() : LayerId::trusted(key.substr(1, end - 1));
}

std::string_view member_of(std::string_view position_key) {
  const std::size_t end = position_key.find('\0');
  return end == std::string_view::npos ? std::string_view() : position_key.substr(end + 1);
}

std::string position_expiry(const PositionExpiry& expiry) {
  std::string key = of_number('X', expiry.at_ms, 8);
  key.append(expiry.layer.text());
  key.push_back('\0');
  key.append(expiry.member);
  return key;
}

PositionExpiry position_expiry_of(std::string_view key) {
  constexpr std::size_t kBefore = 1 + 8;
  if (key.size() <= kBefore) return {};
  const std::string_view names = key.substr(kBefore);
  const std::size_t end = names.find('\0');
  if (end == std::string_view::npos) return {};
  return {read_big_endian(key, 1), LayerId::trusted(names.substr(0, end)), std::string(names.substr(end + 1))};
}

std::string position_expiries_to(std::uint64_t at_ms) {
  return at_ms == UINT64_MAX ? std::string("Y") : of_number('X', at_ms + 1, 8);
}

std::string last_login(const UserId& user, const DeviceId& device) { return of_device('R', user, device); }

std::string last_login_end(const LastLoginEnd& end) {
  std::string key = of_number('Q', end.at_ms, 8);
  key.append(end.user.text());
  key.push_back('\0');
  key.append(end.device.text());
  key.push_back('\0');
  return key;
}

LastLoginEnd last_login_end_of(std::string_view key) {
  constexpr std::size_t kBefore = 1 + 8;
  if (key.size() <= kBefore + 1) return {};
  const std::string_view names = key.substr(kBefore, key.size() - kBefore - 1);
  const std::size_t end = names.find('\0');
  if (end == std::string_view::npos) return {};
  return {read_big_endian(key, 1), UserId::trusted(names.substr(0, end)), DeviceId::trusted(names.substr(end + 1))};
}

std::string last_login_ends_to(std::uint64_t at_ms) {
  return at_ms == UINT64_MAX ? std::string("R") : of_number('Q', at_ms + 1, 8);
}

std::string layer_privacy(const LayerId& layer) { return of_name('V', layer.text(), 0); }

std::string layer_head(const LayerId& layer) { return of_name('Y', layer.text(), 0); }

std::string forgotten_producer(ProducerId producer) { return of_number('F', producer.value, 8); }

ProducerId producer_of(std::string_view forgotten_producer_key) {
  return ProducerId(number_at_end(forgotten_producer_key, 8));
}

std::string lane(ProducerId producer) { return of_number('L', producer.value, 8); }

std::string outbox(ShardId target, std::uint64_t number) {
  std::string key = of_number('O', target.value, 2);
  append_big_endian(key, number);
  return key;
}

std::uint64_t number_of(std::string_view outbox_key) { return number_at_end(outbox_key, 8); }

std::string outbox_head(ShardId target) { return of_number('T', target.value, 2); }

ShardId target_of(std::string_view outbox_head_key) {
  return ShardId(static_cast<std::uint16_t>(number_at_end(outbox_head_key, 2)));
}

std::string inbound_head(ShardId origin) { return of_number('I', origin.value, 2); }

std::string shard_head() { return "S"; }

std::string sweep_head() { return "W"; }

std::string meta_record() { return "N"; }

std::string shard_sums() { return "D"; }

std::string seed_head() { return "B"; }

bool is_storage_own(std::string_view key) { return key == "B" || key == "D"; }

void append_big_endian(std::string& key, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) key.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t read_big_endian(std::string_view key, std::size_t offset, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const bool present = offset + i < key.size();
    value = value << 8 | (present ? static_cast<unsigned char>(key[offset + i]) : 0u);
  }
  return value;
}

}  // namespace earshot::storage::keys
