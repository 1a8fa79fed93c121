#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"

// Calls that look after mailboxes, on their way between the client and its session.
namespace earshot::gateway {
namespace {

using tests::FakeSession;
using tests::GatewayTest;
using tests::TestClient;

class ManageTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    start();
    client_ = std::make_unique<TestClient>(io_, gateway_->port());
    client_->login("alice");
    session_ = broker_->session();
  }
  // Makes a call and lets the session answer it; the request as the session got it.
  template <class Request, class Call>
  auto ask(Call call, ManageAnswer answer, Request& request) {
    auto promise = call.send();
    run_until([&] { return session_->waiting() > 0; });
    auto message = session_->next<actors::ClientManage>();
    request = std::get<Request>(message.request);
    session_->client->answered(message.call, Result<ManageAnswer>(std::move(answer)));
    return promise.wait(io_.waitScope);
  }

  std::unique_ptr<TestClient> client_;
  std::shared_ptr<FakeSession> session_;
};

TEST_F(ManageTest, DevicesComeThrough) {
  DeviceInfo phone;
  phone.device = DeviceId::trusted("phone");
  phone.up_to = Sequence(5), phone.unacked = 2, phone.parked = 1, phone.last_seen_ms = 9, phone.connected = true;
  auto call = client_->session().devicesRequest();
  call.setUser("bob");
  DevicesRequest request;
  const auto devices = wire::read(ask(std::move(call), ManageAnswer(std::vector<DeviceInfo>{phone}), request));
  EXPECT_EQ(request.user.text(), "bob");
  ASSERT_TRUE(devices);
  EXPECT_EQ(*devices, std::vector<DeviceInfo>{phone});
}

TEST_F(ManageTest, ChangesAreAnsweredWithAStatus) {
  auto remove = client_->session().removeDeviceRequest();
  remove.setDevice("phone");
  RemoveDeviceRequest removal;
  EXPECT_TRUE(wire::read(ask(std::move(remove), ManageAnswer(Done{}), removal)));
  EXPECT_TRUE(removal.user.empty());
  EXPECT_EQ(removal.device.text(), "phone");

  auto set = client_->session().setPolicyRequest();
  wire::write(SetPolicyRequest{{}, true, Policy{1, 2, limits::kDeviceIdleMsDefault, 4}}, set);
  SetPolicyRequest policy;
  EXPECT_TRUE(wire::read(ask(std::move(set), ManageAnswer(Done{}), policy)));
  EXPECT_TRUE(policy.all);
  EXPECT_EQ(policy.policy->retention_messages, 2u);
}

TEST_F(ManageTest, ReplayAndExplainComeThrough) {
  auto replay = client_->session().replayRequest();
  wire::write(ReplayRequest{{}, DeviceId::trusted("phone"), {Sequence(3)}}, replay);
  ReplayRequest replayed;
  const auto sequences = wire::read(ask(std::move(replay), ManageAnswer(Replayed{{Sequence(9)}}), replayed));
  EXPECT_EQ(sequences->sequences, std::vector<Sequence>{Sequence(9)});
  EXPECT_EQ(replayed.sequences, std::vector<Sequence>{Sequence(3)});

  auto explain = client_->session().explainRequest();
  wire::write(ExplainRequest{{}, Sequence(3), {}}, explain);
  Explanation explanation;
  explanation.user = UserId::trusted("alice");
  explanation.epoch = Epoch(1);
  explanation.kept = true;
  explanation.message.sequence = Sequence(3);
  explanation.message.sender = UserId::trusted("bob");
  explanation.message.sender_device = DeviceId::trusted("phone");
  explanation.devices.resize(1);
  explanation.devices[0].device = DeviceId::trusted("phone");
  explanation.devices[0].attempts = 3;
  ExplainRequest question;
  const auto answer = wire::read(ask(std::move(explain), ManageAnswer(explanation), question));
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->devices.at(0).attempts, 3u);
  EXPECT_EQ(question.sequence, Sequence(3));
}

TEST_F(ManageTest, AnErrorComesThrough) {
  auto promise = client_->session().policyRequest().send();
  run_until([&] { return session_->waiting() > 0; });
  const auto message = session_->next<actors::ClientManage>();
  session_->client->answered(message.call,
                             Result<ManageAnswer>(fail(ErrorCode::kPermissionDenied, "user", "not yours")));
  const auto answer = wire::read(promise.wait(io_.waitScope));
  EXPECT_EQ(answer.error().code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(answer.error().field, "user");
}

TEST_F(ManageTest, ABadFieldIsNamedAndReachesNoSession) {
  auto call = client_->session().removeDeviceRequest();
  EXPECT_EQ(wire::read(call.send().wait(io_.waitScope)).error().field, "device");
  EXPECT_EQ(session_->waiting(), 0u);
}

// Their answers may be as large as a fetch's: they share its bound.
TEST_F(ManageTest, TheyCountAmongTheFetchesInFlight) {
  std::vector<kj::Promise<Result<std::vector<ParkedMessage>>>> calls;
  for (std::size_t i = 0; i < limits::kFetchesInFlightMax; ++i) {
    calls.push_back(client_->session().parkedRequest().send().then(
        [](auto answer) { return wire::read(schema::ParkedAnswer::Reader(answer)); }));
  }
  const auto refused = wire::read(client_->session().devicesRequest().send().wait(io_.waitScope));
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  for (auto& call : calls) {
    const auto message = session_->next<actors::ClientManage>();
    session_->client->answered(message.call, Result<ManageAnswer>(std::vector<ParkedMessage>()));
    EXPECT_TRUE(call.wait(io_.waitScope));
  }
  DevicesRequest request;
  EXPECT_TRUE(wire::read(ask(client_->session().devicesRequest(), ManageAnswer(std::vector<DeviceInfo>()), request)));
}

}  // namespace
}  // namespace earshot::gateway
