#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "cluster/group_keeper.hpp"
#include "tests/support/seed.hpp"

// From any members to any wanted ones, through a model of a group whose nodes come and go, whose leaders change, and
// whose changes are refused or get lost.
namespace earshot::cluster {
namespace {

using Kind = GroupStep::Kind;
constexpr std::uint64_t kNodes = 8;
constexpr std::uint64_t kStepMs = 500;

class ModelGroup {
 public:
  explicit ModelGroup(std::uint64_t seed) : random_(seed) {
    std::vector<std::uint64_t> ids(kNodes);
    for (std::uint64_t i = 0; i < kNodes; ++i) ids[i] = i + 1;
    shuffle(ids);
    const std::uint64_t voters = 1 + random_.below(5);
    const std::uint64_t standbys = random_.below(3);
    for (std::uint64_t i = 0; i < voters + standbys; ++i)
      members_.push_back({NodeId(ids[i]), "node-" + std::to_string(ids[i]), i < voters});
    shuffle(ids);
    for (std::uint64_t i = 0, count = 1 + random_.below(5); i < count; ++i)
      wanted_.push_back({NodeId(ids[i]), i == 0 || random_.chance(0.9)});
    elect();
  }

  // Some time goes by, with faults or without.
  void go_on(bool with_faults) {
    now_ms_ += kStepMs;
    if (with_faults) {
      disturb();
    } else {
      dead_.clear();
      losses_ = 0;
    }
    for (auto& [node, lag] : lag_) lag = lag > 200 ? lag - 200 : 0;
    if (leader_ && !can_commit()) leader_.reset();
    if (!leader_ && can_commit()) elect();
    if (leader_) lead();
  }

  [[nodiscard]] bool is_settled() const {
    if (leader_ != wanted_.front().node || members_.size() != wanted_.size()) return false;
    return std::ranges::all_of(wanted_, [this](const WantedMember& one) {
      const auto found = std::ranges::find(members_, one.node, &Member::node);
      return found != members_.end() && (found->voter || !one.voter);
    });
  }
  [[nodiscard]] const std::string& fault() const { return fault_; }
  [[nodiscard]] std::string describe() const {
    std::string text = "leader " + std::to_string(leader_ ? leader_->value : 0) + ", members";
    for (const Member& member : members_) text += " " + std::to_string(member.node.value) + (member.voter ? "" : "s");
    text += ", wanted";
    for (const WantedMember& one : wanted_) text += " " + std::to_string(one.node.value) + (one.voter ? "" : "s");
    return text;
  }

