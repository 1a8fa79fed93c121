#include "cluster/group_keeper.hpp"

#include <algorithm>
#include <cstddef>

namespace earshot::cluster {
namespace {

using Kind = GroupStep::Kind;

// What the group is and what it should be, asked in the words of the rules.
class Situation {
 public:
  Situation(const GroupView& view, const std::vector<WantedMember>& wanted, std::uint64_t caught_up_entries)
      : view_(view), wanted_(wanted), caught_up_entries_(caught_up_entries) {
    for (const Member& member : view.members) {
      if (!member.voter) continue;
      ++voters_;
      live_voters_ += is_heard(member.node) ? 1 : 0;
    }
    for (const WantedMember& one : wanted) {
      if (!one.voter) continue;
      ++wanted_voters_;
      missing_voters_ += is_voter(one.node) ? 0 : 1;
    }
  }

  [[nodiscard]] const Member* member(NodeId node) const {
    const auto found = std::ranges::find(view_.members, node, &Member::node);
    return found == view_.members.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool is_voter(NodeId node) const { return member(node) != nullptr && member(node)->voter; }
  [[nodiscard]] bool is_wanted(NodeId node) const {
    return std::ranges::find(wanted_, node, &WantedMember::node) != wanted_.end();
  }
  [[nodiscard]] bool is_heard(NodeId node) const { return node == view_.self || view_.is_heard(node); }
  [[nodiscard]] bool is_ready(NodeId node) const {
    return node == view_.self ||
           (is_heard(node) && view_.match_index(node).value + caught_up_entries_ >= view_.last_index.value);
  }
  [[nodiscard]] bool everybody_votes() const { return missing_voters_ == 0; }
  // The members are those that are wanted.
  [[nodiscard]] bool is_whole() const {
    return everybody_votes() && view_.members.size() == wanted_.size() &&
           std::ranges::all_of(wanted_, [this](const WantedMember& one) { return member(one.node) != nullptr; });
  }

  [[nodiscard]] bool may_promote(NodeId node) const {
    return is_ready(node) && is_majority(live_voters_ + 1, voters_ + 1);
  }
  [[nodiscard]] bool may_remove_voter(NodeId node) const {
    const std::size_t live = live_voters_ - (is_heard(node) ? 1 : 0);
    return node != view_.self && (everybody_votes() || voters_ > wanted_voters_) && is_majority(live, voters_ - 1);
  }

 private:
  static bool is_majority(std::size_t live, std::size_t of) { return live > of / 2; }

  const GroupView& view_;
  const std::vector<WantedMember>& wanted_;
  const std::uint64_t caught_up_entries_;
  std::size_t voters_ = 0;
  std::size_t live_voters_ = 0;
  std::size_t wanted_voters_ = 0;
  std::size_t missing_voters_ = 0;
};

// Who is not wanted: standbys, then voters that are gone anyway, then the others.
void list_removals(const GroupView& view, const Situation& situation, std::vector<GroupStep>& steps) {
  std::vector<GroupStep> live;
  for (const Member& member : view.members) {
    if (situation.is_wanted(member.node)) continue;
    const GroupStep step{Kind::kRemove, member.node};
    if (!member.voter) {
      steps.push_back(step);
    } else if (situation.may_remove_voter(member.node)) {
      (situation.is_heard(member.node) ? live : steps).push_back(step);
    }
  }
  steps.insert(steps.end(), live.begin(), live.end());
}

void list_arrivals(const std::vector<WantedMember>& wanted, const Situation& situation, std::vector<GroupStep>& steps) {
  for (const WantedMember& one : wanted) {
    const Member* member = situation.member(one.node);
    if (member != nullptr && !member->voter && one.voter && situation.may_promote(one.node))
      steps.push_back({Kind::kPromote, one.node});
  }
  for (const WantedMember& one : wanted) {
    if (situation.member(one.node) == nullptr && situation.is_heard(one.node)) steps.push_back({Kind::kAdd, one.node});
  }
}

}  // namespace

std::optional<GroupStep> GroupKeeper::next(const GroupView& view, const std::vector<WantedMember>& wanted,
                                           std::uint64_t now_ms) {
  look_at_ms_ = 0;
  if (wanted.empty()) return std::nullopt;
  const Situation situation(view, wanted, options_.caught_up_entries);

  std::vector<GroupStep> steps;
  list_removals(view, situation, steps);
  put_off_removals(view, steps, now_ms);
  list_arrivals(wanted, situation, steps);
  const auto heir = heir_of(view, wanted, now_ms);
  if (heir) steps.push_back({Kind::kTransfer, *heir});
  std::erase_if(attempts_, [&](const auto& attempt) { return std::ranges::find(steps, attempt.first) == steps.end(); });

  const bool is_settled =
      !view.is_changing && steps.empty() && view.self == wanted.front().node && situation.is_whole();
  if (!is_settled) look_at_ms_ = now_ms + options_.look_ms;
  if (view.is_changing) return std::nullopt;
  for (const GroupStep& step : steps) {
    Attempt& attempt = attempts_[step];
    if (attempt.not_before_ms > now_ms) continue;
    attempt.not_before_ms = now_ms + backoff_ms(options_.retry, ++attempt.tries, random_);
    return step;
  }
  return std::nullopt;
}

void GroupKeeper::put_off_removals(const GroupView& view, std::vector<GroupStep>& removals, std::uint64_t now_ms) {
  const auto is_listed = [&](NodeId node) {
    return std::ranges::find(removals, node, &GroupStep::node) != removals.end();
  };
  std::erase_if(superfluous_since_, [&](const auto& one) { return !is_listed(one.first); });
  std::erase_if(removals, [&](const GroupStep& step) {
    if (!std::ranges::find(view.members, step.node, &Member::node)->voter) return false;
    const auto since = superfluous_since_.try_emplace(step.node, now_ms).first;
    return now_ms - since->second < options_.removed_after_ms;
  });
}

// Who should get leadership now: the first that is wanted, or, for a leader that is not wanted and has nothing else
// left to do, the first that can have it.
std::optional<NodeId> GroupKeeper::heir_of(const GroupView& view, const std::vector<WantedMember>& wanted,
                                           std::uint64_t now_ms) {
  const Situation situation(view, wanted, options_.caught_up_entries);
  for (const WantedMember& one : wanted) {
    if (!situation.is_voter(one.node) || !situation.is_ready(one.node))
      ready_since_.erase(one.node);
    else
      ready_since_.try_emplace(one.node, now_ms);
  }
  std::erase_if(ready_since_, [&](const auto& ready) { return !situation.is_wanted(ready.first); });

  const auto may_lead = [&](NodeId node) {
    const auto ready = ready_since_.find(node);
    return ready != ready_since_.end() && now_ms - ready->second >= options_.lead_ready_ms;
  };
  const NodeId first = wanted.front().node;
  if (first == view.self) return std::nullopt;
  if (may_lead(first)) return first;
  const auto is_superfluous = [&](const Member& member) {
    return member.node != view.self && !situation.is_wanted(member.node);
  };
  const bool leaves = !situation.is_wanted(view.self) && situation.everybody_votes() &&
                      std::ranges::none_of(view.members, is_superfluous);
  if (!leaves) return std::nullopt;
  const auto heir = std::ranges::find_if(wanted, may_lead, &WantedMember::node);
  return heir == wanted.end() ? std::nullopt : std::optional(heir->node);
}

void GroupKeeper::reset() {
  attempts_.clear();
  ready_since_.clear();
  superfluous_since_.clear();
  look_at_ms_ = 0;
}

}  // namespace earshot::cluster
