#include <algorithm>
#include <utility>
#include <variant>

#include "client/engine.hpp"

namespace earshot::client {
namespace {

// What is read on demand passes no inbox: an altered body must not pass here either.
bool holds_altered(const CallRequest& request, const CallReply& reply) {
  if (const auto* batch = std::get_if<Batch>(&reply)) return std::ranges::any_of(batch->messages, is_altered);
  const auto* managed = std::get_if<ManageAnswer>(&reply);
  const auto* parked = managed != nullptr ? std::get_if<std::vector<ParkedMessage>>(managed) : nullptr;
  if (parked == nullptr) return false;
  const auto& asked = std::get<ParkedRequest>(std::get<ManageRequest>(request));
  if (asked.device.empty()) return false;  // a list without bodies
  return std::ranges::any_of(
      *parked, [](const ParkedMessage& one) { return one.message.has_value() && is_altered(*one.message); });
}

// An answer of one kind as one of any.
template <class T>
Answer<T> any(Calls::Done done) {
  return [done = std::move(done)](Result<T> answer) {
    if (answer)
      done(CallReply(std::move(*answer)));
    else
      done(fail(std::move(answer.error())));
  };
}

}  // namespace

void Engine::ask(CallRequest request, Calls::Done done) {
  if (state_ == State::kStopped) {
    const Error reason = [&] {
      const std::lock_guard lock(status_mutex_);
      return *stopped_;
    }();
    return done(fail(reason));
  }
  if (auto refused = calls_.add(std::move(request), std::move(done), now_ms())) return refused->tell();
  pump();
}

void Engine::pump_calls() {
  while (const auto next = calls_.next(now_ms())) put_on_wire(*next);
}

void Engine::put_on_wire(const Calls::Next& next) {
  struct Put {
    Engine& engine;
    Calls::Done done;
    void operator()(const FetchRequest& one) const {
      ++engine.counters_.fetches[static_cast<std::size_t>(one.cause)];
      engine.link_->fetch(one.after, most(one.limit), one.cause, any<Batch>(done));
    }
    void operator()(const HistoryRequest& one) const {
      engine.link_->history(one.before, most(one.limit), any<Batch>(done));
    }
    void operator()(const ManageRequest& one) const { engine.link_->manage(one, any<ManageAnswer>(done)); }
    void operator()(const PlacesRequest& one) const { engine.link_->places(one, any<PlacesReply>(done)); }
    [[nodiscard]] std::uint32_t most(std::uint32_t limit) const {
      return std::clamp(limit, 1u, engine.welcome_->limits.fetch_messages_max);
    }
  };
  const auto done = [weak = weak_from_this(), ticket = next.ticket](Result<CallReply> answer) {
    if (const auto self = weak.lock()) self->call_answered(ticket, std::move(answer));
  };
  std::visit(Put{*this, done}, *next.request);
}

void Engine::call_answered(Calls::Ticket ticket, Result<CallReply> answer) {
  const CallRequest* request = calls_.request_of(ticket);
  if (request == nullptr) return;  // of a connection that is lost
  if (answer && holds_altered(*request, *answer)) {
    ++counters_.checksum_failures;
    answer = fail(ErrorCode::kChecksumMismatch, "body", "a message arrived altered: read again");
  }
  auto finished = calls_.answered(ticket, std::move(answer), now_ms());
  if (finished) finished->tell();
  pump();
}

void Engine::expire_calls() {
  std::string trouble;
  if (state_ != State::kOpen) {
    const std::lock_guard lock(status_mutex_);
    trouble = last_loss_.detail.empty() ? "no answer yet" : last_loss_.detail;
  }
  tell(calls_.expire(now_ms(), trouble));
}

void Engine::tell(std::vector<Calls::Finished> finished) {
  if (finished.empty()) return;
  loop_->post([finished = std::make_shared<std::vector<Calls::Finished>>(std::move(finished))] {
    for (Calls::Finished& one : *finished) one.tell();
  });
}

}  // namespace earshot::client
