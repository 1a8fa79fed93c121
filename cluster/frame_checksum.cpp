#include "cluster/frame_checksum.hpp"

#include <cstddef>
#include <cstdint>

#include "base/checksum.hpp"

namespace earshot::cluster {

void append_checksum(std::string& bytes) {
  const std::uint64_t checksum = checksum_of(bytes);
  for (std::size_t i = 0; i < kFrameChecksumBytes; ++i) bytes.push_back(static_cast<char>(checksum >> (8 * i)));
}

Result<std::string_view> without_checksum(std::string_view bytes, std::string_view what) {
  if (bytes.size() < kFrameChecksumBytes) return fail(ErrorCode::kCorrupt, std::string(what), "cut off");
  const std::string_view tail = bytes.substr(bytes.size() - kFrameChecksumBytes);
  bytes.remove_suffix(kFrameChecksumBytes);
  std::uint64_t checksum = 0;
  for (std::size_t i = kFrameChecksumBytes; i-- > 0;) checksum = checksum << 8 | static_cast<unsigned char>(tail[i]);
  if (checksum_of(bytes) == checksum) return bytes;
  return fail(ErrorCode::kChecksumMismatch, std::string(what), "bytes were altered");
}

}  // namespace earshot::cluster
