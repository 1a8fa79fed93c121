#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

// What every environment accepts, so that the model refuses exactly what LMDB would.
namespace earshot::storage {

inline constexpr std::size_t kKeyBytesMax = 511;             // LMDB's limit at its usual page size
inline constexpr std::uint64_t kValueBytesMax = UINT32_MAX;  // LMDB keeps a value's size in 32 bits

// Whether a key may exist at all. One that may not is never found, and refused when written.
inline bool is_key(std::string_view key) { return !key.empty() && key.size() <= kKeyBytesMax; }

// kInvalidArgument(key) or kTooLarge(value) for what cannot be stored.
inline Status check_record(std::string_view key, std::string_view value) {
  if (key.empty()) return fail(ErrorCode::kInvalidArgument, "key", "must not be empty");
  if (key.size() > kKeyBytesMax) {
    return fail(ErrorCode::kInvalidArgument, "key",
                "has " + std::to_string(key.size()) + " bytes, the limit is " + std::to_string(kKeyBytesMax));
  }
  if (value.size() > kValueBytesMax) {
    return fail(ErrorCode::kTooLarge, "value",
                "has " + std::to_string(value.size()) + " bytes, the limit is " + std::to_string(kValueBytesMax));
  }
  return {};
}

}  // namespace earshot::storage
