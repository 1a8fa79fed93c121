#include "client/server_stream.hpp"

namespace earshot::client {

using transport::WriteQueue;

using Read = kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>>;

#if CAPNP_VERSION >= 1000000
// A message is looked at before it is handed on, and not kept: the RPC system's rule for messages that live for a
// moment is ours.
ServerStream::ServerStream(kj::AsyncIoStream& stream)
    : inner_(stream, capnp::IncomingRpcMessage::getShortLivedCallback()) {}

Read ServerStream::read_message(kj::ArrayPtr<kj::AutoCloseFd> fd_space, capnp::ReaderOptions options,
                                kj::ArrayPtr<capnp::word> scratch) {
  return inner_.tryReadMessage(fd_space, options, scratch);
}
#else
ServerStream::ServerStream(kj::AsyncIoStream& stream) : inner_(stream), bytes_(stream) {}

Read ServerStream::read_message(kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions options,
                                kj::ArrayPtr<capnp::word> scratch) {
  bytes_.begin_message();
  return capnp::tryReadMessage(bytes_, options, scratch)
      .then([](kj::Maybe<kj::Own<capnp::MessageReader>>&& message) -> kj::Maybe<capnp::MessageReaderAndFds> {
        KJ_IF_MAYBE (reader, message) return capnp::MessageReaderAndFds{kj::mv(*reader), nullptr};
        return nullptr;
      });
}
#endif

Read ServerStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fd_space, capnp::ReaderOptions options,
                                  kj::ArrayPtr<capnp::word> scratch) {
  return read_message(fd_space, options, scratch).then([this](kj::Maybe<capnp::MessageReaderAndFds>&& message) {
    KJ_IF_MAYBE (read, message) bounds_.check(read->reader->getRoot<capnp::rpc::Message>());
    return kj::mv(message);
  });
}

kj::Promise<void> ServerStream::writeMessage(kj::ArrayPtr<const int> fds,
                                             kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  bounds_.sent(segments);
  return queue_.follow(inner_.writeMessage(fds, segments), WriteQueue::load_of(kj::arrayPtr(&segments, 1)));
}

kj::Promise<void> ServerStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  for (const auto& segments : messages) bounds_.sent(segments);
  return queue_.follow(inner_.writeMessages(messages), WriteQueue::load_of(messages));
}

}  // namespace earshot::client
