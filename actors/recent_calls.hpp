#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"

namespace earshot::actors {

// Which calls have come in lately, of those that must not be done twice and that nothing else tells apart: a frame may
// come twice, and what a place or a policy was set to would come back after a later change, a device that is back be
// removed again, or a delivery in vain count twice. The newest of each node. Thread-safe.
class RecentCalls {
 public:
  // False: it came before. One that is passed on comes again, with more hops.
  bool is_first(NodeId from, std::uint64_t call, std::uint8_t hops) {
    const std::lock_guard lock(mutex_);
    Calls& calls = calls_[from];
    if (!calls.known.emplace(call, hops).second) return false;
    calls.in_order.emplace_back(call, hops);
    if (calls.in_order.size() > limits::kRecentCallsMax) {
      calls.known.erase(calls.in_order.front());
      calls.in_order.pop_front();
    }
    return true;
  }

 private:
  using Call = std::pair<std::uint64_t, std::uint8_t>;
  struct Calls {
    std::set<Call> known;
    std::deque<Call> in_order;  // in which they came
  };

  std::mutex mutex_;
  std::map<NodeId, Calls> calls_;
};

}  // namespace earshot::actors
