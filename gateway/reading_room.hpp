#pragma once

#include <cstddef>
#include <deque>

#include <kj/async.h>
#include <kj/memory.h>

namespace earshot::gateway {

// How many bytes of half-read messages a KJ thread holds: who finds the room full waits outside, first come first
// served. Whoever comes while there is room is let in, however large, so the bound holds up to one message. KJ thread
// only; outlives its places and those who wait.
class ReadingRoom {
 public:
  explicit ReadingRoom(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  ReadingRoom(const ReadingRoom&) = delete;
  ReadingRoom& operator=(const ReadingRoom&) = delete;

  // Room for one message; free again with this object.
  class Place {
   public:
    Place(ReadingRoom& room, std::size_t bytes) : room_(room), bytes_(bytes) { room_.used_ += bytes_; }
    ~Place() { room_.leave(bytes_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    ReadingRoom& room_;
    const std::size_t bytes_;
  };

  kj::Promise<kj::Own<Place>> enter(std::size_t bytes) {
    if (!is_full() && waiting_.empty()) return kj::heap<Place>(*this, bytes);
    auto paf = kj::newPromiseAndFulfiller<kj::Own<Place>>();
    waiting_.push_back({bytes, kj::mv(paf.fulfiller)});
    return kj::mv(paf.promise);
  }

  [[nodiscard]] bool is_full() const { return used_ >= bytes_max_; }
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  struct Waiting {
    std::size_t bytes;
    kj::Own<kj::PromiseFulfiller<kj::Own<Place>>> entered;
  };

  void leave(std::size_t bytes) {
    used_ -= bytes;
    while (!waiting_.empty() && !is_full()) {
      Waiting next = kj::mv(waiting_.front());
      waiting_.pop_front();
      if (next.entered->isWaiting()) next.entered->fulfill(kj::heap<Place>(*this, next.bytes));
    }
  }

  const std::size_t bytes_max_;
  std::size_t used_ = 0;
  std::deque<Waiting> waiting_;
};

}  // namespace earshot::gateway
