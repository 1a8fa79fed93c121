#pragma once

#include <capnp/rpc-twoparty.h>
#include <capnp/serialize-async.h>
#include <kj/async-io.h>

#include "transport/message_bounds.hpp"
#include "transport/message_input.hpp"
#include "transport/message_output.hpp"
#include "transport/message_source.hpp"
#include "transport/write_queue.hpp"

namespace earshot::client {

// The messages of a connection to a server, counted as they are written, and with the bounds that the RPC system itself
// does not keep: those of MessageBounds. They bound what a server can have us reply, to some 12 MiB, so a server that
// does not read is read nevertheless: it may not read our calls until we have read its answers.
//
// The loop's thread only.
class ServerStream final : public capnp::MessageStream {
 public:
  ServerStream(kj::AsyncIoStream& stream, kj::Timer& timer);

  // The network that writes through this stream and knows how much waits to be written.
  void watch(capnp::TwoPartyVatNetwork& network) { queue_.watch(network); }

  [[nodiscard]] const transport::WriteQueue& queue() const { return queue_; }

  using capnp::MessageStream::tryReadMessage;
  using capnp::MessageStream::writeMessage;
  using capnp::MessageStream::writeMessages;

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                                    capnp::ReaderOptions options,
                                                                    kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(kj::ArrayPtr<const int> fds,
                                 kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return output_.send_buffer_bytes(); }
  kj::Promise<void> end() override { return output_.end(); }

 private:
  transport::MessageInput input_;
  transport::MessageSource messages_;  // from it
  transport::WriteQueue queue_;
  transport::MessageOutput output_;
  transport::MessageBounds bounds_;
};

}  // namespace earshot::client
