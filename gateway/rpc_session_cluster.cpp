// What a connection is told of the cluster, with a login or without.
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "gateway/message_size.hpp"
#include "gateway/rpc_session.hpp"

namespace earshot::gateway {

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

Result<ClusterStatus> RpcSession::gather_cluster_status(const Result<std::string>& token) {
  if (!token) return fail(token.error());
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
  const auto identity = context_.logins.judge(*token, control_->origin());
  if (!identity) {
    count(context_.counters.logins_refused);
    return fail(identity.error());
  }
  if (identity->role == Role::kUser)
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

}  // namespace earshot::gateway
