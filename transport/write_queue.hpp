#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async.h>

namespace earshot::transport {

// How much a network has still to write, what is being written included, and who waits until it is little enough. The
// KJ thread of the network only.
class WriteQueue {
 public:
  // What a message takes beside its bytes: its builder, its place in the network's queue, what waits for it.
  static constexpr std::size_t kMessageBytes = 1024;

  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

  void watch(capnp::TwoPartyVatNetwork& network) { network_ = &network; }

  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t messages() const;
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
  static Load load_of(kj::ArrayPtr<const Segments> messages);
  // The network's write of so much, followed to its end.
  kj::Promise<void> follow(kj::Promise<void> write, Load load);
  // What the network was told is written and is not yet; and is now.
  void taken_over(Load load);
  void written(Load load);

 private:
  void note_written(Load load);
  void wake_later();

  capnp::TwoPartyVatNetwork* network_ = nullptr;
  Load writing_;     // by the network
  Load taken_over_;  // from it
  std::uint64_t bytes_written_ = 0;
  std::uint64_t messages_written_ = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  kj::Promise<void> wake_ = nullptr;
};

}  // namespace earshot::transport
