#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "client/link.hpp"

namespace earshot::client {

// What a Runtime runs its clients on: one thread, with timers, clocks, chance and the network. Everything that a client
// does not decide by itself comes from here, so that a simulation can put its own in place.
//
// Thread safety: post(), hold(), is_current_thread(), thread_id(), clock() from any thread; the rest on the loop's own.
class Loop {
 public:
  Loop() = default;
  virtual ~Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs the task on the loop's thread, after those posted before. Dropped when the loop has ended.
  virtual void post(std::function<void()> task) = 0;
  // Ends the loop when nothing is queued and nobody holds it any more; waits for its thread unless called on it.
  virtual void stop() = 0;
  // What needs the loop to the end of its own life holds it. release() on the loop's thread.
  virtual void hold() = 0;
  virtual void release() = 0;
  [[nodiscard]] virtual std::thread::id thread_id() const = 0;
  [[nodiscard]] bool is_current_thread() const { return std::this_thread::get_id() == thread_id(); }

  virtual void after(std::uint64_t delay_ms, std::function<void()> task) = 0;
  [[nodiscard]] virtual const Clock& clock() const = 0;
  // A new source of random numbers.
  virtual Random random() = 0;
  // A connection to the node at `address`, one of those the client knows, still to be opened. It reports to `events`,
  // which outlive it.
  virtual std::unique_ptr<Link> make_link(const Options& options, const std::string& address, LinkEvents& events) = 0;
};

}  // namespace earshot::client
