#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/async-io.h>

namespace earshot::transport {

// Whole messages from the bytes of a connection, as capnp::tryReadMessage() reads them; but while no message comes,
// which for most connections is nearly always, it keeps a word instead of a reader. What bytes mean is left to Cap'n
// Proto: only how many make a message is asked here.
class MessageSource {
 public:
  explicit MessageSource(kj::AsyncInputStream& input) : input_(input) {}

  // The next message; nothing at the end. Fails when the end cuts one short, and when one has 512 segments or more, or
  // more words than may be traversed: before there is room for it. One at a time.
  kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> try_read(capnp::ReaderOptions options);
  // Whether a message was refused that said it had 2^32 segments.
  [[nodiscard]] bool violated() const { return violated_; }

 private:
  using Words = kj::Array<capnp::word>;

  kj::Promise<kj::Own<capnp::MessageReader>> read_table(capnp::ReaderOptions options);
  kj::Promise<kj::Own<capnp::MessageReader>> read_segments(kj::ArrayPtr<const capnp::word> table,
                                                           capnp::ReaderOptions options);
  kj::Promise<Words> read_rest(Words words, std::size_t words_read);

  kj::AsyncInputStream& input_;
  capnp::word first_{};
  bool violated_ = false;
};

}  // namespace earshot::transport
