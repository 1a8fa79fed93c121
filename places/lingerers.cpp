#include "places/lingerers.hpp"

#include <algorithm>
#include <utility>

namespace earshot::places {

void Lingerers::left(ShardId shard, const std::string& member, std::uint64_t now_ms) {
  if (left_ms_.try_emplace(member, now_ms).second) row_.push_back({now_ms, {shard, member}});
}

std::optional<Lingerers::Lingerer> Lingerers::take_over(std::uint64_t now_ms) {
  while (!row_.empty()) {
    const bool is_one_too_many = row_.size() > limits_.count_max;
    if (!is_one_too_many && now_ms < row_.front().left_ms + limits_.ms) return std::nullopt;
    Leaving first = std::move(row_.front());
    row_.pop_front();
    const auto lingers = left_ms_.find(first.who.member);
    if (lingers == left_ms_.end() || lingers->second != first.left_ms) continue;
    left_ms_.erase(lingers);
    if (now_ms < first.left_ms + limits_.ms) forgot_ms_ = std::max(forgot_ms_, first.left_ms);
    return std::move(first.who);
  }
  return std::nullopt;
}

}  // namespace earshot::places
