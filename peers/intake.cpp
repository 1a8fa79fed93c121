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
  return kind >= static_cast<std::uint8_t>(PeerTopic::kRaft) && kind <= static_cast<std::uint8_t>(PeerTopic::kClock);
}

// The bytes of a frame, which count against the window for as long as anybody has them.
class CountedBody {
 public:
  CountedBody(std::string bytes, std::shared_ptr<HandledBytes> handled, FrameClass of, std::size_t wire_bytes)
      : bytes_(std::move(bytes)), handled_(std::move(handled)), of_(of), wire_bytes_(wire_bytes) {}
  CountedBody(const CountedBody&) = delete;
  CountedBody& operator=(const CountedBody&) = delete;
  ~CountedBody() { handled_->of[index_of(of_)].fetch_add(wire_bytes_, std::memory_order_relaxed); }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  const std::string bytes_;
  const std::shared_ptr<HandledBytes> handled_;
  const FrameClass of_;
  const std::size_t wire_bytes_;
};

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
  const FrameClass of = class_of(static_cast<PeerTopic>(header.kind));
  if (!window_.took(of, body.size() + kHeaderBytes))
    return broken(ErrorCode::kTooLarge,
                  "a piece comes though no more than " + std::to_string(window_.told(of)) + " bytes are granted");
  if (header.flags == 0) return whole(header, std::string(body), body.size() + kHeaderBytes);
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
  return whole(header, std::exchange(parts_, {}), std::exchange(begun_wire_bytes_, 0));
}

std::optional<Intake::Arrived> Intake::whole(const PieceHeader& header, std::string bytes,
                                             std::size_t wire_bytes) const {
  const auto topic = static_cast<PeerTopic>(header.kind);
  const auto body =
      std::make_shared<const CountedBody>(std::move(bytes), window_.handled(), class_of(topic), wire_bytes);
  if (!is_known(header.kind)) return std::nullopt;
  return PeerFrame{topic, storage::GroupId(header.group), storage::SharedBytes(body, &body->bytes())};
}

}  // namespace earshot::peers
