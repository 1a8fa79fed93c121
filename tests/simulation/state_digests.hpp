#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/ids.hpp"

namespace earshot::simulation {

// What a replica says of the state of its shard.
struct StateDigest {
  LogIndex applied;                  // at which index it stands
  Result<std::uint64_t> digest = 0;  // an error: a record is damaged, or the state is being fetched
};

// Equal logs give equal states, whoever applies them, whenever: keeps what was said of every shard at every index.
class StateDigests {
 public:
  // Nothing, unless another one was said before of that shard at that index.
  std::optional<std::string> said(NodeId node, ShardId shard, LogIndex applied, std::uint64_t digest) {
    const auto [known, is_new] = known_.try_emplace({shard, applied}, Said{node, digest});
    if (is_new || known->second.digest == digest) return std::nullopt;
    return "shard " + std::to_string(shard.value) + " at " + std::to_string(applied.value) + " is another on node " +
           std::to_string(node.value) + " than it was on node " + std::to_string(known->second.node.value);
  }

 private:
  struct Said {
    NodeId node;
    std::uint64_t digest = 0;
  };
  std::map<std::pair<ShardId, LogIndex>, Said> known_;
};

}  // namespace earshot::simulation
