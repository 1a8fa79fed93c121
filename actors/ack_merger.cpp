#include "actors/ack_merger.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {

Status AckMerger::add(CallId call, const AckRequest& ack) {
  const Sequence up_to = std::max(waiting_.up_to, ack.up_to);
  std::vector<Sequence> above = merged(waiting_.above, ack.above, up_to);
  // What is under way may have to come back to the waiting.
  const std::size_t selective = above.size() + (under_way_ ? under_way_->above.size() : 0);
  if (selective > limits::kSelectiveAcksMax || waiting_.calls.size() >= limits::kCallsInFlightMax) {
    return fail(Error{ErrorCode::kOverloaded, "above", "too many acks wait to be committed", limits::kRetryAfterMs});
  }
  waiting_.up_to = up_to;
  waiting_.above = std::move(above);
  waiting_.calls.push_back(call);
  return {};
}

std::optional<AckRequest> AckMerger::next() {
  if (under_way_ || waiting_.calls.empty()) return std::nullopt;
  under_way_ = std::exchange(waiting_, Gathered{});
  return AckRequest{under_way_->up_to, under_way_->above};
}

AckMerger::Answers AckMerger::answered(Result<Sequence> cursor) {
  if (!under_way_) return Answers{{}, std::move(cursor)};
  Gathered done = std::move(*under_way_);
  under_way_.reset();
  if (cursor) {
    committed_ = std::max(committed_, *cursor);
  } else if (cursor.error().is_temporary()) {
    waiting_.up_to = std::max(waiting_.up_to, done.up_to);
    waiting_.above = merged(waiting_.above, done.above, waiting_.up_to);
  }
  return Answers{std::move(done.calls), std::move(cursor)};
}

std::vector<Sequence> AckMerger::merged(const std::vector<Sequence>& a, const std::vector<Sequence>& b,
                                        Sequence up_to) {
  std::vector<Sequence> both;
  std::set_union(std::ranges::upper_bound(a, up_to), a.end(), std::ranges::upper_bound(b, up_to), b.end(),
                 std::back_inserter(both));
  return both;
}

}  // namespace earshot::actors
