#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// One direction of a connection, as TCP gives it: what arrives, arrives in order and after a while; what is on the way
// when the line is cut may or may not arrive.
class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  // `receiver_sleeps_until_ms` is the receiving end's: it takes nothing before that time.
  Pipe(World& world, std::uint64_t delay_ms_max, const std::uint64_t& receiver_sleeps_until_ms)
      : world_(world),
        random_(world.fork()),
        delay_ms_max_(delay_ms_max),
        receiver_sleeps_until_ms_(receiver_sleeps_until_ms) {}

  void send(std::function<void()> arrive) {
    last_ms_ = std::max(last_ms_, world_.now_ms() + random_.between(0, delay_ms_max_));
    on_the_way_.emplace_back(last_ms_, std::move(arrive));
    wake_at(last_ms_);
  }
  // Nothing arrives before `time_ms`.
  void stall_until(std::uint64_t time_ms) { last_ms_ = std::max(last_ms_, time_ms); }
  // What would arrive later than `time_ms` does not.
  void cut(std::uint64_t time_ms) { cut_ms_ = std::min(cut_ms_, time_ms); }
  // Nothing that is on the way arrives; nor does it hold what it would have met any more.
  void clear() { std::exchange(on_the_way_, {}); }
  [[nodiscard]] std::size_t on_the_way() const { return on_the_way_.size(); }

 private:
  void wake_at(std::uint64_t time_ms) {
    world_.at(time_ms, [self = shared_from_this()] { self->arrive(); });
  }
  // One event per item: it brings the first that is due, which is this one or an earlier one.
  void arrive() {
    if (on_the_way_.empty()) return;
    const std::uint64_t now_ms = world_.now_ms();
    if (now_ms < receiver_sleeps_until_ms_) return wake_at(receiver_sleeps_until_ms_);
    if (on_the_way_.front().first > now_ms) return wake_at(on_the_way_.front().first);
    const auto [time_ms, arrived] = std::move(on_the_way_.front());
    on_the_way_.pop_front();
    if (time_ms <= cut_ms_) arrived();
  }

  World& world_;
  Random random_;
  const std::uint64_t delay_ms_max_;
  const std::uint64_t& receiver_sleeps_until_ms_;
  std::deque<std::pair<std::uint64_t, std::function<void()>>> on_the_way_;
  std::uint64_t last_ms_ = 0;
  std::uint64_t cut_ms_ = UINT64_MAX;
};

}  // namespace earshot::simulation
