// What a connection is told of the cluster, and may do to it, with a login or without.
#include <memory>
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "gateway/message_size.hpp"
#include "gateway/rpc_session.hpp"

namespace earshot::gateway {
namespace {

using RemovalResult = Result<RemovalAnswer>;

// A commit takes milliseconds, an election on the way a second; and a connection without a login does not live longer.
constexpr std::uint64_t kRemovalMs = limits::kLoginTimeoutMs / 2;

Error removal_is_late() {
  return Error{ErrorCode::kDeadlineExceeded, "", "the meta group has not committed it in time: it may still do so"};
}
Error node_ends() {
  return Error{ErrorCode::kUnavailable, "", "the node ends, and does not know whether the other one was removed"};
}

}  // namespace

// Everything that a session is bounded by is there after a login only, so this has bounds of its own: one answer in a
// while, and the node's memory for answers.
Result<ClusterStatus> RpcSession::cluster_status(const Result<std::string>& token) {
  const CallLog::Clock::time_point called_at = CallLog::Clock::now();
  auto status = gather_cluster_status(token);
  if (!status) {
    note_refusal(status.error());
    context_.calls.refused(tag(), CallKind::kCluster, status.error());
    return status;
  }
  context_.calls.answered(Protocol::kRpc, CallKind::kCluster, tag(), called_at);
  return status;
}

Result<Role> RpcSession::judge_watcher(const std::string& token) {
  if (state_ == State::kClosed) return fail(*closed_reason_);
  const kj::TimePoint now = context_.timer.now();
  if (now < status_due_)
    return fail(Error{ErrorCode::kOverloaded, "", "asked again too soon", limits::kClusterStatusPauseMs});
  status_due_ = now + limits::kClusterStatusPauseMs * kj::MILLISECONDS;
  const auto wait_ms = context_.logins.admit(control_->origin());
  if (!wait_ms) return fail(wait_ms.error());
  if (*wait_ms > 0)
    return fail(Error{ErrorCode::kOverloaded, "login", "logins of this origin failed too often",
                      static_cast<std::uint32_t>(*wait_ms)});
  const auto identity = context_.logins.judge(token, control_->origin());
  if (!identity) {
    count(context_.counters.logins_refused);
    return fail(identity.error());
  }
  return identity->role;
}

Result<ClusterStatus> RpcSession::gather_cluster_status(const Result<std::string>& token) {
  if (!token) return fail(token.error());
  const auto role = judge_watcher(*token);
  if (!role) return fail(role.error());
  if (*role == Role::kUser)
    return fail(ErrorCode::kPermissionDenied, "token", "the cluster is watched by services and operators");
  if (context_.answers.is_full()) {
    count(context_.counters.answers_refused);
    return fail(
        Error{ErrorCode::kOverloaded, "", "the node has as many answers under way as it may", limits::kRetryAfterMs});
  }
  ClusterStatus status = context_.broker.cluster_status();
  control_->hold_until_written(ByteLease(context_.answers, words_of(status) * sizeof(capnp::word)));
  return status;
}

kj::Promise<RemovalResult> RpcSession::remove_node(const Result<RemoveNodeRequest>& request) {
  const CallLog::Clock::time_point called_at = CallLog::Clock::now();
  return begin_removal(request).then([this, called_at](RemovalResult&& answer) {
    if (answer) {
      context_.calls.answered(Protocol::kRpc, CallKind::kCluster, tag(), called_at);
    } else {
      note_refusal(answer.error());
      context_.calls.refused(tag(), CallKind::kCluster, answer.error());
    }
    return kj::mv(answer);
  });
}

// The answer comes on a thread of the broker's, or never when the node ends: then the way to it is let go.
kj::Promise<RemovalResult> RpcSession::begin_removal(const Result<RemoveNodeRequest>& request) {
  if (!request) return RemovalResult(fail(request.error()));
  const auto role = judge_watcher(request->token);
  if (!role) return RemovalResult(fail(role.error()));
  if (*role != Role::kOperator)
    return RemovalResult(fail(ErrorCode::kPermissionDenied, "token", "nodes are removed by operators"));
  auto paf = kj::newPromiseAndCrossThreadFulfiller<RemovalResult>();
  const auto fulfiller = std::make_shared<decltype(paf.fulfiller)>(kj::mv(paf.fulfiller));
  context_.broker.remove_node(request->node,
                              [fulfiller](RemovalResult answer) { (*fulfiller)->fulfill(kj::mv(answer)); });
  return context_.timer.timeoutAfter(kRemovalMs * kj::MILLISECONDS, kj::mv(paf.promise))
      .catch_([](kj::Exception&& exception) {
        const bool is_late = exception.getType() == kj::Exception::Type::OVERLOADED;
        return RemovalResult(fail(is_late ? removal_is_late() : node_ends()));
      });
}

}  // namespace earshot::gateway
