#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <list>
#include <optional>

#include <kj/async.h>
#include <kj/memory.h>

#include "base/limits.hpp"

namespace earshot::gateway {

// How many bytes of half-read messages a KJ thread holds: who finds the room full waits outside, first come first
// served. Whoever comes while there is room is let in, however large, so the bound holds up to one message. Outlives
// its places and those who wait. That KJ thread only; used() from any.
class ReadingRoom {
 public:
  explicit ReadingRoom(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  ReadingRoom(const ReadingRoom&) = delete;
  ReadingRoom& operator=(const ReadingRoom&) = delete;

  // What each of so many threads gets of the node's bytes: an equal share, but room for a few of the largest batches,
  // or with many threads one sender would keep a room to itself.
  static std::size_t share_of(std::size_t bytes_max, std::size_t threads) {
    constexpr std::size_t kLeast = 4 * limits::kBatchBytesMax;
    return std::max(bytes_max / threads, std::min(bytes_max, kLeast));
  }

  // Room for one message; free again with this object.
  class Place {
   public:
    Place(ReadingRoom& room, std::size_t bytes) : room_(room), bytes_(bytes) { room_.set_used(room_.used() + bytes_); }
    ~Place() { room_.leave(bytes_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    ReadingRoom& room_;
    const std::size_t bytes_;
  };

  kj::Promise<kj::Own<Place>> enter(std::size_t bytes) {
    if (!is_full() && waiting_.empty()) return kj::heap<Place>(*this, bytes);
    return kj::newAdaptedPromise<kj::Own<Place>, Waiting>(*this, bytes);
  }

  [[nodiscard]] bool is_full() const { return used() >= bytes_max_; }
  // Whoever keeps a place does so at the cost of somebody outside.
  [[nodiscard]] bool is_pressed() const { return is_full() && !waiting_.empty(); }
  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t limit() const { return bytes_max_; }

 private:
  // Somebody outside, until let in or gone.
  class Waiting {
   public:
    Waiting(kj::PromiseFulfiller<kj::Own<Place>>& entered, ReadingRoom& room, std::size_t bytes)
        : entered_(entered), room_(room), bytes_(bytes), turn_(room.waiting_.insert(room.waiting_.end(), this)) {}
    ~Waiting() {
      if (turn_) room_.waiting_.erase(*turn_);
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    void let_in() {
      room_.waiting_.erase(*turn_);
      turn_.reset();
      entered_.fulfill(kj::heap<Place>(room_, bytes_));
    }

   private:
    kj::PromiseFulfiller<kj::Own<Place>>& entered_;
    ReadingRoom& room_;
    const std::size_t bytes_;
    std::optional<std::list<Waiting*>::iterator> turn_;
  };

  void leave(std::size_t bytes) {
    set_used(used() - bytes);
    while (!waiting_.empty() && !is_full()) waiting_.front()->let_in();
  }

  // Written by one thread only.
  void set_used(std::size_t bytes) { used_.store(bytes, std::memory_order_relaxed); }

  const std::size_t bytes_max_;
  std::atomic<std::size_t> used_{0};
  std::list<Waiting*> waiting_;
};

}  // namespace earshot::gateway
