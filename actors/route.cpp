#include "actors/route.hpp"

#include <utility>

#include "actors/asker.hpp"
#include "actors/shard_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint8_t kHopsMax = 3;

Error waited_too_long() {
  return Error{ErrorCode::kDeadlineExceeded, "", "no leader of the shard was found in time", limits::kRetryAfterMs};
}

void refuse_request(ShardRequest request, const Error& error) { refuse(take_asker(request), error); }

}  // namespace

Route::Route(ShardId shard, NodeId self, std::shared_ptr<ShardInbox> local, CallDesk& calls, const Clock& clock)
    : shard_(shard), self_(self), local_(std::move(local)), calls_(calls), clock_(clock) {}

void Route::pass_on(ShardRequest request, std::uint8_t hops) {
  const Leader tried = leader();
  if (send(request, hops, tried)) return;
  hold(std::move(request), hops);
  if (leader() != tried) try_again();  // it changed before this was held
}

bool Route::send(ShardRequest& request, std::uint8_t hops, const Leader& leader) {
  if (leader.node == NodeId()) return false;
  if (leader.node != self_) return calls_.call(leader.node, shard_, request, hops);
  post_here(std::move(request));
  return true;
}

void Route::post_here(ShardRequest request) {
  std::visit([this](auto& message) { local_->post(std::move(message)); }, request);
}

void Route::hold(ShardRequest request, std::uint8_t hops) {
  const std::size_t bytes = bytes_of(request);
  {
    const std::lock_guard lock(mutex_);
    if (held_.size() < limits::kRouteHeldMax && held_bytes_ + bytes <= limits::kRouteHeldBytesMax) {
      held_bytes_ += bytes;
      held_.push_back(Held{std::move(request), hops, bytes, clock_.monotonic_ms()});
      return;
    }
  }
  refuse_request(std::move(request), refusals::overloaded("as many requests as may wait for a leader of the shard"));
}

void Route::given_back(ShardRequest request, std::uint8_t hops) {
  {
    const std::lock_guard lock(mutex_);
    if (leader_.node == self_) {
      leader_.node = NodeId();
      leads_here_.store(nullptr, std::memory_order_release);
    }
  }
  if (hops >= kHopsMax) return refuse_request(std::move(request), refusals::lost());
  pass_on(std::move(request), hops);
}

bool Route::set_leader(Leader leader) {
  const std::lock_guard lock(mutex_);
  if (leader.term < leader_.term || leader == leader_) return false;
  const bool is_news = leader.node != NodeId() && (leader.term > leader_.term || leader_.node != leader.node);
  leader_ = leader;
  leads_here_.store(leader.node == self_ ? local_.get() : nullptr, std::memory_order_release);
  return is_news;
}

void Route::try_again() {
  std::deque<Held> held;
  {
    const std::lock_guard lock(mutex_);
    if (held_.empty()) return;
    held.swap(held_);
    held_bytes_ = 0;
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const Leader now = leader();
  for (Held& one : held) {
    if (now_ms - one.since_ms > limits::kRequestTimeoutMs) {
      refuse_request(std::move(one.request), waited_too_long());
    } else if (!send(one.request, one.hops, now)) {
      const std::lock_guard lock(mutex_);
      held_bytes_ += one.bytes;
      held_.push_back(std::move(one));
    }
  }
  if (leader() != now) try_again();  // it changed before these were put back
}

Route::Leader Route::leader() const {
  const std::lock_guard lock(mutex_);
  return leader_;
}

std::size_t Route::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

}  // namespace earshot::actors
