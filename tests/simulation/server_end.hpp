#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "actors/ports.hpp"
#include "tests/simulation/network.hpp"

namespace earshot::simulation {

// Whose token gives the operator's role.
inline constexpr std::string_view kOperator = "operator";

// The server's end of a connection, in the gateway's place: gives calls to the session and its answers and deliveries
// to the client, by the gateway's rules (gateway/rpc_session.hpp): every call is answered once, by the session, by
// call_timeout_ms, or when the session ends; the session hears once that the client is gone.
class ServerEnd final : public actors::ClientPort, public std::enable_shared_from_this<ServerEnd> {
 public:
  ServerEnd(World& world, Network& network, Host& host, const std::shared_ptr<Connection>& connection)
      : world_(world), network_(network), host_(host), connection_(connection) {}

  void receive(const Frame& frame);
  // The client has closed, or is believed dead.
  void gone();
  // The node stops in order.
  void end(const Error& reason);
  // The node is dead.
  void die();

  // ---- ClientPort
  void logged_in(Result<Welcome> welcome) override;
  void answered(actors::CallId call, std::vector<SendAnswer> answers) override;
  void answered(actors::CallId call, Status status) override;
  void answered(actors::CallId call, Result<Sequence> cursor) override;
  void answered(actors::CallId call, Result<Batch> batch) override;
  void answered(actors::CallId call, Result<ManageAnswer> answer) override;
  void deliver(actors::Delivery delivery) override;
  void go_away(GoAway request) override;
  void closed(Error reason) override;

 private:
  struct Pending {
    std::uint64_t number = 0;  // the client's
    FrameKind answer = FrameKind::kStatus;
    std::size_t messages = 0;  // of a send
    std::size_t method = 0;    // of a call that looks after mailboxes
  };

  void login(const Frame& frame);
  void send(const Frame& frame);
  [[nodiscard]] actors::CallId open_call(const Pending& pending);
  // Whether no further call is taken now; then it is answered.
  bool refused(const Pending& pending);
  void answer_with_error(const Pending& pending, const Error& error);
  void expire(actors::CallId call);
  template <class Write>
  void answer(actors::CallId call, Write write);
  void to_client(Frame frame);

  World& world_;
  Network& network_;
  Host& host_;
  DeviceName device_;
  const std::weak_ptr<Connection> connection_;
  std::shared_ptr<actors::SessionInbox> inbox_;  // null: there is no session
  std::uint64_t login_number_ = 0;
  std::uint16_t shard_count_ = 0;
  bool subscribed_ = false;
  std::size_t reads_ = 0;
  actors::CallId last_call_ = 0;
  std::map<actors::CallId, Pending> pending_;
};

}  // namespace earshot::simulation
