#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_set>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <kj/timer.h>

#include "base/byte_budget.hpp"
#include "gateway/bounded_input.hpp"

namespace earshot::gateway {

// The messages of one client connection, with the bounds that the RPC system itself does not keep:
//
//  * a client that does not read its answers is not read either: beyond connection_queue_bytes_max of unwritten bytes
//  no further
//    message is taken in;
//  * calls whose answers the client never lets go stay in the RPC system's tables, until it finishes them or the answer
//    says that it need not (from Cap'n Proto 1.0 on): beyond unfinished_calls_max the connection fails;
//  * an answer that is to stay here instead of being sent back is never written, so nothing would count what it takes:
//    a call that asks for that fails the connection;
//  * every capability in a message takes a table entry, even in a call that is refused: more than
//  message_capabilities_max fail
//    the connection;
//  * what a client's answers take of the node's memory counts until they are written;
//  * what is being read has its place in the node's room for that, and before the login little of it.
//
// KJ thread only.
class GuardedStream final : public capnp::MessageStream {
 public:
  // The stream may be wrapped (TLS): progress is looked up at the socket below it.
  GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, ReadingRoom& room);
  // The network that writes through this stream and knows how much waits to be written.
  void watch(capnp::TwoPartyVatNetwork& network) { network_ = &network; }

  // Resolves once at most so many bytes wait to be written.
  kj::Promise<void> drained(std::size_t bytes_max);
  // How long the message being written now has been at it; 0 when none is.
  [[nodiscard]] std::uint64_t writing_ms() const;
  // How long the peer has taken in nothing of it, as far as that was noticed: to be asked from time to time.
  [[nodiscard]] std::uint64_t stalled_ms();
  // Keeps the lease until everything is written that is ready to be sent now.
  void hold_until_written(ByteLease lease);
  [[nodiscard]] bool holds_leases() const { return !unmarked_.empty() || !held_.empty(); }
  // What failed the connection was against the rules above.
  [[nodiscard]] bool violated() const { return violated_ || input_.violated(); }
  [[nodiscard]] BoundedInput& input() { return input_; }

  using capnp::MessageStream::tryReadMessage;
  using capnp::MessageStream::writeMessage;
  using capnp::MessageStream::writeMessages;

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fd_space,
                                                                    capnp::ReaderOptions options,
                                                                    kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(kj::ArrayPtr<const int> fds,
                                 kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return output_.getSendBufferSize(); }
  kj::Promise<void> end() override { return output_.end(); }

 private:
  [[nodiscard]] std::size_t queued_bytes() const;
  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> read_now(capnp::ReaderOptions options,
                                                              kj::ArrayPtr<capnp::word> scratch);
  void check(capnp::MessageReader& message);
  void check_bounds(capnp::rpc::Message::Reader message);
  void let_go(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> message);
  kj::Promise<void> track(kj::Promise<void> write, std::size_t bytes);
  void look_again();
  void release_written();

  struct Held {
    std::uint64_t written;  // until so many bytes are
    ByteLease lease;
  };

  BoundedInput input_;
  capnp::AsyncIoMessageStream output_;
  kj::Timer& timer_;
  std::optional<int> socket_;
  capnp::TwoPartyVatNetwork* network_ = nullptr;
  std::optional<kj::TimePoint> writing_since_;
  kj::TimePoint progress_at_;        // of the message being written
  std::uint64_t taken_ = 0;          // by the peer when that was last looked up; 0 where nobody knows
  std::uint64_t written_ = 0;        // bytes of messages
  std::vector<ByteLease> unmarked_;  // of answers that are about to be handed to the network
  std::deque<Held> held_;            // ascending
  bool violated_ = false;
  std::unordered_set<std::uint32_t> unfinished_;                    // calls, by the client's numbers of its questions
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> drain_waiters_;  // the reader, and a connection that closes
  kj::Promise<void> wake_ = nullptr;
  kj::Promise<void> marking_ = nullptr;
};

}  // namespace earshot::gateway
