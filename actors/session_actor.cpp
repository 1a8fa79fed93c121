#include "actors/session_actor.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/timer_ladder.hpp"

namespace earshot::actors {
namespace {

// The actor's state: the session, and the one timer that it asks for.
class SessionState : public SessionHost {
 public:
  explicit SessionState(caf::event_based_actor* self) : self_(self) {}

  static constexpr const char* name = "session";

  void start(SessionOptions options, std::shared_ptr<ClientPort> client, std::shared_ptr<const Router> router,
             const Clock& clock) {
    clock_ = &clock;
    // The session holds a port to its own actor. That ring is broken when the actor ends: CAF destroys its state then.
    auto self = std::make_shared<SessionHandle>(caf::actor_cast<caf::actor>(self_),
                                                PortAddress{options.node, 0, options.id});
    const Random random(options.seed);
    session_.emplace(std::move(options), *this, std::move(client), std::move(self), std::move(router), random);
    session_->start(now_ms());
  }

  template <class Message>
  void handle(Message& message) {
    session_->handle(std::move(message), now_ms());
  }

  void timer_fired(const TimerFired& timer) {
    timers_.fired(timer.number);
    if (wanted_ms_ == 0) return;
    if (now_ms() < wanted_ms_) return arm();
    wanted_ms_ = 0;
    session_->wake(now_ms());
  }

  // ---- SessionHost
  void wake_at(std::uint64_t monotonic_ms) override {
    wanted_ms_ = monotonic_ms;
    if (wanted_ms_ != 0) arm();
  }
  [[nodiscard]] std::uint64_t wall_ms() const override { return clock_->wall_ms(); }
  void end() override { self_->quit(); }

 private:
  [[nodiscard]] std::uint64_t now_ms() const { return clock_->monotonic_ms(); }

  void arm() {
    const std::uint64_t now = now_ms();
    const auto at_ms = timers_.want(wanted_ms_, now);
    if (!at_ms) return;
    caf::delayed_anon_send(caf::actor_cast<caf::actor>(self_), std::chrono::milliseconds(*at_ms - now),
                           TimerFired{*at_ms});
  }

  caf::event_based_actor* const self_;
  const Clock* clock_ = nullptr;
  std::optional<Session> session_;
  std::uint64_t wanted_ms_ = 0;  // what the session asked for; 0: nothing
  TimerLadder timers_;
};

using SessionActor = caf::stateful_actor<SessionState>;

caf::behavior session_actor(SessionActor* self, SessionOptions options, std::shared_ptr<ClientPort> client,
                            std::shared_ptr<const Router> router, const Clock* clock) {
  auto& state = self->state;
  state.start(std::move(options), std::move(client), std::move(router), *clock);
  return {
      [&state](SessionMessage& message) { std::visit([&state](auto& what) { state.handle(what); }, message.what); },
      [&state](TimerFired& timer) { state.timer_fired(timer); },
  };
}

}  // namespace

template <class Message>
void SessionHandle::send(Message message) {
  caf::anon_send(actor_, SessionMessage{std::move(message)});
}

void SessionHandle::post(ClientSend message) { send(std::move(message)); }
void SessionHandle::post(ClientSubscribe message) { send(std::move(message)); }
void SessionHandle::post(ClientAck message) { send(std::move(message)); }
void SessionHandle::post(ClientNack message) { send(std::move(message)); }
void SessionHandle::post(ClientFetch message) { send(std::move(message)); }
void SessionHandle::post(ClientHistory message) { send(std::move(message)); }
void SessionHandle::post(ClientManage message) { send(std::move(message)); }
void SessionHandle::post(ClientDelivered message) { send(std::move(message)); }
void SessionHandle::post(ClientGone message) { send(std::move(message)); }
void SessionHandle::post(SendsAnswered message) { send(std::move(message)); }
void SessionHandle::post(LoginAnswered message) { send(std::move(message)); }
void SessionHandle::post(AckAnswered message) { send(std::move(message)); }
void SessionHandle::post(FetchAnswered message) { send(std::move(message)); }
void SessionHandle::post(MailboxPush message) { send(std::move(message)); }
void SessionHandle::post(ManageAnswered message) { send(std::move(message)); }
void SessionHandle::post(AttemptsAnswered message) { send(std::move(message)); }
void SessionHandle::post(MessagesEnded message) { send(std::move(message)); }
void SessionHandle::post(ParkingRule message) { send(std::move(message)); }
void SessionHandle::post(SessionExplain message) { send(std::move(message)); }
void SessionHandle::post(SessionExplained message) { send(std::move(message)); }
void SessionHandle::post(SessionEvicted message) { send(std::move(message)); }
void SessionHandle::post(LeaderAnnounced message) { send(std::move(message)); }

std::shared_ptr<SessionHandle> spawn_session(caf::actor_system& system, SessionOptions options,
                                             std::shared_ptr<ClientPort> client, std::shared_ptr<const Router> router,
                                             const Clock& clock) {
  const PortAddress address{options.node, 0, options.id};
  return std::make_shared<SessionHandle>(
      system.spawn(session_actor, std::move(options), std::move(client), std::move(router), &clock), address);
}

}  // namespace earshot::actors
