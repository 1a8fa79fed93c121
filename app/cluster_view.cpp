#include "app/cluster_view.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace earshot::app {
namespace {

using Statuses = std::vector<const ClusterStatus*>;

// Of those that answered: whose map is the newest. Null: nobody has.
const ClusterStatus* newest_of(const std::vector<AskedNode>& asked) {
  const ClusterStatus* newest = nullptr;
  for (const AskedNode& one : asked) {
    if (!one.status) continue;
    // A node that is alone, or has not heard of its cluster, knows less than any that has.
    const bool knows_more = newest == nullptr || (newest->cluster_id == 0 && one.status->cluster_id != 0) ||
                            (newest->cluster_id == one.status->cluster_id && newest->epoch < one.status->epoch);
    if (knows_more) newest = &*one.status;
  }
  return newest;
}

// Those that belong to the same cluster, each node once.
Statuses statuses_of(const std::vector<AskedNode>& asked, const ClusterStatus& newest, ClusterView& view) {
  Statuses statuses;
  for (const AskedNode& one : asked) {
    if (!one.status) continue;
    const ClusterStatus& status = *one.status;
    if (status.cluster_id != newest.cluster_id) {
      view.notes.push_back(fmt::format("{} is node {} of another cluster ({:016x}): left out", one.address,
                                       status.node.value, status.cluster_id));
      continue;
    }
    const auto same = [&](const ClusterStatus* other) { return other->node == status.node; };
    if (std::ranges::none_of(statuses, same)) statuses.push_back(&status);
    if (status.epoch != newest.epoch)
      view.notes.push_back(fmt::format("node {} has the map of epoch {}", status.node.value, status.epoch));
  }
  return statuses;
}

const ShardStatus* shard_of(const ClusterStatus& status, ShardId id) {
  const auto found = std::ranges::find(status.shards, id, &ShardStatus::shard);
  return found == status.shards.end() ? nullptr : &*found;
}

void add_replicas(ClusterView::Shard& shard, const ShardStatus& best, bool is_leaders, const Statuses& statuses) {
  for (const ReplicaStatus& member : best.members) {
    ClusterView::Replica replica;
    replica.node = member.node;
    replica.voter = member.voter;
    if (is_leaders && member.stored != LogIndex()) replica.stored = member.stored;
    const auto own = std::ranges::find(statuses, member.node, &ClusterStatus::node);
    const ShardStatus* told = own == statuses.end() ? nullptr : shard_of(**own, shard.id);
    if (told != nullptr) {
      replica.applied = told->applied;
      replica.fetching = told->fetching;
    }
    // Who leads knows what each has stored. Nothing known of one that is fetched or new: that is no small lag.
    const auto has = replica.stored ? replica.stored : is_leaders ? std::nullopt : replica.applied;
    if (has) replica.lag = shard.committed.value - std::min(shard.committed.value, has->value);
    shard.replicas.push_back(std::move(replica));
  }
  std::ranges::sort(shard.replicas, {}, &ClusterView::Replica::node);
}

ClusterView::Shard merge_shard(const ShardStatus& mapped, const Statuses& statuses) {
  ClusterView::Shard shard;
  shard.id = mapped.shard;
  shard.wanted = mapped.wanted;
  const ShardStatus* best = nullptr;
  bool is_leaders = false;
  for (const ClusterStatus* status : statuses) {
    const ShardStatus* told = shard_of(*status, shard.id);
    if (told == nullptr) continue;
    shard.committed = std::max(shard.committed, told->committed);
    const bool by_leader = told->leader == status->node;
    const auto rank = [](const ShardStatus& one, bool leads) {
      return std::tuple(one.term, leads, one.leader != NodeId(), one.members.size());
    };
    if (best != nullptr && rank(*told, by_leader) <= rank(*best, is_leaders)) continue;
    best = told;
    is_leaders = by_leader;
  }
  if (best == nullptr) return shard;
  shard.leader = best->leader;
  shard.term = best->term;
  add_replicas(shard, *best, is_leaders, statuses);
  return shard;
}

void add_nodes(const ClusterStatus& newest, const Statuses& statuses, const std::vector<AskedNode>& asked,
               ClusterView& view) {
  for (const ClusterNode& known : newest.nodes) {
    ClusterView::Node node;
    node.id = known.id;
    node.state = known.state;
    node.addresses = known.clients;
    const auto own = std::ranges::find(statuses, known.id, &ClusterStatus::node);
    node.reached = own != statuses.end();
    if (node.reached) node.sessions = (*own)->sessions;
    view.nodes.push_back(std::move(node));
  }
  for (const AskedNode& one : asked) {
    if (one.status) {
      // One that no map has to name: a node alone.
      const auto node = std::ranges::find(view.nodes, one.status->node, &ClusterView::Node::id);
      if (node != view.nodes.end() && node->addresses.empty()) node->addresses.push_back(one.address);
      continue;
    }
    const auto owner = std::ranges::find_if(view.nodes, [&](const ClusterView::Node& node) {
      return std::ranges::find(node.addresses, one.address) != node.addresses.end();
    });
    if (owner == view.nodes.end())
      view.unreached.push_back({one.address, one.status.error().to_string()});
    else if (!owner->reached)
      owner->trouble = one.status.error().to_string();
  }
}

// What the shards say of each node.
void count_shards(ClusterView& view) {
  for (ClusterView::Node& node : view.nodes) {
    bool is_all_known = true;
    std::uint64_t lag = 0;
    for (const ClusterView::Shard& shard : view.shards) {
      if (shard.leader == node.id) ++node.leads;
      const auto own = std::ranges::find(shard.replicas, node.id, &ClusterView::Replica::node);
      if (own == shard.replicas.end()) continue;
      ++node.replicas;
      is_all_known = is_all_known && own->lag.has_value();
      lag = std::max(lag, own->lag.value_or(0));
    }
    if (is_all_known) node.lag = lag;
  }
}

}  // namespace

