#include "client/repeats.hpp"

#include <type_traits>
#include <utility>

namespace earshot::client {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// Calls f with the request itself, whichever kind of kinds it is.
template <class F>
auto visit_request(const CallRequest& request, const F& f) {
  return std::visit(
      Overloaded{[&](const ManageRequest& one) { return std::visit(f, one); },
                 [&](const PlacesRequest& one) { return std::visit(f, one); }, [&](const auto& one) { return f(one); }},
      request);
}

// The table, with the reason for each; a call that is missing here does not compile.
constexpr Overloaded kRepeat{
    // Questions change nothing.
    [](const FetchRequest&) { return Repeat::kAlways; },
    [](const HistoryRequest&) { return Repeat::kAlways; },
    [](const DevicesRequest&) { return Repeat::kAlways; },
    [](const ParkedRequest&) { return Repeat::kAlways; },
    [](const ExplainRequest&) { return Repeat::kAlways; },
    [](const PolicyRequest&) { return Repeat::kAlways; },
    [](const NearbyRequest&) { return Repeat::kAlways; },
    [](const PositionsRequest&) { return Repeat::kAlways; },
    [](const DistanceRequest&) { return Repeat::kAlways; },
    [](const LayersRequest&) { return Repeat::kAlways; },
    [](const LayerPrivacyRequest&) { return Repeat::kAlways; },
    // A device that is gone stays gone; that it is not found then is the success of the first time. One that logs in
    // again meanwhile is removed as if the call had come a moment later.
    [](const RemoveDeviceRequest&) { return Repeat::kAlways; },
    // What is off the list is not put back on it.
    [](const DropParkedRequest&) { return Repeat::kAlways; },
    // They say how things are to be, not how to change them.
    [](const SetPolicyRequest&) { return Repeat::kAlways; },
    [](const SetLayerPrivacyRequest&) { return Repeat::kAlways; },
    // Nobody is put into the mailbox twice, but the new sequences would be lost: the second answer says "not parked".
    [](const ReplayRequest&) { return Repeat::kUnlessMade; },
    // To set a position again sets the same one. With a condition the second answer would tell of the first call's
    // work:
    // "skipped" to the one who is there first.
    [](const SetPositionsRequest& one) {
      return one.condition == PositionCondition::kAlways ? Repeat::kAlways : Repeat::kUnlessMade;
    },
    // Who has no position is not cleared; the count is then of those whom the first time left.
    [](const ClearPositionsRequest&) { return Repeat::kAlways; },
    [](const ClearLayerRequest&) { return Repeat::kAlways; },
};

constexpr char kLayer = 'l';  // the first character says what the rest names
constexpr char kPrivacy = 'p';
constexpr char kPolicyOfUser = 'u';
constexpr char kPolicyOfAll = 'a';

template <class Request>
std::string turn(const Request& request) {
  if constexpr (std::is_same_v<Request, SetPositionsRequest> || std::is_same_v<Request, ClearPositionsRequest> ||
                std::is_same_v<Request, ClearLayerRequest>)
    return kLayer + request.layer.text();
  else if constexpr (std::is_same_v<Request, SetLayerPrivacyRequest>)
    return kPrivacy + request.layer.text();
  else if constexpr (std::is_same_v<Request, SetPolicyRequest>)
    return request.all ? std::string(1, kPolicyOfAll) : kPolicyOfUser + request.user.text();
  else
    return {};
}

}  // namespace

Repeat repeat_of(const CallRequest& request) { return visit_request(request, kRepeat); }

std::string turn_of(const CallRequest& request) {
  return visit_request(request, [](const auto& one) { return turn(one); });
}

// kClosed, and a token that has ended: so a session answers what is under way when it ends.
bool is_passing(const Error& error, bool renews_token) {
  if (error.code == ErrorCode::kUnauthenticated) return renews_token && error.field == "token";
  return error.is_temporary() || error.code == ErrorCode::kClosed;
}

bool is_turned_away(const Error& error) {
  return error.code == ErrorCode::kOverloaded && (error.field == "callsInFlight" || error.field == "fetchesInFlight");
}

Result<CallReply> answer_to_repeat(const CallRequest& request, Result<CallReply> answer) {
  const auto* manage = std::get_if<ManageRequest>(&request);
  if (!answer && answer.error().code == ErrorCode::kNotFound && manage != nullptr &&
      std::holds_alternative<RemoveDeviceRequest>(*manage))
    return CallReply(ManageAnswer(Done{}));
  return answer;
}

}  // namespace earshot::client
