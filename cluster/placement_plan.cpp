#include "cluster/placement_plan.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/limits.hpp"

namespace earshot::cluster {
namespace {

// Nodes by their place in a list, shards by their number.
using Node = std::size_t;
using Row = std::vector<Node>;

bool has(const Row& row, Node node) { return std::ranges::find(row, node) != row.end(); }

// Where several nodes or shards are as good, this spreads the choice, so that the replicas of one node have their
// others on all nodes and not on the same two. SplitMix64's finalizer.
std::uint64_t scatter(std::size_t shard, std::size_t node) {
  std::uint64_t x = (std::uint64_t{shard} << 32 | node) + 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

class Plan {
 public:
  Plan(std::span<const NodeId> nodes, std::uint16_t shard_count, std::size_t replicas, const Placement& current);

  void place();
  void even_out();
  void choose_leaders();
  [[nodiscard]] Placement placement() const;

 private:
  void move_one(std::size_t most, std::size_t least);
  bool pass_leadership_from(Node node);

  [[nodiscard]] Node least_loaded(std::size_t shard) const;
  [[nodiscard]] Node most_loaded_of(const Row& row) const {
    return *std::ranges::max_element(row, {}, [this](Node node) { return loads_[node]; });
  }
  void put(std::size_t shard, Node node) {
    rows_[shard].push_back(node);
    ++loads_[node];
  }
  void take(std::size_t shard, Node node) {
    std::erase(rows_[shard], node);
    --loads_[node];
  }

  const std::span<const NodeId> nodes_;
  const std::size_t replicas_;
  std::vector<Row> rows_;
  std::vector<Row> kept_;           // what of the current placement was there to begin with
  std::vector<std::size_t> loads_;  // replicas of each node
  std::vector<std::size_t> leads_;  // shards that it should lead
};

Plan::Plan(std::span<const NodeId> nodes, std::uint16_t shard_count, std::size_t replicas, const Placement& current)
    : nodes_(nodes), replicas_(std::min(replicas, nodes.size())), rows_(shard_count), loads_(nodes.size()) {
  std::map<NodeId, Node> places;
  for (Node node = 0; node < nodes.size(); ++node) places.emplace(nodes[node], node);
  for (std::size_t shard = 0; shard < std::min<std::size_t>(shard_count, current.size()); ++shard) {
    for (const NodeId id : current[shard]) {
      const auto place = places.find(id);
      if (place != places.end() && !has(rows_[shard], place->second)) put(shard, place->second);
    }
  }
  kept_ = rows_;
}

Node Plan::least_loaded(std::size_t shard) const {
  std::optional<Node> best;
  const auto rank = [&](Node node) { return std::pair(loads_[node], scatter(shard, node)); };
  for (Node node = 0; node < nodes_.size(); ++node) {
    if (!has(rows_[shard], node) && (!best || rank(node) < rank(*best))) best = node;
  }
  return *best;
}

// As many replicas as there should be of each shard.
void Plan::place() {
  for (std::size_t shard = 0; shard < rows_.size(); ++shard) {
    while (rows_[shard].size() > replicas_) take(shard, most_loaded_of(rows_[shard]));
    while (rows_[shard].size() < replicas_) put(shard, least_loaded(shard));
  }
}

// One replica after the other from one of those that have most to one of those that have least. There is always one to
// move: the former has replicas of more shards.
void Plan::even_out() {
  while (!nodes_.empty()) {
    const auto [least, most] = std::ranges::minmax(loads_);
    if (most - least <= 1) return;
    move_one(most, least);
  }
}

// Rather one that is not there yet, which costs nothing, or that was there before; rather no leader.
void Plan::move_one(std::size_t most, std::size_t least) {
  struct Move {
    std::tuple<bool, bool, bool, std::uint64_t> rank;
    std::size_t shard = 0;
    Node from = 0;
    Node to = 0;
  };
  std::optional<Move> best;
  for (std::size_t shard = 0; shard < rows_.size(); ++shard) {
    const Row& row = rows_[shard];
    for (const Node from : row) {
      if (loads_[from] != most) continue;
      for (Node to = 0; to < nodes_.size(); ++to) {
        if (loads_[to] != least || has(row, to)) continue;
        const std::tuple rank{!has(kept_[shard], to), has(kept_[shard], from), row.front() == from, scatter(shard, to)};
        if (!best || rank < best->rank) best = Move{rank, shard, from, to};
      }
    }
  }
  EARSHOT_INVARIANT(best, "who has more replicas has one of a shard that who has fewer has none of");
  take(best->shard, best->from);
  put(best->shard, best->to);
}

// An optimal semi-matching: no node can pass one shard's leadership, over any number of others, to a node that leads
// two fewer (Harvey, Ladner, Lovász, Tamir: "Semi-matchings for bipartite graphs and load balancing", 2006,
// theorem 3.1).
void Plan::choose_leaders() {
  leads_.assign(nodes_.size(), 0);
  for (const Row& row : rows_) {
    if (!row.empty()) ++leads_[row.front()];
  }
  std::vector<Node> by_leads(nodes_.size());
  for (bool has_passed = true; has_passed;) {
    for (Node node = 0; node < nodes_.size(); ++node) by_leads[node] = node;
    std::ranges::stable_sort(by_leads, std::ranges::greater(), [this](Node node) { return leads_[node]; });
    has_passed = std::ranges::any_of(by_leads, [this](Node node) { return pass_leadership_from(node); });
  }
}

// Along the shortest way, by which the fewest leaders change.
bool Plan::pass_leadership_from(Node source) {
  struct Reached {
    Node before = 0;
    std::size_t shard = 0;  // whose leadership goes from there to here
  };
  std::vector<std::vector<std::size_t>> led(nodes_.size());
  for (std::size_t shard = 0; shard < rows_.size(); ++shard) {
    if (!rows_[shard].empty()) led[rows_[shard].front()].push_back(shard);
  }
  std::map<Node, Reached> reached;
  std::deque<Node> waiting{source};
  while (!waiting.empty()) {
    const Node node = waiting.front();
    waiting.pop_front();
    if (leads_[node] + 2 <= leads_[source]) {
      for (Node to = node; to != source; to = reached.at(to).before) {
        Row& row = rows_[reached.at(to).shard];
        std::rotate(row.begin(), std::ranges::find(row, to), std::ranges::find(row, to) + 1);
      }
      --leads_[source];
      ++leads_[node];
      return true;
    }
    for (const std::size_t shard : led[node]) {
      for (const Node next : rows_[shard]) {
        if (next != source && reached.try_emplace(next, Reached{node, shard}).second) waiting.push_back(next);
      }
    }
  }
  return false;
}

Placement Plan::placement() const {
  Placement placement(rows_.size());
  for (std::size_t shard = 0; shard < rows_.size(); ++shard) {
    for (const Node node : rows_[shard]) placement[shard].push_back(nodes_[node]);
  }
  return placement;
}

}  // namespace

Placement plan_placement(std::span<const NodeId> nodes, std::uint16_t shard_count, std::size_t replicas,
                         const Placement& current) {
  Plan plan(nodes, shard_count, replicas, current);
  plan.place();
  plan.even_out();
  plan.choose_leaders();
  return plan.placement();
}

std::vector<NodeId> plan_meta_voters(std::span<const NodeId> nodes, std::span<const NodeId> voters) {
  std::vector<NodeId> ranked(nodes.begin(), nodes.end());
  const auto rank = [&](NodeId node) { return std::pair(std::ranges::find(voters, node) == voters.end(), node); };
  std::ranges::sort(ranked, {}, rank);
  if (ranked.size() > limits::kMetaVotersMax) ranked.resize(limits::kMetaVotersMax);
  std::ranges::sort(ranked);
  return ranked;
}

}  // namespace earshot::cluster
