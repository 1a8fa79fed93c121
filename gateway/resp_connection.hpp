#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <kj/async-io.h>
#include <kj/timer.h>

#include "gateway/resp_session.hpp"
#include "gateway/served_connection.hpp"

namespace earshot::gateway {

// The connection of a client that speaks Redis's protocol: its socket and its session.
//
//  * A client that does not read its replies, or has as much under way as it may, is not read either.
//  * A request larger than resp_small_request_bytes has its place in the node's room for reading.
//
// KJ thread only.
class RespConnection final : public ServedConnection, private RespControl {
 public:
  // The stream may be wrapped (TLS). It is closed when nobody has logged in by then. `over` is called once, when the
  // connection is to be destroyed: not by this call, and later than it may be destroyed.
  RespConnection(SessionContext& context, kj::Own<kj::AsyncIoStream> stream, kj::TimePoint login_due,
                 std::function<void()> over);
  ~RespConnection() noexcept(false) override;
  RespConnection(const RespConnection&) = delete;
  RespConnection& operator=(const RespConnection&) = delete;

  void end(const Error& reason) override;
  void check_times() override;

 private:
  auth::Origin origin() override { return origin_of(*stream_); }
  resp::ClientFacts facts() override;
  void logged_in() override { login_timer_ = nullptr; }
  void logged_out() override {
    expect_login(context_.timer.now() + context_.options.login_timeout_ms * kj::MILLISECONDS);
  }
  void changed() override;

  void expect_login(kj::TimePoint due);
  kj::Promise<void> read();
  kj::Promise<void> read_on();
  kj::Promise<void> write();
  void get_on();
  // Of what is being written, the peer has taken in nothing for so long.
  [[nodiscard]] std::uint64_t stalled_ms();
  [[nodiscard]] std::optional<std::string> too_slow();
  [[nodiscard]] std::uint64_t ms_since(kj::TimePoint then) const;
  void close_now();

  SessionContext& context_;
  std::function<void()> over_;  // called no more once it was
  kj::Own<kj::AsyncIoStream> stream_;
  std::optional<int> socket_;
  std::vector<char> buffer_;
  RespSession session_;
  kj::Own<ReadingRoom::Place> place_;  // while a large request is half read
  const kj::TimePoint began_at_;
  kj::TimePoint read_at_;                       // something
  std::optional<kj::TimePoint> listens_since_;  // while it is read
  kj::TimePoint place_since_;
  kj::Own<kj::PromiseFulfiller<void>> resume_;  // while it is not read
  Replies writing_;                             // while a write is under way
  bool is_writing_ = false;
  bool gets_on_soon_ = false;
  kj::TimePoint writing_since_;
  kj::TimePoint progress_at_;
  std::uint64_t taken_ = 0;  // by the peer when that was last looked up
  kj::Promise<void> login_timer_ = nullptr;
  kj::Promise<void> soon_ = nullptr;
  kj::Promise<void> reading_ = nullptr;
  kj::Promise<void> writing_done_ = nullptr;
  kj::Promise<void> linger_ = nullptr;
};

}  // namespace earshot::gateway
