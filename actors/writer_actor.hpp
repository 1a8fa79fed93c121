#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include <caf/all.hpp>

#include "actors/counters.hpp"
#include "actors/disk_watch.hpp"
#include "actors/interfaces.hpp"

namespace earshot::actors {

// What the two writers' actors have in common: gather, commit, tell, try again. Event-based on a thread of its own
// rather than blocking: taking a message costs less that way, and GatherNow, sent to itself, marks the end of what had
// come in before it. A private header of the writers.
template <class Writer>
class WriterActor : public caf::event_based_actor {
 public:
  // `watch` looks at the disk also while there is nothing to write; one of the writers has it.
  WriterActor(caf::actor_config& config, Writer writer, std::shared_ptr<WriterCounters> counters,
              std::shared_ptr<DiskWatch> watch = nullptr)
      : caf::event_based_actor(config),
        writer_(std::move(writer)),
        counters_(std::move(counters)),
        watch_(std::move(watch)) {}

 protected:
  Writer& writer() { return writer_; }

  virtual void tell(typename Writer::Completion completion) = 0;

  template <class TakeWrite>
  caf::behavior writer_behavior(TakeWrite take_write) {
    if (watch_ != nullptr) look();
    return {std::move(take_write), [this](GatherNow) { gather(); },
            [this](const TimerFired& timer) {
              if (timer.number == kLookTimer) return look();
              waits_for_room_ = false;
              commit();
            },
            [this](StopWriter) { stop(); }};
  }

  void gather_soon() {
    if (gather_asked_ || waits_for_room_) return;
    gather_asked_ = true;
    send(this, GatherNow{});
  }

 private:
  static constexpr std::uint64_t kRetryTimer = 0;
  static constexpr std::uint64_t kLookTimer = 1;
  // What is committed between is far less than a disk's reserve.
  static constexpr std::chrono::milliseconds kLooksAtMostEvery{2};

  void look() {
    watch_->look();
    delayed_send(this, std::chrono::milliseconds(limits::kDiskLookMs), TimerFired{kLookTimer});
  }

  void gather() {
    gather_asked_ = false;
    commit();
  }

  void commit_once() {
    using Clock = std::chrono::steady_clock;
    if (writer_.empty()) return;
    const auto began = Clock::now();
    counters_->began_ms.store(ms_of(began), std::memory_order_relaxed);
    const std::size_t waiting = writer_.size();
    auto completions = writer_.commit();
    counters_->began_ms.store(0, std::memory_order_relaxed);
    if (const std::size_t written = waiting - writer_.size(); written > 0) {
      record(counters_->commits, Clock::now() - began);
      counters_->batches.record(written);
    } else {
      counters_->failed.fetch_add(1, std::memory_order_relaxed);
    }
    for (auto& completion : completions) tell(std::move(completion));
  }
  static std::uint64_t ms_of(std::chrono::steady_clock::time_point time) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count());
  }

  void commit() {
    commit_once();
    if (const auto now = std::chrono::steady_clock::now(); now - looked_at_ >= kLooksAtMostEvery) {
      looked_at_ = now;
      writer_.look();
    }
    if (writer_.empty()) return;
    if (writer_.retry_after_ms() == 0) return gather_soon();
    waits_for_room_ = true;
    delayed_send(this, std::chrono::milliseconds(writer_.retry_after_ms()), TimerFired{kRetryTimer});
  }

  // Nobody waits for a write that the disk has no room for now: its shard has ended, and it was never said to be
  // stored.
  void stop() {
    do {
      commit_once();
      writer_.look();
    } while (!writer_.empty() && writer_.retry_after_ms() == 0);
    writer_.finish();
    quit();
  }

  Writer writer_;
  const std::shared_ptr<WriterCounters> counters_;
  const std::shared_ptr<DiskWatch> watch_;
  bool gather_asked_ = false;
  std::chrono::steady_clock::time_point looked_at_;
  bool waits_for_room_ = false;
};

}  // namespace earshot::actors
