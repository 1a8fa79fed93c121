#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "client/client.hpp"
#include "schema/cluster_status.hpp"

namespace earshot::client {

struct AskStatusOptions {
  std::string token;  // of the role service or operator
  TlsOptions tls;
  std::uint64_t timeout_ms = 3'000;  // for each node, from connecting to its answer
};

// Asks the nodes at these addresses ("host:port") what they know of their cluster, all at once, each on a connection of
// its own and without a session: so a node answers that has no shard which works. Waits. One result per address, in
// order: kUnavailable with what went wrong in words, kDeadlineExceeded, kUnsupportedVersion from a node of an older
// version, kInvalidArgument(tls.name) where a certificate could not be verified, and what the node itself says.
//
// The calling thread has no event loop of its own.
std::vector<Result<ClusterStatus>> ask_status(const std::vector<std::string>& addresses,
                                              const AskStatusOptions& options);

}  // namespace earshot::client
