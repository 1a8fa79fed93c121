#pragma once

#include <chrono>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"

namespace earshot::actors {

// What the two writers' actors have in common: gather, commit, tell, try again. Event-based on a thread of its own
// rather than blocking: taking a message costs less that way, and GatherNow, sent to itself, marks the end of what had
// come in before it. A private header of the writers.
template <class Writer>
class WriterActor : public caf::event_based_actor {
 public:
  WriterActor(caf::actor_config& config, Writer writer) : caf::event_based_actor(config), writer_(std::move(writer)) {}

 protected:
  Writer& writer() { return writer_; }

  virtual void tell(typename Writer::Completion completion) = 0;

  template <class TakeWrite>
  caf::behavior writer_behavior(TakeWrite take_write) {
    return {std::move(take_write), [this](GatherNow) { gather_asked_ = false, commit(); },
            [this](TimerFired) { waits_for_room_ = false, commit(); }, [this](StopWriter) { stop(); }};
  }

  void gather_soon() {
    if (gather_asked_ || waits_for_room_) return;
    gather_asked_ = true;
    send(this, GatherNow{});
  }

 private:
  void commit() {
    for (auto& completion : writer_.commit()) tell(std::move(completion));
    if (writer_.empty()) return;
    if (writer_.retry_after_ms() == 0) return gather_soon();
    waits_for_room_ = true;
    delayed_send(this, std::chrono::milliseconds(writer_.retry_after_ms()), TimerFired{});
  }

  // Nobody waits for a write that the disk has no room for now: its shard has ended, and it was never said to be
  // stored.
  void stop() {
    do {
      for (auto& completion : writer_.commit()) tell(std::move(completion));
    } while (!writer_.empty() && writer_.retry_after_ms() == 0);
    quit();
  }

  Writer writer_;
  bool gather_asked_ = false;
  bool waits_for_room_ = false;
};

}  // namespace earshot::actors
