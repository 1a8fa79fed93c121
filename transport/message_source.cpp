#include "transport/message_source.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

#include <kj/debug.h>

namespace earshot::transport {
namespace {

constexpr std::uint64_t kSegmentsMax = 511;  // what Cap'n Proto reads at most

// Of a message whose first word this is (https://capnproto.org/encoding.html, "Serialization Over a Stream").
std::uint64_t segments_of(const capnp::word& first) {
  const auto bytes = kj::arrayPtr(&first, 1).asBytes();
  std::uint64_t last_segment = 0;
  for (std::size_t i = 4; i-- > 0;) last_segment = last_segment << 8 | bytes[i];
  return last_segment + 1;
}

kj::Exception cut_short() { return KJ_EXCEPTION(FAILED, "the end cuts a message short"); }

}  // namespace

kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> MessageSource::try_read(capnp::ReaderOptions options) {
  using Read = kj::Maybe<kj::Own<capnp::MessageReader>>;
  return input_.tryRead(&first_, sizeof first_, sizeof first_)
      .then([this, options](std::size_t got) -> kj::Promise<Read> {
        if (got == 0) return Read(nullptr);
        if (got < sizeof first_) return cut_short();
        return read_table(options).then([](kj::Own<capnp::MessageReader>&& reader) { return Read(kj::mv(reader)); });
      });
}

kj::Promise<kj::Own<capnp::MessageReader>> MessageSource::read_table(capnp::ReaderOptions options) {
  const std::uint64_t segments = segments_of(first_);
  // Cap'n Proto (up to 1.1 at least) would take 2^32 of them for none.
  violated_ = segments > UINT32_MAX;
  KJ_REQUIRE(segments <= kSegmentsMax, "a message of too many segments", segments);
  const std::size_t words = segments / 2 + 1;
  if (words == 1) return read_segments(kj::arrayPtr(&first_, 1), options);
  return read_rest(kj::heapArray<capnp::word>(words), 1).then([this, options](Words&& table) {
    return read_segments(table, options);
  });
}

kj::Promise<kj::Own<capnp::MessageReader>> MessageSource::read_segments(kj::ArrayPtr<const capnp::word> table,
                                                                        capnp::ReaderOptions options) {
  const std::size_t words = capnp::expectedSizeInWordsFromPrefix(table);
  KJ_REQUIRE(words - table.size() <= options.traversalLimitInWords, "a message is too large", words);
  auto message = kj::heapArray<capnp::word>(words);
  std::memcpy(message.begin(), table.begin(), table.asBytes().size());
  const std::size_t words_read = table.size();
  return read_rest(kj::mv(message), words_read).then([options](Words&& read) -> kj::Own<capnp::MessageReader> {
    auto reader = kj::heap<capnp::FlatArrayMessageReader>(read, options);
    return reader.attach(kj::mv(read));
  });
}

// The first word is always there already.
kj::Promise<kj::Array<capnp::word>> MessageSource::read_rest(Words words, std::size_t words_read) {
  std::memcpy(words.begin(), &first_, sizeof first_);
  auto rest = words.slice(words_read, words.size()).asBytes();
  if (rest.size() == 0) return kj::mv(words);
  return input_.tryRead(rest.begin(), rest.size(), rest.size())
      .then([words = kj::mv(words), bytes = rest.size()](std::size_t got) mutable -> kj::Promise<Words> {
        if (got < bytes) return cut_short();
        return kj::mv(words);
      });
}

}  // namespace earshot::transport
