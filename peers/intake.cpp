#include "peers/intake.hpp"

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace earshot::peers {
namespace {

tl::unexpected<Error> broken(ErrorCode code, std::string why) { return fail(code, "peer", std::move(why)); }
tl::unexpected<Error> too_large(const char* what, std::size_t bytes, std::size_t limit) {
  return broken(ErrorCode::kTooLarge,
                std::string(what) + " has " + std::to_string(bytes) + " bytes, the limit is " + std::to_string(limit));
}

bool is_known(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(PeerTopic::kRaft) && kind <= static_cast<std::uint8_t>(PeerTopic::kPulses);
}

}  // namespace

std::span<char> Intake::room() {
  // What is not cut out yet is less than a piece.
  if (buffer_.size() - end_ < kPieceBytesMax + kHeaderBytes) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

Result<std::optional<Intake::Arrived>> Intake::next() {
  while (end_ - begin_ >= kHeaderBytes) {
    const PieceHeader header = read_header(buffer_.data() + begin_);
    if (header.bytes > kPieceBytesMax) return too_large("a piece", header.bytes, kPieceBytesMax);
    if (end_ - begin_ < kHeaderBytes + header.bytes) return std::nullopt;
    const std::string_view body(buffer_.data() + begin_ + kHeaderBytes, header.bytes);
    if (!is_intact(header, body)) return broken(ErrorCode::kChecksumMismatch, "bytes arrived altered");
    begin_ += kHeaderBytes + header.bytes;
    auto arrived = take(header, body);
    if (!arrived || *arrived) return arrived;
  }
  return std::nullopt;
}

Result<std::optional<Intake::Arrived>> Intake::take(const PieceHeader& header, std::string_view body) {
  if (header.kind >= static_cast<std::uint8_t>(Control::kHeartbeat)) {
    if (header.flags != 0) return broken(ErrorCode::kCorrupt, "a control frame comes in pieces");
    return Arrived(ControlFrame{static_cast<Control>(header.kind), std::string(body)});
  }
  const auto topic = static_cast<PeerTopic>(header.kind);
  const FrameClass of = class_of(topic);
  if (!window_.took(of, body.size() + kHeaderBytes))
    return broken(ErrorCode::kTooLarge,
                  "a piece comes though no more than " + std::to_string(window_.told(of)) + " bytes are granted");
  const auto whole = [&](std::string bytes) -> std::optional<Arrived> {
    if (!is_known(header.kind)) return std::nullopt;
    return PeerFrame{topic, storage::GroupId(header.group), std::make_shared<const std::string>(std::move(bytes))};
  };
  if (header.flags == 0) {
    window_.passed_on(of, body.size() + kHeaderBytes);
    return whole(std::string(body));
  }
  const bool continues = (header.flags & kContinues) != 0;
  const bool fits =
      continues == begun_.has_value() && (!continues || (begun_->kind == header.kind && begun_->group == header.group));
  if (!fits || body.empty()) return broken(ErrorCode::kCorrupt, "the pieces of a frame do not fit together");
  if (!continues) begun_ = header;
  begun_wire_bytes_ += body.size() + kHeaderBytes;
  if (parts_.size() + body.size() > limits::kPeerFrameBytesMax)
    return too_large("a frame", parts_.size() + body.size(), limits::kPeerFrameBytesMax);
  parts_ += body;
  if ((header.flags & kMoreFollows) != 0) return std::nullopt;
  begun_.reset();
  window_.passed_on(of, std::exchange(begun_wire_bytes_, 0));
  return whole(std::exchange(parts_, {}));
}

}  // namespace earshot::peers
