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
  RemotePort(std::shared_ptr<Exchange> exchange, const PortAddress& address)
      : exchange_(std::move(exchange)), address_(address) {}

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
    for (std::string& bytes : encode_push(session, content)) exchange_->answer(session, std::move(bytes));
  }

  const std::shared_ptr<Exchange> exchange_;
  const PortAddress address_;
};

}  // namespace earshot::actors
