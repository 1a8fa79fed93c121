#include "actors/exact_waits.hpp"

#include <algorithm>
#include <iterator>

namespace earshot::actors {

void ExactWaits::wait(ShardId shard, std::uint64_t deadline_ms, Then then, std::uint64_t now_ms) {
  const bool is_exact = feeds_->is_exact_now(shard);
  if (is_exact || waiting_.size() >= waiting_max_ || now_ms >= deadline_ms) return then(is_exact);
  waiting_.push_back({shard, deadline_ms, std::move(then)});
  if (look_at_ms_ == 0) look_at_ms_ = now_ms + kLookMs;
}

// Out of the list first: whoever is called may wait again.
void ExactWaits::wake(std::uint64_t now_ms) {
  if (look_at_ms_ == 0 || now_ms < look_at_ms_) return;
  const auto over = std::ranges::stable_partition(
      waiting_, [&](const Waiting& one) { return now_ms < one.deadline_ms && !feeds_->is_exact_now(one.shard); });
  std::vector<Waiting> done(std::make_move_iterator(over.begin()), std::make_move_iterator(over.end()));
  waiting_.erase(over.begin(), over.end());
  look_at_ms_ = waiting_.empty() ? 0 : now_ms + kLookMs;
  for (Waiting& one : done) one.then(feeds_->is_exact_now(one.shard));
}

}  // namespace earshot::actors
