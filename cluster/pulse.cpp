#include "cluster/pulse.hpp"

#include <algorithm>

namespace earshot::cluster {

void GroupPulse::follows(NodeId leader, Term term, LogIndex last, std::uint64_t until_ms) {
  rest(false, {&leader, 1}, term, last, until_ms);
}

void GroupPulse::leads(std::span<const NodeId> followers, Term term, LogIndex last, std::uint64_t until_ms) {
  rest(true, followers, term, last, until_ms);
}

void GroupPulse::rest(bool leads, std::span<const NodeId> others, Term term, LogIndex last, std::uint64_t until_ms) {
  const std::lock_guard lock(mutex_);
  until_ms_ = until_ms;
  const bool is_same =
      leads == leads_ && term == term_ && last == last_ && std::ranges::equal(others, others_, {}, {}, &Other::node);
  if (is_same) return;
  leads_ = leads;
  term_ = term;
  last_ = last;
  others_.clear();
  for (const NodeId node : others) others_.push_back({node, 0});
}

void GroupPulse::stirs() {
  const std::lock_guard lock(mutex_);
  others_.clear();
}

std::uint64_t GroupPulse::heard_ms(NodeId node) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(others_, node, &Other::node);
  return found == others_.end() ? 0 : found->heard_ms;
}

bool GroupPulse::beats_for(NodeId node, std::uint64_t now_ms, GroupBeat& beat) const {
  const std::lock_guard lock(mutex_);
  if (!leads_ || now_ms >= until_ms_ || std::ranges::find(others_, node, &Other::node) == others_.end()) return false;
  beat.term = term_;
  beat.last = last_;
  return true;
}

bool GroupPulse::heard(NodeId from, const GroupBeat& beat, bool from_leader, std::uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (leads_ == from_leader || beat.term != term_ || beat.last != last_ || now_ms >= until_ms_) return false;
  const auto found = std::ranges::find(others_, from, &Other::node);
  if (found == others_.end()) return false;
  found->heard_ms = std::max(found->heard_ms, now_ms);
  return true;
}

}  // namespace earshot::cluster
