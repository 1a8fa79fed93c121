#pragma once

#include <cstddef>

#include <kj/async-io.h>

namespace earshot::transport {

// The bytes of a connection, as a message reader asks for them. Fails at a message that says it has 2^32 segments: the
// reader of Cap'n Proto (up to 1.1 at least) counts that as none, and then writes behind the end of an empty array.
class MessageInput final : public kj::AsyncInputStream {
 public:
  explicit MessageInput(kj::AsyncInputStream& inner) : inner_(inner) {}

  // The next bytes begin a message.
  void begin_message() { begins_ = true; }
  // Whether there was such a message.
  [[nodiscard]] bool violated() const { return violated_; }

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;

 private:
  kj::AsyncInputStream& inner_;
  bool begins_ = false;
  bool violated_ = false;
};

}  // namespace earshot::transport
