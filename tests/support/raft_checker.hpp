#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/ids.hpp"
#include "cluster/membership.hpp"
#include "storage/log_types.hpp"

namespace earshot::tests {

// What one group of replicas promised so far, kept apart from the replicas and from the workload. The first broken
// promise stays as violation().
class RaftChecker {
 public:
  // The state of a model state machine: a hash over every command applied, in order.
  static std::uint64_t chain(std::uint64_t state, const storage::LogEntry& entry) {
    return checksum_of(*entry.data, state ^ entry.index.value * 0x9e3779b97f4a7c15 ^ entry.term.value);
  }

  // Election safety (thesis, figure 3.2): at most one leader per term.
  void leads(NodeId node, Term term) {
    const auto [known, fresh] = leaders_.try_emplace(term, node);
    if (!fresh && known->second != node) {
      violate("two leaders in term " + std::to_string(term.value) + ": " + std::to_string(known->second.value) +
              " and " + std::to_string(node.value));
    }
  }

  // State machine safety: whatever is applied at an index is the same everywhere and for ever, and so is the state
  // after it. `synced_here`: the node's own disk holds it; `by_majority`: those of a majority of the voters do.
  void applied(NodeId node, const storage::LogEntry& entry, std::uint64_t state, bool synced_here, bool by_majority) {
    const std::string name = "entry " + std::to_string(entry.index.value) + "^" + std::to_string(entry.term.value) +
                             " applied by " + std::to_string(node.value);
    const auto [known, fresh] = history_.try_emplace(entry.index, Applied{entry.term, checksum_of(*entry.data), state});
    if (!fresh && (known->second.term != entry.term || known->second.bytes != checksum_of(*entry.data))) {
      violate(name + " is not the one applied before");
    }
    if (!fresh && known->second.state != state) violate(name + " leads to another state than before");
    if (!synced_here) violate(name + " is not synced there");
    if (fresh && !by_majority) violate(name + " is not synced by a majority");
  }

  // Who belongs to the group is history like everything else.
  void members_committed(NodeId node, LogIndex index, const std::vector<cluster::Member>& members) {
    const auto [known, fresh] = configurations_.try_emplace(index, members);
    if (!fresh && known->second != members) {
      violate("node " + std::to_string(node.value) + " has other members at " + std::to_string(index.value));
    }
  }

  // A read shows everything that was applied, hence could be acknowledged, anywhere before it began.
  void read(NodeId node, LogIndex shows, LogIndex must_show) {
    ++reads_;
    if (shows < must_show) {
      violate("a read on " + std::to_string(node.value) + " ends at " + std::to_string(shows.value) + ", before it " +
              std::to_string(must_show.value) + " was applied");
    }
  }

  // A state that was handed on or read back is the one that the history has at this index.
  void holds_state(NodeId node, LogIndex index, std::uint64_t state) {
    const auto after = history_.upper_bound(index);
    const std::uint64_t expected = after == history_.begin() ? 0 : std::prev(after)->second.state;
    if (state != expected) {
      violate("node " + std::to_string(node.value) + " has a wrong state at " + std::to_string(index.value));
    }
  }

  void violate(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] std::size_t reads() const { return reads_; }
  [[nodiscard]] LogIndex applied_through() const { return history_.empty() ? LogIndex{} : history_.rbegin()->first; }
  // The committed configurations by index.
  [[nodiscard]] const std::map<LogIndex, std::vector<cluster::Member>>& configurations() const {
    return configurations_;
  }
  [[nodiscard]] std::size_t committed() const { return history_.size(); }
  [[nodiscard]] bool was_applied(LogIndex index, Term term) const {
    const auto found = history_.find(index);
    return found != history_.end() && found->second.term == term;
  }

 private:
  struct Applied {
    Term term;
    std::uint64_t bytes = 0;
    std::uint64_t state = 0;
  };

  std::map<Term, NodeId> leaders_;
  std::map<LogIndex, Applied> history_;
  std::map<LogIndex, std::vector<cluster::Member>> configurations_;
  std::size_t reads_ = 0;
  std::string violation_;
};

}  // namespace earshot::tests
