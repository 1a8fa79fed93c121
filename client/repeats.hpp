#pragma once

#include <string>
#include <variant>

#include "base/error.hpp"
#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "schema/places.hpp"

// Which calls of an application may be made again by the library, over connections and nodes, while the application
// waits for the answer. Pure logic.
namespace earshot::client {

using CallRequest = std::variant<FetchRequest, HistoryRequest, ManageRequest, PlacesRequest>;
using CallReply = std::variant<Batch, ManageAnswer, PlacesReply>;

enum class Repeat : std::uint8_t {
  kAlways,      // made twice it does what it does made once, and its answer is still true
  kUnlessMade,  // only when it certainly was not made: never sent, or turned away at the node's door
};
Repeat repeat_of(const CallRequest& request);

// Changes with the same turn are made in the order in which the application asked for them: one that would be made
// again after a later one would undo that. "": it has no turn, since it changes nothing, or order does not matter.
std::string turn_of(const CallRequest& request);

// Whether this answer means that the same call may succeed a little later, here or elsewhere. `renews_token`: a token
// that has ended is followed by another.
bool is_passing(const Error& error, bool renews_token);
// Whether the node refused the call before it looked at it.
bool is_turned_away(const Error& error);

// What the answer to a call says that may have been made before.
Result<CallReply> answer_to_repeat(const CallRequest& request, Result<CallReply> answer);

}  // namespace earshot::client
