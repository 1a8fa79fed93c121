#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "cluster/membership.hpp"

namespace earshot::cluster {

// Who has confirmed since when that a leader still leads (thesis, section 6.4). Checks are numbered; a member's answer
// to one says that when it answered it knew of no later term, so it is an answer to every check begun before.
class LeaderChecks {
 public:
  std::uint64_t begin() { return ++last_; }
  void answered(NodeId member, std::uint64_t number) {
    if (number <= first_ || number > last_) return;  // of an earlier leadership, or made up
    std::uint64_t& newest = answers_[member];
    newest = std::max(newest, number);
  }
  // The newest check that a majority of the voters has confirmed, `self` among them if it votes; 0: none.
  [[nodiscard]] std::uint64_t confirmed(std::span<const Member> members, NodeId self) const {
    std::vector<std::uint64_t> newest;
    for (const Member& member : members) {
      if (!member.voter) continue;
      const auto answer = answers_.find(member.node);
      newest.push_back(member.node == self ? last_ : answer == answers_.end() ? 0 : answer->second);
    }
    if (newest.empty()) return 0;
    std::sort(newest.begin(), newest.end());
    // As many have confirmed this one or a later one as stand from here on: more than half.
    const std::uint64_t number = newest[(newest.size() - 1) / 2];
    return number > first_ ? number : 0;
  }
  // The leadership ended: nothing that was begun is confirmed any more.
  void end() {
    first_ = last_;
    answers_.clear();
  }
  [[nodiscard]] std::uint64_t last() const { return last_; }

 private:
  std::uint64_t first_ = 0;  // the last one before this leadership
  std::uint64_t last_ = 0;
  std::map<NodeId, std::uint64_t> answers_;
};

}  // namespace earshot::cluster
