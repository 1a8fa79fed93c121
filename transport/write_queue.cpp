#include "transport/write_queue.hpp"

#include <utility>

namespace earshot::transport {

kj::Promise<void> WriteQueue::drained(std::size_t memory_bytes_max) {
  if (memory_bytes() <= memory_bytes_max) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then([this, memory_bytes_max] { return drained(memory_bytes_max); });
}

WriteQueue::Load WriteQueue::load_of(Segments message) {
  Load load{0, 1};
  for (const auto& segment : message) load.bytes += segment.asBytes().size();
  return load;
}

void WriteQueue::added(Load load) {
  load_.bytes += load.bytes;
  load_.messages += load.messages;
}

void WriteQueue::left(Load load) {
  load_.bytes -= load.bytes;
  load_.messages -= load.messages;
  wake_later();
}

void WriteQueue::written(Load load) {
  bytes_written_ += load.bytes;
  messages_written_ += load.messages;
  left(load);
}

// What is written may be added again by then, by somebody who waited before.
void WriteQueue::wake_later() {
  if (waiters_.empty()) return;
  wake_ = kj::evalLast([this] {
            for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
          }).eagerlyEvaluate(nullptr);
}

}  // namespace earshot::transport
