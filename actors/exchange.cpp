#include "actors/exchange.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/question_actor.hpp"
#include "actors/sent_together.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kCompareTicks = 3;       // registrations are compared this often …
constexpr std::uint64_t kCompareAllRounds = 10;  // … and this often also where there should be none

storage::SharedBytes shared(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

std::map<storage::GroupId, std::shared_ptr<cluster::GroupPulse>> new_pulses(std::uint16_t shard_count) {
  std::map<storage::GroupId, std::shared_ptr<cluster::GroupPulse>> pulses;
  for (const storage::GroupId group : storage::groups_of(shard_count))
    pulses.emplace(group, std::make_shared<cluster::GroupPulse>());
  return pulses;
}

}  // namespace

Exchange::Exchange(NodeId self, std::uint16_t shard_count, cluster::Peers& peers, const Clock& clock)
    : self_(self),
      shard_count_(shard_count),
      peers_(peers),
      clock_(clock),
      pulses_(new_pulses(shard_count)),
      calls_(clock.wall_ms() << kCallNumberBits),
      clocks_(std::make_shared<ClockWatch>(clock)) {}

void Exchange::set_up(std::vector<Replica> replicas, std::shared_ptr<LocalSessions> sessions) {
  replicas_ = std::move(replicas);
  sessions_ = std::move(sessions);
  std::vector<std::shared_ptr<ShardInbox>> inboxes;
  for (std::uint16_t shard = 0; shard < shard_count_; ++shard) {
    routes_.push_back(std::make_shared<Route>(ShardId(shard), self_, replicas_[shard].requests, *this, clock_));
    inboxes.push_back(routes_.back());
  }
  router_ = std::make_shared<const Router>(std::move(inboxes));
  is_set_up_.store(true, std::memory_order_release);
  if (feeds_) feeds_->post(FeedNodes{});  // of what came before nobody was told
}

void Exchange::set_nodes(std::vector<NodeId> others, std::vector<NodeId> joining) {
  {
    const std::lock_guard lock(nodes_mutex_);
    for (const NodeId node : others_)
      if (std::ranges::find(others, node) == others.end()) left_.push_back(node);
    others_ = std::move(others);
    joining_ = std::move(joining);
  }
  if (is_set_up_.load(std::memory_order_acquire) && feeds_) feeds_->post(FeedNodes{});
}

std::vector<NodeId> Exchange::others() const {
  const std::lock_guard lock(nodes_mutex_);
  return others_;
}

std::vector<NodeId> Exchange::joining() const {
  const std::lock_guard lock(nodes_mutex_);
  return joining_;
}

// Whoever waits in a route or for a call may hold the way back to it.
void Exchange::forget() {
  meta_ = {};
  router_.reset();
  for (const auto& route : routes_) route->forget();
  calls_.forget();
  routes_.clear();
  replicas_.clear();
  sessions_.reset();
  feeds_.reset();
  questions_.reset();
}

// ---- from the shards of this node

void Exchange::send(ShardId shard, const cluster::PeerMessage& message) {
  peers_.send(message.to, {cluster::PeerTopic::kRaft, shard, shared(message.body)});
}

void Exchange::send_seed(ShardId shard, NodeId to, std::string bytes) {
  peers_.send(to, {cluster::PeerTopic::kSeed, shard, shared(std::move(bytes))});
}

void Exchange::send_feed(ShardId shard, NodeId to, FeedTiding tiding) {
  if (to == self_) return feeds_ ? feeds_->post(FeedDelivery{shard, self_, std::move(tiding)}) : void();
  peers_.send(to, {cluster::PeerTopic::kPlaces, shard, shared(encode(tiding))});
}

void Exchange::send_feed_request(ShardId shard, NodeId to, const FeedRequest& request) {
  cluster::PeerFrame frame{cluster::PeerTopic::kPlaces, shard, shared(encode(request))};
  if (to == self_) return post_to_replica(self_, frame);
  peers_.send(to, std::move(frame));
}

void Exchange::leader_is(ShardId shard, Route::Leader leader) {
  Route& route = *routes_[shard.value];
  const std::uint64_t last_before = calls_.last();
  // One that is found again in its term is no news: its calls are under way still, and what waits for it can go.
  if (!route.set_leader(leader)) return route.try_again();
  spdlog::debug("shard {}: node {} leads in term {}", shard.value, leader.node.value, leader.term.value);
  calls_.lose_shard(shard, last_before, leader.node);
  route.try_again();
  if (feeds_) feeds_->post(FeedLeader{shard, leader.node, leader.term});
  sessions_->announce(LeaderAnnounced{shard, leader.term});
  if (leader.node != self_) return;
  for (const NodeId node : others()) announce(node, shard, leader.term);
}

