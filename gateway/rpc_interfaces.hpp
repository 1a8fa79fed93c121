#pragma once

#include <kj/refcount.h>

#include "gateway/rpc_session.hpp"
#include "schema/broker.capnp.h"

// The capabilities that a client holds. They translate only: parameters into the protocol's types, answers into
// results. Whatever they throw, the RPC system turns into an exception of that one call.
namespace earshot::gateway {

// The bootstrap capability of one connection.
class BrokerInterface final : public schema::Broker::Server {
 public:
  explicit BrokerInterface(kj::Own<RpcSession> session) : session_(kj::mv(session)) {}

 protected:
  kj::Promise<void> login(LoginContext context) override;
  kj::Promise<void> clusterStatus(ClusterStatusContext context) override;
  kj::Promise<void> removeNode(RemoveNodeContext context) override;

 private:
  kj::Own<RpcSession> session_;
};

// Given out by a login. A client that drops it has logged out.
class SessionInterface final : public schema::Session::Server {
 public:
  explicit SessionInterface(kj::Own<RpcSession> session) : session_(kj::mv(session)) {}
  ~SessionInterface() noexcept(false) { session_->logout(); }

 protected:
  kj::Promise<void> send(SendContext context) override;
  kj::Promise<void> subscribe(SubscribeContext context) override;
  kj::Promise<void> ack(AckContext context) override;
  kj::Promise<void> nack(NackContext context) override;
  kj::Promise<void> fetch(FetchContext context) override;
  kj::Promise<void> history(HistoryContext context) override;
  kj::Promise<void> logout(LogoutContext context) override;
  kj::Promise<void> devices(DevicesContext context) override;
  kj::Promise<void> removeDevice(RemoveDeviceContext context) override;
  kj::Promise<void> parked(ParkedContext context) override;
  kj::Promise<void> replay(ReplayContext context) override;
  kj::Promise<void> dropParked(DropParkedContext context) override;
  kj::Promise<void> explain(ExplainContext context) override;
  kj::Promise<void> policy(PolicyContext context) override;
  kj::Promise<void> setPolicy(SetPolicyContext context) override;
  kj::Promise<void> setPositions(SetPositionsContext context) override;
  kj::Promise<void> clearPositions(ClearPositionsContext context) override;
  kj::Promise<void> clearLayer(ClearLayerContext context) override;
  kj::Promise<void> nearby(NearbyContext context) override;
  kj::Promise<void> positions(PositionsContext context) override;
  kj::Promise<void> distance(DistanceContext context) override;
  kj::Promise<void> layers(LayersContext context) override;
  kj::Promise<void> layerPrivacy(LayerPrivacyContext context) override;
  kj::Promise<void> setLayerPrivacy(SetLayerPrivacyContext context) override;

 private:
  // Writes an answer of one of the schema's unions of a value and an error.
  template <class Answer, class Context>
  kj::Promise<void> write_when_answered(kj::Promise<Answer> answer, Context context);
  // A call that looks after mailboxes; the answer holds a `Value`.
  template <class Value, class Context>
  kj::Promise<void> manage(Context context);
  // A call about where members are; the same.
  template <class Value, class Context>
  kj::Promise<void> places(Context context);

  kj::Own<RpcSession> session_;
};

}  // namespace earshot::gateway
