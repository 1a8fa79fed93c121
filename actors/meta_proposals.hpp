#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/meta_machine.hpp"

namespace earshot::actors {

// Who waits for which entry of the meta group's log. What comes out is to be called once the state is told.
// Thread: owned by the group.
class MetaProposals {
 public:
  using Outcome = cluster::MetaMachine::Outcome;
  using OnOutcome = std::function<void(Outcome)>;
  using Called = std::pair<OnOutcome, Outcome>;
  static constexpr std::size_t kMax = 64;  // each node has a few things to say, and few join at a time

  [[nodiscard]] bool is_full() const { return waiting_.size() >= kMax; }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  // Ascending by index.
  void add(LogIndex index, Term term, OnOutcome done) { waiting_.push_back({index, term, std::move(done)}); }

  // The entry of this index and term is applied. Whoever waits for an earlier one, or for another one in its place, has
  // lost it.
  void applied(LogIndex index, Term term, const Outcome& outcome, std::vector<Called>& called) {
    while (!waiting_.empty() && waiting_.front().index <= index) {
      Waiting& first = waiting_.front();
      const bool is_this = first.index == index && first.term == term;
      called.emplace_back(std::move(first.done), is_this ? outcome : Outcome(fail(lost())));
      waiting_.pop_front();
    }
  }
  // This node leads in `term` now, or (0) does not lead: what became of entries of other terms will not be known.
  void leave_other_terms(Term term, std::vector<Called>& called) {
    for (Waiting& one : waiting_) {
      if (one.term != term) called.emplace_back(std::move(one.done), fail(lost()));
    }
    std::erase_if(waiting_, [term](const Waiting& one) { return one.term != term; });
  }

  static Error lost() {
    return Error{ErrorCode::kUnavailable, "leader", "the meta group's leader has changed: it may have come to pass"};
  }

 private:
  struct Waiting {
    LogIndex index;
    Term term;
    OnOutcome done;
  };
  std::deque<Waiting> waiting_;
};

}  // namespace earshot::actors