void Exchange::announce(NodeId to, ShardId shard, Term term, bool again) {
  LeaderAnnounced leader{shard, term, again};
  {
    const std::lock_guard lock(pushes_mutex_);
    const auto last = pushes_.find({shard, to});
    if (last != pushes_.end() && last->second.term == term) leader.pushes = last->second.number;
  }
  const PortAddress node{to, 0, 0};
  answer(node, encode_answer(node, leader));
}

PushMark Exchange::next_push(ShardId shard, NodeId to) {
  const Term term = routes_[shard.value]->leader().term;
  const std::lock_guard lock(pushes_mutex_);
  PushMark& last = pushes_[{shard, to}];
  if (last.term != term) last = {shard, term, 0};
  ++last.number;
  return last;
}

void Exchange::compared(ShardId shard, NodeId node, bool again) {
  const Route::Leader leader = routes_[shard.value]->leader();
  if (leader.node == self_) announce(node, shard, leader.term, again);
}

void Exchange::tick() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const std::uint64_t waits_ms = 2 * limits::kRequestTimeoutMs;
  if (now_ms > waits_ms) calls_.lose_older_than(now_ms - waits_ms);
  for (const auto& route : routes_) route->try_again();
  tell_of_doubts();
  if (++ticks_ % kCompareTicks == 0) compare_registrations();
  ask_who_leads();
  for (const NodeId node : others()) tell_time(node);
  compare_clocks();
  look_at_nodes(now_ms);
}

void Exchange::tell_time(NodeId node) {
  const std::uint64_t wall_ms = clock_.wall_ms();
  if (!clocks_->is_steady(wall_ms, clock_.monotonic_ms())) return;
  peers_.send(node, {cluster::PeerTopic::kClock, storage::kMetaGroup, shared(encode_wall_clock(wall_ms))});
}

void Exchange::compare_clocks() {
  const std::uint64_t wall_ms = clock_.wall_ms();
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (!clocks_->look(others().size(), wall_ms, now_ms)) return;
  if (const auto others_ms = clocks_->others_ms(now_ms)) {
    spdlog::warn("the wall clock is {} ms away from those of most other nodes: no ticks from here, nothing expires",
                 static_cast<std::int64_t>(wall_ms - *others_ms));
  } else if (clocks_->is_in_doubt()) {
    spdlog::warn(
        "the wall clock is away from those of most other nodes that tell theirs, which are too few to go by: no ticks "
        "from here, nothing expires");
  } else {
    spdlog::info("the wall clock is not in doubt any more by those of other nodes");
  }
}

void Exchange::look_at_nodes(std::uint64_t now_ms) {
  const auto is_up = [this](NodeId node) { return peers_.is_up(node); };
  const auto look = watch_.look(others(), joining(), is_up, is_leader_out_of_reach(now_ms), now_ms);
  if (look.should_send_away) {
    spdlog::warn("this node {}: its clients are asked to go to others",
                 look.is_cut_off ? "is cut off from most of its cluster"
                                 : "does not reach one that leads shards, and others do");
    sessions_->send_away(is_up, limits::kCutOffLeaveMs);
  }
  if (ticks_ % kCompareTicks != 0) return;
  for (const NodeId node : look.gone) forget_sessions_of(node);
  // Nobody looks at these any more, however short they were gone.
  for (const NodeId node : take_left()) forget_sessions_of(node);
}

// Who died is not followed for long.
bool Exchange::is_leader_out_of_reach(std::uint64_t now_ms) {
  std::map<ShardId, Followed> followed;
  {
    const std::lock_guard lock(nodes_mutex_);
    std::erase_if(followed_, [now_ms](const auto& one) { return now_ms - one.second.told_ms > limits::kFollowedMs; });
    followed = followed_;
  }
  return std::ranges::any_of(followed, [this](const auto& one) {
    const Route::Leader known = routes_[one.first.value]->leader();
    const Route::Leader& followed = one.second.leader;
    const bool is_over = known.node != NodeId() && known.term > followed.term;
    return !is_over && followed.node != self_ && !peers_.is_up(followed.node);
  });
}

