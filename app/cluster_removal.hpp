#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "schema/node_removal.hpp"

// How whoever wants a node removed finds the one that does it.
namespace earshot::app {

using AskForRemoval = std::function<Result<RemovalAnswer>(const std::string& address)>;

// Asks one address after the other, and from each where it points, until one has decided: the node is removed, or is
// not and why. Else what the last one said: kUnavailable, kDeadlineExceeded, kOverloaded or kUnsupportedVersion, and
// the same may be asked again. `servers` is not empty.
Result<NodeRemoved> find_who_removes(const std::vector<std::string>& servers, const AskForRemoval& ask);

// Whether another node, or the same a little later, may decide otherwise.
bool may_be_asked_again(const Error& error);

}  // namespace earshot::app
