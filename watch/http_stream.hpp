#pragma once

#include <cstddef>
#include <cstdint>

#include <kj/async-io.h>
#include <kj/timer.h>

namespace earshot::watch {

// The bytes of one connection at the http port, with the bounds that the HTTP library does not keep:
//
//  * between two answers no more is read than `request_bytes_max`, whatever it is that comes;
//  * what is written is taken within `write_timeout_ms`, or the connection fails.
//
// KJ thread only.
class HttpStream final : public kj::AsyncIoStream {
 public:
  HttpStream(kj::Own<kj::AsyncIoStream> inner, kj::Timer& timer, std::size_t request_bytes_max,
             std::uint64_t write_timeout_ms);

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;
  kj::Promise<void> write(const void* buffer, std::size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override { inner_->shutdownWrite(); }
  void abortRead() override { inner_->abortRead(); }

 private:
  kj::Promise<void> in_time(kj::Promise<void> write);

  kj::Own<kj::AsyncIoStream> inner_;
  kj::Timer& timer_;
  const std::size_t request_bytes_max_;
  const kj::Duration write_timeout_;
  std::size_t read_ = 0;  // since the last answer began
};

}  // namespace earshot::watch
