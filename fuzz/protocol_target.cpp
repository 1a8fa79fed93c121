// A whole connection of a client: the RPC system, its guards and a session, before a broker that answers everything.
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <kj/async-io.h>
#include <kj/exception.h>

#include "base/clock.hpp"
#include "fuzz/target.hpp"
#include "gateway/login_desk.hpp"
#include "gateway/rpc_connection.hpp"
#include "tests/support/gateway_fake_broker.hpp"

namespace earshot::fuzz {
namespace {

using gateway::Bridge;

DeviceId phone() { return DeviceId::trusted("phone"); }

IncomingMessage message() {
  IncomingMessage one;
  one.sequence = Sequence(1);
  one.sender = UserId::trusted("alice");
  one.sender_device = phone();
  one.body = "body";
  return one;
}

Batch batch() {
  Batch one;
  one.messages.push_back(message());
  one.lost.push_back({Sequence(2), Sequence(3), LostReason::kTrimmed});
  return one;
}

// What each request for management gets.
struct Managed {
  ManageAnswer operator()(const DevicesRequest&) const {
    std::vector<DeviceInfo> devices(1);
    devices[0].device = phone();
    return devices;
  }
  ManageAnswer operator()(const ParkedRequest&) const {
    std::vector<ParkedMessage> parked(1);
    parked[0].device = phone();
    parked[0].message = message();
    return parked;
  }
  ManageAnswer operator()(const ReplayRequest& request) const { return Replayed{request.sequences}; }
  ManageAnswer operator()(const ExplainRequest&) const {
    Explanation explanation;
    explanation.user = UserId::trusted("alice");
    explanation.message = message();
    explanation.devices.resize(1);
    explanation.devices[0].device = phone();
    return explanation;
  }
  ManageAnswer operator()(const PolicyRequest&) const { return PolicyInfo{}; }
  template <class Change>
  ManageAnswer operator()(const Change&) const {
    return Done{};
  }
};

// Answers each call at once, so that every kind of answer is written too.
struct Answerer {
  actors::ClientPort& client;
  void operator()(const actors::ClientSend& call) const {
    client.answered(call.call, std::vector<SendAnswer>(call.items.size(), SendAnswer{Stored{Sequence(1), Epoch(1)}}));
  }
  void operator()(const actors::ClientSubscribe& call) const {
    client.answered(call.call, Status());
    actors::Delivery delivery;
    delivery.items.push_back({std::make_shared<const IncomingMessage>(message())});
    client.deliver(std::move(delivery));
  }
  void operator()(const actors::ClientAck& call) const { client.answered(call.call, Result<Sequence>(Sequence(1))); }
  void operator()(const actors::ClientNack& call) const { client.answered(call.call, Status()); }
  void operator()(const actors::ClientFetch& call) const { client.answered(call.call, Result<Batch>(batch())); }
  void operator()(const actors::ClientHistory& call) const { client.answered(call.call, Result<Batch>(batch())); }
  void operator()(const actors::ClientManage& call) const {
    client.answered(call.call, Result<ManageAnswer>(std::visit(Managed{}, call.request)));
  }
  void operator()(const actors::ClientDelivered&) const {}
  void operator()(const actors::ClientGone&) const {}
};

// One client's bytes, from its first to its last.
void talk(kj::AsyncIoContext& io, const std::uint8_t* data, std::size_t size) {
  static const SystemClock clock;
  tests::FakeBroker broker(
      [](tests::FakeSession& session) { session.client->logged_in(tests::welcome_for(session.user)); },
      [](tests::FakeSession& session, tests::FromClient& message) { std::visit(Answerer{*session.client}, message); });
  gateway::LoginDesk logins(gateway::make_authenticator(NodeConfig{}, true, clock).value(), clock);
  ByteBudget answers(limits::kAnswersBytesMax);
  gateway::ReadingRoom reading(limits::kReadingBytesMax);
  gateway::GatewayCounters counters;
  gateway::CallStats calls;
  kj::Timer& timer = io.provider->getTimer();
  const std::atomic<std::size_t> connections{1};
  gateway::SessionContext context{.broker = broker,
                                  .node = NodeId(1),
                                  .desk = nullptr,
                                  .logins = logins,
                                  .bridge = std::make_shared<Bridge>(limits::kBridgeQueueItemsMax),
                                  .timer = timer,
                                  .options = {},
                                  .answers = answers,
                                  .reading = reading,
                                  .counters = counters,
                                  .calls = {calls, timer, limits::kSlowCallMs},
                                  .connections = connections,
                                  .ports = {}};
  auto pipe = kj::newTwoWayPipe();
  {
    bool is_over = false;
    auto connection = kj::heap<gateway::RpcConnection>(context, kj::mv(pipe.ends[0]), timer.now() + 1 * kj::HOURS,
                                                       [&is_over] { is_over = true; });
    const auto ignore = [](kj::Exception&&) {};
    auto reading = pipe.ends[1]->readAllBytes().ignoreResult().eagerlyEvaluate(ignore);
    auto writing = pipe.ends[1]->write(data, size).then([&] { pipe.ends[1]->shutdownWrite(); }).eagerlyEvaluate(ignore);
    for (bool is_busy = true; is_busy && !is_over;) {
      io.waitScope.poll();
      auto taken = context.bridge->take();
      is_busy = !taken.events.empty();
      for (auto& event : taken.events) {
        const auto port = context.ports.find(event.port);
        if (port != context.ports.end()) port->second->handle(std::move(event.event));
      }
    }
    connection = nullptr;
  }
  require(answers.used() == 0);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static kj::AsyncIoContext io = kj::setupAsyncIo();
  earshot::fuzz::talk(io, data, size);
  return 0;
}
