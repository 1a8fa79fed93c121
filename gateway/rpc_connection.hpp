#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "gateway/guarded_stream.hpp"
#include "gateway/rpc_session.hpp"
#include "gateway/served_connection.hpp"
#include "transport/message_network.hpp"

namespace earshot::gateway {

// One client's connection: its socket, the RPC system on it and its session. KJ thread only.
class RpcConnection final : public ServedConnection,
                            public ConnectionControl,
                            private capnp::BootstrapFactory<capnp::rpc::twoparty::VatId> {
 public:
  // The stream may be wrapped (TLS). It is closed when nobody has logged in by then. `over` is called once, when the
  // connection is to be destroyed: not by this call, and later than it may be destroyed.
  RpcConnection(SessionContext& context, kj::Own<kj::AsyncIoStream> stream, kj::TimePoint login_due,
                std::function<void()> over);
  ~RpcConnection() noexcept(false) override;
  RpcConnection(const RpcConnection&) = delete;
  RpcConnection& operator=(const RpcConnection&) = delete;

  // Without a session there is nobody to tell.
  void end(const Error& reason) override;
  void check_times() override;

 private:
  capnp::Capability::Client createFor(capnp::rpc::twoparty::VatId::Reader client) override;
  void session_opened() override;
  void close_soon() override;
  void close_later() override;
  auth::Origin origin() override { return origin_of(*stream_); }
  void hold_until_written(ByteLease lease) override { guard_.hold_until_written(std::move(lease)); }
  void close_now();
  // Why a client that is too slow has to go, if so.
  [[nodiscard]] std::optional<std::string> too_slow();
  [[nodiscard]] std::optional<std::string> too_slow_a_sender();

  SessionContext& context_;
  std::function<void()> over_;  // called no more once it was
  kj::Own<kj::AsyncIoStream> stream_;
  GuardedStream guard_;
  kj::Own<RpcSession> session_;
  transport::MessageNetwork network_;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc_;
  bool ending_ = false;
  kj::Promise<void> timer_;  // until login: the login timeout; while closing: the linger
};

}  // namespace earshot::gateway
