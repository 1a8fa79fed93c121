#include "client/server_stream.hpp"

namespace earshot::client {

// What a server calls are deliveries, several at a time.
ServerStream::ServerStream(kj::AsyncIoStream& stream, kj::Timer& timer)
    : input_(stream), messages_(input_), output_(stream, timer, queue_, transport::MessageOutput::Answers::kGoInPairs) {
  input_.read_ahead();
}

kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> ServerStream::read(capnp::ReaderOptions options) {
  input_.begin_message();
  return messages_.try_read(options).then([this](kj::Maybe<kj::Own<capnp::MessageReader>>&& message) {
    KJ_IF_MAYBE (reader, message) bounds_.check((*reader)->getRoot<capnp::rpc::Message>());
    return kj::mv(message);
  });
}

bool ServerStream::gather(Segments message) {
  if (!output_.gather(message)) return false;
  bounds_.sent(message);
  return true;
}

kj::Promise<void> ServerStream::write(Segments message) {
  bounds_.sent(message);
  return output_.write(message);
}

}  // namespace earshot::client
