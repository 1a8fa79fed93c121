#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <capnp/serialize.h>
#include <kj/async-io.h>

#include "schema/broker.capnp.h"
#include "schema/wire.hpp"

namespace earshot::tests {

// A connection without an RPC system: says whatever bytes the test wants. On the test's event loop.
class HostileStream {
 public:
  using Message = capnp::rpc::Message;

  HostileStream(kj::AsyncIoContext& io, std::uint16_t port)
      : io_(io),
        stream_(io.provider->getNetwork()
                    .parseAddress("127.0.0.1", port)
                    .wait(io.waitScope)
                    ->connect()
                    .wait(io.waitScope)) {}
  // On a stream that is connected already.
  HostileStream(kj::AsyncIoContext& io, kj::Own<kj::AsyncIoStream> stream) : io_(io), stream_(kj::mv(stream)) {}

  void write(const void* bytes, std::size_t size) {
    try {
      auto patience = io_.provider->getTimer().afterDelay(kPatienceS * kj::SECONDS);
      stream_->write(bytes, size).exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
    } catch (const kj::Exception&) {
      // Closed on us in the middle: that is what it should do.
    }
  }
  void write(capnp::MessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    write(words.begin(), words.asBytes().size());
  }
  // One RPC message, made by `fill`.
  template <class Fill>
  void say(Fill fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<Message>());
    write(message);
  }
  void bootstrap(std::uint32_t question) {
    say([&](Message::Builder to) { to.initBootstrap().setQuestionId(question); });
  }
  // A call of what question `target` answered, or will (through pointer `field` of its results, if there is one).
  template <class Fill>
  void call(std::uint32_t question, std::uint32_t target, std::optional<std::uint16_t> field, std::uint64_t interface,
            std::uint16_t method, Fill fill) {
    say([&](Message::Builder to) {
      auto call = to.initCall();
      call.setQuestionId(question);
      auto promised = call.initTarget().initPromisedAnswer();
      promised.setQuestionId(target);
      if (field) promised.initTransform(1)[0].setGetPointerField(*field);
      call.setInterfaceId(interface);
      call.setMethodId(method);
      fill(call.initParams());
    });
  }
  // Bootstrap as question 0 and login as question 1, whose session is at kSession.
  void log_in(const std::string& user) {
    bootstrap(0);
    call(1, 0, std::nullopt, capnp::typeId<schema::Broker>(), 0, [&](capnp::rpc::Payload::Builder params) {
      LoginRequest login;
      login.token = user;
      login.device = DeviceId::trusted("phone");
      wire::write(login, params.getContent().initAs<schema::LoginRequest>());
    });
  }
  static constexpr std::uint16_t kSession = 0;  // the pointer field of LoginAnswer that holds the session

  // No more bytes follow.
  void end() {
    try {
      stream_->shutdownWrite();
    } catch (const kj::Exception&) {
      // Closed on us already.
    }
  }
  // The next message of the server; nothing when it has closed, or said what is no message.
  std::optional<std::string> read_kind() {
    return read([](Message::Reader message) -> std::string {
      switch (message.which()) {
        case Message::ABORT: return "abort: " + std::string(message.getAbort().getReason().cStr());
        case Message::UNIMPLEMENTED: return "unimplemented";
        case Message::RETURN: return message.getReturn().isException() ? "exception" : "return";
        default: return "other";
      }
    });
  }
  // The reason in the next message, which tells a receiver that its session is over.
  std::optional<Error> read_farewell() {
    return read([](Message::Reader message) {
      return wire::read(message.getCall().getParams().getContent().getAs<schema::Receiver::ClosedParams>().getReason());
    });
  }
  // Reads until the server closes; what it says before (an abort) is of no interest.
  bool closes() {
    std::array<char, 4096> sink{};
    constexpr std::size_t kLate = SIZE_MAX;
    try {
      while (true) {
        auto patience = io_.provider->getTimer().afterDelay(kPatienceS * kj::SECONDS).then([] { return kLate; });
        const std::size_t got =
            stream_->tryRead(sink.data(), 1, sink.size()).exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
        if (got == kLate) return false;
        if (got == 0) return true;
      }
    } catch (const kj::Exception&) {
      return true;  // reset
    }
  }
  // Takes up to so many bytes; how many came, 0 when the server has closed.
  std::size_t take(std::size_t bytes_max) {
    auto buffer = kj::heapArray<kj::byte>(bytes_max);
    try {
      return stream_->tryRead(buffer.begin(), 1, bytes_max).wait(io_.waitScope);
    } catch (const kj::Exception&) {
      return 0;
    }
  }
  kj::AsyncIoStream& stream() { return *stream_; }

 private:
  // What the next message is to `look`; nothing when there is none.
  template <class Look>
  auto read(Look look) -> std::optional<decltype(look(Message::Reader()))> {
    try {
      capnp::ReaderOptions options;
      options.traversalLimitInWords = 64 << 20;
      auto reading = capnp::tryReadMessage(*stream_, options);
      auto patience = io_.provider->getTimer().afterDelay(kPatienceS * kj::SECONDS).then([] {
        return kj::Maybe<kj::Own<capnp::MessageReader>>(nullptr);
      });
      kj::Maybe<kj::Own<capnp::MessageReader>> message = reading.exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
      KJ_IF_MAYBE (reader, message) return look((*reader)->getRoot<Message>());
    } catch (const kj::Exception&) {
      // Reset.
    }
    return std::nullopt;
  }

  static constexpr int kPatienceS = 20;

  kj::AsyncIoContext& io_;
  kj::Own<kj::AsyncIoStream> stream_;
};

}  // namespace earshot::tests
