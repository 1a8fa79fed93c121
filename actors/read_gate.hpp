#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <variant>
#include <vector>

#include "actors/ports.hpp"
#include "base/ids.hpp"

namespace earshot::actors {

// Reads on a replica that leads wait here until it is known that it led still when they came in: another one may have
// been elected, and have answered what this one knows nothing of. One check is under way at a time; what comes
// meanwhile waits for the next one, so that under load a check serves many reads.
//
//   add ──► waiting ──check begins──► checked for ──confirmed, applied──► take_ready
//
// Thread: owned by the shard.
class ReadGate {
 public:
  using Read = std::variant<ShardFetch, ShardHistory, ShardManage, ShardWhere>;

  void add(Read read) {
    waiting_.push_back(std::move(read));
    ++size_;
  }
  // A check is to be begun: somebody waits, and none is under way that could still be confirmed.
  [[nodiscard]] bool wants_check(std::uint64_t now_ms) const { return is_at_work() && now_ms >= again_at_ms_; }
  // It has begun, for all that wait, and those before them whose check got lost. The state shows what it has to from
  // this index on.
  void began(std::uint64_t number, LogIndex index, std::uint64_t now_ms);
  // It could not be begun now.
  void put_off(std::uint64_t now_ms);
  // Checks through this one are confirmed.
  void confirmed(std::uint64_t number);
  // Reads that may be answered by a state that stands there, in the order in which they came.
  [[nodiscard]] std::vector<Read> take_ready(LogIndex applied);
  // All of them: the replica does not lead any more.
  [[nodiscard]] std::vector<Read> take_all();

  [[nodiscard]] bool empty() const { return waiting_.empty() && checked_.empty(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  // When a check that is not answered, or was put off, is begun again; 0: there is none.
  [[nodiscard]] std::uint64_t wake_at() const { return is_at_work() ? again_at_ms_ : 0; }

 private:
  struct Checked {
    std::uint64_t number = 0;
    LogIndex index;
    std::vector<Read> reads;
  };

  [[nodiscard]] bool is_at_work() const { return !empty() && (under_way_ != 0 || !waiting_.empty()); }

  std::size_t size_ = 0;
  std::vector<Read> waiting_;
  std::deque<Checked> checked_;  // by number, ascending
  std::uint64_t confirmed_ = 0;
  std::uint64_t under_way_ = 0;    // the newest check that is not confirmed; 0: none
  std::uint64_t again_at_ms_ = 0;  // no check begins before
};

}  // namespace earshot::actors
