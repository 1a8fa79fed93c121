#include "actors/feed_desk.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include "actors/feed_intake.hpp"
#include "actors/interfaces.hpp"
#include "actors/timer_ladder.hpp"
#include "base/checksum.hpp"
#include "base/limits.hpp"

namespace earshot::actors {

// ---- FeedExactness

std::uint64_t FeedExactness::was_asked_at() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  asked_at_ms_.store(now_ms, std::memory_order_relaxed);
  if (!is_awake_.exchange(true)) {
    const std::lock_guard lock(mutex_);
    if (wake_) wake_();
  }
  return now_ms;
}

FeedExactness::Waiting FeedExactness::when_exact(std::function<void()> then) {
  if (is_exact_now()) {
    then();
    return nullptr;
  }
  Waiting waiting = completion_.when_complete(std::move(then));
  // It may have become so before anybody knew that this one waits.
  if (waiting && is_exact_now()) {
    const std::lock_guard lock(mutex_);
    if (wake_) wake_();
  }
  return waiting;
}

std::vector<bool> FeedExactness::exact_shards() const {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  std::vector<bool> exact;
  exact.reserve(until_ms_.size());
  for (const auto& until_ms : until_ms_) exact.push_back(now_ms < until_ms.load(std::memory_order_acquire));
  return exact;
}

void FeedExactness::forgot(std::uint64_t left_ms) {
  std::uint64_t known_ms = followed_since_ms_.load();
  while (known_ms < left_ms && !followed_since_ms_.compare_exchange_weak(known_ms, left_ms)) {
  }
}

std::shared_ptr<const cluster::CellMap> FeedExactness::cells() const {
  const std::lock_guard lock(mutex_);
  return cells_;
}

void FeedExactness::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
  if (wake_ && is_awake_) wake_();
}

void FeedExactness::set_exact_until(std::uint64_t until_ms) {
  exact_until_ms_.store(until_ms, std::memory_order_release);
  if (clock_.monotonic_ms() >= until_ms) return;
  completion_.set(true);
  completion_.set(false);
}

