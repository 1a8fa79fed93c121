#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "peers/credits.hpp"
#include "peers/frame.hpp"

namespace earshot::peers {

// What the bytes of a link say: pieces cut out of them, compared with their checksums, put together to frames. Holds
// one buffer and, at most, one frame of the largest size. Pure; one owner.
class Intake {
 public:
  struct ControlFrame {
    Control kind = Control::kHeartbeat;
    std::string body;
  };
  using Arrived = std::variant<PeerFrame, ControlFrame>;

  explicit Intake(std::uint64_t window_bytes = kWindowBytes) : buffer_(kBufferBytes), window_(window_bytes) {}

  // Where the next bytes go; never empty. took() says how many came.
  std::span<char> room();
  void took(std::size_t bytes) { end_ += bytes; }
  // The next whole frame; nothing: more bytes are needed. kChecksumMismatch, kTooLarge, kCorrupt(peer): the link is
  // over. Frames of unknown topics are passed over.
  Result<std::optional<Arrived>> next();

  // Of what was given out by next(), and let go by everybody since.
  [[nodiscard]] bool grant_due() const { return window_.grant_due(); }
  PerClass<std::uint64_t> grant() { return window_.grant(); }

 private:
  static constexpr std::size_t kBufferBytes = 2 * (kPieceBytesMax + kHeaderBytes);

  [[nodiscard]] std::optional<Arrived> whole(const PieceHeader& header, std::string bytes,
                                             std::size_t wire_bytes) const;
  // The frame that the piece completes, if it does.
  Result<std::optional<Arrived>> take(const PieceHeader& header, std::string_view body);

  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Window window_;
  std::optional<PieceHeader> begun_;  // of a frame in pieces: its first
  std::size_t begun_wire_bytes_ = 0;
  std::string parts_;
};

}  // namespace earshot::peers