void Exchange::follows(ShardId shard, Route::Leader leader, NodeId asked_by) {
  if (leader.node == asked_by || !peers_.is_up(leader.node)) return;
  const PortAddress to{asked_by, 0, 0};
  answer(to, encode_answer(to, LeaderFollowed{shard, leader.term, leader.node}));
}

std::vector<NodeId> Exchange::take_left() {
  const std::lock_guard lock(nodes_mutex_);
  return std::exchange(left_, {});
}

// As if the node had said that it has none. When it is back it says what it has, and they register again.
void Exchange::forget_sessions_of(NodeId node) {
  const storage::SharedBytes none = shared(encode_registrations({}));
  for (std::uint16_t shard = 0; shard < shard_count_; ++shard)
    if (routes_[shard]->leader().node == self_)
      post_to_replica(node, {cluster::PeerTopic::kCluster, ShardId(shard), none});
}

// With every leader elsewhere that has, or should have, registrations of this node; with all others now and then, who
// may have some that are none any more.
void Exchange::compare_registrations() {
  const bool all = ticks_ % (kCompareTicks * kCompareAllRounds) == 0;
  for (std::uint16_t shard = 0; shard < shard_count_; ++shard) {
    const NodeId leader = routes_[shard]->leader().node;
    if (leader == NodeId() || leader == self_) continue;
    const RegistrationDigest digest = sessions_->registrations(ShardId(shard));
    if (!all && digest.count() == 0) continue;
    send_digest(ShardId(shard), leader, digest);
  }
}

void Exchange::send_digest(ShardId shard, NodeId to, const RegistrationDigest& digest) {
  peers_.send(to, {cluster::PeerTopic::kCluster, shard, shared(encode_registrations(digest))});
}

// A leader says so once to each node. Where that was missed, or is not believed any more (Route::not_led_by), or a
// replica that is no member any more has lost sight of it, nobody says it again until the next election: so everybody
// is asked, and a leader answers; and where the link to it is gone, whoever follows it.
void Exchange::ask_who_leads() {
  for (std::uint16_t shard = 0; shard < shard_count_; ++shard) {
    const NodeId leader = routes_[shard]->leader().node;
    if (leader == self_ || (leader != NodeId() && peers_.is_up(leader))) continue;
    const RegistrationDigest digest = sessions_->registrations(ShardId(shard));
    for (const NodeId node : others()) send_digest(ShardId(shard), node, digest);
  }
}

// ---- from other nodes

void Exchange::received(NodeId from, std::span<cluster::PeerFrame> frames) {
  if (!is_set_up_.load(std::memory_order_acquire)) return;
  const SentTogether together;
  for (cluster::PeerFrame& frame : frames) take(from, frame);
}

void Exchange::take(NodeId from, cluster::PeerFrame& frame) {
  switch (frame.topic) {
    case cluster::PeerTopic::kAnswer: return answered(from, *frame.body);
    case cluster::PeerTopic::kRaft:
    case cluster::PeerTopic::kCall:
    case cluster::PeerTopic::kSeed:
    case cluster::PeerTopic::kCluster: return post_to_replica(from, frame);
    case cluster::PeerTopic::kPlaces:
      if (is_feed_request(*frame.body)) return post_to_replica(from, frame);
      if (feeds_) feeds_->post(FeedFrame{frame.group, from, std::move(frame.body)});
      return;
    case cluster::PeerTopic::kPulses: return take_pulse(from, *frame.body);
    case cluster::PeerTopic::kClock: return take_time(from, *frame.body);
    case cluster::PeerTopic::kQuestions:
      if (questions_) questions_->received(from, std::move(frame.body));
      return;
  }
}

void Exchange::send_pulses() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  for (const NodeId node : others()) {
    cluster::Pulse pulse;
    for (const auto& [group, of_group] : pulses_) {
      cluster::GroupBeat beat{group, {}, {}};
      if (of_group->beats_for(node, now_ms, beat)) pulse.beats.push_back(beat);
    }
    if (!pulse.beats.empty()) send_pulse(node, pulse);
  }
}

void Exchange::send_pulse(NodeId to, const cluster::Pulse& pulse) {
  peers_.send(to, {cluster::PeerTopic::kPulses, storage::kMetaGroup, shared(encode(pulse))});
}

