#include "transport/write_queue.hpp"

#include <utility>

#include <capnp/common.h>

namespace earshot::transport {
namespace {

// Whether the network's own account has what is being written. From Cap'n Proto 1.0 on it ends when the write begins.
constexpr bool kNetworkCountsWrites = CAPNP_VERSION < 1000000;

std::size_t bytes_of(WriteQueue::Segments segments) {
  std::size_t bytes = 0;
  for (const auto& segment : segments) bytes += segment.asBytes().size();
  return bytes;
}

}  // namespace

std::size_t WriteQueue::bytes() const {
  if (network_ == nullptr) return 0;
  return network_->getCurrentQueueSize() + (kNetworkCountsWrites ? 0 : writing_bytes_);
}

std::size_t WriteQueue::messages() const {
  if (network_ == nullptr) return 0;
  return network_->getCurrentQueueCount() + (kNetworkCountsWrites ? 0 : writing_messages_);
}

kj::Promise<void> WriteQueue::drained(kj::Function<std::size_t()> bytes_max) {
  if (bytes() <= bytes_max()) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then([this, bytes_max = kj::mv(bytes_max)]() mutable { return drained(kj::mv(bytes_max)); });
}

kj::Promise<void> WriteQueue::follow(kj::Promise<void> write, kj::ArrayPtr<const Segments> messages) {
  std::size_t bytes = 0;
  for (const auto& segments : messages) bytes += bytes_of(segments);
  writing_bytes_ += bytes;
  writing_messages_ += messages.size();
  return write.then([this, bytes, count = messages.size()] {
    writing_bytes_ -= bytes;
    writing_messages_ -= count;
    bytes_written_ += bytes;
    messages_written_ += count;
    wake_later();
  });
}

// The network may take a message off its account only after its write; whoever waits for that looks when it has.
void WriteQueue::wake_later() {
  if (waiters_.empty()) return;
  wake_ = kj::evalLast([this] {
            for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
          }).eagerlyEvaluate(nullptr);
}

}  // namespace earshot::transport
