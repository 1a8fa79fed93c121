#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <capnp/serialize-async.h>
#include <kj/timer.h>

namespace earshot::gateway {

// The messages of one client connection, with the bounds that the RPC system itself does not keep:
//
//  * a client that does not read its answers is not read either: beyond connection_queue_bytes_max of unwritten bytes
//  no further
//    message is taken in;
//  * calls whose answers the client never lets go (no Finish) stay in the RPC system's tables: beyond
//  unfinished_calls_max the
//    connection fails;
//  * every capability in a message takes a table entry, even in a call that is refused: more than
//  message_capabilities_max fail
//    the connection.
//
// KJ thread only.
class GuardedStream final : public capnp::MessageStream {
 public:
  GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer) : inner_(stream), timer_(timer) {}
  // The network that writes through this stream and knows how much waits to be written.
  void watch(capnp::TwoPartyVatNetwork& network) { network_ = &network; }

  // Resolves once at most so many bytes wait to be written.
  kj::Promise<void> drained(std::size_t bytes_max);
  // How long the message being written now has been at it; 0 when none is.
  [[nodiscard]] std::uint64_t writing_ms() const;

  using capnp::MessageStream::tryReadMessage;
  using capnp::MessageStream::writeMessage;
  using capnp::MessageStream::writeMessages;

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                                    capnp::ReaderOptions options,
                                                                    kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(kj::ArrayPtr<const int> fds,
                                 kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return inner_.getSendBufferSize(); }
  kj::Promise<void> end() override { return inner_.end(); }

 private:
  [[nodiscard]] std::size_t queued_bytes() const;
  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> read_now(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                              capnp::ReaderOptions options,
                                                              kj::ArrayPtr<capnp::word> scratch);
  void check(capnp::MessageReader& message);
  kj::Promise<void> track(kj::Promise<void> write);

  capnp::AsyncIoMessageStream inner_;
  kj::Timer& timer_;
  capnp::TwoPartyVatNetwork* network_ = nullptr;
  std::optional<kj::TimePoint> writing_since_;
  std::size_t unfinished_calls_ = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> drain_waiters_;  // the reader, and a connection that closes
  kj::Promise<void> wake_ = nullptr;
};

}  // namespace earshot::gateway
