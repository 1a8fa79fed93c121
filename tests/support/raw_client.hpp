#pragma once

#include <string>
#include <utility>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>

#include "base/checksum.hpp"
#include "schema/broker.capnp.h"
#include "schema/wire.hpp"

namespace earshot::tests {

// A client without a library: Cap'n Proto's own objects on a real socket. One per connection, on the test's event loop.
class TestClient {
 public:
  TestClient(kj::AsyncIoContext& io, std::uint16_t port)
      : TestClient(io, io.provider->getNetwork()
                           .parseAddress("127.0.0.1", port)
                           .wait(io.waitScope)
                           ->connect()
                           .wait(io.waitScope)) {}
  // On a stream that is connected already.
  TestClient(kj::AsyncIoContext& io, kj::Own<kj::AsyncIoStream> stream)
      : io_(io), stream_(kj::mv(stream)), rpc_(*stream_), broker_(rpc_.bootstrap().castAs<schema::Broker>()) {}

  // The answer as the wire has it.
  capnp::Response<schema::LoginAnswer> login_raw(const std::string& token, const std::string& device = "phone") {
    auto request = broker_.loginRequest();
    LoginRequest login;
    login.token = token;
    login.device = *DeviceId::parse(device, "device");
    wire::write(login, request);
    return request.send().wait(io_.waitScope);
  }
  // Logs in and keeps the session; fails the test when refused.
  void login(const std::string& token, const std::string& device = "phone") {
    auto answer = login_raw(token, device);
    ASSERT_TRUE(answer.isOk()) << wire::read(answer.getError()).to_string();
    session_ = answer.getOk().getSession();
  }
  [[nodiscard]] schema::Broker::Client& broker() { return broker_; }
  [[nodiscard]] schema::Session::Client& session() { return session_; }
  void drop_session() { session_ = schema::Session::Client(nullptr); }

  // Hands everything that is ready to the network.
  void flush() { io_.waitScope.poll(); }
  // Resolves when the server has closed the connection.
  kj::Promise<void> closed() { return rpc_.onDisconnect(); }
  // Whether the server closes the connection before the test's patience is at an end.
  bool wait_until_closed() {
    auto patience = io_.provider->getTimer().afterDelay(20 * kj::SECONDS).then([] { return false; });
    return closed().then([] { return true; }).exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
  }

 private:
  kj::AsyncIoContext& io_;
  kj::Own<kj::AsyncIoStream> stream_;
  capnp::TwoPartyClient rpc_;
  schema::Broker::Client broker_;
  schema::Session::Client session_{nullptr};
};

inline OutgoingMessage message_to(const std::string& recipient, std::uint64_t number, std::string body = "hello") {
  OutgoingMessage message;
  message.recipient = UserId::trusted(recipient);
  message.number = LaneNumber(number);
  message.id = MessageId{1, number};
  message.body = std::move(body);
  message.checksum = checksum_of(message.body);
  return message;
}

inline auto send_request(schema::Session::Client& session, const std::vector<OutgoingMessage>& messages) {
  auto request = session.sendRequest();
  auto list = request.initMessages(static_cast<capnp::uint>(messages.size()));
  for (capnp::uint i = 0; i < list.size(); ++i) wire::write(messages[i], list[i]);
  return request;
}

template <class Response>
std::vector<SendAnswer> answers_of(const Response& response) {
  std::vector<SendAnswer> answers;
  for (auto answer : response.getAnswers()) answers.push_back(wire::read(answer));
  return answers;
}

}  // namespace earshot::tests
