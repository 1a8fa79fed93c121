#include "gateway/rpc_interfaces.hpp"

#include <optional>
#include <utility>

#include "gateway/message_size.hpp"
#include "schema/wire.hpp"

namespace earshot::gateway {
namespace {

constexpr std::size_t kAnswerWords = 8;  // the results struct of a call and what points to it

capnp::MessageSize hint(std::size_t words) { return {kAnswerWords + words, 0}; }

template <class T>
std::size_t words_of_answer(const Result<T>& answer) {
  return answer ? 0 : words_of(answer.error());
}
std::size_t words_of_answer(const Result<Batch>& answer) {
  return answer ? words_of(*answer) : words_of(answer.error());
}

// Writes an answer of one of the schema's unions of a value and an error.
template <class Answer, class Context>
kj::Promise<void> write_when_answered(kj::Promise<Answer> answer, Context context) {
  return answer.then(
      [context](Answer&& given) mutable { wire::write(given, context.getResults(hint(words_of_answer(given)))); });
}

}  // namespace

kj::Promise<void> BrokerInterface::login(LoginContext context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  return session_->login(std::move(request)).then([this, context](Result<Welcome>&& welcome) mutable {
    auto results = context.getResults();
    if (!welcome) return wire::write(welcome.error(), results.initError());
    auto ok = results.initOk();
    wire::write(*welcome, ok.initWelcome());
    ok.setSession(kj::heap<SessionInterface>(kj::addRef(*session_)));
  });
}

kj::Promise<void> SessionInterface::send(SendContext context) {
  auto answers = session_->send(context.getParams().getMessages());
  context.releaseParams();
  return answers.then([context](std::vector<SendAnswer>&& given) mutable {
    std::size_t words = 0;
    for (const SendAnswer& answer : given) words += words_of(answer);
    auto to = context.getResults(hint(words)).initAnswers(static_cast<capnp::uint>(given.size()));
    for (capnp::uint i = 0; i < to.size(); ++i) wire::write(given[i], to[i]);
  });
}

kj::Promise<void> SessionInterface::subscribe(SubscribeContext context) {
  auto params = context.getParams();
  auto request = wire::read(params);
  std::optional<schema::Receiver::Client> receiver;
  if (params.hasReceiver()) receiver = params.getReceiver();
  context.releaseParams();
  return write_when_answered(session_->subscribe(std::move(receiver), std::move(request)), context);
}

kj::Promise<void> SessionInterface::ack(AckContext context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  return write_when_answered(session_->ack(std::move(request)), context);
}

kj::Promise<void> SessionInterface::nack(NackContext context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  return write_when_answered(session_->nack(std::move(request)), context);
}

kj::Promise<void> SessionInterface::fetch(FetchContext context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  return write_when_answered(session_->fetch(std::move(request)), context);
}

kj::Promise<void> SessionInterface::history(HistoryContext context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  return write_when_answered(session_->history(std::move(request)), context);
}

kj::Promise<void> SessionInterface::logout(LogoutContext context) {
  context.releaseParams();
  session_->logout();
  return kj::READY_NOW;
}

}  // namespace earshot::gateway
