// An exchange's calls: what sessions and places here ask of shards that other nodes lead, and what those ask here.
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/exchange.hpp"
#include "actors/remote_port.hpp"
#include "actors/shard_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

template <class Request>
CallId client_call_of(const Request& request) {
  if constexpr (requires { request.client_call; }) return request.client_call;
  return 0;
}

template <class Answered>
auto answered_as(const PortAddress& from, const RemoteCall& call, const std::shared_ptr<Exchange>& exchange) {
  return [exchange, from, call](auto answer) {
    const Answered answered{std::move(answer)};
    exchange->call_log()->answered(call, answered);
    exchange->answer(from, encode_answer(from, answered));
  };
}

// The port that the answer to this request goes to: on the node that asked.
void set_port(ShardRequest& request, ShardId shard, const PortAddress& from, const std::shared_ptr<Exchange>& exchange,
              std::uint64_t now_ms) {
  const bool is_asked = from.call != 0 || from.session != 0;
  std::visit(
      [&](auto& one) {
        if constexpr (requires { one.from; }) {
          if (is_asked) one.from = std::make_shared<RemotePort>(exchange, shard, from, client_call_of(one), now_ms);
        } else if constexpr (std::is_same_v<std::decay_t<decltype(one)>, ShardWhere>) {
          one.done = answered_as<WhereAnswered>(from, {one.tag, shard, now_ms}, exchange);
        } else if constexpr (requires { one.done; }) {
          one.done = answered_as<PositionsAnswered>(from, {one.tag, shard, now_ms}, exchange);
        }
        if constexpr (requires { one.node; }) one.node = from.node;
      },
      request);
}

// Whom it is for. What has no session to be answered at brings it along.
RequestTag tag_of(const ShardRequest& request, const PortAddress& from) {
  return std::visit(
      [&](const auto& one) {
        if constexpr (requires { one.tag; }) {
          if (one.tag.node != NodeId()) return one.tag;
        }
        return RequestTag{from.node, RequestTag::Door::kSession, from.session, client_call_of(one)};
      },
      request);
}

// What needs a port to be answered at, and came without one, would be answered into nothing.
bool has_port(const ShardRequest& request) {
  if (std::holds_alternative<ShardAttempts>(request)) return true;
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.from; })
          return one.from != nullptr;
        else
          return true;
      },
      request);
}

// Does more when it is done twice, and has no number of its own that the shard would know it by: the call's must do.
bool is_once_only(const ShardRequest& request) {
  if (const auto* manage = std::get_if<ShardManage>(&request)) return is_change(manage->manage);
  return std::holds_alternative<ShardPositions>(request) || std::holds_alternative<ShardAttempts>(request);
}

// Whoever asked asks again when no answer comes, and goes on to other things. Passed on by a node that has fallen
// behind, what it asked first would be done after those; and what was asked here and comes back from a shard that has
// just ceased to lead would follow what has gone to the next leader meanwhile.
bool must_not_come_late(const ShardRequest& request, std::uint8_t hops) {
  if (std::holds_alternative<ShardPositions>(request)) return true;
  return hops > 0 && (std::holds_alternative<ShardLogin>(request) || std::holds_alternative<ShardManage>(request));
}

// Whether it says that whoever answers does not lead. A leader says so too while it hands over, and to questions about
// mailboxes until it has caught up: it is found again. Of what a node that does not lead would pass on, as it does with
// reads, only such a leader says so.
bool says_not_leader(const AnswerContent& content) {
  const auto says = [](const auto& result) { return !result && refusals::is_leader_change(result.error()); };
  if (const auto* login = std::get_if<LoginAnswered>(&content)) return says(login->outcome);
  if (const auto* managed = std::get_if<ManageAnswered>(&content)) return says(managed->answer);
  const auto* positions = std::get_if<PositionsAnswered>(&content);
  return positions != nullptr && says(positions->answer);
}

bool is_asked(const Asker& asker) {
  const auto* waiter = std::get_if<Waiter>(&asker);
  if (waiter == nullptr) return true;
  if (const auto* attempts = std::get_if<AttemptsWaiter>(waiter)) return attempts->from != nullptr;
  return !std::holds_alternative<NobodyWaits>(*waiter);
}

}  // namespace

// ---- asked here, of others

