#include "tests/simulation/sim_cluster.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "actors/call_codec.hpp"
#include "schema/meta.hpp"

namespace earshot::simulation {
namespace {

constexpr std::uint64_t kPeerDelayMsMax = 3;
constexpr std::uint64_t kJoinMsMax = 10'000;  // from one to the next
constexpr std::uint64_t kJoinAgainMs = 1'000;
constexpr double kJoinAnswersLost = 0.3;
constexpr std::size_t kAnnouncementBytesMax = 200;  // larger frames are something else

}  // namespace

SimCluster::SimCluster(World& world, std::uint32_t nodes, const NodeOptions& options,
                       const std::function<void(const Error&)>& failed)
    : world_(world),
      random_(options.grows ? world.fork() : Random(0)),
      shard_count_(options.shard_count),
      grows_(options.grows),
      replicas_(options.grows ? std::min<std::size_t>(nodes, options.replicas) : nodes) {
  NodeOptions of_one = options;
  if (nodes > 1) {
    network_.emplace(world, kPeerDelayMsMax);
    network_->sent = [this](NodeId from, NodeId, const cluster::PeerFrame& frame) { note(from, frame); };
    for (std::uint64_t id = 1; id <= nodes && !options.grows; ++id)
      of_one.members.push_back({NodeId(id), address_of(NodeId(id)), true});
  }
  for (std::uint64_t id = 1; id <= nodes; ++id) {
    of_one.id = NodeId(id);
    nodes_.push_back(std::make_unique<SimNode>(world, of_one, network(), failed));
  }
}

void SimCluster::note(NodeId from, const cluster::PeerFrame& frame) {
  if (frame.topic != cluster::PeerTopic::kAnswer || frame.body->size() > kAnnouncementBytesMax) return;
  const auto answer = actors::decode_answer(*frame.body, shard_count_);
  const auto* leader = answer ? std::get_if<actors::LeaderAnnounced>(&answer->content) : nullptr;
  if (leader == nullptr) return;
  const auto [known, is_new] = leaders_.try_emplace({leader->shard, leader->term}, from);
  if (!is_new && known->second != from)
    found_wrong("shard " + std::to_string(leader->shard.value) + " has two leaders in term " +
                std::to_string(leader->term.value));
}

void SimCluster::start() {
  for (const auto& node : nodes_) node->start();
  if (grows_ && !std::exchange(has_begun_, true)) join_later(1, random_.between(1, kJoinMsMax));
}

void SimCluster::join_later(std::size_t node, std::uint64_t delay_ms) {
  if (node < nodes_.size()) world_.after(delay_ms, [this, node] { join(node); });
}

// The answer may get lost: whoever asks again with the same nonce is the same node.
void SimCluster::join(std::size_t node) {
  JoinRequest request{.version = "1", .nonce = {0, node}, .addresses = {{nodes_[node]->address() + ":1"}, {}}};
  const bool is_lost = random_.chance(kJoinAnswersLost);
  auto is_over = std::make_shared<bool>(false);
  nodes_[random_.below(node)]->ask_to_join(encode(request), [this, node, is_lost, is_over](const std::string& bytes) {
    const auto answer = decode_join_answer(bytes);
    const auto* accepted = answer ? std::get_if<JoinAccepted>(&*answer) : nullptr;
    if (is_lost || accepted == nullptr || std::exchange(*is_over, true)) return;
    if (accepted->node != nodes_[node]->id()) found_wrong("a node that joins is given another's id");
    world_.after(0, [this, node] {
      nodes_[node]->joined();
      nodes_[node]->start();
      join_later(node + 1, random_.between(1, kJoinMsMax));
    });
  });
  world_.after(kJoinAgainMs, [this, node, is_over] {
    if (!std::exchange(*is_over, true)) join(node);
  });
}

void SimCluster::crash() {
  for (const auto& node : nodes_) node->crash();
}

bool SimCluster::accepts() const {
  return std::ranges::all_of(nodes_, [](const auto& node) { return node->accepts(); });
}

std::vector<SimNode*> SimCluster::nodes() const {
  std::vector<SimNode*> nodes;
  for (const auto& node : nodes_) nodes.push_back(node.get());
  return nodes;
}

std::vector<Host*> SimCluster::hosts() const {
  std::vector<Host*> hosts;
  for (const auto& node : nodes_) hosts.push_back(node.get());
  return hosts;
}

std::uint64_t SimCluster::committed_ms_max() const {
  std::uint64_t max_ms = 0;
  const bool is_set = std::ranges::any_of(nodes_, [](const auto& node) { return node->was_clock_set(); });
  for (const auto& node : nodes_) max_ms = std::max(max_ms, node->committed_ms_max(is_set));
  return max_ms;
}

bool SimCluster::tells_a_tick(std::uint64_t stored_at_ms) const {
  return std::ranges::all_of(nodes_, [&](const auto& node) { return node->tells_a_tick(stored_at_ms); });
}

std::uint64_t SimCluster::starts() const {
  std::uint64_t starts = 0;
  for (const auto& node : nodes_) starts += node->starts();
  return starts;
}

}  // namespace earshot::simulation
