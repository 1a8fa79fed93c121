#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/limits.hpp"
#include "cluster/peers.hpp"

// What goes over a link once it is up: frames, the large ones in pieces, so that small ones need not wait behind them.
//
//   bytes  0..3   of the body that follows
//          4      kind: a PeerTopic, or a Control
//          5      flags of PieceFlag
//          6..7   group
//          8..15  XXH3 of the body, seeded with the eight bytes before
//
// Everything little-endian. A kind that is not known is passed over: a newer node may have more of them.
namespace earshot::peers {

using cluster::PeerFrame;
using cluster::PeerTopic;

// Pieces are not larger: so long waits what is urgent, and so much is buffered of what comes in.
inline constexpr std::size_t kPieceBytesMax = 64 << 10;
inline constexpr std::size_t kHeaderBytes = 16;
// A frame of Raft that is not larger goes before everything else.
inline constexpr std::size_t kUrgentBytesMax = 4 << 10;

enum class Control : std::uint8_t {
  kHeartbeat = 128,
  kGrant = 129,        // body: of each FrameClass, how many bytes the other end may have sent in all (8 bytes each)
  kProbe = 130,        // body: 8 bytes, to be sent back …
  kProbeAnswer = 131,  // … in this
};

enum PieceFlag : std::uint8_t {
  kMoreFollows = 1,  // pieces of the same frame
  kContinues = 2,    // the frame of the last piece that said so
};

// What has credit, and room in a queue, of its own.
enum class FrameClass : std::uint8_t { kRaft, kCalls, kSeed };
inline constexpr std::size_t kFrameClasses = 3;
template <class T>
using PerClass = std::array<T, kFrameClasses>;

constexpr FrameClass class_of(PeerTopic topic) {
  if (topic == PeerTopic::kRaft || topic == PeerTopic::kPulses) return FrameClass::kRaft;
  return topic == PeerTopic::kSeed ? FrameClass::kSeed : FrameClass::kCalls;
}
constexpr std::string_view name_of(FrameClass frame_class) {
  switch (frame_class) {
    case FrameClass::kRaft: return "raft";
    case FrameClass::kCalls: return "calls";
    case FrameClass::kSeed: return "seed";
  }
  return "unknown";
}
constexpr std::size_t index_of(FrameClass frame_class) { return static_cast<std::size_t>(frame_class); }

struct PieceHeader {
  std::uint32_t bytes = 0;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::uint16_t group = 0;
  std::uint64_t checksum = 0;
};

// The header of this body, written to kHeaderBytes bytes.
void write_header(char* to, std::uint8_t kind, std::uint8_t flags, std::uint16_t group, std::string_view body);
// Of kHeaderBytes bytes.
PieceHeader read_header(const char* from);
// Whether the body is what its sender meant.
bool is_intact(const PieceHeader& header, std::string_view body);

void put_u64(char* to, std::uint64_t value);
std::uint64_t get_u64(const char* from);

// What of a class is taken in advance: a whole frame of the largest size, and another one meanwhile.
inline constexpr std::size_t kWindowBytes = 2 * limits::kPeerFrameBytesMax;

}  // namespace earshot::peers
