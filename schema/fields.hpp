#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <capnp/blob.h>
#include <capnp/list.h>
#include <kj/exception.h>

#include "base/error.hpp"
#include "base/ids.hpp"

// For codecs alone: how readers check fields.
namespace earshot {

// Reads a struct field by field and keeps the first broken rule, so that a reader is a list of fields and not a ladder
// of ifs. Messages are put together only when a rule is broken. Nothing larger than its limit is copied.
class Fields {
 public:
  enum class Source : std::uint8_t {
    kWire,    // from a peer that may lie: texts are checked whole; kInvalidArgument, kTooLarge
    kStored,  // from our own disk, under a checksum: only what keeps memory and invariants safe; kCorrupt
  };
  explicit Fields(Source source) : source_(source) {}

  void require(bool holds, std::string_view field, std::string_view rule);
  // For numbers that count from 1.
  std::uint64_t positive(std::uint64_t value, std::string_view field);
  void at_most(std::uint64_t value, std::uint64_t max, std::string_view field);
  // True when `size` is within its limit; the code is kTooLarge on the wire.
  bool fits(std::uint64_t size, std::uint64_t max, std::string_view field, std::string_view unit);
  // The same for a list of a command or a record: only on the wire. What an entry of the log holds was let in once, and
  // its size is bounded as a whole.
  bool may_hold(std::uint64_t entries, std::uint64_t max, std::string_view field);

  UserId user(capnp::Text::Reader text, std::string_view field);
  UserId user_or_none(capnp::Text::Reader text, std::string_view field);
  DeviceId device(capnp::Text::Reader text, std::string_view field);
  LayerId layer(capnp::Text::Reader text, std::string_view field);
  // "" or a text that keeps the rule of names.
  std::string text_or_none(capnp::Text::Reader text, std::string_view field);
  std::string text(capnp::Text::Reader text, std::size_t bytes_max, std::string_view field);
  std::string data(capnp::Data::Reader data, std::size_t bytes_max, std::string_view field);
  // Strictly ascending sequences above `floor`.
  std::vector<Sequence> ascending(capnp::List<std::uint64_t>::Reader list, Sequence floor, std::size_t count_max,
                                  std::string_view field);

  // Takes over an inner reader's result, or a rule's.
  template <class T>
  T inner(Result<T> result) {
    if (result) return std::move(*result);
    note(std::move(result.error()));
    return T{};
  }

  void keep(Status status) {
    if (!status) note(std::move(status.error()));
  }

  [[nodiscard]] Source source() const { return source_; }
  [[nodiscard]] bool ok() const { return !error_; }
  [[nodiscard]] Status finish() {
    if (error_) return fail(std::move(*error_));
    return {};
  }
  // What was read, or the first broken rule.
  template <class T>
  [[nodiscard]] Result<T> finish(T value) {
    if (error_) return fail(std::move(*error_));
    return value;
  }

 private:
  void note(Error error);
  void refuse(ErrorCode on_wire, std::string_view field, std::string rule);
  template <class Id>
  Id name(capnp::Text::Reader text, std::string_view field);

  Source source_;
  std::optional<Error> error_;
};

// Runs a reader of a message that came over a connection. There the library has checked the framing only: a pointer out
// of bounds shows when it is followed, by an exception, which ends here.
template <class Read>
std::invoke_result_t<Read> guarded(std::string_view what, Read&& read) {
  try {
    return std::forward<Read>(read)();
  } catch (const kj::Exception& exception) {
    return fail(ErrorCode::kInvalidArgument, std::string(what),
                std::string("malformed: ") + exception.getDescription().cStr());
  }
}

}  // namespace earshot
