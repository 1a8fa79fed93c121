#include "gateway/guarded_stream.hpp"

#include <utility>

#include <capnp/rpc.capnp.h>
#include <kj/debug.h>

#include "base/limits.hpp"

namespace earshot::gateway {

std::size_t GuardedStream::queued_bytes() const { return network_ == nullptr ? 0 : network_->getCurrentQueueSize(); }

std::uint64_t GuardedStream::writing_ms() const {
  if (!writing_since_) return 0;
  return static_cast<std::uint64_t>((timer_.now() - *writing_since_) / kj::MILLISECONDS);
}

kj::Promise<void> GuardedStream::drained(std::size_t bytes_max) {
  if (queued_bytes() <= bytes_max) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  drain_waiters_.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then([this, bytes_max] { return drained(bytes_max); });
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> GuardedStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                                                 capnp::ReaderOptions options,
                                                                                 kj::ArrayPtr<capnp::word> scratch) {
  if (queued_bytes() <= limits::kConnectionQueueBytesMax) return read_now(fd_space, options, scratch);
  return drained(limits::kConnectionQueueBytesMax).then([this, fd_space, options, scratch] {
    return read_now(fd_space, options, scratch);
  });
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> GuardedStream::read_now(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                                           capnp::ReaderOptions options,
                                                                           kj::ArrayPtr<capnp::word> scratch) {
  return inner_.tryReadMessage(fd_space, options, scratch)
      .then([this](kj::Maybe<capnp::MessageReaderAndFds>&& message) {
        KJ_IF_MAYBE (taken, message) check(*taken->reader);
        return kj::mv(message);
      });
}

void GuardedStream::check(capnp::MessageReader& message) {
  const auto check_capabilities = [](capnp::rpc::Payload::Reader payload) {
    const std::size_t count = payload.getCapTable().size();
    KJ_REQUIRE(count <= limits::kMessageCapabilitiesMax, "too many capabilities in one message", count);
  };
  const auto root = message.getRoot<capnp::rpc::Message>();
  switch (root.which()) {
    case capnp::rpc::Message::CALL:
      ++unfinished_calls_;
      check_capabilities(root.getCall().getParams());
      break;
    case capnp::rpc::Message::BOOTSTRAP: ++unfinished_calls_; break;
    case capnp::rpc::Message::FINISH:
      // The RPC system fails the connection on a Finish of a call that it does not know, so this cannot be used to
      // cheat.
      if (unfinished_calls_ > 0) --unfinished_calls_;
      break;
    case capnp::rpc::Message::RETURN:
      if (root.getReturn().isResults()) check_capabilities(root.getReturn().getResults());
      break;
    default: break;
  }
  KJ_REQUIRE(unfinished_calls_ <= limits::kUnfinishedCallsMax, "too many calls that were not finished");
}

kj::Promise<void> GuardedStream::writeMessage(kj::ArrayPtr<const int> fds,
                                              kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  return track(inner_.writeMessage(fds, segments));
}

kj::Promise<void> GuardedStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  return track(inner_.writeMessages(messages));
}

kj::Promise<void> GuardedStream::track(kj::Promise<void> write) {
  writing_since_ = timer_.now();
  return write.then([this] {
    writing_since_.reset();
    if (drain_waiters_.empty()) return;
    // The network takes the message off its account only after this; look again when it has.
    wake_ = kj::evalLast([this] {
              for (auto& waiter : std::exchange(drain_waiters_, {})) waiter->fulfill();
            }).eagerlyEvaluate(nullptr);
  });
}

}  // namespace earshot::gateway
