#include "actors/session_actor.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"

namespace earshot::actors {
namespace {

// A CAF timer keeps its actor in memory until it fires, even when the actor has ended: none is armed for longer than
// this.
constexpr std::uint64_t kTimerMsMax = 60'000;

// The actor's state: the session, and the one timer that it asks for. At most one armed timer is alive; it stays armed
// when a later time is asked for, and fires early then, so that a time that moves on with every message costs nothing.
class SessionState : public SessionHost {
 public:
  explicit SessionState(caf::event_based_actor* self) : self_(self) {}

  static constexpr const char* name = "session";

  void start(SessionOptions options, std::shared_ptr<ClientPort> client, std::shared_ptr<const Router> router,
             const Clock& clock) {
    clock_ = &clock;
    // The session holds a port to its own actor. That ring is broken when the actor ends: CAF destroys its state then.
    auto self = std::make_shared<SessionHandle>(caf::actor_cast<caf::actor>(self_));
    const Random random(options.seed);
    session_.emplace(std::move(options), *this, std::move(client), std::move(self), std::move(router), random);
    session_->start(now_ms());
  }

  template <class Message>
  void handle(Message& message) {
    session_->handle(std::move(message), now_ms());
  }

  void timer_fired(const TimerFired& timer) {
    if (timer.generation != generation_) return;  // replaced by an earlier one
    armed_ms_ = 0;
    if (wanted_ms_ == 0) return;
    if (now_ms() < wanted_ms_) return arm();
    wanted_ms_ = 0;
    session_->wake(now_ms());
  }

  // ---- SessionHost
  void wake_at(std::uint64_t monotonic_ms) override {
    wanted_ms_ = monotonic_ms;
    if (wanted_ms_ != 0 && (armed_ms_ == 0 || wanted_ms_ < armed_ms_)) arm();
  }
  void end() override { self_->quit(); }

 private:
  [[nodiscard]] std::uint64_t now_ms() const { return clock_->monotonic_ms(); }

  void arm() {
    const std::uint64_t now = now_ms();
    const std::uint64_t delay_ms = std::min(wanted_ms_ > now ? wanted_ms_ - now : 0, kTimerMsMax);
    armed_ms_ = now + delay_ms;
    caf::delayed_anon_send(caf::actor_cast<caf::actor>(self_), std::chrono::milliseconds(delay_ms),
                           TimerFired{++generation_});
  }

  caf::event_based_actor* const self_;
  const Clock* clock_ = nullptr;
  std::optional<Session> session_;
  std::uint64_t wanted_ms_ = 0;   // what the session asked for; 0: nothing
  std::uint64_t armed_ms_ = 0;    // when the live timer fires; 0: there is none
  std::uint64_t generation_ = 0;  // of the live timer
};

using SessionActor = caf::stateful_actor<SessionState>;

caf::behavior session_actor(SessionActor* self, SessionOptions options, std::shared_ptr<ClientPort> client,
                            std::shared_ptr<const Router> router, const Clock* clock) {
  auto& state = self->state;
  state.start(std::move(options), std::move(client), std::move(router), *clock);
  return {
      [&state](ClientSend& message) { state.handle(message); },
      [&state](ClientSubscribe& message) { state.handle(message); },
      [&state](ClientAck& message) { state.handle(message); },
      [&state](ClientNack& message) { state.handle(message); },
      [&state](ClientFetch& message) { state.handle(message); },
      [&state](ClientHistory& message) { state.handle(message); },
      [&state](ClientDelivered& message) { state.handle(message); },
      [&state](ClientGone& message) { state.handle(message); },
      [&state](SendsAnswered& message) { state.handle(message); },
      [&state](LoginAnswered& message) { state.handle(message); },
      [&state](AckAnswered& message) { state.handle(message); },
      [&state](FetchAnswered& message) { state.handle(message); },
      [&state](MailboxPush& message) { state.handle(message); },
      [&state](SessionEvicted& message) { state.handle(message); },
      [&state](LeaderAnnounced& message) { state.handle(message); },
      [&state](TimerFired& timer) { state.timer_fired(timer); },
  };
}

}  // namespace

void SessionHandle::post(ClientSend message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(ClientSubscribe message) { caf::anon_send(actor_, message); }
void SessionHandle::post(ClientAck message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(ClientNack message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(ClientFetch message) { caf::anon_send(actor_, message); }
void SessionHandle::post(ClientHistory message) { caf::anon_send(actor_, message); }
void SessionHandle::post(ClientDelivered message) { caf::anon_send(actor_, message); }
void SessionHandle::post(ClientGone message) { caf::anon_send(actor_, message); }
void SessionHandle::post(SendsAnswered message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(LoginAnswered message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(AckAnswered message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(FetchAnswered message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(MailboxPush message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(SessionEvicted message) { caf::anon_send(actor_, std::move(message)); }
void SessionHandle::post(LeaderAnnounced message) { caf::anon_send(actor_, message); }

std::shared_ptr<SessionHandle> spawn_session(caf::actor_system& system, SessionOptions options,
                                             std::shared_ptr<ClientPort> client, std::shared_ptr<const Router> router,
                                             const Clock& clock) {
  return std::make_shared<SessionHandle>(
      system.spawn(session_actor, std::move(options), std::move(client), std::move(router), &clock));
}

}  // namespace earshot::actors
