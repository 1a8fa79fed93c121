#include "tests/simulation/sim_store.hpp"

#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace earshot::simulation {

Result<client::StoredState> SimStore::load() {
  client::StoredState state{outbox_head_, {}, inbox_head_};
  for (const auto& [ticket, message] : outbox_) state.outbox.push_back(message);
  return state;
}

void SimStore::program_died() {
  ++run_;
  process_.reset();
  for (Operation& operation : std::exchange(operations_, {})) {
    // Nobody is there to hear it; it lets go of what it holds.
    if (operation.done) operation.done(fail(ErrorCode::kClosed, "", "the program is dead"));
  }
}

bool SimStore::refuses(const client::Done& done, std::string_view operation) {
  if (!random_.chance(refusals_)) return false;
  world_.note(std::string(operation) + " refused by the store of " + name_.text());
  done(fail(ErrorCode::kStorageFull, "", "the device is full"));
  return true;
}

void SimStore::report(client::Done done, Status status) {
  process_->post([done = std::move(done), status = std::move(status)] { done(status); });
}

void SimStore::commit_later(std::function<void()> commit, client::Done done) {
  operations_.push_back(Operation{std::move(commit), std::move(done)});
  const auto operation = std::prev(operations_.end());
  if (reports_early_) report(std::exchange(operation->done, nullptr), {});
  world_.after(random_.between(0, delay_ms_max_), [this, operation, run = run_] {
    if (run != run_) return;
    operation->commit();
    world_.after(random_.between(0, delay_ms_max_), [this, operation, run] {
      if (run != run_) return;
      if (operation->done) report(std::move(operation->done), {});
      operations_.erase(operation);
    });
  });
}

void SimStore::add(const client::OutboxHead& head, std::span<const client::OutboxMessage> messages, client::Done done) {
  if (refuses(done, "add")) return;
  outbox_head_ = head;
  for (const client::OutboxMessage& message : messages) outbox_.insert_or_assign(message.ticket, message);
  done({});
}

void SimStore::remove(std::span<const client::Ticket> tickets, client::Done done) {
  if (refuses(done, "remove")) return;
  commit_later(
      [this, tickets = std::vector(tickets.begin(), tickets.end())] {
        for (const client::Ticket ticket : tickets) outbox_.erase(ticket);
      },
      std::move(done));
}

void SimStore::welcome(const client::OutboxHead& outbox_head, const client::InboxHead& inbox_head,
                       std::span<const client::OutboxMessage> changed, client::Done done) {
  if (refuses(done, "welcome")) return;
  outbox_head_ = outbox_head;
  inbox_head_ = inbox_head;
  history_.began(name_, inbox_head);
  for (const client::OutboxMessage& message : changed) outbox_.insert_or_assign(message.ticket, message);
  done({});
}

void SimStore::receive(const client::InboxHead& head, std::span<const IncomingMessage> messages,
                       std::span<const LostRange> lost, client::Done done) {
  if (refuses(done, "receive")) return;
  commit_later(
      [this, head, messages = std::vector(messages.begin(), messages.end()),
       lost = std::vector(lost.begin(), lost.end())] {
        inbox_head_ = head;
        history_.committed(name_, head, messages, lost);
      },
      std::move(done));
}

}  // namespace earshot::simulation
