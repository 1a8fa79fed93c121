#include "transport/message_input.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace earshot::transport {

kj::Promise<std::size_t> MessageInput::tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  auto* to = static_cast<kj::byte*>(buffer);
  const bool begins = std::exchange(begins_, false);
  const std::size_t got = take(to, bytes_max);
  if (got >= bytes_min) return got;
  to += got, bytes_min -= got, bytes_max -= got;

  kj::ArrayPtr<kj::byte> space(small_.data(), small_.size());
  if (!begins && reads_ahead_ && bytes_max < kLargeBufferBytes) {
    large_ = kj::heapArray<kj::byte>(kLargeBufferBytes);
    space = large_;
  }
  // More than there is room for goes to its place without a copy, and nothing behind it is taken.
  if (bytes_max >= space.size())
    return inner_.tryRead(to, bytes_min, bytes_max).then([got](std::size_t more) { return got + more; });
  return inner_.tryRead(space.begin(), bytes_min, space.size()).then([=, this](std::size_t more) {
    waiting_ = space.slice(0, more);
    return got + take(to, bytes_max);
  });
}

std::size_t MessageInput::take(kj::byte* to, std::size_t bytes_max) {
  const std::size_t taken = std::min(waiting_.size(), bytes_max);
  if (taken == 0) return 0;
  std::memcpy(to, waiting_.begin(), taken);
  waiting_ = waiting_.slice(taken, waiting_.size());
  if (waiting_.size() == 0) large_ = nullptr;
  return taken;
}

}  // namespace earshot::transport
