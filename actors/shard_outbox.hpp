#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "actors/ports.hpp"
#include "base/backoff.hpp"
#include "base/random.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Drains a leader's outbox: the sending side of its streams to the other shards. Each target has at most one transfer
// under way, of up to outbox_window_max records; what is written meanwhile gathers for the next, as in a group commit.
// The target answers with the last number that it has committed, which is both a confirmation and, after a loss, the
// place to go on from. Without an answer the transfer is sent again, with back-off; the target knows a repeat by its
// numbers.
//
//   kIdle ──records──► kUnderWay ──answer, more records──► kUnderWay
//     ▲                   │ └──timer──► sent again
//     └──answer, no more──┘
//
// A record that is damaged goes as one that is lost, but only when nobody else has it: else the stream stands still,
// and met_damage() says that this replica should not lead.
//
// The records stay in the state until the confirmation has gone through the log (take_confirms), so nothing is lost
// with this object. Thread: owned by the shard.
class OutboxDrain {
 public:
  OutboxDrain(ShardId self, cluster::ShardMachine& machine, BackoffPolicy resend, Random random);

  // Starts anew from what the state holds: this replica has become leader. `is_alone`: nobody else has that state.
  Status begin(const Router& router, std::uint64_t now_ms, bool is_alone);
  // Forgets everything: this replica leads no longer.
  void end();

  // Records for `target` were written.
  void written(ShardId target, const Router& router, std::uint64_t now_ms);
  void transferred(const ShardTransferred& answer, const Router& router, std::uint64_t now_ms);
  // Sends again what has waited too long.
  void wake(const Router& router, std::uint64_t now_ms);
  [[nodiscard]] bool met_damage() const { return met_damage_; }
  // When wake() has something to do; 0: never.
  [[nodiscard]] std::uint64_t wake_at() const;

  // What the targets have committed and the log does not say yet, each once.
  [[nodiscard]] std::vector<ConfirmCommand> take_confirms();
  [[nodiscard]] bool has_confirms() const { return confirms_due_ > 0; }

 private:
  struct Target {
    std::uint64_t committed = 0;     // by the target, up to here
    std::uint64_t confirmed = 0;     // proposed to the log, up to here
    std::uint64_t sent = 0;          // the last number of the transfer under way; == committed: none is
    std::uint32_t attempts = 0;      // unanswered in a row
    std::uint64_t resend_at_ms = 0;  // 0: nothing is under way
  };

  // Sends the records after `committed`, or after what the state says by now to be confirmed, if there are any.
  void send(ShardId id, Target& target, const Router& router, std::uint64_t now_ms);

  const ShardId self_;
  cluster::ShardMachine& machine_;
  const BackoffPolicy resend_;
  Random random_;
  std::map<ShardId, Target> targets_;
  std::size_t confirms_due_ = 0;
  bool is_alone_ = false;
  bool met_damage_ = false;
};

}  // namespace earshot::actors
