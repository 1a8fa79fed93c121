#include "transport/message_output.hpp"

#include <cstdint>
#include <utility>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>

namespace earshot::transport {
namespace {

using Segments = MessageOutput::Segments;

constexpr capnp::ReaderOptions kReadOnce{};

// https://capnproto.org/encoding.html, "Serialization Over a Stream": the number of segments less one, the words of
// each, all in 32 bits, then zeros up to a whole word; then the segments.
std::size_t table_entries(Segments message) { return (message.size() + 2) & ~std::size_t{1}; }

std::size_t framed_bytes(Segments message) {
  std::size_t bytes = table_entries(message) * sizeof(std::uint32_t);
  for (const auto& segment : message) bytes += segment.asBytes().size();
  return bytes;
}

void append_entry(std::vector<kj::byte>& to, std::size_t entry) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<kj::byte>(entry >> shift));
}

void append_framed(std::vector<kj::byte>& to, Segments message) {
  append_entry(to, message.size() - 1);
  for (const auto& segment : message) append_entry(to, segment.size());
  if (table_entries(message) > message.size() + 1) append_entry(to, 0);
  for (const auto& segment : message) {
    const auto bytes = segment.asBytes();
    to.insert(to.end(), bytes.begin(), bytes.end());
  }
}

}  // namespace

kj::Promise<void> MessageOutput::write(Segments message) {
  if (gather(message)) return kj::READY_NOW;
  return write_alone(message);
}

bool MessageOutput::gather(Segments message) {
  const std::size_t bytes = framed_bytes(message);
  if (failure_ != nullptr || bytes > kSmallMessageBytes || gathered_.size() + bytes > kGatheredBytesMax) return false;
  append_framed(gathered_, message);
  const auto load = WriteQueue::load_of(message);
  gathered_load_.bytes += load.bytes;
  ++gathered_load_.messages;
  queue_.added(load);
  flush_soon(is_unhurried(message));
  return true;
}

// That a question is over or a capability unused is told for the peer's tables alone.
bool MessageOutput::is_unhurried(Segments message) {
  if (hurries_) return false;
  capnp::SegmentArrayMessageReader reader(message, kReadOnce);
  switch (reader.getRoot<capnp::rpc::Message>().which()) {
    case capnp::rpc::Message::FINISH:
    case capnp::rpc::Message::RELEASE: return true;
    case capnp::rpc::Message::RETURN: return answers_ == Answers::kGoInPairs && !std::exchange(answer_waits_, true);
    default: return false;
  }
}

void MessageOutput::flush_soon(bool unhurried) {
  if (flush_ == Flush::kGoesOn || (flush_ == Flush::kWaits && unhurried)) return;
  flush_ = unhurried ? Flush::kWaits : Flush::kGoesOn;
  auto begun = unhurried ? timer_.afterDelay(kUnhurriedMs * kj::MILLISECONDS) : kj::evalLast([] {});
  flushing_.add(begun.then([this, flush_number = ++flushes_]() -> kj::Promise<void> {
    if (flush_number != flushes_) return kj::READY_NOW;  // another did not wait so long
    flush_ = Flush::kGoesOn;
    return flush();
  }));
}

void MessageOutput::taskFailed(kj::Exception&& exception) {
  if (waiter_.get() != nullptr) waiter_->reject(kj::cp(exception));
  failure_ = std::make_unique<kj::Exception>(kj::mv(exception));
}

kj::Promise<void> MessageOutput::write_alone(Segments message) {
  const auto load = WriteQueue::load_of(message);
  queue_.added(load);
  return flushed()
      .then([this, message] { return watch(capnp::writeMessage(stream_, message)); })
      .then([this, load] { queue_.written(load); },
            [this, load](kj::Exception&& exception) {
              queue_.left(load);
              kj::throwFatalException(kj::mv(exception));
            });
}

kj::Promise<void> MessageOutput::flush() {
  answer_waits_ = false;
  going_out_.clear();
  std::swap(going_out_, gathered_);
  const auto load = std::exchange(gathered_load_, {});
  return watch(stream_.write(going_out_.data(), going_out_.size())).then([this, load]() -> kj::Promise<void> {
    queue_.written(load);
    if (!gathered_.empty()) return flush();
    // An idle connection keeps no buffers.
    gathered_ = std::vector<kj::byte>(), going_out_ = std::vector<kj::byte>();
    flush_ = Flush::kNone;
    if (waiter_.get() != nullptr) std::exchange(waiter_, nullptr)->fulfill();
    return kj::READY_NOW;
  });
}

kj::Promise<void> MessageOutput::flushed() {
  if (failure_ != nullptr) return kj::cp(*failure_);
  if (flush_ == Flush::kNone) return kj::READY_NOW;
  if (flush_ == Flush::kWaits) flush_soon(false);
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiter_ = kj::mv(paf.fulfiller);
  return kj::mv(paf.promise);
}

kj::Promise<void> MessageOutput::watch(kj::Promise<void> write) {
  if (watcher_ == nullptr) return write;
  watcher_->write_begun();
  return write.then([this] { watcher_->write_ended(); });
}

void MessageOutput::hurry() {
  hurries_ = true;
  if (flush_ == Flush::kWaits) flush_soon(false);
}

kj::Promise<void> MessageOutput::end() {
  return flushed().then([this] { stream_.shutdownWrite(); });
}

// A socket that is not connected any more refuses that, and tells its reader by itself.
void MessageOutput::abort() {
  (void)kj::runCatchingExceptions([this] { stream_.abortRead(); });
}

}  // namespace earshot::transport
