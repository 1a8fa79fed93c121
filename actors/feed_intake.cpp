#include "actors/feed_intake.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "base/limits.hpp"
#include "base/multiples.hpp"

namespace earshot::actors {
namespace {

constexpr std::size_t kAsksKeptMax = 8;  // more than fit into the time of a lease
constexpr std::uint64_t kGoneAgainMs = 100;
constexpr std::uint32_t kGoneTimesMax = 10;     // a new leader may not know itself yet that it leads
constexpr std::uint64_t kDeadLeaseMs = 60'000;  // of the planted bug

}  // namespace

void FeedIntake::leader_is(NodeId leader, Term term, std::uint64_t now_ms) {
  // News come from several threads, and may overtake each other.
  if (leader == NodeId() || term < term_ || (leader == leader_ && term == term_)) return;
  leader_ = leader;
  term_ = term;
  times_gone_ = 0;
  subscribe(now_ms);
}

void FeedIntake::view_is(std::vector<NodeId> view, std::uint64_t now_ms) {
  view_ = std::move(view);
  if (leader_ != NodeId()) subscribe(now_ms);
}

// The lease ends before the leader can learn of it: it may forget it then.
void FeedIntake::subscribe(std::uint64_t now_ms) {
  lose();
  id_ = {term_, ++last_subscription_};
  last_ = pages_ = 0;
  is_gone_ = false;
  again_at_ms_ = now_ms + limits::kFeedAskAgainMs;
  taker_.send(shard_, leader_, FeedSubscribe{id_, view_});
}

void FeedIntake::lose() {
  const bool was_whole = std::exchange(is_whole_, false);
  lease_until_ms_ = 0;
  asked_.clear();
  granted_.clear();
  if (was_whole) taker_.lost(shard_);
}

void FeedIntake::handle(NodeId from, const FeedTiding& tiding, std::uint64_t now_ms) {
  const auto* items = std::get_if<std::shared_ptr<const FeedItems>>(&tiding);
  const auto* grant = std::get_if<FeedGrant>(&tiding);
  const FeedId& id = items != nullptr ? (*items)->id : grant != nullptr ? grant->id : std::get<FeedGone>(tiding).id;
  if (from != leader_ || id != id_ || is_gone_) return;
  if (grant != nullptr) return granted(*grant);
  if (items == nullptr) {
    lose();
    is_gone_ = true;
    again_at_ms_ = now_ms + kGoneAgainMs;
    if (++times_gone_ % kGoneTimesMax == 0) taker_.gives_no_feed(shard_, leader_);
    return;
  }
  times_gone_ = 0;
  if ((*items)->number == last_ + 1) {
    ++last_;
    take(**items);
    begin_leases();
  }
  // Also of what comes again: the ack may have been lost. What is ahead comes again.
  ack();
  say_again(now_ms);
}

// All that are fed whole say so at the same times, in one batch for each leader's node.
void FeedIntake::say_again(std::uint64_t now_ms) {
  again_at_ms_ = is_whole_ ? multiple_after(now_ms, limits::kFeedAliveMs) : now_ms + limits::kFeedAskAgainMs;
}

void FeedIntake::take(const FeedItems& items) {
  if (items.scan == FeedScan::kBegins) {
    had_privacy_.merge(std::exchange(with_privacy_, {}));
    tells_late_ = items.tells_late;
    taker_.scan_begins(shard_);
  }
  if (!items.privacies.empty()) take_privacies(items.privacies);
  if (items.scan == FeedScan::kPage)
    taker_.page(shard_, id_, items.moves);
  else if (!items.moves.empty() || !items.cleared.empty())
    taker_.moved(shard_, items.moves, items.cleared);
  if (items.scan == FeedScan::kEnds) end_scan();
}

void FeedIntake::take_privacies(const std::vector<cluster::PrivacyChange>& changes) {
  for (const auto& [layer, privacy] : changes) {
    had_privacy_.erase(layer);
    if (privacy)
      with_privacy_.insert(layer);
    else
      with_privacy_.erase(layer);
  }
  taker_.privacies(shard_, changes);
}

void FeedIntake::end_scan() {
  std::vector<cluster::PrivacyChange> over;
  for (const LayerId& layer : std::exchange(had_privacy_, {})) over.push_back({layer, std::nullopt});
  if (!over.empty()) taker_.privacies(shard_, over);
  is_whole_ = true;
  taker_.scan_ends(shard_, tells_late_);
}

void FeedIntake::page_taken(const FeedId& feed) {
  if (feed != id_) return;
  ++pages_;
  ack();
}

// ---- leases

void FeedIntake::ask_lease(std::uint64_t now_ms) {
  if (!is_whole_) return;
  if (asked_.size() == kAsksKeptMax) asked_.pop_front();
  asked_.push_back({++asks_, now_ms});
  taker_.send(shard_, leader_, FeedAskLease{id_, asks_});
}

// It counts from the asking, by the clock of this node: the leader takes it to begin later.
void FeedIntake::granted(const FeedGrant& grant) {
  const auto asked = std::ranges::find(asked_, grant.ask, &Asked::ask);
  if (asked == asked_.end()) return;
  granted_.push_back({grant.through, asked->at_ms + (faults_.keeps_leases ? kDeadLeaseMs : limits::kFeedLeaseMs)});
  asked_.erase(asked);
  begin_leases();
}

void FeedIntake::begin_leases() {
  std::erase_if(granted_, [this](const Granted& one) {
    if (one.through > last_) return false;
    lease_until_ms_ = std::max(lease_until_ms_, one.until_ms);
    return true;
  });
}

// ---- time

void FeedIntake::wake(std::uint64_t now_ms) {
  if (again_at_ms_ == 0 || now_ms < again_at_ms_) return;
  if (is_gone_) return subscribe(now_ms);
  say_again(now_ms);
  if (last_ == 0) return taker_.send(shard_, leader_, FeedSubscribe{id_, view_});
  ack();
}

}  // namespace earshot::actors
