#include "client/calls.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace earshot::client {

std::optional<Calls::Finished> Calls::add(CallRequest request, Done done, std::uint64_t now_ms) {
  if (limits_.timeout_ms == 0 && !connected_)
    return Finished{std::move(done), fail(ErrorCode::kUnavailable, "", "not connected")};
  if (waiting_.size() + on_wire_.size() >= limits_.calls_max)
    return Finished{std::move(done), fail(Error{ErrorCode::kOverloaded, "calls",
                                                "the limit is " + std::to_string(limits_.calls_max) +
                                                    " calls that wait for their answer",
                                                limits::kRetryAfterMs})};
  Call call;
  call.turn = turn_of(request);
  call.request = std::move(request);
  call.done = std::move(done);
  call.number = ++last_number_;
  if (limits_.timeout_ms != 0) call.deadline_ms = now_ms + limits_.timeout_ms;
  if (!call.turn.empty()) ++turns_[call.turn].calls;
  wait(std::move(call));
  return std::nullopt;
}

void Calls::wait(Call call) {
  nothing_until_ms_ = 0;
  const std::uint64_t number = call.number;
  waiting_.emplace(number, std::move(call));
}

Calls::Finished Calls::finish(Call call, Result<CallReply> answer) {
  nothing_until_ms_ = 0;
  if (!call.turn.empty()) {
    const auto turn = turns_.find(call.turn);
    if (answer) turn->second.answered = std::max(turn->second.answered, call.number);
    if (--turn->second.calls == 0) turns_.erase(turn);
  }
  return Finished{std::move(call.done), std::move(answer)};
}

// ---- the connection

void Calls::connected(std::uint32_t calls_in_flight_max) {
  connected_ = true;
  on_wire_max_ = std::max<std::size_t>(calls_in_flight_max / 2, 1);  // the other half is the outbox's
  nothing_until_ms_ = 0;
}

std::vector<Calls::Finished> Calls::disconnected() {
  connected_ = false;
  std::vector<Finished> finished;
  for (auto& [number, call] : std::exchange(on_wire_, {})) {
    if (!call.done) {
      Error last = std::move(call.last);
      (void)finish(std::move(call), fail(std::move(last)));
      continue;
    }
    Error lost{ErrorCode::kUnavailable, "", "the connection is lost", 0, 0};
    if (limits_.timeout_ms != 0 && repeat_of(call.request) == Repeat::kAlways && !is_overtaken(call)) {
      call.may_have_been_made = true;
      call.due_ms = 0;
      call.last = std::move(lost);
      wait(std::move(call));
    } else {
      lost.detail = "the connection is lost: whether the call was done is not known";
      finished.push_back(finish(std::move(call), fail(std::move(lost))));
    }
  }
  return finished;
}

std::vector<Calls::Finished> Calls::stop(const Error& reason) {
  connected_ = false;
  std::vector<Finished> finished;
  for (auto& [number, call] : std::exchange(on_wire_, {}))
    if (call.done) finished.push_back(Finished{std::move(call.done), fail(reason)});
  for (auto& [number, call] : std::exchange(waiting_, {}))
    finished.push_back(Finished{std::move(call.done), fail(reason)});
  turns_.clear();
  return finished;
}

std::optional<Calls::Next> Calls::next(std::uint64_t now_ms) {
  if (!connected_ || on_wire_.size() >= on_wire_max_ || waiting_.empty() || now_ms < nothing_until_ms_)
    return std::nullopt;
  std::unordered_set<std::string_view> resting;  // turns of calls that are not due: what comes after them waits
  std::uint64_t first_due_ms = UINT64_MAX;
  for (auto each = waiting_.begin(); each != waiting_.end(); ++each) {
    Call& call = each->second;
    const bool is_due = call.due_ms <= now_ms;
    if (!is_due) first_due_ms = std::min(first_due_ms, call.due_ms);
    if (!is_due || resting.contains(call.turn)) {
      if (!call.turn.empty()) resting.insert(call.turn);
      continue;
    }
    ++call.attempts;
    call.attempt = ++last_attempt_;
    nothing_until_ms_ = 0;
    const auto put = on_wire_.insert(waiting_.extract(each)).position;
    return Next{{put->first, last_attempt_}, &put->second.request};
  }
  nothing_until_ms_ = first_due_ms;
  return std::nullopt;
}

// ---- answers

