#include "actors/manage_desk.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

Error denied(std::string why) { return Error{ErrorCode::kPermissionDenied, "user", std::move(why)}; }
Error invalid(std::string field, std::string why) {
  return Error{ErrorCode::kInvalidArgument, std::move(field), std::move(why)};
}

// Whether a request asks or changes.
template <class Request>
constexpr bool kChanges = std::is_same_v<Request, RemoveDeviceRequest> || std::is_same_v<Request, ReplayRequest> ||
                          std::is_same_v<Request, DropParkedRequest> || std::is_same_v<Request, SetPolicyRequest>;

template <class Request>
bool is_about_all(const Request& request) {
  if constexpr (requires { request.all; }) return request.all;
  return false;
}

Status check_rest(const std::vector<Sequence>& sequences) {
  if (sequences.empty()) return fail(invalid("sequences", "names no message"));
  if (sequences.size() > limits::kParkedPageMax) {
    return fail(invalid("sequences", "at most " + std::to_string(limits::kParkedPageMax)));
  }
  return {};
}

template <class Request>
Status check_fields(const Request& request) {
  if constexpr (requires { request.sequences; }) {
    if (Status status = check_rest(request.sequences); !status) return status;
  }
  if constexpr (kChanges<Request> && requires { request.device; }) {
    if (request.device.empty()) return fail(invalid("device", "must be named"));
  }
  if constexpr (std::is_same_v<Request, ParkedRequest>) {
    if (request.limit > limits::kParkedPageMax) {
      return fail(invalid("limit", "at most " + std::to_string(limits::kParkedPageMax)));
    }
  }
  if constexpr (std::is_same_v<Request, ExplainRequest>) {
    if (request.sequence == Sequence{} && request.id == MessageId{}) {
      return fail(invalid("sequence", "neither a sequence nor an id is given"));
    }
  }
  if constexpr (std::is_same_v<Request, SetPolicyRequest>) {
    if (request.all && !request.policy) return fail(invalid("inherit", "the default of all has nothing to follow"));
  }
  return {};
}

void complete(Explanation& explanation, const std::vector<DeviceFate>& live) {
  for (const DeviceFate& known : live) {
    const auto fate = std::ranges::find(explanation.devices, known.device, &DeviceFate::device);
    if (fate == explanation.devices.end()) continue;
    fate->connected = true;
    fate->attempts = known.attempts;
    fate->first_delivered_ms = known.first_delivered_ms;
    fate->last_delivered_ms = known.last_delivered_ms;
    if (known.attempts > 0 && fate->state == DeliveryState::kWaiting) fate->state = DeliveryState::kDelivered;
  }
}

}  // namespace

ManageDesk::ManageDesk(UserId self, Role role, std::uint16_t shard_count)
    : self_(std::move(self)), role_(role), shard_count_(shard_count) {}

Status ManageDesk::check(const ManageRequest& request) const {
  return std::visit(
      [&](const auto& one) -> Status {
        using Request = std::decay_t<decltype(one)>;
        if (std::is_same_v<Request, SetPolicyRequest> && role_ != Role::kOperator) {
          return fail(denied("policies are set by operators"));
        }
        const bool is_own = !is_about_all(one) && (one.user.empty() || one.user == self_);
        if (!is_own && role_ == Role::kUser) return fail(denied("users look after their own mailbox only"));
        if (!is_own && role_ == Role::kService && kChanges<Request>) {
          return fail(denied("services change their own mailbox only"));
        }
        return check_fields(one);
      },
      request);
}

std::optional<ManageDesk::Answer> ManageDesk::start(ClientManage call, const Forward& forward) {
  if (Status status = check(call.request); !status) return Answer{call.call, fail(std::move(status.error()))};
  auto pending = std::make_shared<Call>();
  pending->id = call.call;
  const auto post = [&](ShardId shard, ManageRequest request) {
    ++pending->parts_left;
    calls_.emplace(forward(shard, std::move(request)), pending);
  };
  std::visit(
      [&](auto& one) {
        if (!is_about_all(one)) {
          if (one.user.empty()) one.user = self_;
          const ShardId shard = shard_of(one.user, shard_count_);
          return post(shard, std::move(one));
        }
        one.user = UserId();
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, SetPolicyRequest>) {
          for (std::uint16_t shard = 0; shard < shard_count_; ++shard) post(ShardId(shard), one);
        } else {
          post(shard_of(self_, shard_count_), std::move(one));
        }
      },
      call.request);
  return std::nullopt;
}

std::optional<ManageDesk::Answer> ManageDesk::answered(ManageAnswered part, std::uint64_t now_ms) {
  const auto found = calls_.find(part.request);
  if (found == calls_.end()) return std::nullopt;
  Call& call = *found->second;
  // Of several parts the first failure is the call's: doing it again does no harm to those that succeeded.
  if (!call.answer || call.answer->has_value()) call.answer = std::move(part.answer);
  if (--call.parts_left > 0) {
    calls_.erase(found);
    return std::nullopt;
  }
  call.live_left = part.live - std::min(part.live, static_cast<std::uint32_t>(call.live.size()));
  if (call.live_left == 0 || !call.answer->has_value()) return finish(found);
  call.until_ms = now_ms + limits::kExplainWaitMs;
  return std::nullopt;
}

std::optional<ManageDesk::Answer> ManageDesk::explained(SessionExplained part) {
  const auto found = calls_.find(part.request);
  if (found == calls_.end() || found->second->live.size() >= limits::kDevicesPerUserMax) return std::nullopt;
  Call& call = *found->second;
  call.live.push_back(std::move(part.live));
  if (call.live_left == 0 || --call.live_left > 0) return std::nullopt;  // 0: the shard's own answer is still to come
  return finish(found);
}

std::optional<ManageDesk::Answer> ManageDesk::expire(std::uint64_t now_ms) {
  for (auto call = calls_.begin(); call != calls_.end(); ++call) {
    if (call->second->until_ms != 0 && call->second->until_ms <= now_ms) return finish(call);
  }
  return std::nullopt;
}

std::uint64_t ManageDesk::wake_at() const {
  std::uint64_t at_ms = 0;
  for (const auto& [request, call] : calls_) {
    if (call->until_ms != 0 && (at_ms == 0 || call->until_ms < at_ms)) at_ms = call->until_ms;
  }
  return at_ms;
}

ManageDesk::Answer ManageDesk::finish(Calls::iterator call) {
  const std::shared_ptr<Call> done = std::move(call->second);
  calls_.erase(call);
  if (done->answer->has_value()) {
    if (auto* explanation = std::get_if<Explanation>(&done->answer->value())) complete(*explanation, done->live);
  }
  return Answer{done->id, std::move(*done->answer)};
}

}  // namespace earshot::actors
