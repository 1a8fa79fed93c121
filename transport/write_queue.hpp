#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <capnp/common.h>
#include <kj/async.h>

namespace earshot::transport {

// How much a connection has still to write, what is being written included, and who waits until it is little enough.
// The KJ thread of the connection only.
class WriteQueue {
 public:
  // What a message takes beside its bytes: its builder, its place in the queue.
  static constexpr std::size_t kMessageBytes = 1024;

  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

  [[nodiscard]] std::size_t bytes() const { return load_.bytes; }
  [[nodiscard]] std::size_t messages() const { return load_.messages; }
  // That have gone into the socket.
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }
  [[nodiscard]] std::uint64_t messages_written() const { return messages_written_; }
  // What all of it takes: a message of a few bytes is far larger here than on its way.
  [[nodiscard]] std::size_t memory_bytes() const { return bytes() + messages() * kMessageBytes; }
  // Resolves once what waits to be written takes at most so much.
  kj::Promise<void> drained(std::size_t memory_bytes_max);

  struct Load {
    std::size_t bytes = 0;
    std::size_t messages = 0;
  };
  static Load load_of(Segments message);
  // To be written; then written, or no more to be written.
  void added(Load load);
  void written(Load load);
  void left(Load load);

 private:
  void wake_later();

  Load load_;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t messages_written_ = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  kj::Promise<void> wake_ = nullptr;
};

}  // namespace earshot::transport
