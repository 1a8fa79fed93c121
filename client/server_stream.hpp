#pragma once

#include <kj/async-io.h>

#include "transport/message_bounds.hpp"
#include "transport/message_channel.hpp"
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
class ServerStream final : public transport::MessageChannel {
 public:
  ServerStream(kj::AsyncIoStream& stream, kj::Timer& timer);

  transport::WriteQueue& queue() { return queue_; }

  kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> read(capnp::ReaderOptions options) override;
  bool gather(Segments message) override;
  kj::Promise<void> write(Segments message) override;
  kj::Promise<void> end() override { return output_.end(); }
  void abort() override { output_.abort(); }

 private:
  transport::MessageInput input_;
  transport::MessageSource messages_;  // from it
  transport::WriteQueue queue_;
  transport::MessageOutput output_;
  transport::MessageBounds bounds_;
};

}  // namespace earshot::client