void FeedExactness::set_view(std::vector<NodeId> view) {
  exact_until_ms_.store(0, std::memory_order_release);
  for (auto& until_ms : until_ms_) until_ms.store(0, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  cells_ = std::make_shared<const cluster::CellMap>(std::move(view));
}

bool FeedExactness::is_wanted() {
  const auto asked_lately = [this] {
    return clock_.monotonic_ms() < asked_at_ms_.load(std::memory_order_relaxed) + limits::kFeedLeaseIdleMs;
  };
  if (!is_awake_) return false;
  if (asked_lately()) return true;
  is_awake_ = false;
  // Whoever asked in between found it awake.
  return asked_lately() && !is_awake_.exchange(true);
}

void FeedExactness::end() {
  set_wake(nullptr);
  exact_until_ms_.store(0, std::memory_order_release);
  completion_.forget();
}

// ---- the desk

namespace {

class FeedDesk final : public caf::event_based_actor, private FeedTaker {
 public:
  FeedDesk(caf::actor_config& config, FeedDeskSetup setup)
      : caf::event_based_actor(config), setup_(std::move(setup)), places_(setup_.places) {}

  const char* name() const override { return "feed-desk"; }

 private:
  caf::behavior make_behavior() override;
  void on_exit() override {
    if (setup_.exactness) setup_.exactness->end();
    intakes_.clear();
    places_.reset();
    setup_ = {};
  }

  // ---- FeedTaker
  void send(ShardId shard, NodeId to, FeedRequest request) override {
    setup_.exchange->send_feed_request(shard, to, request);
  }
  void lost(ShardId shard) override { places_->lost(shard); }
  void scan_begins(ShardId shard) override { places_->scan_begins(shard); }
  // Before anybody can see what the scan has made of those who are followed.
  void scan_ends(ShardId shard, bool tells_late) override {
    if (!tells_late) setup_.exactness->forgot(setup_.clock->monotonic_ms());
    places_->scan_ends(shard);
  }
  void moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) override {
    places_->moved(shard, std::move(moves), std::move(cleared));
  }
  void page(ShardId shard, const FeedId& feed, std::vector<cluster::Move> moves) override {
    const auto taken = [desk = caf::actor_cast<caf::actor>(this), shard, feed](const void*) {
      caf::anon_send(desk, FeedPageTaken{shard, feed});
    };
    places_->page(shard, std::move(moves), places::UntilTaken(nullptr, taken));
  }
  void privacies(ShardId, const std::vector<cluster::PrivacyChange>& changes) override { places_->privacies(changes); }
  void gives_no_feed(ShardId shard, NodeId leader) override { setup_.exchange->is_not_led_by(shard, leader); }

  template <class Act>
  void with(ShardId shard, Act act) {
    if (shard.value >= intakes_.size()) return;
    const std::uint64_t now_ms = setup_.clock->monotonic_ms();
    FeedIntake& intake = intakes_[shard.value];
    const bool was_whole = intake.is_whole();
    act(intake, now_ms);
    if (!was_whole && intake.is_whole() && lease_at_ms_ != 0) intake.ask_lease(now_ms);
    settle(now_ms);
  }
  void wake();
  void look_at_nodes(std::uint64_t now_ms);
  void renew_leases(std::uint64_t now_ms);
  void settle(std::uint64_t now_ms);
  void arm_timer(std::uint64_t now_ms);

  FeedDeskSetup setup_;
  std::shared_ptr<Places> places_;
  std::vector<FeedIntake> intakes_;  // by shard
  // Of another node: whether there is a link to it, and if not, until when it is taken for live.
  struct Standing {
    bool is_linked = true;
    std::uint64_t until_ms = 0;
  };
  std::map<NodeId, Standing> others_;
  std::vector<NodeId> view_;
  std::uint64_t look_at_ms_ = 0;   // at the others: then one of them is no longer taken for live; 0: nobody
  std::uint64_t lease_at_ms_ = 0;  // leases are asked for then; 0: nobody wants any
  std::uint64_t exact_until_ms_ = 0;
  TimerLadder timers_;
};

caf::behavior FeedDesk::make_behavior() {
  const std::uint64_t now_ms = setup_.clock->monotonic_ms();
  view_ = {setup_.self};
  const std::uint64_t first_subscription = checksum_of("feeds", setup_.random) << 32;
  intakes_.reserve(setup_.shard_count);
  for (std::uint16_t shard = 0; shard < setup_.shard_count; ++shard) {
    intakes_.emplace_back(ShardId(shard), first_subscription, static_cast<FeedTaker&>(*this), setup_.faults);
    intakes_.back().view_is(view_, now_ms);
  }
  look_at_nodes(now_ms);
  setup_.exactness->set_wake([desk = caf::actor_cast<caf::actor_addr>(this)] {
    if (const auto actor = caf::actor_cast<caf::actor>(desk)) caf::anon_send(actor, FeedWanted{});
  });
  settle(now_ms);
  return {
      [this](const FeedDelivery& message) {
        with(message.shard,
             [&](FeedIntake& intake, std::uint64_t at_ms) { intake.handle(message.from, message.tiding, at_ms); });
      },
      [this](const FeedFrame& message) {
        const auto tiding = decode_feed_tiding(*message.body);
        if (!tiding) {
          spdlog::warn("what node {} tells of places is dropped: {}", message.from.value, tiding.error().to_string());
          return;
        }
        with(message.shard,
             [&](FeedIntake& intake, std::uint64_t at_ms) { intake.handle(message.from, *tiding, at_ms); });
      },
      [this](const FeedLeader& message) {
        with(message.shard,
             [&](FeedIntake& intake, std::uint64_t at_ms) { intake.leader_is(message.leader, message.term, at_ms); });
      },
      [this](const FeedPageTaken& message) {
        with(message.shard, [&](FeedIntake& intake, std::uint64_t) { intake.page_taken(message.feed); });
      },
      [this](FeedNodes) {
        const std::uint64_t at_ms = setup_.clock->monotonic_ms();
        look_at_nodes(at_ms);
        settle(at_ms);
      },
      [this](FeedWanted) {
        const std::uint64_t at_ms = setup_.clock->monotonic_ms();
        if (lease_at_ms_ == 0) lease_at_ms_ = at_ms;
        exact_until_ms_ = 0;  // said again, to whoever has begun to wait
        wake();
      },
      [this](const TimerFired& timer) {
        timers_.fired(timer.number);
        wake();
      },
      [this](StopWriter) { quit(); },
  };
}

void FeedDesk::wake() {
  const std::uint64_t now_ms = setup_.clock->monotonic_ms();
  if (look_at_ms_ != 0 && now_ms >= look_at_ms_) look_at_nodes(now_ms);
  for (FeedIntake& intake : intakes_) intake.wake(now_ms);
  renew_leases(now_ms);
  settle(now_ms);
}

// One that is not linked for a while has no regions, until it is linked again; a new one has that long for it.
void FeedDesk::look_at_nodes(std::uint64_t now_ms) {
  look_at_ms_ = 0;
  std::vector<NodeId> view{setup_.self};
  std::map<NodeId, Standing> others;
  for (const NodeId node : setup_.exchange->others()) {
    const auto known = others_.find(node);
    Standing& standing = others[node];
    standing = {setup_.peers->is_up(node), now_ms + limits::kFeedViewMs};
    if (!standing.is_linked && known != others_.end() && !known->second.is_linked)
      standing.until_ms = known->second.until_ms;
    if (!standing.is_linked && now_ms >= standing.until_ms) continue;
    view.push_back(node);
    if (standing.is_linked) continue;
    look_at_ms_ = look_at_ms_ == 0 ? standing.until_ms : std::min(look_at_ms_, standing.until_ms);
  }
  others_ = std::move(others);
  std::ranges::sort(view);
  if (view == view_) return;
  view_ = std::move(view);
  exact_until_ms_ = 0;
  setup_.exactness->set_view(view_);
  for (FeedIntake& intake : intakes_) intake.view_is(view_, now_ms);
}

void FeedDesk::renew_leases(std::uint64_t now_ms) {
  if (lease_at_ms_ == 0 || now_ms < lease_at_ms_) return;
  lease_at_ms_ = setup_.exactness->is_wanted() ? now_ms + limits::kFeedLeaseRenewMs : 0;
  if (lease_at_ms_ == 0) return;
  for (FeedIntake& intake : intakes_) intake.ask_lease(now_ms);
}

void FeedDesk::settle(std::uint64_t now_ms) {
  std::uint64_t until_ms = UINT64_MAX;
  for (std::size_t shard = 0; shard < intakes_.size(); ++shard) {
    const std::uint64_t of_shard_ms = intakes_[shard].lease_until_ms();
    setup_.exactness->set_exact_until(ShardId(static_cast<std::uint16_t>(shard)), of_shard_ms);
    until_ms = std::min(until_ms, of_shard_ms);
  }
  if (until_ms != exact_until_ms_) setup_.exactness->set_exact_until(until_ms);
  exact_until_ms_ = until_ms;
  arm_timer(now_ms);
}

void FeedDesk::arm_timer(std::uint64_t now_ms) {
  std::uint64_t at_ms = UINT64_MAX;
  for (const std::uint64_t wanted_ms : {look_at_ms_, lease_at_ms_})
    if (wanted_ms != 0) at_ms = std::min(at_ms, wanted_ms);
  for (const FeedIntake& intake : intakes_)
    if (intake.wake_at() != 0) at_ms = std::min(at_ms, intake.wake_at());
  if (at_ms == UINT64_MAX) return;
  const auto armed_ms = timers_.want(at_ms, now_ms);
  if (armed_ms) delayed_send(this, std::chrono::milliseconds(*armed_ms - now_ms), TimerFired{*armed_ms});
}

class ActorFeedInbox final : public FeedInbox {
 public:
  explicit ActorFeedInbox(caf::actor desk) : desk_(std::move(desk)) {}
  void post(FeedDelivery message) override { caf::anon_send(desk_, std::move(message)); }
  void post(FeedFrame message) override { caf::anon_send(desk_, std::move(message)); }
  void post(FeedLeader message) override { caf::anon_send(desk_, message); }
  void post(FeedNodes message) override { caf::anon_send(desk_, message); }

 private:
  const caf::actor desk_;
};

}  // namespace

caf::actor spawn_feed_desk(caf::actor_system& system, FeedDeskSetup setup) {
  return system.spawn<FeedDesk>(std::move(setup));
}

std::shared_ptr<FeedInbox> feed_inbox(caf::actor desk) { return std::make_shared<ActorFeedInbox>(std::move(desk)); }

}  // namespace earshot::actors
