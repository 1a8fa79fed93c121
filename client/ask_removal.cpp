#include "client/ask_removal.hpp"

#include "client/broker_question.hpp"
#include "schema/flat.hpp"

namespace earshot::client {

Result<RemovalAnswer> ask_removal(const std::string& address, NodeId node, const AskRemovalOptions& options) {
  auto io = kj::setupAsyncIo();
  const auto call = [&](schema::Broker::Client broker) {
    auto request = broker.removeNodeRequest();
    request.setToken(flat::text(options.token));
    request.setNode(node.value);
    return request.send().then(
        [](capnp::Response<schema::RemoveNodeAnswer> answer) -> Result<RemovalAnswer> { return wire::read(answer); });
  };
  BrokerQuestion<RemovalAnswer> question(*io.provider, address, options.tls, options.timeout_ms, call);
  question.run().wait(io.waitScope);
  return question.take_result();
}

}  // namespace earshot::client
