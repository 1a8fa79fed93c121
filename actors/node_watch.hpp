#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/ids.hpp"

namespace earshot::actors {

// Which other nodes have been without a link for so long that their sessions count as gone, and when this node had
// better send its clients elsewhere: cut off from most of its cluster, nothing that they ask can be committed here;
// without a link to one that leads shards, while others have one, not everything. It is looked once a second or so.
// Pure; not thread-safe.
class NodeWatch {
 public:
  struct Look {
    std::vector<NodeId> gone;       // for limits::kNodeGoneMs or longer
    bool should_send_away = false;  // now, and then every kCutOffAgainMs: some may have come since
    bool is_cut_off = false;        // no link to so many that this one and those it has are no majority
  };
  // `others`: all other nodes of the cluster; `joining`: those of them that have not come yet, and vote nowhere.
  Look look(const std::vector<NodeId>& others, const std::vector<NodeId>& joining,
            const std::function<bool(NodeId)>& is_up, bool is_leader_out_of_reach, std::uint64_t now_ms);

 private:
  std::map<NodeId, std::uint64_t> down_since_ms_;
  std::uint64_t send_away_at_ms_ = 0;  // 0: nobody has to go
};

}  // namespace earshot::actors
