#include "schema/flat.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "base/limits.hpp"

namespace earshot::flat {
namespace {

constexpr std::size_t kWordBytes = sizeof(capnp::word);
constexpr std::size_t kChecksumBytes = kChecksumWords * kWordBytes;

// Little-endian, as the framing wants it, on any machine.
void put_u32(char* to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

std::string joined(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(segments);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

}  // namespace

Writer::Writer(std::size_t words) {
  // The framing and the root pointer. At least three words: a string short enough to live inside the object would not
  // be on the heap.
  bytes_.resize(std::max<std::size_t>(words + 2, 3) * kWordBytes);
  EARSHOT_INVARIANT(reinterpret_cast<std::uintptr_t>(bytes_.data()) % kWordBytes == 0,
                    "the heap aligns for 8-byte words");
}

kj::ArrayPtr<capnp::word> Writer::allocateSegment(kj::uint words_min) {
  const std::size_t room = bytes_.size() / kWordBytes - 1;
  if (!first_taken_ && words_min <= room) {
    first_taken_ = true;
    return kj::arrayPtr(reinterpret_cast<capnp::word*>(bytes_.data() + kWordBytes), room);
  }
  first_taken_ = true;
  auto& segment = more_.add(kj::heapArray<capnp::word>(std::max<std::size_t>(words_min, 128)));
  std::memset(segment.begin(), 0, segment.size() * kWordBytes);
  return segment;
}

std::string Writer::take() {
  const auto segments = getSegmentsForOutput();
  if (segments.size() != 1 || !more_.empty()) return joined(segments);
  put_u32(bytes_.data(), 0);  // number of segments - 1
  put_u32(bytes_.data() + 4, static_cast<std::uint32_t>(segments[0].size()));
  bytes_.resize((1 + segments[0].size()) * kWordBytes);
  return std::move(bytes_);
}

Words::Words(std::string_view bytes) {
  const std::size_t count = bytes.size() / kWordBytes;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kWordBytes == 0) {
    words_ = kj::arrayPtr(reinterpret_cast<const capnp::word*>(bytes.data()), count);
    return;
  }
  copy_ = kj::heapArray<capnp::word>(count);
  std::memcpy(copy_.begin(), bytes.data(), count * kWordBytes);
  words_ = copy_;
}

capnp::ReaderOptions options_for(std::size_t bytes) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 2 * (bytes / kWordBytes) + 64;
  options.nestingLimit = limits::kCallNestingMax;
  return options;
}

tl::unexpected<Error> corrupt(std::string_view what, std::string_view why) {
  return fail(ErrorCode::kCorrupt, std::string(what), std::string(why));
}

tl::unexpected<Error> corrupt(std::string_view what, const kj::Exception& exception) {
  const kj::StringPtr why = exception.getDescription();
  return corrupt(what, std::string_view(why.begin(), why.size()));
}

std::string with_checksum(std::string bytes) {
  const std::uint64_t checksum = checksum_of(bytes);
  for (std::size_t i = 0; i < kChecksumBytes; ++i) bytes.push_back(static_cast<char>(checksum >> (8 * i)));
  return bytes;
}

Result<std::string_view> without_checksum(std::string_view bytes, std::string_view what) {
  if (bytes.size() < kChecksumBytes) return corrupt(what, "cut off");
  const std::string_view tail = bytes.substr(bytes.size() - kChecksumBytes);
  bytes.remove_suffix(kChecksumBytes);
  std::uint64_t checksum = 0;
  for (std::size_t i = kChecksumBytes; i-- > 0;) checksum = checksum << 8 | static_cast<unsigned char>(tail[i]);
  if (checksum_of(bytes) == checksum) return bytes;
  return fail(ErrorCode::kChecksumMismatch, std::string(what), "bytes were altered");
}

}  // namespace earshot::flat
