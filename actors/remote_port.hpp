#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "actors/call_codec.hpp"
#include "actors/exchange.hpp"
#include "actors/ports.hpp"

namespace earshot::actors {

// A session of another node. Thread-safe.
class RemotePort final : public SessionPort {
 public:
  // `shard`: who pushes to it; `client_call` of the session's client, and `since_ms` when its request came.
  RemotePort(std::shared_ptr<Exchange> exchange, ShardId shard, const PortAddress& address, CallId client_call,
             std::uint64_t since_ms)
      : exchange_(std::move(exchange)),
        shard_(shard),
        address_(address),
        client_call_(client_call),
        since_ms_(since_ms) {}

  [[nodiscard]] PortAddress address() const override { return address_; }

  void post(SendsAnswered message) override { answer(message); }
  void post(LoginAnswered message) override { answer(message); }
  void post(AckAnswered message) override { answer(message); }
  void post(FetchAnswered message) override { answer(message); }
  void post(MailboxPush message) override { push(message); }
  void post(ManageAnswered message) override { answer(message); }
  void post(AttemptsAnswered message) override { answer(message); }
  void post(MessagesEnded message) override { push(message); }
  void post(ParkingRule message) override { tell(message); }
  void post(SessionExplain message) override {
    const PortAddress asker = message.from->address();
    tell(ExplainAsked{std::move(message), asker});
  }
  void post(SessionExplained message) override { tell(message); }
  void post(SessionEvicted message) override { tell(message); }
  void post(LeaderAnnounced message) override { tell(message); }

 private:
  template <class Content>
  void answer(const Content& content) {
    const RequestTag tag{address_.node, RequestTag::Door::kSession, address_.session, client_call_};
    exchange_->call_log()->answered({tag, shard_, since_ms_}, content);
    exchange_->answer(address_, encode_answer(address_, content));
  }
  // To the session itself, whatever was called.
  template <class Content>
  void tell(const Content& content) {
    const PortAddress session{address_.node, 0, address_.session};
    exchange_->answer(session, encode_answer(session, content));
  }
  template <class Content>
  void push(const Content& content) {
    const PortAddress session{address_.node, 0, address_.session};
    const auto next = [this] { return exchange_->next_push(shard_, address_.node); };
    for (std::string& bytes : encode_push(session, content, next)) exchange_->answer(session, std::move(bytes));
  }

  const std::shared_ptr<Exchange> exchange_;
  const ShardId shard_;
  const PortAddress address_;
  const CallId client_call_;
  const std::uint64_t since_ms_;
};

}  // namespace earshot::actors
