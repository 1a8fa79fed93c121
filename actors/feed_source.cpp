#include "actors/feed_source.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/limits.hpp"
#include "places/layer.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kCheckAgainMs = limits::kHeartbeatMs;
constexpr std::size_t kResentFramesMax = 64;  // at a time: the acks of these bring the next ones

// Whoever has no place on Earth has to be somewhere, too.
cluster::Region region_of(const cluster::Move& move) {
  const auto place = places::place_of(*move.score);
  return place ? cluster::region_of(*place) : cluster::Region();
}

// The same start of the same node, and this one was begun later: it has let go of the other.
bool comes_after(const FeedId& later, const FeedId& earlier) {
  return later.subscription >> 32 == earlier.subscription >> 32 && later.subscription > earlier.subscription;
}

template <class Item>
std::vector<Item> part_of(const std::vector<Item>& items, std::size_t& from) {
  const std::size_t count = std::min(items.size() - from, limits::kFeedItemsMax);
  const auto first = items.begin() + static_cast<std::ptrdiff_t>(from);
  from += count;
  return std::vector<Item>(first, first + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

// ---- who is fed

void FeedSource::lead(Term term, std::uint64_t now_ms) {
  end();
  term_ = term;
  quiet_until_ms_ = now_ms + limits::kFeedLeaseMs + limits::kFeedLeaseMarginMs;
}

void FeedSource::end() {
  term_ = Term();
  is_caught_up_ = false;
  feeds_.clear();
  dropped_.clear();
  asks_.clear();
  confirmed_ = check_under_way_ = check_again_at_ms_ = 0;
}

void FeedSource::handle(NodeId from, const FeedRequest& request, std::uint64_t now_ms) {
  const FeedId id = std::visit([](const auto& one) { return one.id; }, request);
  if (term_ == Term() || id.term != term_) return send_(from, FeedGone{id});
  if (const auto* subscribing = std::get_if<FeedSubscribe>(&request)) return subscribe(from, *subscribing, now_ms);
  const auto feed = feeds_.find(from);
  if (feed == feeds_.end() || feed->second.id != id) return send_(from, FeedGone{id});
  feed->second.heard_ms = now_ms;
  if (const auto* ack = std::get_if<FeedAck>(&request)) return acked(feed->second, *ack, now_ms);
  asked(from, std::get<FeedAskLease>(request), now_ms);
}

void FeedSource::subscribe(NodeId from, const FeedSubscribe& subscribe, std::uint64_t now_ms) {
  if (const auto feed = feeds_.find(from); feed != feeds_.end()) {
    const FeedId& known = feed->second.id;
    if (known == subscribe.id || comes_after(known, subscribe.id)) return;  // it came late, or twice
    feeds_.erase(feed);
  }
  // Begun again under its number its frames would be taken for those of the first time that are on their way still.
  if (const auto dropped = dropped_.find(from); dropped != dropped_.end()) {
    if (dropped->second == subscribe.id || comes_after(dropped->second, subscribe.id))
      return send_(from, FeedGone{subscribe.id});
  }
  if (const auto lease = leases_.find(from); lease != leases_.end() && comes_after(subscribe.id, lease->second.id))
    leases_.erase(lease);
  std::erase_if(asks_, [from](const Ask& ask) { return ask.node == from; });
  feeds_.emplace(std::piecewise_construct, std::forward_as_tuple(from),
                 std::forward_as_tuple(subscribe.id, subscribe.view, now_ms));
}

void FeedSource::acked(Feed& feed, const FeedAck& ack, std::uint64_t now_ms) {
  feed.pages_taken = std::clamp(ack.pages, feed.pages_taken, feed.pages);
  while (!feed.unacked.empty() && feed.unacked.front().items->number <= ack.number) {
    feed.unacked_bytes -= feed.unacked.front().bytes;
    feed.unacked.pop_front();
    feed.progress_ms = now_ms;
  }
}

// ---- frames

template <class TellOne>
void FeedSource::tell_each(TellOne tell_one) {
  ++event_;
  for (auto& [node, feed] : feeds_)
    if (feed.scan != Scan::kWanted) tell_one(node, feed);
}

// Where a member was is not known here: each node is told where it is, and knows whether it was one of its own.
void FeedSource::tell(const std::vector<cluster::Move>& moves, const std::vector<cluster::ClearedLayer>& cleared,
                      std::uint64_t now_ms) {
  if (term_ == Term()) return;
  tell_each([&](NodeId node, Feed& feed) {
    std::size_t next_clear = 0;
    for (std::size_t next = 0; next < moves.size() || next_clear < cleared.size();) {
      FeedItems items;
      items.moves = part_of(moves, next);
      const bool is_last = next == moves.size();
      // Clears up to the next frame's first move; both are one order.
      while (next_clear < cleared.size() && items.cleared.size() < limits::kFeedItemsMax &&
             (is_last || cleared[next_clear].version < moves[next].version))
        items.cleared.push_back(cleared[next_clear++]);
      for (cluster::Move& move : items.moves) {
        move.elsewhere = move.score && feed.cells.owner(move.layer, region_of(move)) != node;
        if (move.elsewhere && faults_.forgets_departures) move.score.reset();
      }
      send(node, feed, std::move(items), event_, now_ms);
    }
    send_late_page(node, feed, now_ms);
  });
  drop_those_behind(now_ms);
}

void FeedSource::tell(const std::vector<cluster::PrivacyChange>& privacies, std::uint64_t now_ms) {
  if (term_ == Term()) return;
  tell_each([&](NodeId node, Feed& feed) {
    for (std::size_t next = 0; next < privacies.size();) {
      FeedItems items;
      items.privacies = part_of(privacies, next);
      send(node, feed, std::move(items), event_, now_ms);
    }
  });
  drop_those_behind(now_ms);
}

void FeedSource::send(NodeId node, Feed& feed, FeedItems items, std::uint64_t event, std::uint64_t now_ms) {
  items.id = feed.id;
  items.number = ++feed.number;
  if (feed.unacked.empty()) feed.progress_ms = now_ms;
  const auto sent = std::make_shared<const FeedItems>(std::move(items));
  feed.unacked.push_back({sent, event, bytes_of(*sent)});
  feed.unacked_bytes += feed.unacked.back().bytes;
  send_(node, sent);
}

void FeedSource::send_late_page(NodeId node, Feed& feed, std::uint64_t now_ms) {
  if (const auto page = std::exchange(feed.late_page, nullptr)) send(node, feed, std::move(*page), event_ + 1, now_ms);
}

// Within the node nothing gets lost.
void FeedSource::send_again(std::uint64_t now_ms) {
  for (auto& [node, feed] : feeds_) {
    if (node == self_ || feed.unacked.empty() || now_ms < feed.progress_ms + limits::kFeedResendMs) continue;
    feed.progress_ms = now_ms;
    const std::size_t count = std::min(feed.unacked.size(), kResentFramesMax);
    for (std::size_t i = 0; i < count; ++i) send_(node, feed.unacked[i].items);
  }
}

void FeedSource::drop_those_behind(std::uint64_t now_ms) {
  for (auto feed = feeds_.begin(); feed != feeds_.end();) {
    const auto& [node, one] = *feed;
    const bool is_silent = node != self_ && now_ms >= one.heard_ms + limits::kFeedSilenceMs;
    const bool is_behind = one.unacked.size() > limits::kFeedUnackedFramesMax ||
                           (one.unacked.size() > 1 && one.unacked_bytes > limits::kFeedUnackedBytesMax);
    if (!is_silent && !is_behind) {
      ++feed;
      continue;
    }
    send_(node, FeedGone{one.id});
    dropped_.insert_or_assign(node, one.id);
    feed = feeds_.erase(feed);
  }
}

// ---- scans

std::optional<FeedSource::Wanted> FeedSource::wanted() const {
  if (!is_caught_up_) return std::nullopt;
  for (const auto& [node, feed] : feeds_) {
    if (feed.scan == Scan::kWanted) return Wanted{node, {}, true};
    if (feed.scan == Scan::kReading && feed.pages_taken == feed.pages && !feed.late_page)
      return Wanted{node, feed.scan_from, false};
  }
  return std::nullopt;
}

void FeedSource::begin_scan(NodeId node, const std::vector<cluster::PrivacyChange>& privacies, std::uint64_t now_ms) {
  Feed& feed = feeds_.at(node);
  feed.scan = Scan::kReading;
  feed.aheads_before = aheads_told_;
  FeedItems begins;
  begins.scan = FeedScan::kBegins;
  auto late_above = versions_.before(now_ms);
  // Of so few all may be told, as after the first start of a cluster.
  if (!late_above && versions_.newest() <= limits::kFeedItemsMax) late_above = 0;
  begins.tells_late = late_above.has_value();
  feed.late_above = late_above.value_or(UINT64_MAX);
  send(node, feed, std::move(begins), event_ + 1, now_ms);
  for (std::size_t next = 0; next < privacies.size();) {
    FeedItems items;
    items.privacies = part_of(privacies, next);
    send(node, feed, std::move(items), event_ + 1, now_ms);
  }
}

void FeedSource::page(NodeId node, std::vector<cluster::Move> moves, std::string next, std::uint64_t now_ms) {
  Feed& feed = feeds_.at(node);
  feed.scan_from = std::move(next);
  if (feed.scan_from.empty()) feed.scan = Scan::kRead;
  FeedItems items;
  items.scan = FeedScan::kPage;
  items.moves = std::move(moves);
  for (cluster::Move& move : items.moves)
    move.elsewhere = move.score && feed.cells.owner(move.layer, region_of(move)) != node;
  std::erase_if(items.moves, [&](const cluster::Move& move) {
    return move.elsewhere && (move.version <= feed.late_above || faults_.forgets_departures);
  });
  ++feed.pages;
  if (faults_.tells_pages_late) {
    feed.late_page = std::make_shared<FeedItems>(std::move(items));
    feed.progress_ms = now_ms;
    return;
  }
  send(node, feed, std::move(items), event_ + 1, now_ms);
}

bool FeedSource::has_read_all() const {
  return std::ranges::any_of(feeds_, [this](const auto& one) { return may_end(one.second); });
}

void FeedSource::end_scans(std::uint64_t now_ms) {
  if (faults_.leaves_scans_open) return;
  for (auto& [node, feed] : feeds_) {
    if (!may_end(feed)) continue;
    feed.scan = Scan::kTold;
    FeedItems ends;
    ends.scan = FeedScan::kEnds;
    send(node, feed, std::move(ends), event_ + 1, now_ms);
  }
}

// ---- leases

void FeedSource::asked(NodeId from, const FeedAskLease& ask, std::uint64_t now_ms) {
  if (feeds_.at(from).scan != Scan::kTold) return;
  // The newest of each node: the ones before it are granted sooner, or not at all.
  constexpr std::ptrdiff_t kAsksOfNodeMax = 4;
  if (std::ranges::count(asks_, from, &Ask::node) >= kAsksOfNodeMax)
    asks_.erase(std::ranges::find(asks_, from, &Ask::node));
  asks_.push_back({from, ask.id, ask.ask, now_ms, 0, {}});
}

bool FeedSource::wants_check(std::uint64_t now_ms) const {
  return now_ms >= check_again_at_ms_ &&
         std::ranges::any_of(asks_, [this](const Ask& ask) { return ask.check == 0 || ask.check > confirmed_; });
}

void FeedSource::check_began(std::uint64_t number, LogIndex index, std::uint64_t now_ms) {
  for (Ask& ask : asks_)
    if (ask.check == 0) ask.check = number, ask.index = index;
  check_under_way_ = number;
  check_again_at_ms_ = now_ms + kCheckAgainMs;
}

// What came meanwhile needs the next one, and at once.
void FeedSource::check_confirmed(std::uint64_t number) {
  confirmed_ = std::max(confirmed_, number);
  if (check_under_way_ <= confirmed_) check_again_at_ms_ = 0;
}

void FeedSource::put_off_check(std::uint64_t now_ms) { check_again_at_ms_ = now_ms + kCheckAgainMs; }

void FeedSource::grant(LogIndex applied, std::uint64_t now_ms) {
  std::erase_if(asks_, [&](const Ask& ask) {
    if (now_ms >= ask.arrived_ms + limits::kFeedLeaseMs) return true;
    if (ask.check == 0 || ask.check > confirmed_ || ask.index > applied) return false;
    const auto feed = feeds_.find(ask.node);
    if (feed == feeds_.end() || feed->second.id != ask.id) return true;
    Lease& lease = leases_[ask.node];
    const std::uint64_t until_ms = ask.arrived_ms + limits::kFeedLeaseMs + limits::kFeedLeaseMarginMs;
    // One of an earlier start of the node may still be out.
    if (lease.id != ask.id && now_ms < lease.until_ms) return true;
    lease = {ask.id, std::max(lease.id == ask.id ? lease.until_ms : 0, until_ms)};
    send_(ask.node, FeedGrant{ask.id, ask.ask, feed->second.number});
    return true;
  });
}

// ---- answers

std::uint64_t FeedSource::told_through(NodeId node, const Lease& lease) const {
  const auto feed = feeds_.find(node);
  if (feed == feeds_.end() || feed->second.id != lease.id) return 0;
  return feed->second.unacked.empty() ? event_ : feed->second.unacked.front().event - 1;
}

bool FeedSource::may_go(std::uint64_t event, std::uint64_t now_ms) const {
  if (faults_.answers_untold) return true;
  return now_ms >= quiet_until_ms_ && std::ranges::all_of(leases_, [&](const auto& one) {
           return now_ms >= one.second.until_ms || told_through(one.first, one.second) >= event;
         });
}

void FeedSource::hold(Answer answer, std::uint64_t now_ms) {
  if (held_.empty() && may_go(event_, now_ms)) return answer();
  held_.push_back({std::move(answer), event_});
}

bool FeedSource::is_full() const { return held_.size() >= limits::kFeedHeldAnswersMax; }

void FeedSource::let_go(std::uint64_t now_ms) {
  std::erase_if(leases_, [now_ms](const auto& one) { return now_ms >= one.second.until_ms; });
  while (!held_.empty() && may_go(held_.front().event, now_ms)) {
    const Answer answer = std::move(held_.front().answer);
    held_.pop_front();
    answer();
  }
}

// ---- time

void FeedSource::go_on(LogIndex applied, std::uint64_t now_ms) {
  if (term_ != Term()) {
    drop_those_behind(now_ms);
    send_again(now_ms);
    grant(applied, now_ms);
    if (faults_.tells_pages_late)
      for (auto& [node, feed] : feeds_)
        if (now_ms >= feed.progress_ms + limits::kFeedResendMs) send_late_page(node, feed, now_ms);
  }
  let_go(now_ms);
}

std::uint64_t FeedSource::wake_at() const {
  std::uint64_t at_ms = UINT64_MAX;
  const auto no_later_than = [&at_ms](std::uint64_t other_ms) { at_ms = std::min(at_ms, other_ms); };
  for (const auto& [node, feed] : feeds_) {
    if (feed.late_page) no_later_than(feed.progress_ms + limits::kFeedResendMs);
    if (node == self_) continue;
    no_later_than(feed.heard_ms + limits::kFeedSilenceMs);
    if (!feed.unacked.empty()) no_later_than(feed.progress_ms + limits::kFeedResendMs);
  }
  if (!asks_.empty() && check_again_at_ms_ != 0) no_later_than(check_again_at_ms_);
  if (!held_.empty()) {
    // The first lease that runs out may be the one that they wait for.
    std::uint64_t first_ms = leases_.empty() ? 0 : UINT64_MAX;
    for (const auto& [node, lease] : leases_) first_ms = std::min(first_ms, lease.until_ms);
    no_later_than(std::max(quiet_until_ms_, first_ms));
  }
  return at_ms == UINT64_MAX ? 0 : at_ms;
}

}  // namespace earshot::actors
