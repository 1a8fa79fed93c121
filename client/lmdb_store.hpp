#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/store.hpp"

namespace earshot::client {

// Where a received message stands: sequences start anew when a restored mailbox gets a new epoch.
struct Place {
  Epoch epoch;
  Sequence sequence;
  auto operator<=>(const Place&) const = default;
};

struct ReceivedMessage {
  Epoch epoch;
  IncomingMessage message;
};

struct ReceivedLoss {
  Epoch epoch;
  LostRange range;
};

// The client's database on LMDB. Every transaction is synced to disk before it is reported. A thread of its own
// commits, and takes whatever has been asked for since the last commit into one transaction.
//
// Thread safety: any thread.
class LmdbStore final : public Store {
 public:
  // Opens the directory, making it when absent. kConflict when it is open already, kCorrupt, kStorageFull, kInternal.
  static Result<std::shared_ptr<LmdbStore>> open(const std::string& path);
  ~LmdbStore() override;

  Result<StoredState> load() override;
  void add(const OutboxHead& head, std::span<const OutboxMessage> messages, Done done) override;
  void remove(std::span<const Ticket> tickets, Done done) override;
  void welcome(const OutboxHead& outbox_head, const InboxHead& inbox_head, std::span<const OutboxMessage> changed,
               Done done) override;
  void receive(const InboxHead& head, std::span<const IncomingMessage> messages, std::span<const LostRange> lost,
               Done done) override;

  // Received messages after a place, ascending, at most `limit`. Place{} is before everything.
  [[nodiscard]] Result<std::vector<ReceivedMessage>> messages(Place after, std::size_t limit);
  // What the server said is lost, ascending.
  [[nodiscard]] Result<std::vector<ReceivedLoss>> lost(Place after, std::size_t limit);

 private:
  class Impl;
  explicit LmdbStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::client
