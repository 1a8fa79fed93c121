#include "actors/question_merge.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "actors/place_views.hpp"

namespace earshot::actors {
namespace {

struct IsNearer {
  bool farthest;

  bool operator()(const ToldMember& one, const ToldMember& other) const {
    if (one.distance_m != other.distance_m)
      return farthest ? one.distance_m > other.distance_m : one.distance_m < other.distance_m;
    return one.name < other.name;
  }
};

struct ComesBefore {
  bool descending;

  static auto spot(const ToldMember& one) { return std::pair(one.score, std::string_view(one.name)); }
  bool operator()(const ToldMember& one, const ToldMember& other) const {
    return descending ? spot(one) > spot(other) : spot(one) < spot(other);
  }
};

// Of those with one name only the newest stays; of equals the first in the order.
template <class Before>
void keep_newest(ToldMembers& members, Before before) {
  std::unordered_map<std::string_view, std::size_t> newest;
  std::vector<bool> goes(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [kept, is_first] = newest.try_emplace(members[i].name, i);
    if (is_first) continue;
    const ToldMember& other = members[kept->second];
    const bool is_newer =
        members[i].version != other.version ? members[i].version > other.version : before(members[i], other);
    goes[is_newer ? kept->second : i] = true;
    if (is_newer) kept->second = i;
  }
  std::size_t index = 0;
  std::erase_if(members, [&](const ToldMember&) { return goes[index++]; });
}

ToldMembers* members_of(NodeTold& told) { return std::get_if<ToldMembers>(&told.told); }

void append(ToldMembers& all, ToldMembers more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

MergedNearby merge_nearby(std::vector<NodeTold> told, geo::Pick pick, std::size_t count_max, std::size_t asked_max) {
  const IsNearer is_nearer{pick == geo::Pick::kFarthest};
  const bool chooses = pick == geo::Pick::kNearest || pick == geo::Pick::kFarthest;
  MergedNearby merged;
  // Whoever a node has left out is no better than the worst that it told of.
  std::optional<ToldMember> edge;
  for (NodeTold& of_node : told) {
    ToldMembers* members = members_of(of_node);
    if (members == nullptr) continue;
    if (members->size() >= asked_max && !members->empty()) {
      const ToldMember& worst = *std::ranges::max_element(*members, is_nearer);
      if (!edge || is_nearer(worst, *edge)) edge = worst;
    }
    append(merged.members, std::move(*members));
  }
  keep_newest(merged.members, is_nearer);
  std::ranges::sort(merged.members, is_nearer);
  if (merged.members.size() > count_max) merged.members.resize(count_max);
  if (edge) {
    const bool is_full = merged.members.size() == count_max;
    merged.may_lack_some = !is_full || (chooses && count_max > 0 && is_nearer(*edge, merged.members.back()));
  }
  return merged;
}

std::uint64_t sum_of_sizes(const std::vector<NodeTold>& told) {
  std::uint64_t sum = 0;
  for (const NodeTold& of_node : told)
    if (const auto* size = std::get_if<ToldSize>(&of_node.told)) sum += size->members;
  return sum;
}

MergedPage merge_range(std::vector<NodeTold> told, bool descending) {
  const ComesBefore before{descending};
  MergedPage page;
  std::optional<ToldMember> frontier;  // beyond it some node has not told all
  for (NodeTold& of_node : told) {
    ToldMembers* members = members_of(of_node);
    if (members == nullptr) continue;
    if (of_node.more && !members->empty()) {
      const ToldMember& last = *std::ranges::max_element(*members, before);
      if (!frontier || before(last, *frontier)) frontier = last;
    }
    append(page.members, std::move(*members));
  }
  if (frontier) {
    std::erase_if(page.members, [&](const ToldMember& one) { return before(*frontier, one); });
    page.next = MemberSpot{frontier->score, frontier->name};
  }
  keep_newest(page.members, before);
  std::ranges::sort(page.members, before);
  return page;
}

MergedLayers merge_layers(std::vector<NodeTold> told) {
  std::map<std::string, std::uint64_t> sums;
  MergedLayers merged;
  for (NodeTold& of_node : told) {
    auto* layers = std::get_if<ToldLayers>(&of_node.told);
    if (layers == nullptr || layers->layers.empty()) continue;
    const std::string& last = layers->layers.back().name;
    if (of_node.more && (!merged.next || last < *merged.next)) merged.next = last;
    for (auto& layer : layers->layers) sums[std::move(layer.name)] += layer.members;
  }
  for (auto& [name, members] : sums) {
    if (merged.next && name > *merged.next) break;
    // Whoever is followed is counted where it is: there it may not have been known yet.
    merged.layers.push_back({name, std::max<std::uint64_t>(members, 1)});
  }
  return merged;
}

ToldScan merge_scans(std::vector<NodeTold> told) {
  ToldScan merged;
  for (const NodeTold& of_node : told) {
    const auto* scan = std::get_if<ToldScan>(&of_node.told);
    if (scan != nullptr && scan->next != 0 && (merged.next == 0 || scan->next < merged.next)) merged.next = scan->next;
  }
  for (NodeTold& of_node : told) {
    auto* scan = std::get_if<ToldScan>(&of_node.told);
    if (scan == nullptr) continue;
    for (std::string& name : scan->names)
      if (merged.next == 0 || scan_place_of(name) < merged.next) merged.names.push_back(std::move(name));
  }
  std::ranges::sort(merged.names, [](const std::string& one, const std::string& other) {
    return std::pair(scan_place_of(one), std::string_view(one)) <
           std::pair(scan_place_of(other), std::string_view(other));
  });
  merged.names.erase(std::unique(merged.names.begin(), merged.names.end()), merged.names.end());
  return merged;
}

}  // namespace earshot::actors
