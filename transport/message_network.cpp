#include "transport/message_network.hpp"

#include <utility>

#include <kj/debug.h>

namespace earshot::transport {
namespace {

namespace twoparty = capnp::rpc::twoparty;

constexpr kj::uint kVatIdWords = 4;

twoparty::Side other(twoparty::Side side) {
  return side == twoparty::Side::CLIENT ? twoparty::Side::SERVER : twoparty::Side::CLIENT;
}

// Names of the two sides: there are no others.
class VatIds {
 public:
  VatIds() {
    client_.initRoot<twoparty::VatId>().setSide(twoparty::Side::CLIENT);
    server_.initRoot<twoparty::VatId>().setSide(twoparty::Side::SERVER);
  }
  twoparty::VatId::Reader of(twoparty::Side side) {
    return (side == twoparty::Side::CLIENT ? client_ : server_).getRoot<twoparty::VatId>().asReader();
  }

 private:
  capnp::MallocMessageBuilder client_{kVatIdWords};
  capnp::MallocMessageBuilder server_{kVatIdWords};
};

}  // namespace

class MessageNetwork::Outgoing final : public capnp::OutgoingRpcMessage, public kj::Refcounted {
 public:
  Outgoing(MessageNetwork& network, kj::uint first_segment_words)
      : network_(network),
        message_(first_segment_words == 0 ? capnp::SUGGESTED_FIRST_SEGMENT_WORDS : first_segment_words) {}

  capnp::AnyPointer::Builder getBody() override { return message_.getRoot<capnp::AnyPointer>(); }
  void send() override { network_.send(*this); }
  std::size_t sizeInWords() override { return message_.sizeInWords(); }

  MessageChannel::Segments segments() { return message_.getSegmentsForOutput(); }

 private:
  MessageNetwork& network_;
  capnp::MallocMessageBuilder message_;
};

class MessageNetwork::Incoming final : public capnp::IncomingRpcMessage {
 public:
  explicit Incoming(kj::Own<capnp::MessageReader> message) : message_(kj::mv(message)) {}
  capnp::AnyPointer::Reader getBody() override { return message_->getRoot<capnp::AnyPointer>(); }
  std::size_t sizeInWords() override { return message_->sizeInWords(); }

 private:
  kj::Own<capnp::MessageReader> message_;
};

MessageNetwork::MessageNetwork(MessageChannel& channel, WriteQueue& queue, twoparty::Side side,
                               capnp::ReaderOptions options, std::function<void()> over)
    : channel_(channel),
      queue_(queue),
      side_(side),
      options_(options),
      handed_out_(std::move(over)),
      writing_(static_cast<kj::TaskSet::ErrorHandler&>(*this)) {}

MessageNetwork::~MessageNetwork() noexcept(false) = default;

// ---- the one connection

void MessageNetwork::HandedOut::disposeImpl(void*) const {
  if (--times > 0) return;
  if (const auto over = std::exchange(over_, nullptr)) over();
}

kj::Own<capnp::TwoPartyVatNetworkBase::Connection> MessageNetwork::hand_out() {
  ++handed_out_.times;
  return kj::Own<capnp::TwoPartyVatNetworkBase::Connection>(this, handed_out_);
}

kj::Maybe<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> MessageNetwork::connect(twoparty::VatId::Reader peer) {
  if (peer.getSide() == side_) return nullptr;
  return hand_out();
}

kj::Promise<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> MessageNetwork::accept() {
  if (side_ == twoparty::Side::SERVER && !std::exchange(is_accepted_, true)) return hand_out();
  return kj::NEVER_DONE;
}

twoparty::VatId::Reader MessageNetwork::getPeerVatId() {
  static thread_local VatIds ids;
  return ids.of(other(side_));
}

// ---- messages

kj::Own<capnp::OutgoingRpcMessage> MessageNetwork::newOutgoingMessage(kj::uint first_segment_words) {
  return kj::refcounted<Outgoing>(*this, first_segment_words);
}

kj::Promise<kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>> MessageNetwork::receiveIncomingMessage() {
  using Received = kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>;
  // Not at once: whoever has many messages must let others have their turn.
  return kj::evalLater([this]() -> kj::Promise<Received> {
    if (failure_ != nullptr) return kj::cp(*failure_);
    return channel_.read(options_).then([](kj::Maybe<kj::Own<capnp::MessageReader>>&& message) -> Received {
      KJ_IF_MAYBE (reader, message) return kj::Own<capnp::IncomingRpcMessage>(kj::heap<Incoming>(kj::mv(*reader)));
      return nullptr;
    });
  });
}

void MessageNetwork::send(Outgoing& message) {
  KJ_REQUIRE(!is_shut_down_, "the connection is shut down already");
  const auto segments = message.segments();
  const auto load = WriteQueue::load_of(segments);
  KJ_REQUIRE(load.bytes / sizeof(capnp::word) < options_.traversalLimitInWords,
             "a message larger than the other end reads", load.bytes);
  if (failure_ != nullptr) return;
  if (waiting_.empty() && channel_.gather(segments)) return;
  queue_.added(load);
  waiting_.push_back(kj::addRef(message));
  if (waiting_.size() == 1) writing_.add(write_first());
}

kj::Promise<void> MessageNetwork::write_first() {
  const auto segments = waiting_.front()->segments();
  queue_.left(WriteQueue::load_of(segments));
  return channel_.write(segments).then([this]() -> kj::Promise<void> {
    waiting_.pop_front();
    while (!waiting_.empty() && channel_.gather(waiting_.front()->segments())) {
      queue_.left(WriteQueue::load_of(waiting_.front()->segments()));
      waiting_.pop_front();
    }
    if (!waiting_.empty()) return write_first();
    if (all_gone_.get() != nullptr) all_gone_->fulfill();
    return kj::READY_NOW;
  });
}

// Nobody looks at what becomes of a message: that the connection is broken must show at the reading end, or else calls
// would wait for answers for ever.
void MessageNetwork::taskFailed(kj::Exception&& why) {
  failure_ = std::make_unique<kj::Exception>(kj::cp(why));
  for (bool is_first = true; !waiting_.empty(); is_first = false, waiting_.pop_front())
    if (!is_first) queue_.left(WriteQueue::load_of(waiting_.front()->segments()));
  if (all_gone_.get() != nullptr) all_gone_->reject(kj::mv(why));
  channel_.abort();
}

kj::Promise<void> MessageNetwork::shutdown() {
  is_shut_down_ = true;
  if (failure_ != nullptr) return kj::cp(*failure_);
  if (waiting_.empty()) return channel_.end();
  auto paf = kj::newPromiseAndFulfiller<void>();
  all_gone_ = kj::mv(paf.fulfiller);
  return paf.promise.then([this] { return channel_.end(); });
}

}  // namespace earshot::transport
