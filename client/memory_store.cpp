#include "client/memory_store.hpp"

#include <algorithm>

namespace earshot::client {

Result<StoredState> MemoryStore::load() {
  const std::lock_guard lock(mutex_);
  StoredState state{outbox_head_, {}, inbox_head_};
  state.outbox.reserve(outbox_.size());
  for (const auto& [ticket, message] : outbox_) state.outbox.push_back(message);
  std::sort(state.outbox.begin(), state.outbox.end(), [](const auto& a, const auto& b) { return a.ticket < b.ticket; });
  return state;
}

void MemoryStore::add(const OutboxHead& head, std::span<const OutboxMessage> messages, Done done) {
  {
    const std::lock_guard lock(mutex_);
    outbox_head_ = head;
    for (const OutboxMessage& message : messages) outbox_.insert_or_assign(message.ticket, message);
  }
  done({});
}

void MemoryStore::remove(std::span<const Ticket> tickets, Done done) {
  {
    const std::lock_guard lock(mutex_);
    for (const Ticket ticket : tickets) outbox_.erase(ticket);
  }
  done({});
}

void MemoryStore::welcome(const OutboxHead& outbox_head, const InboxHead& inbox_head,
                          std::span<const OutboxMessage> changed, Done done) {
  {
    const std::lock_guard lock(mutex_);
    outbox_head_ = outbox_head;
    inbox_head_ = inbox_head;
    for (const OutboxMessage& message : changed) outbox_.insert_or_assign(message.ticket, message);
  }
  done({});
}

void MemoryStore::receive(const InboxHead& head, std::span<const IncomingMessage> messages, std::span<const LostRange>,
                          Done done) {
  {
    const std::lock_guard lock(mutex_);
    inbox_head_ = head;
    const std::size_t kept = std::min(messages_kept_, messages.size());
    messages_.insert(messages_.end(), messages.end() - static_cast<std::ptrdiff_t>(kept), messages.end());
    while (messages_.size() > messages_kept_) messages_.pop_front();
  }
  done({});
}

std::vector<IncomingMessage> MemoryStore::messages() const {
  const std::lock_guard lock(mutex_);
  return {messages_.begin(), messages_.end()};
}

}  // namespace earshot::client
