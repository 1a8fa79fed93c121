#include "base/ids.hpp"

#include <charconv>
#include <cstdio>

#include <utf8.h>

#include "base/checksum.hpp"
#include "base/control.hpp"
#include "base/limits.hpp"

namespace earshot {
namespace {

// In valid UTF-8.
bool has_control(std::string_view text) {
  for (auto place = text.begin(); place != text.end();)
    if (is_control(utf8::unchecked::next(place))) return true;
  return false;
}

}  // namespace

Status check_name(std::string_view text, std::string_view field) {
  const auto refuse = [&](std::string why) {
    return fail(ErrorCode::kInvalidArgument, std::string(field), std::move(why));
  };
  if (text.empty()) return refuse("must not be empty");
  if (text.size() > limits::kNameBytesMax)
    return refuse("has " + std::to_string(text.size()) + " bytes, the limit is " +
                  std::to_string(limits::kNameBytesMax));
  if (!is_utf8(text)) return refuse("is not valid UTF-8");
  if (has_control(text)) return refuse("contains a control character");
  return {};
}

bool is_utf8(std::string_view bytes) { return utf8::is_valid(bytes.begin(), bytes.end()); }

template <class Tag>
Result<Name<Tag>> Name<Tag>::parse(std::string_view text, std::string_view field) {
  if (Status status = check_name(text, field); !status) return fail(std::move(status.error()));
  return Name(std::string(text));
}

template class Name<UserTag>;
template class Name<DeviceTag>;
template class Name<LayerTag>;

std::string MessageId::to_string() const {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

Result<MessageId> MessageId::parse(std::string_view hex) {
  MessageId id;
  const auto parse_half = [](std::string_view half, std::uint64_t& out) {
    const auto [end, status] = std::from_chars(half.data(), half.data() + half.size(), out, 16);
    return status == std::errc{} && end == half.data() + half.size();
  };
  if (hex.size() != 32 || !parse_half(hex.substr(0, 16), id.high) || !parse_half(hex.substr(16), id.low))
    return fail(ErrorCode::kInvalidArgument, "messageId", "must be 32 hexadecimal digits");
  return id;
}

ShardId shard_of(std::string_view key, std::uint16_t shard_count) {
  EARSHOT_INVARIANT(shard_count > 0, "a cluster has at least one shard");
  return ShardId(static_cast<std::uint16_t>(checksum_of(key) % shard_count));
}

ShardId shard_of(const LayerId& layer, std::string_view member, std::uint16_t shard_count) {
  EARSHOT_INVARIANT(shard_count > 0, "a cluster has at least one shard");
  return ShardId(static_cast<std::uint16_t>(checksum_of(member, checksum_of(layer.text())) % shard_count));
}

}  // namespace earshot
