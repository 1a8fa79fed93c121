#pragma once

#include <capnp/message.h>
#include <capnp/serialize-async.h>
#include <kj/async.h>

#include "transport/write_queue.hpp"

namespace earshot::transport {

// The messages of a connection, as a MessageNetwork wants them.
class MessageChannel {
 public:
  using Segments = WriteQueue::Segments;

  virtual ~MessageChannel() noexcept(false) = default;

  // The next message; nothing at the end. One at a time.
  virtual kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> read(capnp::ReaderOptions options) = 0;
  // Takes a copy of a message, which is needed no more then; false: it must be written. Not while one is being written.
  virtual bool gather(Segments message) = 0;
  // Resolves when the message is needed no more. One at a time.
  virtual kj::Promise<void> write(Segments message) = 0;
  // When everything is written, the end is.
  virtual kj::Promise<void> end() = 0;
  // Nothing can be written any more: whoever reads is told of the end.
  virtual void abort() = 0;
};

}  // namespace earshot::transport
