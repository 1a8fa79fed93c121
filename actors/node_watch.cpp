#include "actors/node_watch.hpp"

#include <algorithm>
#include <ranges>

#include "base/limits.hpp"

namespace earshot::actors {

NodeWatch::Look NodeWatch::look(const std::vector<NodeId>& others, const std::vector<NodeId>& joining,
                                const std::function<bool(NodeId)>& is_up, bool is_leader_out_of_reach,
                                std::uint64_t now_ms) {
  Look look;
  std::map<NodeId, std::uint64_t> down;
  for (const NodeId node : others) {
    if (is_up(node)) continue;
    const auto known = down_since_ms_.find(node);
    const std::uint64_t since_ms = known != down_since_ms_.end() ? known->second : now_ms;
    down.emplace(node, since_ms);
    if (now_ms - since_ms >= limits::kNodeGoneMs) look.gone.push_back(node);
  }
  down_since_ms_ = std::move(down);

  const auto counts = [&](NodeId node) { return std::ranges::find(joining, node) == joining.end(); };
  const auto all = 1 + std::ranges::count_if(others, counts);
  const auto together = all - std::ranges::count_if(std::views::keys(down_since_ms_), counts);
  look.is_cut_off = 2 * together <= all;
  if (!look.is_cut_off && !is_leader_out_of_reach) {
    send_away_at_ms_ = 0;
  } else if (send_away_at_ms_ == 0) {
    send_away_at_ms_ = now_ms + limits::kCutOffMs;
  } else if (now_ms >= send_away_at_ms_) {
    look.should_send_away = true;
    send_away_at_ms_ = now_ms + limits::kCutOffAgainMs;
  }
  return look;
}

}  // namespace earshot::actors
