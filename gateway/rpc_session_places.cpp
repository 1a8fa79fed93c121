// The calls of a session about where members are.
#include <memory>
#include <utility>

#include "base/call_scope.hpp"
#include "base/limits.hpp"
#include "gateway/message_size.hpp"
#include "gateway/rpc_session.hpp"

namespace earshot::gateway {

kj::Promise<Result<PlacesReply>> RpcSession::places(Result<PlacesRequest> request) {
  using Reply = Result<PlacesReply>;
  if (!request) return Reply(fail(std::move(request.error())));
  if (auto why = refusal()) return Reply(fail(std::move(*why)));
  if (auto allowed = may_ask(mover_.user, role_, *request); !allowed) return Reply(fail(std::move(allowed.error())));
  if (context_.desk == nullptr) return Reply(fail(ErrorCode::kUnavailable, "", "this node keeps no places"));
  if (auto allowed = may_make(*context_.desk, role_, *request); !allowed)
    return Reply(fail(std::move(allowed.error())));
  const bool large = is_large(*request);
  if (large) {
    if (auto why = refusal_of_large()) return Reply(fail(std::move(*why)));
    ++fetches_in_flight_;
  }
  name_self(mover_.user, *request);
  auto paf = kj::newPromiseAndFulfiller<Reply>();
  auto call = std::make_unique<PlacesCall>(
      PlacesCall{std::move(*request), kj::mv(paf.fulfiller),
                 large ? ByteLease(context_.answers, limits::kBatchBytesMax) : ByteLease(), large});
  PlacesCall& made = *call;
  const actors::CallId id = ++last_call_;
  pending_.emplace(id, Pending{std::move(call), context_.timer.now(), kind_of(made.request)});
  ++context_.calls_in_flight;
  if (is_question(made.request) && !context_.desk->views().is_complete())
    wait_for_places(id, deadline_ms(made.request));
  else
    ask_places(id, made);
  return kj::mv(paf.promise);
}

void RpcSession::ask_places(actors::CallId id, PlacesCall& call) {
  call.is_asked = true;
  call.was_complete = context_.desk->views().is_complete();
  const CallScope named(tag(id));
  ask(*context_.desk, mover_, role_, call.request, [bridge = context_.bridge, port = port_, id](PlacesAnswer answer) {
    bridge->post(port, PlacesAnswered{id, std::move(answer)});
  });
}

// A node that has just started does not know yet where everybody is.
void RpcSession::wait_for_places(actors::CallId id, std::uint32_t deadline_ms) {
  if (!waits_for_places_)
    waits_for_places_ = context_.desk->views().when_complete(
        [bridge = context_.bridge, port = port_] { bridge->post(port, PlacesComplete{}); });
  tasks_.add(context_.timer.afterDelay(deadline_ms * kj::MILLISECONDS).then([this, id] { waited_for_places(id); }));
}

void RpcSession::waited_for_places(actors::CallId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  PlacesCall& call = *std::get<std::unique_ptr<PlacesCall>>(found->second.waiter);
  if (call.is_asked) return;
  if (auto* nearby = std::get_if<NearbyRequest>(&call.request)) nearby->deadline_ms = 1;  // nobody waits any longer
  if (answers_in_part(call.request)) return ask_places(id, call);
  call.fulfiller->fulfill(fail(not_known_yet()));
  note_answered(id, found->second);
  forget(found);
}

void RpcSession::handle_event(PlacesComplete /*event*/) {
  for (auto& [id, pending] : pending_) {
    auto* call = std::get_if<std::unique_ptr<PlacesCall>>(&pending.waiter);
    if (call != nullptr && !(*call)->is_asked) ask_places(id, **call);
  }
}

void RpcSession::handle_event(PlacesAnswered event) {
  const auto found = pending_.find(event.call);
  if (found == pending_.end()) return;  // answered before: it had waited too long
  PlacesCall& call = *std::get<std::unique_ptr<PlacesCall>>(found->second.waiter);
  Result<PlacesReply> reply = reply_of(call, std::move(event.answer));
  const bool has_no_room =
      !reply && (reply.error().code == ErrorCode::kOverloaded || reply.error().code == ErrorCode::kStorageFull);
  if (call.is_large) {
    call.lease.shrink(reply ? words_of(*reply) * sizeof(capnp::word) : 0);
    if (control_ != nullptr) control_->hold_until_written(std::move(call.lease));
  }
  const CallKind kind = found->second.kind;
  if (!reply)
    context_.calls.refused(tag(event.call), kind, reply.error());
  else if (is_place_query(kind))
    context_.calls.stats().note_query(kind, completeness_of(*reply));
  call.fulfiller->fulfill(std::move(reply));
  note_answered(event.call, found->second);
  forget(found);
  if (has_no_room) note_no_room();
}

}  // namespace earshot::gateway
