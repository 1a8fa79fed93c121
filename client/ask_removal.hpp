#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "client/client.hpp"
#include "schema/node_removal.hpp"

namespace earshot::client {

struct AskRemovalOptions {
  std::string token;  // of the role operator
  TlsOptions tls;
  std::uint64_t timeout_ms = 10'000;  // from connecting to the answer
};

// Asks one node ("host:port") to have a node removed from their cluster, on a connection of its own and without a
// session. Waits. The one that leads the meta group does it, another one tells where that is. Errors: those of
// ask_status(), and of cluster/node_removal.hpp; kUnavailable(leader): nobody leads that the node knows, or the leader
// has changed meanwhile; after that, and after kDeadlineExceeded, the node may be removed all the same.
//
// The calling thread has no event loop of its own.
Result<RemovalAnswer> ask_removal(const std::string& address, NodeId node, const AskRemovalOptions& options);

}  // namespace earshot::client
