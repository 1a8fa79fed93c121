#include "gateway/bridge.hpp"

#include <utility>

namespace earshot::gateway {

bool Bridge::idle() const {
  return queue_.events.empty() && queue_.overflowed.empty() && queue_.sockets.empty() && !queue_.actors_wait &&
         !queue_.stopping;
}

template <class Put>
void Bridge::put(Put&& put) {
  Bell bell;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    put(queue_);
    if (!attended_) bell = std::move(bell_);
  }
  if (bell.get() != nullptr) bell->fulfill();
}

void Bridge::post(PortId port, ClientEvent event) {
  put([&](Taken& queue) {
    if (queue.events.size() < items_max_) {
      queue.events.push_back(Event{port, std::move(event)});
    } else {
      queue.overflowed.insert(port);
    }
  });
}

void Bridge::post_socket(AcceptedSocket socket) {
  put([&](Taken& queue) { queue.sockets.push_back(std::move(socket)); });
}

void Bridge::post_stop() {
  put([](Taken& queue) { queue.stopping = true; });
}

void Bridge::post_actors_wait() {
  put([](Taken& queue) { queue.actors_wait = true; });
}

std::size_t Bridge::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.events.size();
}

void Bridge::attend() {
  const std::lock_guard lock(mutex_);
  attended_ = true;
}

kj::Promise<void> Bridge::wait() {
  const std::lock_guard lock(mutex_);
  EARSHOT_INVARIANT(bell_.get() == nullptr, "one wait at a time");
  if (!idle()) return kj::READY_NOW;
  auto paf = kj::newPromiseAndCrossThreadFulfiller<void>();
  bell_ = kj::mv(paf.fulfiller);
  return kj::mv(paf.promise);
}

Bridge::Taken Bridge::take() {
  const std::lock_guard lock(mutex_);
  attended_ = false;
  return std::exchange(queue_, Taken{});
}

void Bridge::close() {
  Taken dropped;
  Bell bell;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  std::swap(dropped, queue_);
  bell = std::move(bell_);
}

}  // namespace earshot::gateway
