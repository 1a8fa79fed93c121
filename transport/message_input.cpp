#include "transport/message_input.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

#include <kj/debug.h>

namespace earshot::transport {

kj::Promise<std::size_t> MessageInput::tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  auto read = inner_.tryRead(buffer, bytes_min, bytes_max);
  if (!std::exchange(begins_, false)) return read;
  return read.then([this, buffer](std::size_t got) {
    std::uint32_t last_segment = 0;
    if (got >= sizeof last_segment) std::memcpy(&last_segment, buffer, sizeof last_segment);
    violated_ = last_segment == UINT32_MAX;  // in any order of bytes
    KJ_REQUIRE(!violated_, "a message of 2^32 segments");
    return got;
  });
}

}  // namespace earshot::transport
