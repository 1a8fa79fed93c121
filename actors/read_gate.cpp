#include "actors/read_gate.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kCheckAgainMs = limits::kHeartbeatMs;  // its messages, or their answers, may be lost

}  // namespace

// A check confirms those that began before it, so reads whose own got lost wait for this one.
void ReadGate::began(std::uint64_t number, LogIndex index, std::uint64_t now_ms) {
  if (!waiting_.empty()) checked_.push_back(Checked{number, index, std::exchange(waiting_, {})});
  under_way_ = number;
  again_at_ms_ = now_ms + kCheckAgainMs;
}

void ReadGate::put_off(std::uint64_t now_ms) { again_at_ms_ = now_ms + kCheckAgainMs; }

void ReadGate::confirmed(std::uint64_t number) {
  confirmed_ = std::max(confirmed_, number);
  if (under_way_ == 0 || under_way_ > confirmed_) return;
  under_way_ = again_at_ms_ = 0;
}

std::vector<ReadGate::Read> ReadGate::take_ready(LogIndex applied) {
  std::vector<Read> ready;
  while (!checked_.empty() && checked_.front().number <= confirmed_ && checked_.front().index <= applied) {
    std::ranges::move(checked_.front().reads, std::back_inserter(ready));
    checked_.pop_front();
  }
  size_ -= ready.size();
  return ready;
}

std::vector<ReadGate::Read> ReadGate::take_all() {
  std::vector<Read> all;
  for (Checked& one : checked_) std::ranges::move(one.reads, std::back_inserter(all));
  std::ranges::move(waiting_, std::back_inserter(all));
  checked_.clear();
  waiting_.clear();
  size_ = 0;
  under_way_ = confirmed_ = again_at_ms_ = 0;
  return all;
}

}  // namespace earshot::actors
