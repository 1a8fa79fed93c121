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
  std::unique_lock lock(mutex_);
  if (is_trying_ || !held_.empty()) return hold(std::move(lock), std::move(request), hops);
  const Leader way = leader_;
  lock.unlock();
  if (send(request, hops, way)) return;
  lock.lock();
  hold(std::move(lock), std::move(request), hops);
  try_again();  // a leader or a connection may have come before this was held
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

void Route::hold(std::unique_lock<std::mutex> lock, ShardRequest request, std::uint8_t hops) {
  const std::size_t bytes = bytes_of(request);
  if (held_.size() < limits::kRouteHeldMax && held_bytes_ + bytes <= limits::kRouteHeldBytesMax) {
    held_bytes_ += bytes;
    held_.push_back(Held{std::move(request), hops, bytes, clock_.monotonic_ms()});
    return set_short_way();
  }
  lock.unlock();
  refuse_request(std::move(request), refusals::overloaded("as many requests as may wait for a leader of the shard"));
}

void Route::given_back(ShardRequest request, std::uint8_t hops) {
  not_led_by(self_);
  if (hops >= kHopsMax) return refuse_request(std::move(request), refusals::lost());
  pass_on(std::move(request), hops);
}

void Route::not_led_by(NodeId node) {
  const std::lock_guard lock(mutex_);
  if (leader_.node != node) return;
  leader_.node = NodeId();
  set_short_way();
}

// A term has one leader at most (Raft paper, section 5.2: election safety), and a node is elected in it once: what was
// asked of it before it was unlearned is under way still, or is refused by it when it was deposed.
bool Route::set_leader(Leader leader) {
  const std::lock_guard lock(mutex_);
  if (leader.term < leader_.term || leader == leader_) return false;
  if (leader.term > leader_.term) elected_ = NodeId();
  const bool is_news = leader.node != NodeId() && leader.node != elected_;
  if (is_news) elected_ = leader.node;
  leader_ = leader;
  set_short_way();
  return is_news;
}

void Route::set_short_way() {
  const bool is_open = leader_.node == self_ && held_.empty() && !is_trying_;
  leads_here_.store(is_open ? local_.get() : nullptr, std::memory_order_release);
}

void Route::try_again() {
  std::unique_lock lock(mutex_);
  must_try_on_ = true;
  if (is_trying_ || held_.empty()) return;
  is_trying_ = true;
  while (!held_.empty()) {
    must_try_on_ = false;
    Held one = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= one.bytes;
    const Leader now = leader_;
    lock.unlock();
    bool has_gone = true;
    if (clock_.monotonic_ms() - one.since_ms > limits::kRequestTimeoutMs) {
      refuse_request(std::move(one.request), waited_too_long());
    } else {
      has_gone = send(one.request, one.hops, now);
    }
    lock.lock();
    if (has_gone) continue;
    held_bytes_ += one.bytes;
    held_.push_front(std::move(one));
    if (leader_ == now && !must_try_on_) break;
  }
  is_trying_ = false;
  set_short_way();
}

// Outside the lock: what is dropped may hold the last reference to anything.
void Route::forget() {
  std::deque<Held> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(held_);
  held_bytes_ = 0;
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
