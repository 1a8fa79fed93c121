#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <kj/async-io.h>
#include <kj/timer.h>

#include "transport/write_queue.hpp"

namespace earshot::transport {

// Writes messages to a connection in their order. Small ones are gathered, and go out together once everything that is
// ready has run: a write costs the system far more than a copy. A large one is not copied: it goes out by itself,
// behind what was gathered before it. A message that nobody waits for, such as one that lets an answer go, sets nothing
// in motion: it goes with the next other one, or a little later. So does, where the peer has several calls under way
// and none of them is urgent, a first answer: it goes with the second.
//
// What a write has failed with is told to every later one. The KJ thread of the connection only.
class MessageOutput : private kj::TaskSet::ErrorHandler {
 public:
  using Segments = WriteQueue::Segments;

  static constexpr std::size_t kSmallMessageBytes = 4 << 10;
  // More is not gathered: a message that finds no room waits until all of it is written.
  static constexpr std::size_t kGatheredBytesMax = 64 << 10;
  // So long goes nothing out that nobody waits for.
  static constexpr std::uint64_t kUnhurriedMs = 10;

  enum class Answers : std::uint8_t { kGoAtOnce, kGoInPairs };

  // Told when a write to the connection begins, and when all of it has gone.
  class Watcher {
   public:
    virtual ~Watcher() noexcept(false) = default;
    virtual void write_begun() = 0;
    virtual void write_ended() = 0;
  };

  // Counts in `queue` what it has taken over from the network and not written yet. All outlive it.
  MessageOutput(kj::AsyncIoStream& stream, kj::Timer& timer, WriteQueue& queue, Answers answers,
                Watcher* watcher = nullptr)
      : stream_(stream), timer_(timer), queue_(queue), answers_(answers), watcher_(watcher), flushing_(*this) {}

  // Takes a copy of a small message, if there is room for it. Not while write() writes.
  bool gather(Segments message);
  // Resolves when the message is needed no more: it is gathered, or written. One at a time.
  kj::Promise<void> write(Segments message);
  // From now on nothing waits: the connection is about to be closed.
  void hurry();
  // When everything is written, the end is.
  kj::Promise<void> end();
  // Whoever reads from the connection is told of its end.
  void abort();

 private:
  bool is_unhurried(Segments message);
  void flush_soon(bool unhurried);
  kj::Promise<void> write_alone(Segments message);
  kj::Promise<void> flushed();
  kj::Promise<void> flush();
  kj::Promise<void> watch(kj::Promise<void> write);
  void taskFailed(kj::Exception&& exception) override;

  kj::AsyncIoStream& stream_;
  kj::Timer& timer_;
  WriteQueue& queue_;
  const Answers answers_;
  Watcher* const watcher_;
  std::vector<kj::byte> gathered_;
  WriteQueue::Load gathered_load_;
  std::vector<kj::byte> going_out_;
  bool hurries_ = false;
  bool answer_waits_ = false;
  enum class Flush : std::uint8_t { kNone, kWaits, kGoesOn };  // it waits in case that a message comes along
  Flush flush_ = Flush::kNone;
  std::uint32_t flushes_ = 0;                   // how often one was begun
  std::unique_ptr<kj::Exception> failure_;      // half a kilobyte: not in each connection
  kj::Own<kj::PromiseFulfiller<void>> waiter_;  // for the end of the flush; null: none
  kj::TaskSet flushing_;                        // one that has ended leaves nothing behind
};

}  // namespace earshot::transport
