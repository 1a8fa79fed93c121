#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "client/call_wait.hpp"
#include "client/connector.hpp"
#include "client/link.hpp"
#include "client/loop.hpp"
#include "client/server_stream.hpp"
#include "schema/broker.capnp.h"
#include "transport/message_network.hpp"

namespace earshot::client {

// The real link: Cap'n Proto RPC on one side, Earshot's types on the other.
class Connection final : public Link, private kj::TaskSet::ErrorHandler {
 public:
  // On the thread of the loop, whose KJ network that is.
  Connection(std::shared_ptr<Loop> loop, kj::AsyncIoProvider& io, LinkEvents& events, const Options& options,
             std::string address);
  ~Connection() noexcept override;

  void open(LoginRequest request) override;
  void subscribe(DeliveryMode mode, std::uint32_t window_messages) override;
  void send(const Outbox::Call& call) override;
  void ack(const AckRequest& request) override;
  void nack(const NackRequest& request) override;
  void fetch(Sequence after, std::uint32_t limit, FetchCause cause, FetchDone done) override;
  void history(Sequence before, std::uint32_t limit, FetchDone done) override;
  void manage(const ManageRequest& request, Answer<ManageAnswer> done) override;
  void places(const PlacesRequest& request, Answer<PlacesReply> done) override;
  void logout(std::function<void()> done) override;
  void detach() override;

 private:
  class ReceiverServer;
  using CallNumber = std::uint64_t;

  // Encrypts the stream if that is asked for.
  kj::Promise<kj::Own<kj::AsyncIoStream>> secure(kj::Own<kj::AsyncIoStream> stream);
  kj::Promise<void> login(kj::Own<kj::AsyncIoStream> stream, LoginRequest request);
  // Sends a call of a session. `failed`: called when the answer will not come any more.
  template <class Request>
  auto make_call(Request request, CallNumber& number, std::function<void(Error)> failed = {});
  CallNumber begin_call(std::function<void(Error)> failed);
  // Whether the call still waited for its answer.
  bool end_call(CallNumber call);
  // Sends a request and hands on what `read` makes of its response.
  template <class T, class Request, class Read>
  void ask(Request request, Answer<T> done, Read read);
  void watch();
  void look_at_calls();
  void look_at_socket();
  // Of the calls; nothing while there is no session.
  [[nodiscard]] std::optional<LineProgress> progress();
  [[nodiscard]] std::uint64_t now_ms() const { return loop_->clock().monotonic_ms(); }
  void fail_with(Error reason);
  void closed_by_server();
  void taskFailed(kj::Exception&& exception) override;

  struct Call {
    CallWait wait;
    std::function<void(Error)> failed;
  };

  const std::shared_ptr<Loop> loop_;
  kj::Timer& timer_;
  LinkEvents* events_;  // nullptr when detached
  const std::string address_;
  const std::uint64_t timeout_ms_;
  const TlsOptions tls_;
  Connector connector_;
  std::shared_ptr<Connection*> self_;  // nulled with this object
  std::map<CallNumber, Call> calls_;   // unanswered, oldest first
  CallNumber next_call_ = 1;
  std::uint64_t answered_made_ms_ = 0;  // when the latest of the answered calls was made
  std::size_t deliveries_ = 0;          // not taken in yet
  bool watching_ = false;
  std::optional<int> socket_;                                 // of stream_, below TLS
  std::optional<transport::SocketProgress> socket_progress_;  // when it was looked at last
  std::vector<SendAnswer> answers_;                           // reused memory

  // In the order of their making; destroyed in reverse: tasks before what they use.
  kj::Own<kj::AsyncIoStream> stream_;
  kj::Own<ServerStream> messages_;
  kj::Own<transport::MessageNetwork> network_;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc_;
  schema::Session::Client session_ = nullptr;
  kj::Own<kj::TaskSet> tasks_;
};

}  // namespace earshot::client
