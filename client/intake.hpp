#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/client.hpp"
#include "client/store.hpp"

namespace earshot::client {

// Where send() ends and the outbox begins: numbers messages, commits them in groups and hands them to the event loop.
//
// Group commit: the first caller commits what has gathered, for everyone; who comes meanwhile waits for the next group.
// One add() at a time is under way, so a refused one gives its numbers back and lanes keep no holes.
//
// Thread safety: any thread. try_reserve() and what follows from it on the loop's thread only. Lock order: mutex_ is
// held while nothing else is called.
class Intake {
 public:
  struct Bounds {
    std::size_t messages_max = 0;
    std::size_t bytes_max = 0;
  };
  // `notify` is called, from any thread, when take() gives as much as the loop waits for: once until it is called.
  // `vacant`, when a reservation that was refused may succeed.
  Intake(std::shared_ptr<Store> store, const StoredState& state, Bounds bounds, std::thread::id loop_thread);
  void on_committed(std::function<void()> notify, std::function<void()> vacant);

  // Returns when the messages are committed. kOverloaded(outbox), kClosed, or the store's error.
  Status add(std::span<OutboxMessage> messages);

  // ---- for the loop

  // Committed messages, in order. From now on the loop waits for the next one.
  std::vector<OutboxMessage> take();
  // Until the next take() the loop waits for so many: with fewer it could do nothing.
  void wait_for(std::size_t messages);
  // No add() begins until release(); false when one is under way (then `vacant` is called). A caller of add() on the
  // loop's own thread, where waiting would be for ever, goes first.
  bool try_reserve();
  // The reservation that try_reserve() refused is not wanted any more.
  void withdraw();
  // Ends the reservation; with a new head when a welcome was committed. From any thread.
  void release(const OutboxHead* head);
  [[nodiscard]] OutboxHead head() const;
  // Connected: what is added from now on may be sent at once.
  void set_online(bool online);
  // Messages have left the outbox.
  void removed(std::size_t messages, std::size_t bytes);
  // Refuses everything from now on; returns the waiting.
  void close();

  // Waits until nothing is in the outbox.
  Status flush(std::uint64_t timeout_ms);
  struct Level {
    std::size_t messages = 0;
    std::size_t bytes = 0;
    std::uint64_t accepted = 0;
  };
  [[nodiscard]] Level level() const;

 private:
  struct Group {  // the callers that share one transaction
    bool done = false;
    Status status;
  };

  void commit_group(std::unique_lock<std::mutex>& lock);
  void number(OutboxMessage& message, OutboxHead& head) const;

  const std::shared_ptr<Store> store_;
  const Bounds bounds_;
  const std::thread::id loop_thread_;
  std::function<void()> notify_;
  std::function<void()> vacant_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  OutboxHead head_;
  OutboxHead next_head_;  // of the group being committed; kept for its memory
  std::vector<OutboxMessage> gathering_;
  std::shared_ptr<Group> gathering_group_ = std::make_shared<Group>();
  std::vector<OutboxMessage> committed_;
  std::size_t awaited_ = 1;  // of them
  bool notified_ = false;
  bool busy_ = false;       // an add() is under way, or reserved
  bool reserving_ = false;  // the loop wants its reservation
  bool online_ = false;
  bool closed_ = false;
  std::size_t messages_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t accepted_ = 0;
};

}  // namespace earshot::client
