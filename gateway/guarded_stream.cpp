#include "gateway/guarded_stream.hpp"

#include <utility>

#include <kj/debug.h>

#include "base/limits.hpp"
#include "transport/socket_progress.hpp"

namespace earshot::gateway {

GuardedStream::GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, ReadingRoom& room)
    : bytes_(stream),
      input_(bytes_, timer, room),
      messages_(input_),
      timer_(timer),
      output_(stream, timer, queue_, transport::MessageOutput::Answers::kGoAtOnce, this),
      progress_at_(timer.now()) {
  KJ_IF_MAYBE (fd, stream.getFd()) socket_ = *fd;
}

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
               const std::uint64_t end = queue_.bytes_written() + queue_.bytes();
               for (ByteLease& unmarked : std::exchange(unmarked_, {})) held_.push_back({end, std::move(unmarked)});
               release_written();
             }).eagerlyEvaluate(nullptr);
}

void GuardedStream::release_written() {
  // A message that was written a moment ago may still be counted as queued, and its end be set too far.
  if (queue_.bytes() == 0) return held_.clear();
  while (!held_.empty() && held_.front().written <= queue_.bytes_written()) held_.pop_front();
}

kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> GuardedStream::read(capnp::ReaderOptions options) {
  if (queue_.memory_bytes() <= limits::kConnectionQueueBytesMax) return read_now(options);
  return drained(limits::kConnectionQueueBytesMax).then([this, options] { return read_now(options); });
}

kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> GuardedStream::read_now(capnp::ReaderOptions options) {
  bytes_.begin_message();
  return messages_.try_read(options).then([this](kj::Maybe<kj::Own<capnp::MessageReader>>&& message) {
    KJ_IF_MAYBE (reader, message) check(**reader);
    return kj::mv(message);
  });
}

void GuardedStream::check(capnp::MessageReader& message) {
  KJ_ON_SCOPE_FAILURE(violated_ = true);
  bounds_.check(message.getRoot<capnp::rpc::Message>());
}

bool GuardedStream::gather(Segments message) {
  if (!output_.gather(message)) return false;
  bounds_.sent(message);
  return true;
}

kj::Promise<void> GuardedStream::write(Segments message) {
  bounds_.sent(message);
  return output_.write(message);
}

void GuardedStream::write_begun() {
  writing_since_ = timer_.now();
  progress_at_ = *writing_since_;
}

void GuardedStream::write_ended() {
  writing_since_.reset();
  if (!held_.empty()) releasing_ = kj::evalLast([this] { release_written(); }).eagerlyEvaluate(nullptr);
}

}  // namespace earshot::gateway
