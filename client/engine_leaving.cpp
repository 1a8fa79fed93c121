#include <algorithm>
#include <utility>

#include "client/engine.hpp"
#include "client/tls.hpp"

namespace earshot::client {
namespace {

constexpr std::uint64_t kLogoutTimeoutMs = 500;  // a node that does not answer by then is left all the same

}  // namespace

// Those whose server could prove that it is the one.
std::vector<std::string> Engine::usable(std::vector<std::string> addresses) const {
  std::erase_if(addresses, [&](const std::string& one) { return !can_be_verified(one, options_.tls); });
  return addresses;
}

// The clients of a node that sends them away do not go all at once: each draws its time from the first half. From then
// on what is under way has half of what is left.
void Engine::go_away(GoAway request) {
  if (state_ != State::kOpen || asked_to_go_) return;
  request.addresses = usable(std::move(request.addresses));
  reconnector_.told_more(request.addresses);
  leave_at_ms_ = now_ms() + random_.below(request.within_ms / 2 + 1);
  leave_by_ms_ = leave_at_ms_ + request.within_ms / 4;
  asked_to_go_ = std::move(request);
  pump();
}

void Engine::pump_leaving() {
  if (state_ != State::kOpen || !is_leaving()) return;
  // To stay is better than to be nowhere; in the end the node will close the session.
  if (!reconnector_.has_other(now_ms())) {
    asked_to_go_.reset();
    leave_at_ms_ = leave_by_ms_ = 0;
    pump_again_ = true;
    return;
  }
  const bool is_quiet = !outbox_.has_calls_under_way() && !calls_.has_on_wire() && !acks_.has_call_under_way();
  if (is_quiet || leave_by_ms_ <= now_ms()) log_out();
}

void Engine::log_out() {
  state_ = State::kLeaving;
  if (const auto ack = acks_.last()) link_->ack(*ack);
  const auto done = [weak = weak_from_this(), generation = generation_] {
    const auto self = weak.lock();
    if (self && self->state_ == State::kLeaving && self->generation_ == generation) self->left();
  };
  link_->logout(done);
  loop_->after(kLogoutTimeoutMs, done);
}

void Engine::left() {
  const GoAway request = asked_to_go_.value_or(GoAway());
  ConnectionChange change{ConnectionChange::Kind::kDisconnected,
                          reconnector_.address(),
                          Error{ErrorCode::kUnavailable, "", "the node asked this client to log in elsewhere", 0, 0},
                          0,
                          {}};
  const std::uint64_t rest_ms = std::max(request.within_ms, options_.reconnect.max_ms);
  wait_and_reconnect(std::move(change), reconnector_.leave(now_ms(), rest_ms, request.addresses));
}

}  // namespace earshot::client
