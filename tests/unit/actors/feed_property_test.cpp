#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actors/feed_intake.hpp"
#include "actors/feed_source.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "places/layer.hpp"

// A leader and the nodes that it feeds, over a network that loses, doubles and delays, with changes of leaders and of
// views. Held against the model: whoever has a live lease knows of all that was answered, and at rest everybody knows
// exactly those who are in its regions.
namespace earshot::actors {
namespace {

const LayerId kLayer = LayerId::trusted("people");
constexpr ShardId kShard{3};
constexpr std::size_t kMembers = 12;
constexpr std::size_t kPage = 4;

struct Known {
  double score = 0;
  std::uint64_t version = 0;
  bool is_told = false;
};

// What a node's places make of what its intake takes in (places/layer.hpp), without layers.
class Node final : public FeedTaker {
 public:
  Node(NodeId id, const FeedFaults& faults, std::function<void(NodeId, NodeId, FeedRequest)> send)
      : self(id), intake(kShard, id.value << 40, *this, faults), send_(std::move(send)) {}

  void send(ShardId, NodeId to, FeedRequest request) override { send_(self, to, std::move(request)); }
  void lost(ShardId) override {}
  void scan_begins(ShardId) override {
    for (auto& [name, known] : members) known.is_told = false;
  }
  void scan_ends(ShardId, bool) override {
    std::erase_if(members, [](const auto& one) { return !one.second.is_told; });
  }
  void moved(ShardId, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) override {
    for (const auto& clear : cleared)
      std::erase_if(members, [&](const auto& one) { return one.second.version <= clear.version; });
    for (const auto& move : moves) take(move);
  }
  void page(ShardId, const FeedId& feed, std::vector<cluster::Move> moves) override {
    for (const auto& move : moves) take(move);
    pages.push_back(feed);
  }
  void privacies(ShardId, const std::vector<cluster::PrivacyChange>&) override {}
  void gives_no_feed(ShardId, NodeId) override {}

  const NodeId self;
  FeedIntake intake;
  std::map<std::string, Known> members;
  std::vector<FeedId> pages;  // that the cells have not taken in

 private:
  void take(const cluster::Move& move) {
    const auto known = members.find(move.member);
    if (known != members.end()) known->second.is_told = true;
    if (known != members.end() && move.version < known->second.version) return;
    if (!move.score || move.elsewhere)
      members.erase(move.member);
    else
      members[move.member] = {*move.score, move.version, true};
  }

  const std::function<void(NodeId, NodeId, FeedRequest)> send_;
};

class World {
 public:
  World(std::uint64_t seed, const FeedFaults& faults) : random_(seed), faults_(faults) {
    for (std::uint64_t id = 1; id <= 3; ++id)
      nodes_.push_back(std::make_unique<Node>(NodeId(id), faults, [this](NodeId from, NodeId to, FeedRequest request) {
        post(from, to, [this, from, to, request] { arrive(from, to, request); });
      }));
    elect();
    for (auto& node : nodes_) node->intake.view_is(view_, now_ms_);
  }

