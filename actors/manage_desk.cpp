#include "actors/manage_desk.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "actors/earlier.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

Error denied(std::string why) { return Error{ErrorCode::kPermissionDenied, "user", std::move(why)}; }
Error invalid(std::string field, std::string why) {
  return Error{ErrorCode::kInvalidArgument, std::move(field), std::move(why)};
}

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

// What the answer to a request that had been asked before says of both askings, of which the first may have been done.
Result<ManageAnswer> answer_of_both(const ManageRequest& request, Result<ManageAnswer> answer) {
  if (std::holds_alternative<RemoveDeviceRequest>(request) && !answer && answer.error().code == ErrorCode::kNotFound) {
    return ManageAnswer(Done{});
  }
  const auto* replayed = answer ? std::get_if<Replayed>(&*answer) : nullptr;
  if (replayed != nullptr && std::ranges::find(replayed->sequences, Sequence()) != replayed->sequences.end()) {
    return fail(ErrorCode::kDeadlineExceeded, "sequences",
                "the shard's leader changed: some may have been replayed; see what is still parked");
  }
  return answer;
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
    Part part{pending, shard, request};
    parts_.emplace(forward(shard, std::move(request)), std::move(part));
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
  const auto found = parts_.find(part.request);
  if (found == parts_.end()) return std::nullopt;
  Call& call = *found->second.call;
  if (found->second.is_repeat) part.answer = answer_of_both(found->second.request, std::move(part.answer));
  // Of several parts the first failure is the call's: doing it again does no harm to those that succeeded.
  if (!call.answer || call.answer->has_value()) call.answer = std::move(part.answer);
  if (--call.parts_left > 0) {
    parts_.erase(found);
    return std::nullopt;
  }
  call.live_left = part.live - std::min(part.live, static_cast<std::uint32_t>(call.live.size()));
  if (call.live_left == 0 || !call.answer->has_value()) return finish(found);
  call.until_ms = now_ms + limits::kExplainWaitMs;
  return std::nullopt;
}

ManageDesk::Again ManageDesk::again(RequestId was, RequestId id) {
  auto node = parts_.extract(was);
  EARSHOT_INVARIANT(!node.empty(), "a request that is asked again is under way");
  node.key() = id;
  Part& part = node.mapped();
  part.is_repeat = true;
  Again again{part.call->id, part.shard, part.request};
  parts_.insert(std::move(node));
  return again;
}

std::optional<ManageDesk::Answer> ManageDesk::explained(SessionExplained part) {
  const auto found = parts_.find(part.request);
  if (found == parts_.end() || found->second.call->live.size() >= limits::kDevicesPerUserMax) return std::nullopt;
  Call& call = *found->second.call;
  call.live.push_back(std::move(part.live));
  if (call.live_left == 0 || --call.live_left > 0) return std::nullopt;  // 0: the shard's own answer is still to come
  return finish(found);
}

std::optional<ManageDesk::Answer> ManageDesk::expire(std::uint64_t now_ms) {
  for (auto part = parts_.begin(); part != parts_.end(); ++part) {
    const std::uint64_t until_ms = part->second.call->until_ms;
    if (until_ms != 0 && until_ms <= now_ms) return finish(part);
  }
  return std::nullopt;
}

std::uint64_t ManageDesk::wake_at() const {
  std::uint64_t at_ms = 0;
  for (const auto& [request, part] : parts_) at_ms = earlier(at_ms, part.call->until_ms);
  return at_ms;
}

ManageDesk::Answer ManageDesk::finish(Parts::iterator part) {
  const std::shared_ptr<Call> done = std::move(part->second.call);
  parts_.erase(part);
  if (done->answer->has_value()) {
    if (auto* explanation = std::get_if<Explanation>(&done->answer->value())) complete(*explanation, done->live);
  }
  return Answer{done->id, std::move(*done->answer)};
}

}  // namespace earshot::actors
