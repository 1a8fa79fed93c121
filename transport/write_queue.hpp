#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async.h>
#include <kj/function.h>

namespace earshot::transport {

// How much a network has still to write, what is being written included, and who waits until it is little enough. The
// KJ thread of the network only.
class WriteQueue {
 public:
  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

  void watch(capnp::TwoPartyVatNetwork& network) { network_ = &network; }

  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t messages() const;
  // That have gone into the socket.
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }
  [[nodiscard]] std::uint64_t messages_written() const { return messages_written_; }
  // Resolves once at most so many bytes wait to be written: `bytes_max` is asked after each write.
  kj::Promise<void> drained(kj::Function<std::size_t()> bytes_max);

  // The network's write of these messages, followed to its end.
  kj::Promise<void> follow(kj::Promise<void> write, kj::ArrayPtr<const Segments> messages);

 private:
  void wake_later();

  capnp::TwoPartyVatNetwork* network_ = nullptr;
  std::size_t writing_bytes_ = 0;
  std::size_t writing_messages_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t messages_written_ = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  kj::Promise<void> wake_ = nullptr;
};

}  // namespace earshot::transport
