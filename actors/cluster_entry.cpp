#include "actors/cluster_entry.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "base/host_port.hpp"
#include "base/random.hpp"
#include "base/version.hpp"
#include "cluster/joining.hpp"
#include "storage/files.hpp"

namespace earshot::actors {
namespace {

using Start = storage::DataDirectory::Start;

// False: it was told to stop.
bool wait_for(std::uint64_t ms, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, std::chrono::milliseconds(ms), [] { return false; });
  return !stop.stop_requested();
}

// Nobody finds a node at an address that stands for all of them.
bool is_wildcard(const std::string& address) { return address == "0.0.0.0" || address == "::" || address == "[::]"; }

std::vector<std::string> where(const std::string& advertised, const std::string& address, std::uint16_t port) {
  if (!advertised.empty()) return split_list(advertised);
  if (address.empty() || port == 0 || is_wildcard(address)) return {};
  return {host_port(address, port)};
}

Result<JoinAccepted> ask_to_join(const NodeConfig& config, const storage::DataDirectory& directory, NodeLinks& links,
                                 const std::stop_token& stop) {
  JoinRequest request{
      .version = kVersion, .nonce = directory.identity.join_nonce, .addresses = addresses_of(config, config.peer_port)};
  if (request.addresses.peers.empty())
    return fail(ErrorCode::kInvalidArgument, "peer_advertise",
                "is needed: peer_address and peer_port tell the others no place where this node could be found");
  if (Status fits = check_addresses(request.addresses); !fits) return fail(std::move(fits.error()));
  cluster::Joining joining(split_list(config.join), Random::from_system().next());
  std::string told;
  for (;;) {
    auto next = joining.next();
    if (auto* accepted = std::get_if<JoinAccepted>(&next)) return std::move(*accepted);
    if (const auto* refused = std::get_if<JoinRefused>(&next))
      return fail(ErrorCode::kConflict, "join", "the cluster refuses this node: " + refused->reason);
    const auto& ask = std::get<cluster::Joining::Ask>(next);
    if (joining.last_trouble() != told)
      spdlog::warn("not in the cluster yet, which is tried on: {}", told = joining.last_trouble());
    if (!wait_for(ask.wait_ms, stop)) return fail(ErrorCode::kClosed, "", "told to stop before the node had joined");
    auto answer = links.ask(ask.address, encode(request));
    if (answer)
      joining.answered(*answer);
    else
      joining.unanswered(answer.error().to_string());
  }
}

std::string nodes_file(const storage::DataDirectory& directory) { return directory.path + "/nodes"; }

std::vector<cluster::PeerNode> peers_of(JoinAccepted accepted) {
  std::vector<cluster::PeerNode> nodes;
  for (JoinNode& node : accepted.nodes) nodes.push_back({node.id, std::move(node.peers)});
  return nodes;
}

// Whom the cluster named when it took the node in. Until more is on the disk nobody else is known, and a link to who is
// not known is refused.
std::vector<cluster::PeerNode> kept_nodes(const storage::DataDirectory& directory) {
  const auto stored = storage::read_file(nodes_file(directory), limits::kPeerRequestBytesMax);
  if (!stored || !*stored) return {};
  auto answer = decode_join_answer(**stored);
  if (!answer || !std::holds_alternative<JoinAccepted>(*answer)) {
    spdlog::warn("{} cannot be read, and is not needed once the node knows its cluster", nodes_file(directory));
    return {};
  }
  return peers_of(std::get<JoinAccepted>(std::move(*answer)));
}

}  // namespace

NodeAddresses addresses_of(const NodeConfig& config, std::uint16_t peer_port) {
  return {where(config.peer_advertise, config.peer_address, peer_port),
          where(config.client_advertise, config.client_address, config.client_port)};
}

Result<ClusterEntry> enter_cluster(const NodeConfig& config, NodeLinks* links, const std::stop_token& stop) {
  Start start = storage::DataDirectory::usual_start(config.data_dir);
  if (config.bootstrap) start = Start::kBootstrap;
  if (!config.join.empty()) start = Start::kJoin;
  if (start == Start::kJoin && split_list(config.join).empty())
    return fail(ErrorCode::kInvalidArgument, "join", "names no address");
  const std::uint64_t random = Random::from_system().next();
  auto directory = storage::DataDirectory::open(config.data_dir, start, config.shard_count, random);
  if (!directory.has_value()) return fail(std::move(directory.error()));
  ClusterEntry entry{std::move(*directory), {}};
  if (!entry.directory.is_joining()) {
    entry.nodes = kept_nodes(entry.directory);
    return entry;
  }
  EARSHOT_INVARIANT(links != nullptr, "a node that joins has links");
  auto accepted = ask_to_join(config, entry.directory, *links, stop);
  if (!accepted) return fail(std::move(accepted.error()));
  const Status kept = storage::replace_file(nodes_file(entry.directory), encode(JoinAnswer(*accepted)));
  if (!kept) return fail(kept.error());
  const Status joined = entry.directory.finish_join(accepted->cluster_id, accepted->node, accepted->shard_count);
  if (!joined) return fail(joined.error());
  spdlog::info("joined the cluster as node {}", accepted->node.value);
  entry.nodes = peers_of(std::move(*accepted));
  return entry;
}

}  // namespace earshot::actors