  // What is wrong; none: nothing.
  std::optional<std::string> run() {
    for (int step = 0; step < 1'500 && !wrong_; ++step) act();
    is_calm_ = true;
    for (auto& node : nodes_) node->intake.leader_is(leader_, term_, now_ms_);
    for (int step = 0; step < 1'500 && !wrong_; ++step) pass(10);
    for (auto& node : nodes_)
      if (!wrong_) check_at_rest(*node);
    if (!wrong_ && source_->held() > 0) wrong_ = "answers are held for ever";
    if (!wrong_ && answered_ == 0) wrong_ = "nothing was ever answered";
    if (!wrong_ && exact_ == 0) wrong_ = "nobody was ever exact";
    return wrong_;
  }

 private:
  void act() {
    const std::uint64_t what = random_.below(1'000);
    if (what < 200) change();
    if (what >= 200 && what < 260) wants_lease_ = !wants_lease_;
    if (what >= 260 && what < 263) elect();
    if (what >= 263 && what < 266) change_view();
    if (what >= 266 && what < 272) drop_rate_ = random_.below(4) * 15;
    pass(random_.between(1, 40));
  }
  void change() {
    const std::string name = "m" + std::to_string(random_.below(kMembers));
    cluster::Move move{kLayer, name, std::nullopt, ++version_};
    std::vector<cluster::Move> moves;
    std::vector<cluster::ClearedLayer> cleared;
    if (random_.chance(0.05)) {
      state_.clear();
      for (std::size_t i = 0; i < kMembers; ++i) last_["m" + std::to_string(i)] = version_;
      cleared.push_back({kLayer, version_});
    } else {
      if (random_.chance(0.8)) move.score = static_cast<double>(random_.below(1ull << 52));
      if (move.score)
        state_[name] = {*move.score, version_, false};
      else
        state_.erase(name);
      last_[name] = version_;
      moves.push_back(move);
    }
    source_->tell(moves, cleared, now_ms_);
    source_->hold(
        [this, last = last_] {
          ++answered_;
          for (const auto& [one, version] : last) known_[one] = std::max(known_[one], version);
        },
        now_ms_);
  }
  // The one before goes on for a while without knowing, and answers nothing new.
  void elect() {
    term_ = term_.next();
    leader_ = NodeId(random_.between(1, 3));
    if (source_) old_.push_back(std::move(source_));
    source_ = std::make_unique<FeedSource>(
        leader_,
        [this, from = leader_](NodeId to, FeedTiding tiding) {
          post(from, to, [this, from, to, tiding] { at(to).intake.handle(from, tiding, now_ms_); });
        },
        faults_);
    checks_ = confirmed_ = 0;
    source_->lead(term_, now_ms_);
    source_->caught_up();
    for (auto& node : nodes_)
      post(NodeId(), node->self, [this, id = node->self, leader = leader_, term = term_] {
        if (term == term_) at(id).intake.leader_is(leader, term, now_ms_);
      });
  }
  void change_view() {
    view_.clear();
    for (std::uint64_t id = 1; id <= 3; ++id)
      if (random_.chance(0.7)) view_.emplace_back(id);
    if (view_.empty()) view_ = {NodeId(1)};
    for (auto& node : nodes_) node->intake.view_is(view_, now_ms_);
  }

  void pass(std::uint64_t ms) {
    now_ms_ += ms;
    while (!wrong_ && !way_.empty() && way_.begin()->first <= now_ms_) {
      const auto arrive = std::move(way_.begin()->second);
      way_.erase(way_.begin());
      arrive();
      settle();
    }
    for (auto& node : nodes_) {
      node->intake.wake(now_ms_);
      for (const FeedId& page : std::exchange(node->pages, {})) node->intake.page_taken(page);
      if (wants_lease_ && random_.chance(0.3)) node->intake.ask_lease(now_ms_);
    }
    settle();
  }
  void settle() {
    while (const auto wanted = source_->wanted()) {
      if (wanted->is_first) {
        source_->begin_scan(wanted->node, {}, now_ms_);
        continue;
      }
      std::vector<cluster::Move> moves;
      auto member = state_.lower_bound(wanted->from);
      for (; member != state_.end() && moves.size() < kPage; ++member)
        moves.push_back({kLayer, member->first, member->second.score, member->second.version});
      source_->page(wanted->node, std::move(moves), member == state_.end() ? "" : member->first, now_ms_);
    }
    source_->end_scans(now_ms_);
    if (source_->wants_check(now_ms_)) {
      source_->check_began(++checks_, LogIndex(1), now_ms_);
      post(NodeId(), leader_, [this, number = checks_, term = term_] {
        if (term == term_) source_->check_confirmed(number);
      });
    }
    source_->go_on(LogIndex(1), now_ms_);
    for (auto& old : old_) old->go_on(LogIndex(1), now_ms_);
    if (old_.size() > 2) old_.erase(old_.begin());
    for (auto& node : nodes_) check_exact(*node);
  }
  void check_exact(Node& node) {
    if (wrong_ || now_ms_ >= node.intake.lease_until_ms()) return;
    ++exact_;
    for (const auto& [name, version] : known_) {
      const auto now = state_.find(name);
      // Only what has not been changed since can be judged.
      if (last_[name] != version) continue;
      const bool is_its_own = now != state_.end() && owns(node, now->second.score);
      const auto seen = node.members.find(name);
      const bool is_seen = seen != node.members.end() && (!is_its_own || seen->second.version == version);
      if (is_seen != is_its_own) wrong_ = "node " + std::to_string(node.self.value) + " is exact about " + name;
    }
  }
  void check_at_rest(Node& node) {
    if (!node.intake.is_whole()) wrong_ = "a scan never ends";
    for (std::size_t i = 0; i < kMembers && !wrong_; ++i) {
      const std::string name = "m" + std::to_string(i);
      const auto now = state_.find(name);
      const auto seen = node.members.find(name);
      const bool is_its_own = now != state_.end() && owns(node, now->second.score);
      if (is_its_own != (seen != node.members.end()) || (is_its_own && seen->second.version != now->second.version))
        wrong_ = "node " + std::to_string(node.self.value) + " does not know where " + name + " is";
    }
  }
  [[nodiscard]] bool owns(const Node& node, double score) const {
    return cluster::CellMap(view_).owner(kLayer, cluster::region_of(*places::place_of(score))) == node.self;
  }

  void arrive(NodeId from, NodeId to, const FeedRequest& request) {
    if (to == leader_) source_->handle(from, request, now_ms_);
  }
  // Within a node nothing gets lost, nor late.
  void post(NodeId from, NodeId to, std::function<void()> arrive) {
    if (from == to) return void(way_.emplace(now_ms_, std::move(arrive)));
    if (!is_calm_ && random_.below(100) < drop_rate_) return;
    const auto delay = [this]() -> std::uint64_t {
      // As links do that are well: a frame that overtakes another is dropped, and comes again much later.
      if (is_calm_) return 10;
      return random_.chance(0.1) ? random_.between(0, 600) : random_.below(20);
    };
    if (!is_calm_ && random_.chance(0.1)) way_.emplace(now_ms_ + delay(), arrive);
    way_.emplace(now_ms_ + delay(), std::move(arrive));
  }
  Node& at(NodeId id) { return *nodes_[id.value - 1]; }

  Random random_;
  const FeedFaults faults_;
  std::uint64_t now_ms_ = 10'000;
  std::uint64_t drop_rate_ = 0;  // percent
  bool is_calm_ = false;
  bool wants_lease_ = true;
  std::vector<NodeId> view_{NodeId(1), NodeId(2), NodeId(3)};
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<FeedSource> source_;
  std::vector<std::unique_ptr<FeedSource>> old_;
  NodeId leader_;
  Term term_;
  std::uint64_t checks_ = 0;
  std::uint64_t confirmed_ = 0;
  std::multimap<std::uint64_t, std::function<void()>> way_;
  std::map<std::string, Known> state_;
  std::map<std::string, std::uint64_t> last_;   // version of each member's last change
  std::map<std::string, std::uint64_t> known_;  // … that was answered
  std::uint64_t version_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t exact_ = 0;
  std::optional<std::string> wrong_;
};

TEST(FeedProperty, WhoeverIsExactKnowsAllThatWasAnswered) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const auto wrong = World(seed, {}).run();
    EXPECT_EQ(wrong, std::nullopt) << *wrong << ", seed " << seed;
  }
}

bool is_seen(const FeedFaults& faults) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    if (World(seed, faults).run()) return true;
  return false;
}

// The test above can fail.
TEST(FeedProperty, EachPlantedBugIsSeen) {
  EXPECT_TRUE(is_seen({.answers_untold = true}));
  EXPECT_TRUE(is_seen({.keeps_leases = true}));
  EXPECT_TRUE(is_seen({.tells_pages_late = true}));
}

}  // namespace
}  // namespace earshot::actors
