#include "actors/ack_merger.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// Both, ascending, of what lies beyond `up_to`.
std::vector<Sequence> united(const std::vector<Sequence>& a, const std::vector<Sequence>& b, Sequence up_to) {
  std::vector<Sequence> both;
  std::set_union(std::ranges::upper_bound(a, up_to), a.end(), std::ranges::upper_bound(b, up_to), b.end(),
                 std::back_inserter(both));
  return both;
}

AckRequest united(const AckRequest& a, const AckRequest& b) {
  const Sequence up_to = std::max(a.up_to, b.up_to);
  return AckRequest{up_to, united(a.above, b.above, up_to)};
}

}  // namespace

bool AckMerger::is_committed(Sequence sequence) const {
  return sequence <= committed_ || std::ranges::binary_search(committed_above_, sequence);
}

bool AckMerger::is_committed(const AckRequest& ack) const {
  return ack.up_to <= committed_ && std::ranges::all_of(ack.above, [this](Sequence s) { return is_committed(s); });
}

Status AckMerger::add(CallId call, const AckRequest& ack) {
  Ack added{call, AckRequest{ack.up_to, {}}};
  std::ranges::copy_if(ack.above, std::back_inserter(added.request.above),
                       [this](Sequence sequence) { return !is_committed(sequence); });
  std::size_t selective = added.request.above.size();
  const auto count = [&selective](const Ack& one) { selective += one.request.above.size(); };
  std::ranges::for_each(waiting_, count);
  std::ranges::for_each(alone_, count);
  std::ranges::for_each(under_way_, count);
  const std::size_t calls = waiting_.size() + alone_.size() + under_way_.size();
  if (selective > 2 * limits::kSelectiveAcksMax || calls >= limits::kCallsInFlightMax) {
    return fail(Error{ErrorCode::kOverloaded, "above", "too many acks wait to be committed", limits::kRetryAfterMs});
  }
  waiting_.push_back(std::move(added));
  return {};
}

std::optional<AckRequest> AckMerger::next() {
  if (!under_way_.empty()) return std::nullopt;
  if (!alone_.empty()) {
    under_way_.push_back(std::move(alone_.front()));
    alone_.pop_front();
  } else {
    if (std::ranges::none_of(waiting_, [](const Ack& ack) { return ack.call.has_value(); })) return std::nullopt;
    under_way_.swap(waiting_);
  }
  request_ = AckRequest{};
  for (const Ack& ack : under_way_) request_ = united(request_, ack.request);
  std::erase_if(request_.above, [this](Sequence sequence) { return is_committed(sequence); });
  return request_;
}

AckMerger::Answers AckMerger::answered(Result<Sequence> cursor) {
  Answers answers{{}, std::move(cursor)};
  std::vector<Ack> done = std::exchange(under_way_, {});
  if (!answers.cursor && !answers.cursor.error().is_temporary() && done.size() > 1) {
    for (Ack& ack : done) alone_.push_back(std::move(ack));
    return answers;
  }
  for (const Ack& ack : done) {
    if (ack.call) answers.calls.push_back(*ack.call);
  }
  if (!answers.cursor) {
    if (answers.cursor.error().is_temporary()) put_back(std::move(done));
    return answers;
  }
  commit(*answers.cursor);
  // What this commit covers as well needs none of its own.
  std::erase_if(waiting_, [&](const Ack& ack) {
    if (!is_committed(ack.request)) return false;
    if (ack.call) answers.calls.push_back(*ack.call);
    return true;
  });
  return answers;
}

void AckMerger::commit(Sequence cursor) {
  committed_ = std::max(committed_, cursor);
  committed_above_ = united(committed_above_, request_.above, committed_);
}

// What was acked stays acked, without a call that waits for it: at most one such, in front.
void AckMerger::put_back(std::vector<Ack> acks) {
  Ack kept;
  for (const Ack& ack : acks) kept.request = united(kept.request, ack.request);
  if (!waiting_.empty() && !waiting_.front().call) {
    kept.request = united(kept.request, waiting_.front().request);
    waiting_.erase(waiting_.begin());
  }
  waiting_.insert(waiting_.begin(), std::move(kept));
}

}  // namespace earshot::actors