// A link that is there and takes no more is as an overloaded shard; only without a connection it may wait for one.
bool Exchange::call(NodeId to, ShardId shard, ShardRequest& request, std::uint8_t hops) {
  if (!peers_.is_up(to)) return false;
  PortAddress from{self_, 0, 0};
  if (const SessionPort* port = port_of(request)) from = port->address();
  // A goodbye has no port, and is of its session's node whoever passes it on.
  const auto* goodbye = std::get_if<ShardUnregister>(&request);
  if (goodbye != nullptr && goodbye->node != NodeId()) from.node = goodbye->node;
  // One that is passed on stays a call of the node that asked: the answer goes there.
  const bool is_own = from.node == self_;
  Asker asker = take_asker(request);
  if (is_own && !is_asked(asker) && is_once_only(request)) from.call = calls_.take_number();
  if (is_own && is_asked(asker)) {
    from.call = calls_.open(to, shard, asker, clock_.monotonic_ms(), tag_of(request, from));
    if (from.call == 0) {
      refuse(asker, refusals::overloaded("as many calls to other nodes as may be under way"));
      return true;
    }
  }
  const auto next_hops = static_cast<std::uint8_t>(hops + 1);
  std::string bytes = std::visit([&](const auto& one) { return encode_call(from, next_hops, one); }, request);
  if (peers_.send(to, {cluster::PeerTopic::kCall, shard, std::make_shared<const std::string>(std::move(bytes))}))
    return true;
  if (is_own && from.call != 0) asker = calls_.take_back(from.call);
  refuse(asker, refusals::overloaded("as much waits for the node that leads the shard as may"));
  return true;
}

void Exchange::given_back(ShardId shard, ShardRequest request, std::uint8_t hops) {
  Route& route = *routes_[shard.value];
  if (!must_not_come_late(request, hops)) return route.given_back(std::move(request), hops);
  route.not_led_by(self_);
  refuse(take_asker(request), refusals::not_leader());
}

void Exchange::answered(NodeId from, std::string_view bytes) {
  auto answer = decode_answer(bytes, shard_count_);
  if (!answer || answer->to.node != self_) {
    malformed_.fetch_add(1, std::memory_order_relaxed);
    spdlog::warn("an answer from node {} is dropped: {}", from.value,
                 answer ? "it is for another node" : answer.error().to_string());
    return;
  }
  if (answer->to.call != 0) {
    // The word of a new leader may have been missed: ask_who_leads() asks for it.
    if (says_not_leader(answer->content))
      if (const auto shard = calls_.shard_of(answer->to.call)) routes_[shard->value]->not_led_by(from);
    return calls_.answered(answer->to.call, std::move(answer->content));
  }
  if (answer->to.session == 0) {
    if (const auto* leader = std::get_if<LeaderAnnounced>(&answer->content)) announced(from, *leader);
    if (const auto* followed = std::get_if<LeaderFollowed>(&answer->content)) told_of(*followed);
    return;
  }
  if (answer->mark.number != 0) pushed(answer->mark);
  const auto session = sessions_->find(answer->to.session);
  if (session == nullptr) return;
  std::visit(
      [&](auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, ExplainAsked>) {
          content.question.from = std::make_shared<RemotePort>(shared_from_this(), ShardId(), content.from, CallId{0},
                                                               clock_.monotonic_ms());
          session->post(std::move(content.question));
        } else if constexpr (requires { session->post(std::move(content)); }) {
          session->post(std::move(content));
        }
      },
      answer->content);
}

// ---- asked by others, here

bool Exchange::open(ShardId shard, const FromPeer& call, const std::function<void(ShardRequest, std::uint8_t)>& take) {
  auto decoded = decode_call(*call.body, shard_count_);
  if (decoded) {
    if (decoded->from.node == NodeId()) decoded->from.node = call.from;
    const PortAddress& from = decoded->from;
    const bool is_told_apart = from.call != 0 && is_once_only(decoded->request);
    if (is_told_apart && !recent_.is_first(from.node, from.call, decoded->hops)) return true;
    set_port(decoded->request, shard, decoded->from, shared_from_this(), clock_.monotonic_ms());
    if (has_port(decoded->request)) {
      take(std::move(decoded->request), decoded->hops);
      return true;
    }
  }
  malformed_.fetch_add(1, std::memory_order_relaxed);
  spdlog::warn("a call from node {} is refused: {}", call.from.value,
               decoded ? "nobody to be answered" : decoded.error().to_string());
  const auto from = decode_call_from(*call.body);
  if (from && from->call != 0 && !decoded) answer(*from, encode_answer(*from, CallRefused{decoded.error()}));
  return false;
}

void Exchange::answer(const PortAddress& to, std::string bytes) {
  if (to.node == self_) return answered(self_, bytes);
  peers_.send(to.node, {cluster::PeerTopic::kAnswer, ShardId(), std::make_shared<const std::string>(std::move(bytes))});
}

}  // namespace earshot::actors
