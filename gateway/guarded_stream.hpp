#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <capnp/rpc.capnp.h>
#include <kj/timer.h>

#include "base/byte_budget.hpp"
#include "base/queue.hpp"
#include "gateway/bounded_input.hpp"
#include "transport/message_bounds.hpp"
#include "transport/message_channel.hpp"
#include "transport/message_input.hpp"
#include "transport/message_output.hpp"
#include "transport/message_source.hpp"
#include "transport/write_queue.hpp"

namespace earshot::gateway {

// The messages of one client connection, with the bounds that the RPC system itself does not keep: those of
// MessageBounds; and
//
//  * a client that does not read its answers is not read either: beyond connection_queue_bytes_max of unwritten bytes
//    no further message is taken in;
//  * what a client's answers take of the node's memory counts until they are written;
//  * what is being read has its place in the node's room for that, and before the login little of it.
//
// KJ thread only.
class GuardedStream final : public transport::MessageChannel, private transport::MessageOutput::Watcher {
 public:
  // The stream may be wrapped (TLS): progress is looked up at the socket below it.
  GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, ReadingRoom& room);
  // What waits to be written.
  transport::WriteQueue& queue() { return queue_; }

  // The connection is about to be closed: nothing waits to go out along with something else.
  void hurry() { output_.hurry(); }
  // Resolves once what waits to be written takes at most so much memory.
  kj::Promise<void> drained(std::size_t memory_bytes_max) { return queue_.drained(memory_bytes_max); }
  // How long the write that is under way has been at it; 0 when none is.
  [[nodiscard]] std::uint64_t writing_ms() const;
  // How long the peer has taken in nothing of it, as far as that was noticed: to be asked from time to time.
  [[nodiscard]] std::uint64_t stalled_ms();
  // Keeps the lease until everything is written that is ready to be sent now.
  void hold_until_written(ByteLease lease);
  [[nodiscard]] bool holds_leases() const { return !unmarked_.empty() || !held_.empty(); }
  // What failed the connection was against the rules above.
  [[nodiscard]] bool violated() const { return violated_ || messages_.violated() || input_.violated(); }
  [[nodiscard]] const BoundedInput& input() const { return input_; }
  // Somebody has logged in: any message that a call may be is read from now on.
  void login_done() {
    bytes_.read_ahead();
    input_.login_done();
  }

  kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> read(capnp::ReaderOptions options) override;
  bool gather(Segments message) override;
  kj::Promise<void> write(Segments message) override;
  kj::Promise<void> end() override { return output_.end(); }
  void abort() override { output_.abort(); }

 private:
  kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> read_now(capnp::ReaderOptions options);
  void check(capnp::MessageReader& message);
  void write_begun() override;
  void write_ended() override;
  void release_written();

  struct Held {
    std::uint64_t written;  // until so many bytes are
    ByteLease lease;
  };

  transport::MessageInput bytes_;
  BoundedInput input_;                 // of them
  transport::MessageSource messages_;  // from it
  kj::Timer& timer_;
  std::optional<int> socket_;
  transport::WriteQueue queue_;
  transport::MessageOutput output_;
  transport::MessageBounds bounds_;
  std::optional<kj::TimePoint> writing_since_;
  kj::TimePoint progress_at_;        // of what is being written
  std::uint64_t taken_ = 0;          // by the peer when that was last looked up; 0 where nobody knows
  std::vector<ByteLease> unmarked_;  // of answers that are about to be handed to the network
  Queue<Held> held_;                 // ascending
  bool violated_ = false;
  kj::Promise<void> releasing_ = nullptr;
  kj::Promise<void> marking_ = nullptr;
};

}  // namespace earshot::gateway
