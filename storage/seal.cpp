#include "storage/seal.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "storage/keys.hpp"

namespace earshot::storage {

std::uint64_t guard_of(std::string_view full_key, std::string_view value) {
  return checksum_of(value, checksum_of(full_key));
}

void finish_sealed(std::string_view full_key, std::string& buffer) {
  EARSHOT_INVARIANT(buffer.size() >= kSealBytes, "a value to seal has room for its checksum");
  std::uint64_t guard = guard_of(full_key, std::string_view(buffer).substr(kSealBytes));
  for (std::size_t i = kSealBytes; i-- > 0; guard >>= 8) buffer[i] = static_cast<char>(guard);
}

std::optional<std::string_view> open_sealed(std::string_view full_key, std::string_view sealed) {
  if (sealed.size() < kSealBytes) return std::nullopt;
  const std::string_view value = sealed.substr(kSealBytes);
  if (keys::read_big_endian(sealed, 0) != guard_of(full_key, value)) return std::nullopt;
  return value;
}

std::uint64_t guard_in(std::string_view sealed) {
  return sealed.size() < kSealBytes ? 0 : keys::read_big_endian(sealed, 0);
}

}  // namespace earshot::storage
