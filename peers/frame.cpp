#include "peers/frame.hpp"

#include "base/checksum.hpp"

namespace earshot::peers {
namespace {

template <class Integer>
void put(char* to, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

template <class Integer>
Integer get(const char* from) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<Integer>(value | static_cast<Integer>(static_cast<unsigned char>(from[i])) << (8 * i));
  return value;
}

}  // namespace

void write_header(char* to, std::uint8_t kind, std::uint8_t flags, std::uint16_t group, std::string_view body) {
  put(to, static_cast<std::uint32_t>(body.size()));
  to[4] = static_cast<char>(kind);
  to[5] = static_cast<char>(flags);
  put(to + 6, group);
  put(to + 8, checksum_of(body, get<std::uint64_t>(to)));
}

PieceHeader read_header(const char* from) {
  return {get<std::uint32_t>(from), static_cast<std::uint8_t>(from[4]), static_cast<std::uint8_t>(from[5]),
          get<std::uint16_t>(from + 6), get<std::uint64_t>(from + 8)};
}

bool is_intact(const PieceHeader& header, std::string_view body) {
  std::array<char, 8> head{};
  put(head.data(), header.bytes);
  head[4] = static_cast<char>(header.kind);
  head[5] = static_cast<char>(header.flags);
  put(head.data() + 6, header.group);
  return body.size() == header.bytes && checksum_of(body, get<std::uint64_t>(head.data())) == header.checksum;
}

void put_u64(char* to, std::uint64_t value) { put(to, value); }
std::uint64_t get_u64(const char* from) { return get<std::uint64_t>(from); }

}  // namespace earshot::peers
