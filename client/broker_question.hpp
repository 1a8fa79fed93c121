#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "client/connector.hpp"
#include "client/tls.hpp"
#include "schema/broker.capnp.h"
#include "schema/text.hpp"
#include "schema/wire.hpp"
#include "transport/reader_options.hpp"

namespace earshot::client {

// One call of a Broker without a session, on a connection of its own. Answer: what is read of it.
// Thread: the KJ thread that it was made on.
template <class Answer>
class BrokerQuestion {
 public:
  // Makes the call; what it refers to outlives the question.
  using Call = std::function<kj::Promise<Result<Answer>>(schema::Broker::Client broker)>;

  BrokerQuestion(kj::AsyncIoProvider& io, std::string address, const TlsOptions& tls, std::uint64_t timeout_ms,
                 Call call)
      : io_(io), address_(std::move(address)), tls_(tls), timeout_ms_(timeout_ms), call_(std::move(call)) {}

  // Resolves when there is an answer or none will come; never rejects.
  kj::Promise<void> run() {
    if (!can_be_verified(address_, tls_)) {
      result_ = fail(ErrorCode::kInvalidArgument, "tls.name", "a numeric address needs a name beside it");
      return kj::READY_NOW;
    }
    auto asked = kj::evalNow([this] { return connect(); }).then([this](Stream stream) { return ask(kj::mv(stream)); });
    return io_.getTimer()
        .timeoutAfter(timeout_ms_ * kj::MILLISECONDS, kj::mv(asked))
        .then([] {}, [this](kj::Exception&& why) { result_ = fail(error_of(why)); });
  }
  // kUnavailable with what went wrong in words, kDeadlineExceeded, kUnsupportedVersion from a node of an older version,
  // kInvalidArgument(tls.name) where a certificate could not be verified, and what the node itself says.
  Result<Answer> take_result() { return std::move(result_); }

 private:
  using Stream = kj::Own<kj::AsyncIoStream>;
  using VatId = capnp::rpc::twoparty::VatId;

  [[nodiscard]] Error error_of(const kj::Exception& exception) const {
    // A timer of KJ gives this; a node says that it is overloaded in an answer of its own.
    if (exception.getType() == kj::Exception::Type::OVERLOADED)
      return Error{ErrorCode::kDeadlineExceeded, "", "no answer within " + std::to_string(timeout_ms_) + " ms"};
    if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED)
      return Error{ErrorCode::kUnsupportedVersion, "", "the node is of a version that does not know this call"};
    return Error{ErrorCode::kUnavailable, "", wire::cut(reason_of(exception), limits::kErrorTextBytesMax)};
  }
  kj::Promise<Stream> connect() {
    return io_.getNetwork()
        .parseAddress(address_.c_str(), kDefaultPort)
        .then([](kj::Own<kj::NetworkAddress> parsed) {
          auto connecting = parsed->connect();
          return connecting.attach(kj::mv(parsed));
        })
        .then([this](Stream stream) -> kj::Promise<Stream> {
          if (!tls_.on) return kj::mv(stream);
          return connect_tls(kj::mv(stream), tls_, address_);
        });
  }
  kj::Promise<void> ask(Stream stream) {
    using capnp::rpc::twoparty::Side;
    stream_ = kj::mv(stream);
    network_ = kj::heap<capnp::TwoPartyVatNetwork>(*stream_, Side::CLIENT, transport::reader_options());
    rpc_ = kj::heap<capnp::RpcSystem<VatId>>(capnp::makeRpcClient(*network_));
    capnp::MallocMessageBuilder scratch(8);
    auto server = scratch.initRoot<VatId>();
    server.setSide(Side::SERVER);
    return call_(rpc_->bootstrap(server).castAs<schema::Broker>()).then([this](Result<Answer>&& answer) {
      result_ = std::move(answer);
    });
  }

  kj::AsyncIoProvider& io_;
  const std::string address_;
  const TlsOptions& tls_;
  const std::uint64_t timeout_ms_;
  const Call call_;
  Stream stream_;
  kj::Own<capnp::TwoPartyVatNetwork> network_;
  kj::Own<capnp::RpcSystem<VatId>> rpc_;
  Result<Answer> result_ = fail(ErrorCode::kUnavailable, "", "the node did not answer");
};

}  // namespace earshot::client
