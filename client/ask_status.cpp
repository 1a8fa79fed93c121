#include "client/ask_status.hpp"

#include <utility>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "base/limits.hpp"
#include "client/connector.hpp"
#include "client/tls.hpp"
#include "schema/flat.hpp"
#include "schema/text.hpp"
#include "schema/wire.hpp"
#include "transport/reader_options.hpp"

namespace earshot::client {
namespace {

using Stream = kj::Own<kj::AsyncIoStream>;
using capnp::rpc::twoparty::Side;
using capnp::rpc::twoparty::VatId;

Error error_of(const kj::Exception& exception, std::uint64_t timeout_ms) {
  // A timer of KJ gives this; a node says that it is overloaded in an answer of its own.
  if (exception.getType() == kj::Exception::Type::OVERLOADED)
    return Error{ErrorCode::kDeadlineExceeded, "", "no answer within " + std::to_string(timeout_ms) + " ms"};
  if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED)
    return Error{ErrorCode::kUnsupportedVersion, "", "the node is of a version that does not tell of its cluster"};
  return Error{ErrorCode::kUnavailable, "", wire::cut(reason_of(exception), limits::kErrorTextBytesMax)};
}

// One node's connection, while it is asked.
class Question {
 public:
  Question(kj::AsyncIoProvider& io, std::string address, const AskStatusOptions& options)
      : io_(io), address_(std::move(address)), options_(options) {}

  // Resolves when there is an answer or none will come; never rejects.
  kj::Promise<void> run() {
    if (!can_be_verified(address_, options_.tls)) {
      result_ = fail(ErrorCode::kInvalidArgument, "tls.name", "a numeric address needs a name beside it");
      return kj::READY_NOW;
    }
    auto asked = kj::evalNow([this] { return connect(); }).then([this](Stream stream) { return ask(kj::mv(stream)); });
    return io_.getTimer()
        .timeoutAfter(options_.timeout_ms * kj::MILLISECONDS, kj::mv(asked))
        .then([] {}, [this](kj::Exception&& why) { result_ = fail(error_of(why, options_.timeout_ms)); });
  }
  Result<ClusterStatus> take_result() { return std::move(result_); }

 private:
  kj::Promise<Stream> connect() {
    return io_.getNetwork()
        .parseAddress(address_.c_str(), kDefaultPort)
        .then([](kj::Own<kj::NetworkAddress> parsed) {
          auto connecting = parsed->connect();
          return connecting.attach(kj::mv(parsed));
        })
        .then([this](Stream stream) -> kj::Promise<Stream> {
          if (!options_.tls.on) return kj::mv(stream);
          return connect_tls(kj::mv(stream), options_.tls, address_);
        });
  }
  kj::Promise<void> ask(Stream stream) {
    stream_ = kj::mv(stream);
    network_ = kj::heap<capnp::TwoPartyVatNetwork>(*stream_, Side::CLIENT, transport::reader_options());
    rpc_ = kj::heap<capnp::RpcSystem<VatId>>(capnp::makeRpcClient(*network_));
    capnp::MallocMessageBuilder scratch(8);
    auto server = scratch.initRoot<VatId>();
    server.setSide(Side::SERVER);
    auto request = rpc_->bootstrap(server).castAs<schema::Broker>().clusterStatusRequest();
    request.setToken(flat::text(options_.token));
    return request.send().then(
        [this](capnp::Response<schema::ClusterStatusAnswer> answer) { result_ = wire::read(answer); });
  }

  kj::AsyncIoProvider& io_;
  const std::string address_;
  const AskStatusOptions& options_;
  Stream stream_;
  kj::Own<capnp::TwoPartyVatNetwork> network_;
  kj::Own<capnp::RpcSystem<VatId>> rpc_;
  Result<ClusterStatus> result_ = fail(ErrorCode::kUnavailable, "", "the node did not answer");
};

}  // namespace

std::vector<Result<ClusterStatus>> ask_status(const std::vector<std::string>& addresses,
                                              const AskStatusOptions& options) {
  auto io = kj::setupAsyncIo();
  std::vector<kj::Own<Question>> questions;
  kj::Vector<kj::Promise<void>> asked;
  for (const std::string& address : addresses) {
    questions.push_back(kj::heap<Question>(*io.provider, address, options));
    asked.add(questions.back()->run());
  }
  kj::joinPromises(asked.releaseAsArray()).wait(io.waitScope);
  std::vector<Result<ClusterStatus>> results;
  for (kj::Own<Question>& question : questions) results.push_back(question->take_result());
  return results;
}

}  // namespace earshot::client
