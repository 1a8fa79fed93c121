#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "actors/ports.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"

namespace earshot::actors {

// The way to a shard that other nodes lead.
class CallDesk {
 public:
  virtual ~CallDesk() = default;
  // True: it is on its way, and `request` moved from. False: it does not go now.
  virtual bool call(NodeId to, ShardId shard, ShardRequest& request, std::uint8_t hops) = 0;
};

// A node's way to the leader of one shard, wherever that is: straight to the shard's actor if it leads here, a call to
// the node that leads, and while nobody is known to lead, or there is no connection, it waits here for as long as
// anybody waits for an answer. A shard that does not lead gives back what it is asked.
//
//             leads here ──► local shard ──gives back──┐
//   request ──┼ leads elsewhere ──► call               │
//             └ unknown ──► held ◄─────────────────────┘
//
// What one thread asks goes out in that order, also when the leader changes: a request that waits here lets none pass.
// Only what the local shard gives back comes after what waits by then; of changes of positions none is given back.
// Thread-safe.
class Route final : public ShardInbox {
 public:
  struct Leader {
    NodeId node;  // 0: nobody is known to lead
    Term term;
    bool operator==(const Leader&) const = default;
  };

  // `local` is this node's replica of the shard; none: it has none.
  Route(ShardId shard, NodeId self, std::shared_ptr<ShardInbox> local, CallDesk& calls, const Clock& clock);

  void post(ShardSend message) override { take(std::move(message)); }
  void post(ShardLogin message) override { take(std::move(message)); }
  void post(ShardAck message) override { take(std::move(message)); }
  void post(ShardFetch message) override { take(std::move(message)); }
  void post(ShardHistory message) override { take(std::move(message)); }
  void post(ShardManage message) override { take(std::move(message)); }
  void post(ShardAttempts message) override { take(std::move(message)); }
  void post(ShardRegister message) override { take(std::move(message)); }
  void post(ShardUnregister message) override { take(std::move(message)); }
  void post(ShardPositions message) override { take(std::move(message)); }
  void post(ShardWhere message) override { take(std::move(message)); }
  void post(ShardTransfer message) override { take(std::move(message)); }
  void post(ShardTransferred message) override { take(std::move(message)); }

  // The local shard does not lead. `hops`: so often it was passed on.
  void given_back(ShardRequest request, std::uint8_t hops);
  // This node says that it does not lead, in the term in which it was taken for the leader. It may lead all the same,
  // like one that hands over in vain: the next word that it leads is believed, also in that term.
  void not_led_by(NodeId node);
  // Somebody leads in this term, or (0) nobody known any more. Whether that is news of a leader: an older term is not,
  // nor is one that is found again in its term, since it has led all the time. What is held waits for try_again().
  bool set_leader(Leader leader);
  // Tries again what is held: a leader is known, a connection has come up. Drops what has waited too long.
  void try_again();
  // Drops what is held, unanswered: the node has ended.
  void forget();

  [[nodiscard]] Leader leader() const;
  [[nodiscard]] std::size_t held() const;

 private:
  struct Held {
    ShardRequest request;
    std::uint8_t hops = 0;
    std::size_t bytes = 0;
    std::uint64_t since_ms = 0;
  };

  template <class Message>
  void take(Message message) {
    if (ShardInbox* const here = leads_here_.load(std::memory_order_acquire)) return here->post(std::move(message));
    pass_on(std::move(message), 0);
  }
  void pass_on(ShardRequest request, std::uint8_t hops);
  // Whether it went.
  bool send(ShardRequest& request, std::uint8_t hops, const Leader& leader);
  void hold(std::unique_lock<std::mutex> lock, ShardRequest request, std::uint8_t hops);
  void post_here(ShardRequest request);
  // Under the lock: the short way to the local shard is open while it leads and nothing waits.
  void set_short_way();

  const ShardId shard_;
  const NodeId self_;
  const std::shared_ptr<ShardInbox> local_;
  CallDesk& calls_;
  const Clock& clock_;

  std::atomic<ShardInbox*> leads_here_{nullptr};
  mutable std::mutex mutex_;
  Leader leader_;
  NodeId elected_;  // in leader_'s term, whether it is believed to lead still or not; 0: not known
  std::deque<Held> held_;
  bool is_trying_ = false;    // somebody tries what is held …
  bool must_try_on_ = false;  // … and does so once more, though it met no way
  std::size_t held_bytes_ = 0;
};

}  // namespace earshot::actors
