#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <kj/async-io.h>
#include <kj/timer.h>

#include "gateway/reading_room.hpp"

namespace earshot::gateway {

// The bytes that come in on one connection, as the message reader asks for them: the body of a message larger than
// small_read_bytes takes its place in the room before any byte of it is read, and until it is there. Before the login
// no message may be larger than a login can be, and none takes a place: who is in the room keeps nobody from logging
// in, and strangers keep nobody out of it. KJ thread only.
class BoundedInput final : public kj::AsyncInputStream {
 public:
  BoundedInput(kj::AsyncInputStream& inner, kj::Timer& timer, ReadingRoom& room)
      : inner_(inner), timer_(timer), room_(room) {}

  // Somebody has logged in: any message that a call may be is read from now on.
  void login_done() { login_done_ = true; }
  // How long the message being read has had its place; 0 when none has.
  [[nodiscard]] std::uint64_t reading_ms() const;
  // How long no byte of the message being read has come; 0 when none is.
  [[nodiscard]] std::uint64_t stalled_ms() const;
  // Whether a message was announced that is too large.
  [[nodiscard]] bool violated() const { return violated_; }

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;

 private:
  kj::Promise<std::size_t> read_whole(void* buffer, std::size_t bytes);
  kj::Promise<std::size_t> read_on(kj::byte* to, std::size_t left, std::size_t got);

  kj::AsyncInputStream& inner_;
  kj::Timer& timer_;
  ReadingRoom& room_;
  bool login_done_ = false;
  bool violated_ = false;
  bool has_place_ = false;
  std::optional<kj::TimePoint> reading_since_;
  kj::TimePoint progress_at_ = kj::origin<kj::TimePoint>();
};

}  // namespace earshot::gateway
