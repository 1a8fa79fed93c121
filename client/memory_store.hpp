#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "client/store.hpp"

namespace earshot::client {

// A store in memory, for tools and benchmarks. It does NOT survive the process: what send() accepted is lost when the
// process dies before the server has it, and what was received is acked although only memory holds it. Every operation
// is done when it returns; O(1) per message.
//
// Thread safety: any thread.
class MemoryStore final : public Store {
 public:
  // Keeps the newest `messages_kept` received messages for messages(); the others are only counted in the head.
  explicit MemoryStore(std::size_t messages_kept = 0) : messages_kept_(messages_kept) {}

  Result<StoredState> load() override;
  void add(const OutboxHead& head, std::span<const OutboxMessage> messages, Done done) override;
  void remove(std::span<const Ticket> tickets, Done done) override;
  void welcome(const OutboxHead& outbox_head, const InboxHead& inbox_head, std::span<const OutboxMessage> changed,
               Done done) override;
  void receive(const InboxHead& head, std::span<const IncomingMessage> messages, std::span<const LostRange> lost,
               Done done) override;

  // The kept messages, in the order received.
  [[nodiscard]] std::vector<IncomingMessage> messages() const;

 private:
  const std::size_t messages_kept_;
  mutable std::mutex mutex_;
  OutboxHead outbox_head_;
  InboxHead inbox_head_;
  std::unordered_map<Ticket, OutboxMessage> outbox_;
  std::deque<IncomingMessage> messages_;
};

}  // namespace earshot::client
