#include <utility>

#include <spdlog/spdlog.h>

#include "actors/shard_impl.hpp"

namespace earshot::actors {

void ShardImpl::receive_feed(NodeId from, std::string_view bytes) {
  if (!feeds_) return;
  const auto request = decode_feed_request(bytes);
  if (!request) {
    spdlog::warn("shard {}: a request of node {} for a feed is dropped: {}", id_.value, from.value,
                 request.error().to_string());
    return;
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  feeds_->handle(from, *request, now_ms);
  settle(now_ms);
}

// After all that was applied has been told: what a page shows is where it stands in the row.
void ShardImpl::go_on_feeding(std::uint64_t now_ms) {
  if (!feeds_) return;
  if (life_) feeds_->note_version(life_->machine->position_version(), now_ms);
  if (leads_ && life_) {
    if (replica_->applied_index() >= read_floor_) feeds_->caught_up();
    feeds_->note_aheads(aheads_.last(), aheads_.settled_through());
    life_->places->feed(ticks_.now().tick_ms, is_alone(), now_ms);
  }
  if (leads_ && feeds_->wants_check(now_ms)) {
    const auto check = replica_->begin_check(now_ms);
    if (check)
      feeds_->check_began(check->number, check->index, now_ms);
    else
      feeds_->put_off_check(now_ms);
    if (check && check->confirmed) feeds_->check_confirmed(check->number);
  }
  feeds_->go_on(replica_->applied_index(), now_ms);
}

void ShardImpl::when_told(const std::function<void()>& answer) { feeds_->hold(answer, clock_.monotonic_ms()); }

}  // namespace earshot::actors
