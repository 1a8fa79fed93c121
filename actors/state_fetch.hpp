#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "actors/shard.hpp"
#include "cluster/seed_fetcher.hpp"
#include "storage/environment.hpp"

namespace earshot::actors {

// A replica's state on its way from the leader: asks for its parts, and has them written one after the other.
// Thread: owned by the shard, which has no life meanwhile.
class StateFetch {
 public:
  // `floor`: a state that stands below is of no use.
  StateFetch(const ShardOptions& options, ShardHost& host, storage::Environment& environment, LogIndex floor,
             std::uint64_t random);

  // The state on the disk is damaged, or what is to come is known to take its place: from the next write on the shard
  // has none, whatever happens.
  void begin_without_state();
  // After everything that happens, and when time has come. `leader` 0: nobody is known to lead.
  void go_on(NodeId leader, std::uint64_t now_ms);
  void received(NodeId from, cluster::SeedMessage message, std::uint64_t now_ms);
  // What was given to the state writer is committed.
  void written();

  [[nodiscard]] bool is_complete() const { return fetcher_ && fetcher_->is_complete() && !writing_; }
  [[nodiscard]] bool is_writing() const { return writing_; }
  [[nodiscard]] std::uint64_t wake_at() const;  // 0: something has to happen first

 private:
  bool open();

  const ShardId shard_;
  ShardHost& host_;
  storage::Environment& environment_;
  const LogIndex floor_;
  const std::uint64_t random_;
  std::optional<cluster::SeedFetcher> fetcher_;
  std::shared_ptr<const storage::FrozenOverlay> first_;  // that makes the state one that is not whole
  bool writing_ = false;
  std::uint64_t again_at_ms_ = 0;
};

}  // namespace earshot::actors
