#include "gateway/guarded_stream.hpp"

#include <utility>

#include <kj/debug.h>

#include "base/limits.hpp"
#include "transport/socket_progress.hpp"

namespace earshot::gateway {
namespace {

std::size_t bytes_of(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  std::size_t bytes = 0;
  for (const auto& segment : segments) bytes += segment.asBytes().size();
  return bytes;
}

// What a call is answered with has to be written, or nothing here would count it.
void check_answer_is_sent(capnp::rpc::Call::Reader call) {
  bool is_sent = call.getSendResultsTo().isCaller();
#if CAPNP_VERSION >= 1000000
  is_sent = is_sent && !call.getOnlyPromisePipeline();
#endif
  KJ_REQUIRE(is_sent, "a call whose answer is not to be sent back");
}

}  // namespace

GuardedStream::GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, ReadingRoom& room)
    : input_(stream, timer, room), output_(stream), timer_(timer), progress_at_(timer.now()) {
  KJ_IF_MAYBE (fd, stream.getFd()) socket_ = *fd;
}

std::size_t GuardedStream::queued_bytes() const { return network_ == nullptr ? 0 : network_->getCurrentQueueSize(); }

std::uint64_t GuardedStream::writing_ms() const {
  if (!writing_since_) return 0;
  return static_cast<std::uint64_t>((timer_.now() - *writing_since_) / kj::MILLISECONDS);
}

std::uint64_t GuardedStream::stalled_ms() {
  if (!writing_since_) return 0;
  const auto progress = socket_ ? transport::socket_progress(*socket_) : std::nullopt;
  const std::uint64_t taken = progress ? progress->bytes_taken : 0;
  if (taken != taken_) {
    taken_ = taken;
    progress_at_ = timer_.now();
  }
  return static_cast<std::uint64_t>((timer_.now() - progress_at_) / kj::MILLISECONDS);
}

// What is fulfilled now is in the network's queue once everything that is ready has run: only then is it known behind
// which byte it ends.
void GuardedStream::hold_until_written(ByteLease lease) {
  unmarked_.push_back(std::move(lease));
  if (unmarked_.size() > 1) return;
  marking_ = kj::evalLast([this] {
               const std::uint64_t end = written_ + queued_bytes();
               for (ByteLease& unmarked : std::exchange(unmarked_, {})) held_.push_back({end, std::move(unmarked)});
               release_written();
             }).eagerlyEvaluate(nullptr);
}

void GuardedStream::release_written() {
  // A message that was written a moment ago may still be counted as queued, and its end be set too far.
  if (queued_bytes() == 0) return held_.clear();
  while (!held_.empty() && held_.front().written <= written_) held_.pop_front();
}

kj::Promise<void> GuardedStream::drained(std::size_t bytes_max) {
  if (queued_bytes() <= bytes_max) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  drain_waiters_.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then([this, bytes_max] { return drained(bytes_max); });
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> GuardedStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>,
                                                                                 capnp::ReaderOptions options,
                                                                                 kj::ArrayPtr<capnp::word> scratch) {
  if (queued_bytes() <= limits::kConnectionQueueBytesMax) return read_now(options, scratch);
  return drained(limits::kConnectionQueueBytesMax).then([this, options, scratch] {
    return read_now(options, scratch);
  });
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> GuardedStream::read_now(capnp::ReaderOptions options,
                                                                           kj::ArrayPtr<capnp::word> scratch) {
  return capnp::tryReadMessage(input_, options, scratch)
      .then([this](kj::Maybe<kj::Own<capnp::MessageReader>>&& message) -> kj::Maybe<capnp::MessageReaderAndFds> {
        KJ_IF_MAYBE (reader, message) {
          check(**reader);
          return capnp::MessageReaderAndFds{kj::mv(*reader), nullptr};
        }
        return nullptr;
      });
}

void GuardedStream::check(capnp::MessageReader& message) {
  KJ_ON_SCOPE_FAILURE(violated_ = true);
  check_bounds(message.getRoot<capnp::rpc::Message>());
}

void GuardedStream::check_bounds(capnp::rpc::Message::Reader root) {
  const auto check_capabilities = [](capnp::rpc::Payload::Reader payload) {
    const std::size_t count = payload.getCapTable().size();
    KJ_REQUIRE(count <= limits::kMessageCapabilitiesMax, "too many capabilities in one message", count);
  };
  switch (root.which()) {
    case capnp::rpc::Message::CALL:
      check_answer_is_sent(root.getCall());
      unfinished_.insert(root.getCall().getQuestionId());
      check_capabilities(root.getCall().getParams());
      break;
    case capnp::rpc::Message::BOOTSTRAP: unfinished_.insert(root.getBootstrap().getQuestionId()); break;
    case capnp::rpc::Message::FINISH: unfinished_.erase(root.getFinish().getQuestionId()); break;
    case capnp::rpc::Message::RETURN:
      if (root.getReturn().isResults()) check_capabilities(root.getReturn().getResults());
      break;
    default: break;
  }
  KJ_REQUIRE(unfinished_.size() <= limits::kUnfinishedCallsMax, "too many calls that were not finished");
}

kj::Promise<void> GuardedStream::writeMessage(kj::ArrayPtr<const int> fds,
                                              kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  let_go(segments);
  return track(output_.writeMessage(fds, segments), bytes_of(segments));
}

kj::Promise<void> GuardedStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  std::size_t bytes = 0;
  for (const auto& segments : messages) {
    let_go(segments);
    bytes += bytes_of(segments);
  }
  return track(output_.writeMessages(messages), bytes);
}

// An answer without capabilities may tell the client that the RPC system has let the call go: then no Finish need come.
void GuardedStream::let_go([[maybe_unused]] kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> message) {
#if CAPNP_VERSION >= 1000000
  capnp::SegmentArrayMessageReader reader(message);
  const auto root = reader.getRoot<capnp::rpc::Message>();
  if (root.isReturn() && root.getReturn().getNoFinishNeeded()) unfinished_.erase(root.getReturn().getAnswerId());
#endif
}

kj::Promise<void> GuardedStream::track(kj::Promise<void> write, std::size_t bytes) {
  writing_since_ = timer_.now();
  progress_at_ = *writing_since_;
  return write.then([this, bytes] {
    writing_since_.reset();
    written_ += bytes;
    look_again();
  });
}

// The network takes a message off its account only after its write; whoever waits for that looks when it has.
void GuardedStream::look_again() {
  if (drain_waiters_.empty() && held_.empty()) return;
  wake_ = kj::evalLast([this] {
            release_written();
            for (auto& waiter : std::exchange(drain_waiters_, {})) waiter->fulfill();
          }).eagerlyEvaluate(nullptr);
}

}  // namespace earshot::gateway
