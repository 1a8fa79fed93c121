#pragma once

#include <cstdint>
#include <functional>

#include <kj/async.h>

#include "actors/place_desk.hpp"
#include "base/byte_budget.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "gateway/bridge.hpp"
#include "schema/messages.hpp"
#include "schema/places.hpp"

// The calls of a session about where members are: who may make them, how they are asked of the desk, and what its
// answers come to.
namespace earshot::gateway {

// One of them, from the call to its answer.
struct PlacesCall {
  PlacesRequest request;  // what is moved into the question is gone from it
  kj::Own<kj::PromiseFulfiller<Result<PlacesReply>>> fulfiller;
  ByteLease lease;            // of the node's memory for answers, when it is large
  bool is_large = false;      //
  bool is_asked = false;      // else it waits for the node to know where everybody is
  bool was_complete = false;  // then: whether it did
};

//   who        own position   positions of others   where others are           layers and their privacy
//   user       sets, clears   nothing               what privacy shows of it   nothing
//   service    everything     everything            everything                 everything
//   operator   everything     everything            everything                 everything
//
// kPermissionDenied naming the field at fault. A role that nobody knows may do what a user may.
Status may_ask(const UserId& user, Role role, const PlacesRequest& request);
// Whether it goes without a new layer, which a user may not make: kPermissionDenied(layer); kUnavailable while the node
// does not know yet which layers there are.
Status may_make(const actors::PlaceDesk& desk, Role role, const PlacesRequest& request);
// The empty member becomes the session's own user.
void name_self(const UserId& user, PlacesRequest& request);

// Whether its answer depends on the node knowing where everybody is.
bool is_question(const PlacesRequest& request);
// How long it may wait for that.
std::uint32_t deadline_ms(const PlacesRequest& request);
// What it comes to when the node does not know it by then: nothing for what can be answered in part.
bool answers_in_part(const PlacesRequest& request);
Error not_known_yet();

// Whether its answer may be so large that it counts among the fetches.
bool is_large(const PlacesRequest& request);

// Whether it is shown where everybody is.
bool sees_everything(Role role);

// Asks it of the desk, for this session: where others are as its user is shown them. `answered` is called once, on any
// thread.
void ask(const actors::PlaceDesk& desk, const Mover& session, Role role, PlacesRequest& request,
         std::function<void(PlacesAnswer)> answered);
// The answer to what was asked. An answer of another kind ends the process: the desk is our own.
Result<PlacesReply> reply_of(const PlacesCall& call, PlacesAnswer answer);
Completeness completeness_of(const PlacesReply& reply);

}  // namespace earshot::gateway
