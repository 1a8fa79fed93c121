#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "peers/link_counters.hpp"
#include "peers/send_queue.hpp"

namespace earshot::peers {

// The queue of one node's link: any thread puts frames in, the KJ thread takes them out while there is a link. Who puts
// one into a queue that its link has found empty has to wake it.
class SendBox {
 public:
  enum class Put { kRefused, kTaken, kTakenWakes };

  explicit SendBox(const QueueBounds& bounds) : queue_(bounds) {}

  Put put(PeerFrame frame) {
    const std::lock_guard lock(mutex_);
    if (!open_ || !queue_.push(std::move(frame))) {
      count(counters_.sends_refused);
      return Put::kRefused;
    }
    return std::exchange(sleeps_, false) ? Put::kTakenWakes : Put::kTaken;
  }
  [[nodiscard]] bool is_open() const {
    const std::lock_guard lock(mutex_);
    return open_;
  }

  // Of the node's links, which come and go.
  [[nodiscard]] LinkCounters& counters() { return counters_; }
  [[nodiscard]] cluster::PeerReading reading(NodeId node) const {
    const auto value = [](const LinkCounters::Counter& one) { return one.load(std::memory_order_relaxed); };
    const std::lock_guard lock(mutex_);
    return {.node = node,
            .is_up = open_,
            .links_up = value(counters_.links_up),
            .links_broken = value(counters_.links_broken),
            .frames_sent = value(counters_.frames_sent),
            .bytes_sent = value(counters_.bytes_sent),
            .frames_received = value(counters_.frames_received),
            .bytes_received = value(counters_.bytes_received),
            .sends_refused = value(counters_.sends_refused),
            .waiting = queue_.waiting()};
  }

  // ---- of the KJ thread

  void open() {
    const std::lock_guard lock(mutex_);
    open_ = sleeps_ = true;
  }
  // Nothing goes any more; what waits is dropped.
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
    queue_.clear();
  }
  std::vector<Piece> take(std::size_t bytes_max, Credits& credits) {
    const std::lock_guard lock(mutex_);
    auto pieces = queue_.take(bytes_max, credits);
    sleeps_ = pieces.empty();  // also when what waits has no credit: what comes may have
    return pieces;
  }
  [[nodiscard]] bool is_empty() const {
    const std::lock_guard lock(mutex_);
    return queue_.empty();
  }

 private:
  mutable std::mutex mutex_;
  SendQueue queue_;
  LinkCounters counters_;
  bool open_ = false;
  bool sleeps_ = false;
};

}  // namespace earshot::peers
