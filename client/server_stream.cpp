#include "client/server_stream.hpp"

namespace earshot::client {

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> ServerStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                                                capnp::ReaderOptions options,
                                                                                kj::ArrayPtr<capnp::word> scratch) {
  return inner_.tryReadMessage(fd_space, options, scratch);
}

kj::Promise<void> ServerStream::writeMessage(kj::ArrayPtr<const int> fds,
                                             kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  return inner_.writeMessage(fds, segments).then([this] { ++messages_written_; });
}

kj::Promise<void> ServerStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  return inner_.writeMessages(messages).then([this, count = messages.size()] { messages_written_ += count; });
}

}  // namespace earshot::client
