#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <capnp/rpc-twoparty.h>
#include <kj/async.h>

#include "base/queue.hpp"
#include "transport/message_channel.hpp"

namespace earshot::transport {

// What an RPC system of two parties sends its messages through: a VatNetwork of one connection, like Cap'n Proto's own
// TwoPartyVatNetwork, which leads each message through three promises and keeps 3 KiB of them while there is none. A
// small message is copied to what goes out next, and gone; only what must be written by itself waits here, and what
// comes behind it.
//
// The KJ thread of the connection only.
class MessageNetwork final : public capnp::TwoPartyVatNetworkBase,
                             private capnp::TwoPartyVatNetworkBase::Connection,
                             private kj::TaskSet::ErrorHandler {
 public:
  // Counts what waits here in `queue`. `over` is called once, when the RPC system has let the connection go, from
  // inside it.
  MessageNetwork(MessageChannel& channel, WriteQueue& queue, capnp::rpc::twoparty::Side side,
                 capnp::ReaderOptions options, std::function<void()> over);
  ~MessageNetwork() noexcept(false);
  MessageNetwork(const MessageNetwork&) = delete;
  MessageNetwork& operator=(const MessageNetwork&) = delete;

  kj::Maybe<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> connect(
      capnp::rpc::twoparty::VatId::Reader peer) override;
  kj::Promise<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> accept() override;

 private:
  class Outgoing;
  class Incoming;
  // What the connection is handed back by.
  class HandedOut final : public kj::Disposer {
   public:
    explicit HandedOut(std::function<void()> over) : over_(std::move(over)) {}
    void disposeImpl(void*) const override;
    mutable std::uint32_t times = 0;

   private:
    mutable std::function<void()> over_;
  };

  kj::Own<capnp::TwoPartyVatNetworkBase::Connection> hand_out();

  // ---- the connection
  capnp::rpc::twoparty::VatId::Reader getPeerVatId() override;
  kj::Own<capnp::OutgoingRpcMessage> newOutgoingMessage(kj::uint first_segment_words) override;
  kj::Promise<kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>> receiveIncomingMessage() override;
  kj::Promise<void> shutdown() override;

  void send(Outgoing& message);
  kj::Promise<void> write_first();
  void taskFailed(kj::Exception&& why) override;

  MessageChannel& channel_;
  WriteQueue& queue_;
  const capnp::rpc::twoparty::Side side_;
  const capnp::ReaderOptions options_;
  bool is_accepted_ = false;
  bool is_shut_down_ = false;
  HandedOut handed_out_;
  Queue<kj::Own<Outgoing>> waiting_;              // the first is being written
  kj::Own<kj::PromiseFulfiller<void>> all_gone_;  // null: nobody waits for that
  std::unique_ptr<kj::Exception> failure_;
  kj::TaskSet writing_;  // at most one
};

}  // namespace earshot::transport
