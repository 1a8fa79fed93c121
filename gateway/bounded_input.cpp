#include "gateway/bounded_input.hpp"

#include <kj/debug.h>

#include "base/limits.hpp"

namespace earshot::gateway {
namespace {

// What is asked for at once without an account: tables of segments and small messages.
constexpr std::size_t kSmallReadBytes = 4096;

std::uint64_t ms_between(kj::TimePoint from, kj::TimePoint to) {
  return static_cast<std::uint64_t>((to - from) / kj::MILLISECONDS);
}

}  // namespace

std::uint64_t BoundedInput::reading_ms() const { return has_place_ ? ms_between(*reading_since_, timer_.now()) : 0; }

std::uint64_t BoundedInput::stalled_ms() const { return reading_since_ ? ms_between(progress_at_, timer_.now()) : 0; }

kj::Promise<std::size_t> BoundedInput::tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  if (bytes_min <= kSmallReadBytes) return inner_.tryRead(buffer, bytes_min, bytes_max);
  if (!login_done_) {
    if (bytes_min <= limits::kLoginMessageBytesMax) return read_whole(buffer, bytes_min);
    violated_ = true;
    return KJ_EXCEPTION(FAILED, "a message before the login is too large", bytes_min);
  }
  return room_.enter(bytes_min).then([this, buffer, bytes_min](kj::Own<ReadingRoom::Place>&& place) {
    has_place_ = true;
    return read_whole(buffer, bytes_min).attach(kj::mv(place));
  });
}

kj::Promise<std::size_t> BoundedInput::read_whole(void* buffer, std::size_t bytes) {
  reading_since_ = progress_at_ = timer_.now();
  return read_on(static_cast<kj::byte*>(buffer), bytes, 0).then([this](std::size_t got) {
    reading_since_.reset();
    has_place_ = false;
    return got;
  });
}

// Piece by piece, so that it is seen whether any comes.
kj::Promise<std::size_t> BoundedInput::read_on(kj::byte* to, std::size_t left, std::size_t got) {
  return inner_.tryRead(to, 1, left).then([this, to, left, got](std::size_t piece) -> kj::Promise<std::size_t> {
    if (piece == 0 || piece == left) return got + piece;
    progress_at_ = timer_.now();
    return read_on(to + piece, left - piece, got + piece);
  });
}

}  // namespace earshot::gateway
