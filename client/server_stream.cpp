#include "client/server_stream.hpp"

namespace earshot::client {

// What a server calls are deliveries, several at a time.
ServerStream::ServerStream(kj::AsyncIoStream& stream, kj::Timer& timer)
    : input_(stream), messages_(input_), output_(stream, timer, queue_, transport::MessageOutput::Answers::kGoInPairs) {
  input_.read_ahead();
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> ServerStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>,
                                                                                capnp::ReaderOptions options,
                                                                                kj::ArrayPtr<capnp::word>) {
  input_.begin_message();
  return messages_.try_read(options).then(
      [this](kj::Maybe<kj::Own<capnp::MessageReader>>&& message) -> kj::Maybe<capnp::MessageReaderAndFds> {
        KJ_IF_MAYBE (reader, message) {
          bounds_.check((*reader)->getRoot<capnp::rpc::Message>());
          return capnp::MessageReaderAndFds{kj::mv(*reader), nullptr};
        }
        return nullptr;
      });
}

kj::Promise<void> ServerStream::writeMessage(kj::ArrayPtr<const int>,
                                             kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  bounds_.sent(segments);
  return output_.write(segments);
}

kj::Promise<void> ServerStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  for (const auto& segments : messages) bounds_.sent(segments);
  return output_.write_all(messages);
}

}  // namespace earshot::client