void Exchange::take_pulse(NodeId from, std::string_view bytes) {
  const auto pulse = cluster::decode_pulse(bytes);
  if (!pulse) {
    malformed_.fetch_add(1, std::memory_order_relaxed);
    spdlog::warn("a pulse of node {} is dropped: {}", from.value, pulse.error().to_string());
    return;
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  cluster::Pulse answer{.is_answer = true, .beats = {}};
  for (const cluster::GroupBeat& beat : pulse->beats) {
    const auto of_group = pulses_.find(beat.group);
    if (of_group == pulses_.end()) continue;
    if (of_group->second->heard(from, beat, !pulse->is_answer, now_ms)) answer.beats.push_back(beat);
  }
  if (!pulse->is_answer && !answer.beats.empty()) send_pulse(from, answer);
}

void Exchange::take_time(NodeId from, std::string_view bytes) {
  const auto wall_ms = decode_wall_clock(bytes);
  if (!wall_ms) {
    malformed_.fetch_add(1, std::memory_order_relaxed);
    spdlog::warn("the time that node {} tells is dropped: {}", from.value, wall_ms.error().to_string());
    return;
  }
  if (clocks_->told(from, *wall_ms, clock_.monotonic_ms())) compare_clocks();
}

// Of one that this node has no replica of: whoever sent it learns better.
void Exchange::post_to_replica(NodeId from, const cluster::PeerFrame& frame) {
  if (ReplicaInbox* const inbox = replica(frame.group)) inbox->post(FromPeer{from, frame.topic, frame.body});
}

ReplicaInbox* Exchange::replica(storage::GroupId group) const {
  if (group == storage::kMetaGroup) return meta_.from_peers.get();
  return group.value < replicas_.size() ? replicas_[group.value].from_peers.get() : nullptr;
}

void Exchange::asked(std::string request, std::function<void(std::string)> answer) {
  if (is_set_up_.load(std::memory_order_acquire) && meta_.join) meta_.join(std::move(request), std::move(answer));
}

void Exchange::announced(NodeId from, const LeaderAnnounced& leader) {
  leader_is(leader.shard, Route::Leader{from, leader.term});
  if (routes_[leader.shard.value]->leader() != Route::Leader{from, leader.term}) return;
  const std::lock_guard lock(pushes_mutex_);
  const bool is_missed = watches_[leader.shard].last_is(leader.term, leader.pushes);
  if (is_missed || leader.again) doubted_.insert(leader.shard);
}

void Exchange::told_of(const LeaderFollowed& leader) {
  const std::lock_guard lock(nodes_mutex_);
  followed_[leader.shard] = {{leader.leader, leader.term}, clock_.monotonic_ms()};
}

// A session sees by itself what it missed before the push that has come; others of the shard do not.
void Exchange::pushed(const PushMark& mark) {
  const std::lock_guard lock(pushes_mutex_);
  if (watches_[mark.shard].arrived(mark.term, mark.number)) doubted_.insert(mark.shard);
}

// Once for all that was missed meanwhile: what is only late is missed as well, and what it brings about may be, too.
void Exchange::tell_of_doubts() {
  std::set<ShardId> doubted;
  {
    const std::lock_guard lock(pushes_mutex_);
    doubted.swap(doubted_);
  }
  for (const ShardId shard : doubted) {
    const Route::Leader leader = routes_[shard.value]->leader();
    if (leader.node != NodeId() && leader.node != self_) sessions_->announce(LeaderAnnounced{shard, leader.term, true});
  }
}

void Exchange::link_up(NodeId node) {
  if (!is_set_up_.load(std::memory_order_acquire)) return;
  tell_time(node);
  if (questions_) questions_->link_changed(node);
  if (feeds_) feeds_->post(FeedNodes{});
  for (std::uint16_t shard = 0; shard < shard_count_; ++shard) {
    const Route::Leader leader = routes_[shard]->leader();
    if (leader.node == self_) announce(node, ShardId(shard), leader.term);
    if (leader.node != node) continue;
    routes_[shard]->try_again();
    const std::lock_guard lock(pushes_mutex_);
    doubted_.insert(ShardId(shard));  // what was on its way when the link broke is lost
  }
}

void Exchange::link_down(NodeId node) {
  calls_.lose_node(node);
  if (!is_set_up_.load(std::memory_order_acquire)) return;
  if (questions_) questions_->link_changed(node);
  if (feeds_) feeds_->post(FeedNodes{});
}

}  // namespace earshot::actors
