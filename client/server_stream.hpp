#pragma once

#include <cstddef>

#include <capnp/common.h>
#include <capnp/rpc-twoparty.h>
#include <capnp/serialize-async.h>
#include <kj/async-io.h>

#include "transport/message_bounds.hpp"
#include "transport/write_queue.hpp"

namespace earshot::client {

// The messages of a connection to a server, counted as they are written, and with the bounds that the RPC system itself
// does not keep: those of MessageBounds; and a server that goes on saying what has to be replied to, and does not read,
// is not read either.
//
// What waits for the server and is no call of our own is a reply: beyond connection_queue_bytes_max of them no further
// message is taken in. Our own calls may wait: a node does not read them while we do not read its answers, so both ends
// would wait for each other.
//
// The loop's thread only.
class ServerStream final : public capnp::MessageStream {
 public:
  explicit ServerStream(kj::AsyncIoStream& stream);

  // The network that writes through this stream and knows how much waits to be written.
  void watch(capnp::TwoPartyVatNetwork& network) { queue_.watch(network); }

  [[nodiscard]] const transport::WriteQueue& queue() const { return queue_; }
  // A call of our own, of so many bytes: it may be in the queue from now on, until it is answered.
  void call_began(std::size_t bytes) { call_bytes_ += bytes; }
  void call_ended(std::size_t bytes) { call_bytes_ -= bytes; }

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
  // Several messages in one read, where the library has that.
#if CAPNP_VERSION >= 1000000
  using Inner = capnp::BufferedMessageStream;
#else
  using Inner = capnp::AsyncIoMessageStream;
#endif

  Inner inner_;
  transport::WriteQueue queue_;
  transport::MessageBounds bounds_;
  std::size_t call_bytes_ = 0;
};

}  // namespace earshot::client
