#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// How a stored value is guarded: 8 bytes of checksum over its full key and itself stand before it, so that neither
// altered bytes nor a value under another key passes. A value is sealed in the buffer it was built in, without a copy.
//
//   begin_sealed(buffer);  buffer.append(…);  finish_sealed(key, buffer);
namespace earshot::storage {

inline constexpr std::size_t kSealBytes = 8;

// Empties the buffer, which keeps its memory, and leaves room for the checksum.
inline void begin_sealed(std::string& buffer) { buffer.assign(kSealBytes, '\0'); }
// Sets the checksum over the key and everything after it.
void finish_sealed(std::string_view full_key, std::string& buffer);
// The value inside; nothing when the checksum does not fit.
std::optional<std::string_view> open_sealed(std::string_view full_key, std::string_view sealed);
// The checksum that belongs before a value.
std::uint64_t guard_of(std::string_view full_key, std::string_view value);
// The checksum as it stands before the value, tested or not; 0 when there is no room for one.
std::uint64_t guard_in(std::string_view sealed);

}  // namespace earshot::storage
