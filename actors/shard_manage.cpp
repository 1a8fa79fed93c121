#include "actors/shard_manage.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// One overload per request: its command, or nothing.
struct Commanding {
  Mover& mover;

  std::optional<Command> operator()(RemoveDeviceRequest& request) const {
    return RemoveDeviceCommand{std::move(request.user), std::move(request.device)};
  }
  std::optional<Command> operator()(ReplayRequest& request) const {
    return ReplayCommand{std::move(request.user), std::move(request.device), std::move(request.sequences)};
  }
  std::optional<Command> operator()(DropParkedRequest& request) const {
    return DropParkedCommand{std::move(request.user), std::move(request.device), std::move(request.sequences)};
  }
  std::optional<Command> operator()(SetPolicyRequest& request) const {
    return SetPolicyCommand{std::move(request.user), request.policy, std::move(mover)};
  }
  std::optional<Command> operator()(const DevicesRequest&) const { return std::nullopt; }
  std::optional<Command> operator()(const ParkedRequest&) const { return std::nullopt; }
  std::optional<Command> operator()(const ExplainRequest&) const { return std::nullopt; }
  std::optional<Command> operator()(const PolicyRequest&) const { return std::nullopt; }
};

// One overload per request: its answer.
struct Answering {
  cluster::ShardMachine& machine;
  const Presence& presence;
  NodeId node;

  Result<ManageAnswer> operator()(const DevicesRequest& request) const {
    auto devices = machine.devices(request.user);
    if (!devices) return fail(std::move(devices.error()));
    for (DeviceInfo& one : *devices) one.connected = presence.find(request.user, one.device) != nullptr;
    return ManageAnswer(std::move(*devices));
  }
  Result<ManageAnswer> operator()(const ParkedRequest& request) const {
    const auto page_max = static_cast<std::uint32_t>(limits::kParkedPageMax);
    const std::uint32_t limit = request.limit == 0 ? page_max : std::min(request.limit, page_max);
    auto parked = machine.parked(request.user, request.device, request.after, limit, limits::kBatchBytesMax);
    if (!parked) return fail(std::move(parked.error()));
    return ManageAnswer(std::move(*parked));
  }
  Result<ManageAnswer> operator()(const ExplainRequest& request) const {
    auto explanation = machine.explain(request.user, request.sequence, request.id);
    if (!explanation) return fail(std::move(explanation.error()));
    explanation->node = node;
    for (DeviceFate& fate : explanation->devices) {
      fate.connected = presence.find(request.user, fate.device) != nullptr;
    }
    return ManageAnswer(std::move(*explanation));
  }
  Result<ManageAnswer> operator()(const PolicyRequest& request) const {
    auto policy = machine.policy(request.user);
    if (!policy) return fail(std::move(policy.error()));
    return ManageAnswer(*policy);
  }
  template <class Change>
  Result<ManageAnswer> operator()(const Change&) const {
    return fail(ErrorCode::kInternal, "request", "a change is not a question");
  }
};

ReadOutcome outcome_of(const Result<ManageAnswer>& answer, Tells tells) {
  if (tells == Tells::kAll) return ReadOutcome::kAnswered;
  if (!answer) return answer.error().code == ErrorCode::kCorrupt ? ReadOutcome::kDamaged : ReadOutcome::kAnswered;
  const auto* explanation = std::get_if<Explanation>(&*answer);
  if (explanation == nullptr || explanation->kept) return ReadOutcome::kAnswered;
  if (explanation->ended_reason == LostReason::kCorrupt) return ReadOutcome::kDamaged;
  const bool is_missing = explanation->ended_reason == LostReason::kUnknown;
  return is_missing && tells == Tells::kNothing ? ReadOutcome::kHole : ReadOutcome::kAnswered;
}

}  // namespace

std::optional<Command> command_of(ShardManage& request) {
  return std::visit(Commanding{request.mover}, request.manage);
}

ReadOutcome answer_question(const ShardManage& question, NodeId node, cluster::ShardMachine& machine,
                            const Presence& presence, Tells tells) {
  auto answer = std::visit(Answering{machine, presence, node}, question.manage);
  if (const auto outcome = outcome_of(answer, tells); outcome != ReadOutcome::kAnswered) return outcome;
  // Only a session that delivers has something to add, and only to what is still there.
  const auto* explanation = answer ? std::get_if<Explanation>(&*answer) : nullptr;
  if (explanation == nullptr || !explanation->kept) {
    question.from->post(ManageAnswered{question.request, std::move(answer), 0});
    return ReadOutcome::kAnswered;
  }
  const Sequence sequence = explanation->message.sequence;
  const auto& sessions = presence.sessions_of(std::get<ExplainRequest>(question.manage).user);
  const auto asked = std::ranges::count_if(sessions, &Presence::Registration::push);
  question.from->post(ManageAnswered{question.request, std::move(answer), static_cast<std::uint32_t>(asked)});
  for (const auto& session : sessions) {
    if (session.push) session.port->post(SessionExplain{question.from, question.request, sequence});
  }
  return ReadOutcome::kAnswered;
}

}  // namespace earshot::actors