 private:
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random_.below(i)]);
  }

  // Nodes go and come, but a majority of the voters stays, with and without the change under way: else there is nothing
  // to see.
  void disturb() {
    const NodeId node(1 + random_.below(kNodes));
    if (random_.chance(0.3)) {
      if (dead_.contains(node)) {
        dead_.erase(node);
        lag_[node] = random_.below(2'000);
      } else {
        dead_.insert(node);
        if (!can_commit() || !can_commit_change()) dead_.erase(node);
      }
    }
    if (leader_ && dead_.contains(*leader_)) leader_.reset();
    if (random_.chance(0.02)) leader_.reset();
    losses_ = random_.chance(0.3) ? 0.5 : 0;
  }

  [[nodiscard]] bool is_alive(NodeId node) const { return !dead_.contains(node); }
  [[nodiscard]] std::size_t voters() const { return std::ranges::count_if(members_, &Member::voter); }
  [[nodiscard]] std::size_t live_voters() const {
    return std::ranges::count_if(members_, [this](const Member& one) { return one.voter && is_alive(one.node); });
  }
  [[nodiscard]] bool can_commit() const { return live_voters() > voters() / 2; }

  [[nodiscard]] bool can_commit_change() {
    if (!change_) return true;
    const std::vector<Member> before = members_;
    carry_out(*change_);
    const bool can = can_commit();
    members_ = before;
    return can;
  }

  void elect() {
    std::vector<NodeId> candidates;
    for (const Member& member : members_) {
      if (member.voter && is_alive(member.node)) candidates.push_back(member.node);
    }
    lead_from(candidates[random_.below(candidates.size())]);
  }
  void lead_from(NodeId node) {
    leader_ = node;
    lag_.erase(node);
    change_.reset();
    keeper_ = std::make_unique<GroupKeeper>(GroupKeeper::Options(), random_.next());
  }

  void lead() {
    if (change_ && now_ms_ >= change_done_ms_) commit();
    GroupView view{*leader_, members_, change_.has_value(), LogIndex(10'000), {}, {}};
    view.match_index = [this](NodeId node) {
      const auto lag = lag_.find(node);
      return LogIndex(10'000 - (lag == lag_.end() ? 0 : lag->second));
    };
    view.is_heard = [this](NodeId node) { return is_alive(node); };
    const auto step = keeper_->next(view, wanted_, now_ms_);
    if (!step) {
      if (!is_settled() && keeper_->look_at_ms() == 0) fault_ = "nothing to do, and nothing to wait for: " + describe();
      return;
    }
    check(*step);
    if (random_.chance(losses_)) return;  // refused, or lost on its way
    change_ = *step;
    change_done_ms_ = now_ms_ + random_.below(2'000);
  }

  void check(const GroupStep& step) {
    const auto member = std::ranges::find(members_, step.node, &Member::node);
    const bool is_member = member != members_.end();
    const bool is_voter = is_member && member->voter;
    const std::string what = describe() + ": step " + std::to_string(static_cast<int>(step.kind)) + " of node " +
                             std::to_string(step.node.value);
    if (change_) fault_ = "two at a time; " + what;
    if (step.kind == Kind::kAdd && is_member) fault_ = "is there already; " + what;
    if (step.kind == Kind::kPromote && (!is_member || is_voter)) fault_ = "no standby; " + what;
    if (step.kind == Kind::kRemove && (!is_member || step.node == *leader_)) fault_ = "cannot be removed; " + what;
    if (step.kind == Kind::kTransfer && (!is_voter || !is_alive(step.node))) fault_ = "cannot lead; " + what;
    std::size_t all = voters();
    std::size_t live = live_voters();
    if (step.kind == Kind::kPromote) ++all, live += is_alive(step.node) ? 1 : 0;
    if (step.kind == Kind::kRemove && is_voter) {
      const auto is_missing = [this](const WantedMember& one) {
        const auto found = std::ranges::find(members_, one.node, &Member::node);
        return one.voter && (found == members_.end() || !found->voter);
      };
      const std::size_t wanted_voters = std::ranges::count_if(wanted_, &WantedMember::voter);
      if (std::ranges::any_of(wanted_, is_missing) && all <= wanted_voters) fault_ = "too few are left; " + what;
      --all, live -= is_alive(step.node) ? 1 : 0;
    }
    if (live <= all / 2) fault_ = "a majority would be dead; " + what;
  }

  void commit() {
    const GroupStep step = *change_;
    change_.reset();
    if (step.kind == Kind::kAdd) lag_[step.node] = 5'000;
    if (step.kind == Kind::kTransfer && is_alive(step.node)) lead_from(step.node);
    carry_out(step);
  }
  void carry_out(const GroupStep& step) {
    const auto member = std::ranges::find(members_, step.node, &Member::node);
    switch (step.kind) {
      case Kind::kAdd: members_.push_back({step.node, "node-" + std::to_string(step.node.value), false}); break;
      case Kind::kPromote: member->voter = true; break;
      case Kind::kRemove: members_.erase(member); break;
      case Kind::kTransfer: break;
    }
  }

  Random random_;
  std::vector<Member> members_;
  std::vector<WantedMember> wanted_;
  std::optional<NodeId> leader_;
  std::unique_ptr<GroupKeeper> keeper_;
  std::set<NodeId> dead_;
  std::map<NodeId, std::uint64_t> lag_;  // entries
  double losses_ = 0;
  std::optional<GroupStep> change_;
  std::uint64_t change_done_ms_ = 0;
  std::uint64_t now_ms_ = 1'000'000;
  std::string fault_;
};

TEST(GroupKeeperProperties, GetsThereFromAnywhereAndNeverCostsTheGroupItsMajority) {
  const std::uint64_t seed = tests::seed_of_test();
  for (std::uint64_t round = 0; round < 2'000; ++round) {
    ModelGroup group(seed + round);
    for (int i = 0; i < 200; ++i) group.go_on(true);
    int steps = 0;
    while (!group.is_settled() && group.fault().empty() && ++steps < 2'000) group.go_on(false);
    ASSERT_EQ(group.fault(), "") << "round " << round;
    ASSERT_TRUE(group.is_settled()) << "round " << round << ": " << group.describe();
    for (int i = 0; i < 200; ++i) group.go_on(false);
    ASSERT_TRUE(group.is_settled()) << "round " << round << " did not stay: " << group.describe();
  }
}

}  // namespace
}  // namespace earshot::cluster
