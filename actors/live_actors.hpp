#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include <caf/actor.hpp>

namespace earshot::actors {

// The actors of one kind that live on a node: a node stops them and waits until they are gone. An actor leaves by
// itself when it ends. Thread-safe.
class LiveActors : public std::enable_shared_from_this<LiveActors> {
 public:
  using Key = std::uint64_t;  // the node's choice: a session's or a shard's id

  static std::shared_ptr<LiveActors> make() { return std::shared_ptr<LiveActors>(new LiveActors); }

  void add(Key key, caf::actor actor);
  [[nodiscard]] std::size_t size() const;
  // Nothing: it has ended.
  [[nodiscard]] std::optional<caf::actor> find(Key key) const;
  [[nodiscard]] std::vector<Key> keys() const;  // ascending
  // Calls visit for each that lives now; outside the lock, so that visit may end it.
  void for_each(const std::function<void(const caf::actor&)>& visit) const;
  // False when some are left after that time.
  [[nodiscard]] bool wait_until_gone(std::chrono::milliseconds time) const;

 private:
  LiveActors() = default;
  void remove(Key key);

  mutable std::mutex mutex_;
  mutable std::condition_variable gone_;
  std::unordered_map<Key, caf::actor> actors_;
};

}  // namespace earshot::actors
