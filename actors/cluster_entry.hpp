#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "actors/node_links.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "cluster/peers.hpp"
#include "schema/meta.hpp"
#include "storage/data_directory.hpp"

// How a node gets into its cluster, before anything of it runs.
namespace earshot::actors {

struct ClusterEntry {
  storage::DataDirectory directory;
  std::vector<cluster::PeerNode> nodes;  // of the cluster, to link to until its state is known
};

// Opens the data directory as the settings say. A node that joins asks for its identity until it has one. Errors as
// DataDirectory::open; kInvalidArgument(join, peer_advertise), kConflict(join): the cluster has refused the node;
// kClosed: it was told to stop meanwhile.
Result<ClusterEntry> enter_cluster(const NodeConfig& config, NodeLinks* links, const std::stop_token& stop);

// Where others, and their clients, find a node whose links listen on that port.
NodeAddresses addresses_of(const NodeConfig& config, std::uint16_t peer_port);

}  // namespace earshot::actors
