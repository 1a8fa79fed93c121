#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

// Strong types for everything that is counted or named, so that a sequence cannot be passed for a log index.
namespace earshot {

// An integer with a meaning. Numbers count from 1; 0 means "none yet".
template <class Tag, class Integer = std::uint64_t>
struct Number {
  Integer value = 0;

  constexpr Number() = default;
  constexpr explicit Number(Integer v) : value(v) {}
  constexpr auto operator<=>(const Number&) const = default;
  [[nodiscard]] constexpr Number next() const { return Number(static_cast<Integer>(value + 1)); }
  [[nodiscard]] constexpr Number previous() const { return Number(static_cast<Integer>(value - 1)); }
};

using ShardId = Number<struct ShardTag, std::uint16_t>;  // 0 .. shard count - 1
using NodeId = Number<struct NodeTag>;                   // from 1
using Sequence = Number<struct SequenceTag>;             // place in a mailbox, from 1, without holes
using Epoch = Number<struct EpochTag>;                   // life of a stream, from 1; changes when history was restored
using LaneNumber = Number<struct LaneNumberTag>;         // place in a lane, from 1, without holes
using ProducerId = Number<struct ProducerTag>;           // one producer (a device's outbox); 0: none yet
using Term = Number<struct TermTag>;                     // Raft term
using LogIndex = Number<struct LogIndexTag>;             // Raft log index, from 1

// The rule for every name that people or programs choose: 1..name_bytes_max bytes of valid UTF-8 without control
// characters; else kInvalidArgument naming `field`.
Status check_name(std::string_view text, std::string_view field);
bool is_utf8(std::string_view bytes);

// Checked names. Construction goes through parse(); a value that exists is valid.
template <class Tag>
class Name {
 public:
  Name() = default;  // empty: "nobody"; never valid on the wire
  // Keeps the rule of check_name().
  static Result<Name> parse(std::string_view text, std::string_view field);
  // For text that was checked before, such as a record read back from disk.
  static Name trusted(std::string_view text) { return Name(std::string(text)); }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  auto operator<=>(const Name&) const = default;

 private:
  explicit Name(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

using UserId = Name<struct UserTag>;
using DeviceId = Name<struct DeviceTag>;
using LayerId = Name<struct LayerTag>;  // a named set of positions
extern template class Name<UserTag>;
extern template class Name<DeviceTag>;
extern template class Name<LayerTag>;

// 128 random bits chosen by the sender; identifies a message everywhere and for ever.
struct MessageId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const MessageId&) const = default;
  [[nodiscard]] std::string to_string() const;  // 32 hexadecimal digits
  static Result<MessageId> parse(std::string_view hex);
};

// The shard that owns a user's mailbox, groups and positions: xxh3(key) % shard_count.
ShardId shard_of(std::string_view key, std::uint16_t shard_count);
inline ShardId shard_of(const UserId& user, std::uint16_t shard_count) { return shard_of(user.text(), shard_count); }
// Of a member's position: every layer is spread over all shards.
ShardId shard_of(const LayerId& layer, std::string_view member, std::uint16_t shard_count);

}  // namespace earshot

template <class Tag, class Integer>
struct std::hash<earshot::Number<Tag, Integer>> {
  std::size_t operator()(const earshot::Number<Tag, Integer>& n) const noexcept {
    return std::hash<Integer>{}(n.value);
  }
};
template <class Tag>
struct std::hash<earshot::Name<Tag>> {
  // Not noexcept: that has the library's tables keep it beside each key, and not hash every neighbour when they look.
  std::size_t operator()(const earshot::Name<Tag>& n) const { return std::hash<std::string>{}(n.text()); }
};
template <>
struct std::hash<earshot::MessageId> {
  std::size_t operator()(const earshot::MessageId& id) const noexcept { return static_cast<std::size_t>(id.low); }
};
