#include "transport/write_queue.hpp"

#include <utility>

#include <capnp/common.h>

namespace earshot::transport {
namespace {

// Whether the network's own account has what is being written. From Cap'n Proto 1.0 on it ends when the write begins.
constexpr bool kNetworkCountsWrites = CAPNP_VERSION < 1000000;

}  // namespace

std::size_t WriteQueue::bytes() const {
  if (network_ == nullptr) return 0;
  return network_->getCurrentQueueSize() + (kNetworkCountsWrites ? 0 : writing_.bytes) + taken_over_.bytes;
}

std::size_t WriteQueue::messages() const {
  if (network_ == nullptr) return 0;
  return network_->getCurrentQueueCount() + (kNetworkCountsWrites ? 0 : writing_.messages) + taken_over_.messages;
}

kj::Promise<void> WriteQueue::drained(std::size_t memory_bytes_max) {
  if (memory_bytes() <= memory_bytes_max) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then([this, memory_bytes_max] { return drained(memory_bytes_max); });
}

WriteQueue::Load WriteQueue::load_of(kj::ArrayPtr<const Segments> messages) {
  Load load{0, messages.size()};
  for (const auto& segments : messages)
    for (const auto& segment : segments) load.bytes += segment.asBytes().size();
  return load;
}

void WriteQueue::note_written(Load load) {
  bytes_written_ += load.bytes;
  messages_written_ += load.messages;
  wake_later();
}

kj::Promise<void> WriteQueue::follow(kj::Promise<void> write, Load load) {
  writing_.bytes += load.bytes;
  writing_.messages += load.messages;
  return write.then([this, load] {
    writing_.bytes -= load.bytes;
    writing_.messages -= load.messages;
    note_written(load);
  });
}

void WriteQueue::taken_over(Load load) {
  taken_over_.bytes += load.bytes;
  taken_over_.messages += load.messages;
}

void WriteQueue::written(Load load) {
  taken_over_.bytes -= load.bytes;
  taken_over_.messages -= load.messages;
  note_written(load);
}

// The network may take a message off its account only after its write; whoever waits for that looks when it has.
void WriteQueue::wake_later() {
  if (waiters_.empty()) return;
  wake_ = kj::evalLast([this] {
            for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
          }).eagerlyEvaluate(nullptr);
}

}  // namespace earshot::transport
