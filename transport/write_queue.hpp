#pragma once

#include <cstddef>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async.h>
#include <kj/function.h>

namespace earshot::transport {

// How much a network has still to write, and who waits until it is little enough. The KJ thread of the network only.
class WriteQueue {
 public:
  void watch(capnp::TwoPartyVatNetwork& network) { network_ = &network; }

  [[nodiscard]] std::size_t bytes() const { return network_ == nullptr ? 0 : network_->getCurrentQueueSize(); }
  // Resolves once at most so many bytes wait to be written: `bytes_max` is asked after each write.
  kj::Promise<void> drained(kj::Function<std::size_t()> bytes_max);
  // To be called after each write.
  void written();

 private:
  capnp::TwoPartyVatNetwork* network_ = nullptr;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  kj::Promise<void> wake_ = nullptr;
};

}  // namespace earshot::transport
