#include "gateway/rpc_interfaces.hpp"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/message_size.hpp"
#include "schema/wire.hpp"

namespace earshot::gateway {
namespace {

constexpr std::size_t kAnswerWords = 8;  // the results struct of a call and what points to it

capnp::MessageSize hint(std::size_t words) { return {kAnswerWords + words, 0}; }

template <class T>
std::size_t words_of_answer(const Result<T>& answer) {
  if (!answer) return words_of(answer.error());
  if constexpr (requires { words_of(*answer); }) return words_of(*answer);
  return 0;
}

// The answer that a call expects, out of the one type that the session answers all of its kind in.
template <class Value, class Any>
Result<Value> answer_as(Result<Any>&& answer) {
  if (!answer) return fail(std::move(answer.error()));
  if constexpr (std::is_same_v<Value, Done>) return Done{};
  if (auto* value = std::get_if<Value>(&*answer)) return std::move(*value);
  return fail(ErrorCode::kInternal, "", "the session gave the answer of another call");
}

void write_answer(const auto& answer, auto to) { wire::write(answer, to); }
void write_answer(const Result<Done>& answer, schema::StatusAnswer::Builder to) {
  wire::write(answer ? Status() : Status(fail(answer.error())), to);
}

}  // namespace

template <class Answer, class Context>
kj::Promise<void> SessionInterface::write_when_answered(kj::Promise<Answer> answer, Context context) {
  return answer.then([this, context](Answer&& given) mutable {
    if (!given) session_->note_refusal(given.error());
    write_answer(given, context.getResults(hint(words_of_answer(given))));
  });
}

kj::Promise<void> BrokerInterface::login(LoginContext context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  return session_->login(std::move(request)).then([this, context](Result<Welcome>&& welcome) mutable {
    auto results = context.getResults(hint(words_of_answer(welcome)));
    if (!welcome) return wire::write(welcome.error(), results.initError());
    auto ok = results.initOk();
    wire::write(*welcome, ok.initWelcome());
    ok.setSession(kj::heap<SessionInterface>(kj::addRef(*session_)));
  });
}

kj::Promise<void> BrokerInterface::clusterStatus(ClusterStatusContext context) {
  const auto token = wire::read(context.getParams());
  context.releaseParams();
  const auto status = session_->cluster_status(token);
  write_answer(status, context.getResults(hint(words_of_answer(status))));
  return kj::READY_NOW;
}

kj::Promise<void> BrokerInterface::removeNode(RemoveNodeContext context) {
  const auto request = wire::read(context.getParams());
  context.releaseParams();
  return session_->remove_node(request).then([context](Result<RemovalAnswer>&& answer) mutable {
    write_answer(answer, context.getResults(hint(words_of_answer(answer))));
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

template <class Value, class Context>
kj::Promise<void> SessionInterface::manage(Context context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  auto answer = session_->manage(std::move(request).map([](auto one) { return ManageRequest(std::move(one)); }));
  return write_when_answered(
      answer.then([](Result<ManageAnswer>&& given) { return answer_as<Value>(std::move(given)); }), context);
}

kj::Promise<void> SessionInterface::devices(DevicesContext context) { return manage<std::vector<DeviceInfo>>(context); }
kj::Promise<void> SessionInterface::removeDevice(RemoveDeviceContext context) { return manage<Done>(context); }
kj::Promise<void> SessionInterface::parked(ParkedContext context) {
  return manage<std::vector<ParkedMessage>>(context);
}
kj::Promise<void> SessionInterface::replay(ReplayContext context) { return manage<Replayed>(context); }
kj::Promise<void> SessionInterface::dropParked(DropParkedContext context) { return manage<Done>(context); }
kj::Promise<void> SessionInterface::explain(ExplainContext context) { return manage<Explanation>(context); }
kj::Promise<void> SessionInterface::policy(PolicyContext context) { return manage<PolicyInfo>(context); }
kj::Promise<void> SessionInterface::setPolicy(SetPolicyContext context) { return manage<Done>(context); }

template <class Value, class Context>
kj::Promise<void> SessionInterface::places(Context context) {
  auto request = wire::read(context.getParams());
  context.releaseParams();
  auto answer = session_->places(std::move(request).map([](auto one) { return PlacesRequest(std::move(one)); }));
  return write_when_answered(
      answer.then([](Result<PlacesReply>&& given) { return answer_as<Value>(std::move(given)); }), context);
}

kj::Promise<void> SessionInterface::setPositions(SetPositionsContext context) {
  return places<PositionOutcomes>(context);
}
kj::Promise<void> SessionInterface::clearPositions(ClearPositionsContext context) {
  return places<PositionsCleared>(context);
}
kj::Promise<void> SessionInterface::clearLayer(ClearLayerContext context) { return places<LayerCleared>(context); }
kj::Promise<void> SessionInterface::nearby(NearbyContext context) { return places<NearbyFound>(context); }
kj::Promise<void> SessionInterface::positions(PositionsContext context) { return places<Positions>(context); }
kj::Promise<void> SessionInterface::distance(DistanceContext context) { return places<Distance>(context); }
kj::Promise<void> SessionInterface::layers(LayersContext context) { return places<LayersPage>(context); }
kj::Promise<void> SessionInterface::layerPrivacy(LayerPrivacyContext context) {
  return places<LayerPrivacyInfo>(context);
}
kj::Promise<void> SessionInterface::setLayerPrivacy(SetLayerPrivacyContext context) { return places<Done>(context); }

}  // namespace earshot::gateway
