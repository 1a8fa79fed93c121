#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "client/client.hpp"
#include "client/loop.hpp"
#include "client/outbox.hpp"
#include "schema/broker.capnp.h"

namespace earshot::client {

// What a connection reports. Always from the loop, never from inside a call to the connection.
class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  virtual void logged_in(Result<Welcome> welcome) = 0;
  virtual void sent(std::uint64_t call, std::span<SendAnswer> answers) = 0;
  virtual void acked(Status status) = 0;
  // `taken` is to be called when the batch is taken in: that is the flow control.
  virtual void delivered(Batch batch, std::function<void()> taken) = 0;
  virtual void closed(Error reason) = 0;  // by the server
  virtual void lost(Error reason) = 0;    // by the network, or a server that breaks the protocol
};

// One connection to a node, from connecting to its loss: Cap'n Proto RPC on one side, Earshot's types on the other. A
// call that is not answered within the timeout means that the connection is lost.
//
// Thread: the loop's. After detach() it reports nothing more. It must not be destroyed from inside one of its own
// events.
class Connection final : private kj::TaskSet::ErrorHandler {
 public:
  Connection(std::shared_ptr<Loop> loop, ConnectionEvents& events, std::uint64_t timeout_ms);
  ~Connection();

  void open(const std::string& address, LoginRequest request);
  // The rest after logged_in().
  void subscribe(DeliveryMode mode, std::uint32_t window_messages);
  void send(const Outbox::Call& call);
  void ack(const AckRequest& request);
  void nack(const NackRequest& request);
  void fetch(Sequence after, std::uint32_t limit, FetchCause cause, FetchDone done);
  void history(Sequence before, std::uint32_t limit, FetchDone done);
  // Ends the session in order, then calls `done`, answered or not.
  void logout(std::function<void()> done);

  // Reports nothing more; calls that wait for their answer get kUnavailable.
  void detach();

 private:
  class ReceiverServer;
  using CallNumber = std::uint64_t;

  kj::Promise<void> login(kj::Own<kj::AsyncIoStream> stream, LoginRequest request);
  void subscribed(schema::StatusAnswer::Reader answer);
  void fetched(CallNumber call, Result<Batch> batch);
  CallNumber begin_call(FetchDone done = {});
  void end_call(CallNumber call);
  void watch();
  void fail_with(Error reason);
  void taskFailed(kj::Exception&& exception) override;

  struct Call {
    std::uint64_t deadline_ms = 0;
    FetchDone done;
  };

  const std::shared_ptr<Loop> loop_;
  ConnectionEvents* events_;  // nullptr when detached
  const std::uint64_t timeout_ms_;
  std::shared_ptr<Connection*> self_;  // nulled with this object
  std::map<CallNumber, Call> calls_;   // unanswered, oldest first
  CallNumber next_call_ = 1;
  std::size_t deliveries_ = 0;  // not taken in yet
  bool watching_ = false;
  std::vector<SendAnswer> answers_;  // reused memory

  // In the order of their making; destroyed in reverse: tasks before what they use.
  kj::Own<kj::AsyncIoStream> stream_;
  kj::Own<capnp::TwoPartyVatNetwork> network_;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc_;
  schema::Session::Client session_ = nullptr;
  kj::Own<kj::TaskSet> tasks_;
};

}  // namespace earshot::client
