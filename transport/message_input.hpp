#pragma once

#include <array>
#include <cstddef>

#include <kj/async-io.h>

namespace earshot::transport {

// The bytes of a connection, as a message reader asks for them: a few at a time, while what is there is taken from the
// connection at once, since a read costs the system far more than a copy. A connection that waits for its next message
// keeps a small buffer only; a large one lives from a message that does not fit the small one until all of it is read.
class MessageInput final : public kj::AsyncInputStream {
 public:
  // What is taken ahead of the message that is being read, at most: the one, or once read_ahead() was called the other.
  static constexpr std::size_t kSmallBufferBytes = 512;
  static constexpr std::size_t kLargeBufferBytes = 16 << 10;

  explicit MessageInput(kj::AsyncInputStream& inner) : inner_(inner) {}

  // From now on it may take the large buffer.
  void read_ahead() { reads_ahead_ = true; }
  // The next bytes begin a message.
  void begin_message() { begins_ = true; }

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;

 private:
  std::size_t take(kj::byte* to, std::size_t bytes_max);

  kj::AsyncInputStream& inner_;
  bool reads_ahead_ = false;
  bool begins_ = false;
  kj::ArrayPtr<const kj::byte> waiting_;  // read, and not asked for yet: of one of the buffers
  kj::Array<kj::byte> large_;             // while it is of that one, or about to be
  std::array<kj::byte, kSmallBufferBytes> small_;
};

}  // namespace earshot::transport