bool ClusterView::is_healthy() const {
  const auto works = [](const Node& node) { return node.reached && node.state == NodeState::kUp; };
  const auto is_led = [&](const Shard& shard) {
    const auto leader = std::ranges::find(nodes, shard.leader, &Node::id);
    return leader != nodes.end() && leader->reached;
  };
  return is_known() && unreached.empty() && notes.empty() && std::ranges::all_of(nodes, works) &&
         std::ranges::all_of(shards, is_led);
}

ClusterView merge(const std::vector<AskedNode>& asked) {
  ClusterView view;
  const ClusterStatus* newest = newest_of(asked);
  if (newest == nullptr) {
    for (const AskedNode& one : asked) view.unreached.push_back({one.address, one.status.error().to_string()});
    return view;
  }
  const Statuses statuses = statuses_of(asked, *newest, view);
  view.cluster_id = newest->cluster_id;
  view.epoch = newest->epoch;
  view.replicas = newest->replicas;
  view.cell_nodes = newest->cell_nodes;
  // Whoever leads the meta group says so itself, if it was reached.
  view.meta_leader = newest->meta_leader;
  for (const ClusterStatus* status : statuses)
    if (status->meta_leader == status->node) view.meta_leader = status->node;
  add_nodes(*newest, statuses, asked, view);
  for (const ShardStatus& shard : newest->shards) view.shards.push_back(merge_shard(shard, statuses));
  count_shards(view);
  return view;
}

std::vector<std::string> still_to_ask(const ClusterView& view, const std::vector<AskedNode>& asked) {
  std::vector<std::string> addresses;
  for (const ClusterView::Node& node : view.nodes) {
    if (node.reached) continue;
    const auto is_new = [&](const std::string& address) {
      return std::ranges::find(asked, address, &AskedNode::address) == asked.end();
    };
    const auto next = std::ranges::find_if(node.addresses, is_new);
    if (next != node.addresses.end()) addresses.push_back(*next);
  }
  return addresses;
}

}  // namespace earshot::app
