#include "client/ask_status.hpp"

#include <utility>

#include "client/broker_question.hpp"
#include "schema/flat.hpp"

namespace earshot::client {

std::vector<Result<ClusterStatus>> ask_status(const std::vector<std::string>& addresses,
                                              const AskStatusOptions& options) {
  auto io = kj::setupAsyncIo();
  const auto call = [&](schema::Broker::Client broker) {
    auto request = broker.clusterStatusRequest();
    request.setToken(flat::text(options.token));
    return request.send().then([](capnp::Response<schema::ClusterStatusAnswer> answer) -> Result<ClusterStatus> {
      return wire::read(answer);
    });
  };
  std::vector<kj::Own<BrokerQuestion<ClusterStatus>>> questions;
  kj::Vector<kj::Promise<void>> asked;
  for (const std::string& address : addresses) {
    questions.push_back(
        kj::heap<BrokerQuestion<ClusterStatus>>(*io.provider, address, options.tls, options.timeout_ms, call));
    asked.add(questions.back()->run());
  }
  kj::joinPromises(asked.releaseAsArray()).wait(io.waitScope);
  std::vector<Result<ClusterStatus>> results;
  results.reserve(questions.size());
  for (auto& question : questions) results.push_back(question->take_result());
  return results;
}

}  // namespace earshot::client
