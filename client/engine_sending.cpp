#include "client/engine.hpp"

namespace earshot::client {
namespace {

// That another session of the device is why a message was not taken.
std::optional<Error> replaced_in(std::span<const SendAnswer> answers) {
  for (const SendAnswer& answer : answers)
    if (const auto* held = std::get_if<SendAnswer::Held>(&answer.value))
      if (held->error.code == ErrorCode::kSessionReplaced) return held->error;
  return std::nullopt;
}

}  // namespace

void Engine::take_committed() {
  if (planning_) return;  // welcome_stored() comes first
  fill_outbox();
  pump();
}

void Engine::fill_outbox() {
  for (OutboxMessage& message : intake_->take()) outbox_.add(std::move(message));
}

// Does whatever can be done now. Calls from inside it only ask for another turn.
void Engine::pump() {
  pump_again_ = true;
  if (pumping_) return;
  pumping_ = true;
  while (std::exchange(pump_again_, false)) {
    pump_removals();
    if (store_retry_at_ms_ != 0 && store_retry_at_ms_ <= now_ms() && store_again_) {
      store_retry_at_ms_ = 0;
      store(std::exchange(store_again_, nullptr));
    }
    if (state_ == State::kOpen) pump_sends();
    if (state_ == State::kOpen && !is_leaving()) pump_repair();
    if (state_ == State::kOpen && !is_leaving()) pump_calls();
    if (calls_.has_expired(now_ms())) expire_calls();
    pump_leaving();
  }
  pumping_ = false;
  arm();
}

void Engine::pump_sends() {
  const std::uint64_t now = now_ms();
  fill_outbox();
  while (!is_leaving() && outbox_.next_call(now, loop_->clock().wall_ms(), call_)) {
    ++counters_.send_calls;
    counters_.resent += call_.resent;
    link_->send(call_);
  }
  intake_->wait_for(outbox_.messages_awaited());
  if (const auto ack = acks_.next(now)) {
    ++counters_.acks;
    link_->ack(*ack);
  }
  if (outbox_.needs_new_producer())
    put_off(Error{ErrorCode::kProducerReset, "producer", "the server has forgotten this outbox's lanes", 0, 0});
}

void Engine::sent(std::uint64_t call, std::span<SendAnswer> answers) {
  if (state_ != State::kOpen) return;
  std::vector<SendReport> reports;
  reports.reserve(answers.size());
  const std::optional<Error> replaced = replaced_in(answers);
  const std::uint64_t held = outbox_.held();
  const std::uint64_t repeats = outbox_.repeats_answered();
  if (!outbox_.answered(call, answers, now_ms(), reports)) {
    lost(Error{ErrorCode::kInternal, "answers", "the server answered another number of messages", 0, 0});
    return;
  }
  counters_.held += outbox_.held() - held;
  counters_.repeats_answered += outbox_.repeats_answered() - repeats;
  report(std::move(reports));
  // Who receives nothing hears of it in no other way.
  if (replaced) return closed(*replaced);
  pump();
}

void Engine::report(std::vector<SendReport> reports) {
  if (reports.empty()) return;
  std::uint64_t counts[3] = {};
  for (const SendReport& report : reports) ++counts[report.outcome.index()];
  counters_.sent += counts[0], counters_.refused += counts[1], counters_.uncertain += counts[2];
  if (!announcer_.handlers().on_sent) return;
  announcer_.run([reports = std::move(reports)](const Handlers& h) { h.on_sent(reports); });
}

// The store forgets what is answered. It keeps what is uncertain until the application has been told.
void Engine::pump_removals() {
  if (removing_ || planning_ || !outbox_.has_removable()) return;
  if (remove_retry_at_ms_ > now_ms()) return;
  remove_retry_at_ms_ = 0;
  removing_ = true;
  auto removals = std::make_shared<Outbox::Removals>(outbox_.take_removable());
  store_->remove(removals->tickets, [self = shared_from_this(), removals](Status status) mutable {
    on_loop(self, [removals, status = std::move(status)](Engine& e) { e.removal_done(std::move(*removals), status); });
  });
}

void Engine::removal_done(Outbox::Removals removals, Status status) {
  removing_ = false;
  if (status) {
    remove_failures_ = 0;
    outbox_.removed(removals.tickets);
    intake_->removed(removals.tickets.size(), removals.bytes);
  } else {
    ++counters_.store_failures;
    outbox_.give_back(std::move(removals));
    remove_retry_at_ms_ = now_ms() + backoff_ms(options_.reconnect, ++remove_failures_, random_);
  }
  check_shut_down();
  try_welcome();
  pump();
}

void Engine::hand_over_uncertain() {
  std::vector<OutboxMessage> messages = outbox_.take_uncertain();
  if (messages.empty()) return;
  counters_.uncertain += messages.size();
  std::vector<SendReport> reports;
  Outbox::Removals removals;
  for (OutboxMessage& message : messages) {
    removals.tickets.push_back(message.ticket);
    removals.bytes += message.message.body.size();
    reports.push_back(
        {message.message.id, Uncertain{std::make_shared<const OutgoingMessage>(std::move(message.message))}});
  }
  const auto tell = [reports = std::move(reports)](const Handlers& h) {
    if (h.on_sent) h.on_sent(reports);
  };
  announcer_.run(tell, [self = shared_from_this(), removals = std::move(removals)]() mutable {
    on_loop(self, [removals = std::move(removals)](Engine& e) mutable {
      e.outbox_.give_back(std::move(removals));
      e.pump();
    });
  });
}

void Engine::acked(Status status) {
  if (state_ != State::kOpen) return;
  std::uint64_t retry_ms = 0;
  if (!status) {
    if (!status.error().is_temporary()) {
      closed(std::move(status.error()));
      return;
    }
    retry_ms = std::max<std::uint64_t>(status.error().retry_after_ms, limits::kRetryAfterMs);
  }
  acks_.answered(status.has_value(), retry_ms, now_ms());
  pump();
}

}  // namespace earshot::client
