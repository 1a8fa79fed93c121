#include "transport/write_queue.hpp"

#include <utility>

namespace earshot::transport {

kj::Promise<void> WriteQueue::drained(kj::Function<std::size_t()> bytes_max) {
  if (bytes() <= bytes_max()) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then([this, bytes_max = kj::mv(bytes_max)]() mutable { return drained(kj::mv(bytes_max)); });
}

// The network takes a message off its account only after its write; whoever waits for that looks when it has.
void WriteQueue::written() {
  if (waiters_.empty()) return;
  wake_ = kj::evalLast([this] {
            for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
          }).eagerlyEvaluate(nullptr);
}

}  // namespace earshot::transport
