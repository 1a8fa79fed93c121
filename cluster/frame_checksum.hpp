#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

// What nodes say to each other ends with 8 bytes of checksum over the rest: a flipped bit would be believed else.
namespace earshot::cluster {

inline constexpr std::size_t kFrameChecksumBytes = 8;

void append_checksum(std::string& bytes);
// The bytes before it. kCorrupt(what) for fewer than there must be, kChecksumMismatch(what) for altered ones.
Result<std::string_view> without_checksum(std::string_view bytes, std::string_view what);

}  // namespace earshot::cluster