// A later call of its turn was made: to make this one again would undo that.
bool Calls::is_overtaken(const Call& call) const {
  if (call.turn.empty()) return false;
  if (turns_.at(call.turn).answered > call.number) return true;
  return std::any_of(on_wire_.upper_bound(call.number), on_wire_.end(),
                     [&](const auto& each) { return each.second.turn == call.turn; });
}

bool Calls::may_repeat(const Call& call, const Error& error) const {
  if (limits_.timeout_ms == 0 || !is_passing(error, limits_.renews_token)) return false;
  if (repeat_of(call.request) != Repeat::kAlways && !is_turned_away(error)) return false;
  return !is_overtaken(call);
}

const CallRequest* Calls::request_of(Ticket ticket) const {
  const auto found = on_wire_.find(ticket.call);
  return found != on_wire_.end() && found->second.attempt == ticket.attempt ? &found->second.request : nullptr;
}

std::optional<Calls::Finished> Calls::answered(Ticket ticket, Result<CallReply> answer, std::uint64_t now_ms) {
  if (request_of(ticket) == nullptr) return std::nullopt;
  auto node = on_wire_.extract(ticket.call);
  nothing_until_ms_ = 0;
  Call& call = node.mapped();
  if (!call.done) {
    (void)finish(std::move(call), std::move(answer));
    return std::nullopt;
  }
  if (call.may_have_been_made) answer = answer_to_repeat(call.request, std::move(answer));
  if (answer || !may_repeat(call, answer.error())) return finish(std::move(call), std::move(answer));
  const Error& error = answer.error();
  // The node knows that it will take longer than the caller waits: so does the caller now.
  if (now_ms + error.retry_after_ms > call.deadline_ms) return finish(std::move(call), std::move(answer));
  call.may_have_been_made = call.may_have_been_made || !is_turned_away(error);
  call.due_ms =
      now_ms + std::max<std::uint64_t>(error.retry_after_ms, backoff_ms(limits_.backoff, call.attempts, random_));
  call.last = error;
  wait(std::move(call));
  return std::nullopt;
}

// ---- time

Calls::Finished Calls::expired(Call& call, const std::string& trouble) const {
  std::string why = "not answered within " + std::to_string(limits_.timeout_ms) + " ms";
  if (!trouble.empty())
    why += ", not connected: " + trouble;
  else if (call.attempts > 0 && call.last.code != ErrorCode::kInternal)
    why += ", last " + call.last.to_string();
  return Finished{std::exchange(call.done, nullptr),
                  fail(ErrorCode::kDeadlineExceeded, call.last.field, std::move(why))};
}

// All have the same time: the one that was asked first. 0: none.
std::uint64_t Calls::deadline_ms() const {
  std::uint64_t at_ms = waiting_.empty() ? 0 : waiting_.begin()->second.deadline_ms;
  const auto asked = std::ranges::find_if(on_wire_, [](const auto& each) { return each.second.done != nullptr; });
  if (asked != on_wire_.end() && (at_ms == 0 || asked->second.deadline_ms < at_ms)) at_ms = asked->second.deadline_ms;
  return at_ms;
}

bool Calls::has_expired(std::uint64_t now_ms) const {
  const std::uint64_t at_ms = deadline_ms();
  return at_ms != 0 && at_ms <= now_ms;
}

std::vector<Calls::Finished> Calls::expire(std::uint64_t now_ms, const std::string& trouble) {
  std::vector<Finished> finished;
  const auto is_over = [&](const Call& call) { return call.deadline_ms != 0 && call.deadline_ms <= now_ms; };
  while (!waiting_.empty() && is_over(waiting_.begin()->second)) {
    auto node = waiting_.extract(waiting_.begin());
    finished.push_back(expired(node.mapped(), trouble));
    (void)finish(std::move(node.mapped()), fail(ErrorCode::kDeadlineExceeded, "", ""));
  }
  // Its answer is still awaited, to know what is on the wire; the caller waits no longer.
  for (auto& [number, call] : on_wire_) {
    if (!is_over(call)) break;
    if (call.done) finished.push_back(expired(call, trouble));
  }
  return finished;
}

std::uint64_t Calls::due_ms() const {
  return connected_ && !waiting_.empty() && nothing_until_ms_ != UINT64_MAX ? nothing_until_ms_ : 0;
}

}  // namespace earshot::client
