#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/raw_client.hpp"

namespace earshot::tests {

// A device that does what the client library never would: acks late or never, reads nothing, sends altered bodies. The
// event loop, which a thread has one of, runs only inside its functions; between them nothing is read from the socket.
class RawDevice {
 public:
  RawDevice(kj::AsyncIoContext& io, std::uint16_t port, const std::string& user, const std::string& device,
            StartAt start_at = StartAt::kOldest)
      : io_(io), client_(io, port) {
    LoginRequest login;
    login.token = user;
    login.device = DeviceId::trusted(device);
    login.start_at = start_at;
    while (!try_login(login)) {
    }
  }

  [[nodiscard]] const Welcome& welcome() const { return welcome_; }

  Status subscribe(DeliveryMode mode, std::uint32_t window_messages) {
    auto request = client_.session().subscribeRequest();
    wire::write(SubscribeRequest{mode, window_messages}, request);
    request.setReceiver(kj::heap<Receiver>(*inbox_));
    return wire::read(patiently(request.send()));
  }
  Result<Sequence> ack(std::uint64_t up_to, const std::vector<std::uint64_t>& above = {}) {
    auto request = client_.session().ackRequest();
    AckRequest ack{Sequence(up_to), {}};
    for (const auto sequence : above) ack.above.emplace_back(sequence);
    wire::write(ack, request);
    return wire::read(patiently(request.send()));
  }
  Status nack(std::uint64_t sequence, std::uint32_t delay_ms) {
    auto request = client_.session().nackRequest();
    wire::write(NackRequest{{Sequence(sequence)}, delay_ms}, request);
    return wire::read(patiently(request.send()));
  }
  std::vector<SendAnswer> send(const std::vector<OutgoingMessage>& messages) {
    return answers_of(patiently(send_request(client_.session(), messages).send()));
  }

  // The same, unless the answer takes longer; then the call is taken back, and the messages may be stored or not.
  std::optional<std::vector<SendAnswer>> send_within(const std::vector<OutgoingMessage>& messages, unsigned ms) {
    using Answers = std::optional<std::vector<SendAnswer>>;
    auto answered = send_request(client_.session(), messages).send().then([](auto&& answer) {
      return Answers(answers_of(answer));
    });
    auto late = io_.provider->getTimer().afterDelay(ms * kj::MILLISECONDS).then([] { return Answers(); });
    return answered.exclusiveJoin(kj::mv(late)).wait(io_.waitScope);
  }
  // Puts the messages on the wire; their answers stay where they are.
  void begin_send(const std::vector<OutgoingMessage>& messages) {
    begun_.push_back(send_request(client_.session(), messages).send().ignoreResult());
    client_.flush();
  }

  // Runs the loop until the condition holds, looking at it after every delivery; false when patience is at an end.
  template <class Condition>
  bool wait_until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      auto paf = kj::newPromiseAndFulfiller<void>();
      inbox_->arrived = kj::mv(paf.fulfiller);
      auto patience = io_.provider->getTimer().afterDelay(1 * kj::SECONDS);
      paf.promise.exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
    }
    return true;
  }
  // Deliveries of messages, in the order in which they came, repeats too.
  [[nodiscard]] const std::deque<IncomingMessage>& deliveries() const { return inbox_->deliveries; }
  // Each sequence that came, with the highest attempt seen.
  [[nodiscard]] const std::map<std::uint64_t, std::uint32_t>& attempts() const { return inbox_->attempts; }
  // Whether the sequence came at least so many times.
  [[nodiscard]] bool came(std::uint64_t sequence, std::uint32_t times = 1) const {
    const auto found = inbox_->attempts.find(sequence);
    return found != inbox_->attempts.end() && found->second >= times;
  }

 private:
  // False: the node was busy, and what it asks to wait is over.
  bool try_login(const LoginRequest& login) {
    auto request = client_.broker().loginRequest();
    wire::write(login, request);
    auto answer = patiently(request.send());
    if (answer.isError()) {
      const Error error = wire::read(answer.getError());
      if (error.code != ErrorCode::kOverloaded) throw std::runtime_error(error.to_string());
      io_.provider->getTimer().afterDelay(error.retry_after_ms * kj::MILLISECONDS).wait(io_.waitScope);
      return false;
    }
    client_.session() = answer.getOk().getSession();
    welcome_ = wire::read(answer.getOk().getWelcome()).value();
    return true;
  }

  static constexpr std::chrono::seconds kPatience{30};

  struct Inbox {
    std::deque<IncomingMessage> deliveries;
    std::map<std::uint64_t, std::uint32_t> attempts;
    kj::Own<kj::PromiseFulfiller<void>> arrived;
  };
  class Receiver final : public schema::Receiver::Server {
   public:
    explicit Receiver(Inbox& inbox) : inbox_(inbox) {}

   protected:
    kj::Promise<void> deliver(DeliverContext context) override {
      Batch batch = wire::read(context.getParams().getBatch()).value();
      for (auto& message : batch.messages) {
        auto& attempt = inbox_.attempts[message.sequence.value];
        attempt = std::max(attempt, message.attempt);
        inbox_.deliveries.push_back(std::move(message));
      }
      if (inbox_.arrived.get() != nullptr) inbox_.arrived->fulfill();
      return kj::READY_NOW;
    }

   private:
    Inbox& inbox_;
  };

  template <class T>
  capnp::Response<T> patiently(capnp::RemotePromise<T> answer) {
    kj::Promise<capnp::Response<T>> promise = kj::mv(answer);
    auto patience = io_.provider->getTimer().afterDelay(kPatience.count() * kj::SECONDS);
    auto late = patience.then([]() -> capnp::Response<T> { KJ_FAIL_REQUIRE("the node did not answer"); });
    return promise.exclusiveJoin(kj::mv(late)).wait(io_.waitScope);
  }

  kj::AsyncIoContext& io_;
  const std::unique_ptr<Inbox> inbox_ = std::make_unique<Inbox>();
  TestClient client_;
  std::vector<kj::Promise<void>> begun_;
  Welcome welcome_;
};

}  // namespace earshot::tests
