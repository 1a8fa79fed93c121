#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <capnp/any.h>
#include <capnp/generated-header-support.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/exception.h>
#include <kj/vector.h>

#include "base/error.hpp"

// Flat bytes: one unpacked Cap'n Proto message in a std::string, as it stands on disk, in the Raft log and between
// nodes. The encoding is the library's standard framing (segment table, then segments), so its tools can read it.
//
// This is the only place that turns stored bytes into readers, hence the only one that meets the library's exceptions
// about malformed messages: they end here, as kCorrupt.
namespace earshot::flat {

// ---- how many 8-byte words something takes. A sum that is never too small lets a message be built in place.

constexpr std::size_t words_of_text(std::size_t bytes) { return bytes / 8 + 1; }  // with its closing zero
constexpr std::size_t words_of_data(std::size_t bytes) { return (bytes + 7) / 8; }
template <class Struct>
constexpr std::size_t words_of() {
  return capnp::sizeInWords<Struct>();
}
template <class Struct>
constexpr std::size_t words_of_list(std::size_t count) {
  return 1 + count * words_of<Struct>();  // a tag word, then the elements
}

// ---- std::string and Cap'n Proto's texts, without a copy; valid as long as what they are made from

inline capnp::Text::Reader text(const std::string& from) { return {from.c_str(), from.size()}; }
inline capnp::Data::Reader data(const std::string& from) {
  return {reinterpret_cast<const kj::byte*>(from.data()), from.size()};
}
inline std::string_view view(capnp::Text::Reader from) { return {from.begin(), from.size()}; }
inline std::string_view view(capnp::Data::Reader from) {
  return {reinterpret_cast<const char*>(from.begin()), from.size()};
}

// ---- writing

// Builds a message straight inside the string that take() returns. When `words` (all objects of the message, without
// the root pointer) are enough, nothing is copied; else the rest goes into further segments, which take() joins by a
// copy.
class Writer final : public capnp::MessageBuilder {
 public:
  explicit Writer(std::size_t words);

  // The finished bytes. Call once, last: readers and builders of this message are dead after it.
  std::string take();

  kj::ArrayPtr<capnp::word> allocateSegment(kj::uint words_min) override;

 private:
  std::string bytes_;  // one word of framing, then the first segment
  bool first_taken_ = false;
  kj::Vector<kj::Array<capnp::word>> more_;
};

// ---- reading

// The bytes as aligned words; copied only when they are not aligned already.
class Words {
 public:
  explicit Words(std::string_view bytes);
  [[nodiscard]] kj::ArrayPtr<const capnp::word> get() const { return words_; }

 private:
  kj::Array<capnp::word> copy_;
  kj::ArrayPtr<const capnp::word> words_;
};

// Limits for a message of this size: honest ones visit each word once; one whose pointers share targets may not visit
// more than about twice as many words as it has.
capnp::ReaderOptions options_for(std::size_t bytes);

tl::unexpected<Error> corrupt(std::string_view what, std::string_view why);
tl::unexpected<Error> corrupt(std::string_view what, const kj::Exception& exception);

// Calls convert(Root::Reader), which gives a Result, on the message in `bytes`. kCorrupt with `what` as the field when
// they are no whole message, have a pointer out of bounds, or go on after the message. `bytes` need no alignment.
template <class Root, class Convert>
std::invoke_result_t<Convert, typename Root::Reader> read(std::string_view bytes, std::string_view what,
                                                          Convert&& convert) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) return corrupt(what, "cut off");
  try {
    const Words words(bytes);
    capnp::FlatArrayMessageReader message(words.get(), options_for(bytes.size()));
    if (message.getEnd() != words.get().end()) return corrupt(what, "bytes follow the message");
    const auto root = message.getRoot<capnp::AnyPointer>();
    if (root.isNull()) return corrupt(what, "has no root");
    return std::forward<Convert>(convert)(root.getAs<Root>());
  } catch (const kj::Exception& exception) {
    return corrupt(what, exception);
  }
}

// ---- with a checksum behind it: for what crosses between nodes, where a flipped bit would be believed else

inline constexpr std::size_t kChecksumWords = 1;

// The bytes and 8 more, their checksum. Nothing is copied when the Writer they are of was given a word to spare.
std::string with_checksum(std::string bytes);
// What stands before the checksum. kChecksumMismatch when it does not fit, kCorrupt when there is no room for one.
Result<std::string_view> without_checksum(std::string_view bytes, std::string_view what);

// As read(), of bytes with their checksum.
template <class Root, class Convert>
std::invoke_result_t<Convert, typename Root::Reader> read_checked(std::string_view bytes, std::string_view what,
                                                                  Convert&& convert) {
  auto message = without_checksum(bytes, what);
  if (!message) return fail(std::move(message.error()));
  return read<Root>(*message, what, std::forward<Convert>(convert));
}

}  // namespace earshot::flat
