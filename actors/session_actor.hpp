#pragma once

#include <memory>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/ports.hpp"
#include "actors/session.hpp"
#include "base/clock.hpp"

namespace earshot::actors {

// Both ways into a session's actor. Thread-safe; once the session has ended, what is posted is dropped.
class SessionHandle final : public SessionInbox, public SessionPort {
 public:
  SessionHandle(caf::actor actor, const PortAddress& address) : actor_(std::move(actor)), address_(address) {}

  [[nodiscard]] PortAddress address() const override { return address_; }

  void post(ClientSend message) override;
  void post(ClientSubscribe message) override;
  void post(ClientAck message) override;
  void post(ClientNack message) override;
  void post(ClientFetch message) override;
  void post(ClientHistory message) override;
  void post(ClientManage message) override;
  void post(ClientDelivered message) override;
  void post(ClientGone message) override;
  void post(SendsAnswered message) override;
  void post(LoginAnswered message) override;
  void post(AckAnswered message) override;
  void post(FetchAnswered message) override;
  void post(MailboxPush message) override;
  void post(ManageAnswered message) override;
  void post(AttemptsAnswered message) override;
  void post(MessagesEnded message) override;
  void post(ParkingRule message) override;
  void post(SessionExplain message) override;
  void post(SessionExplained message) override;
  void post(SessionEvicted message) override;
  void post(LeaderAnnounced message) override;

  [[nodiscard]] const caf::actor& actor() const { return actor_; }  // for the node, which waits for its end

 private:
  template <class Message>
  void send(Message message);

  caf::actor actor_;
  PortAddress address_;
};

// Starts the actor of one session and logs it in. It lives until the client is gone, a newer session of the device
// wins, or it is sent SessionEvicted (a node that stops tells its sessions so, with kUnavailable). Clock and system
// outlive it.
std::shared_ptr<SessionHandle> spawn_session(caf::actor_system& system, SessionOptions options,
                                             std::shared_ptr<ClientPort> client, std::shared_ptr<const Router> router,
                                             const Clock& clock);

}  // namespace earshot::actors
