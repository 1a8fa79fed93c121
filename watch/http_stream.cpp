#include "watch/http_stream.hpp"

#include <algorithm>
#include <utility>

#include <kj/debug.h>

namespace earshot::watch {

HttpStream::HttpStream(kj::Own<kj::AsyncIoStream> inner, kj::Timer& timer, std::size_t request_bytes_max,
                       std::uint64_t write_timeout_ms)
    : inner_(kj::mv(inner)),
      timer_(timer),
      request_bytes_max_(request_bytes_max),
      write_timeout_(static_cast<std::int64_t>(write_timeout_ms) * kj::MILLISECONDS) {}

kj::Promise<std::size_t> HttpStream::tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  const std::size_t left = request_bytes_max_ - std::min(request_bytes_max_, read_);
  if (bytes_min > left) return KJ_EXCEPTION(FAILED, "a request is larger than it may be", request_bytes_max_);
  return inner_->tryRead(buffer, bytes_min, std::min(bytes_max, left)).then([this](std::size_t bytes) {
    read_ += bytes;
    return bytes;
  });
}

kj::Promise<void> HttpStream::write(const void* buffer, std::size_t size) {
  read_ = 0;
  return in_time(inner_->write(buffer, size));
}

kj::Promise<void> HttpStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  read_ = 0;
  return in_time(inner_->write(pieces));
}

kj::Promise<void> HttpStream::in_time(kj::Promise<void> write) {
  return timer_.timeoutAfter(write_timeout_, kj::mv(write));
}

}  // namespace earshot::watch
