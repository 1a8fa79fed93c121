#pragma once

#include <functional>

namespace earshot::actors {

// A thread with work of its own that runs actors when it has done that: a gateway's, which reads what sessions are to
// do and writes what they have done. While one thread is enough for all, no other has to be woken.
struct Helper {
  // On the helping thread, which has just given an actor something to do: Help::run_some() is to be called before the
  // thread sleeps.
  std::function<void()> run_soon;
  // As that, from any other thread. Waits for nothing, and may be called when the helping thread is gone.
  std::function<void()> wake;
};

// What the helping thread does it with. Made, used and destroyed on that thread, before its node stops.
class Help {
 public:
  virtual ~Help() = default;
  // Runs a few of the actors that have something to do. Whether to call it again, once the thread has done what came
  // of its own work meanwhile.
  [[nodiscard]] virtual bool run_some() noexcept = 0;
};

}  // namespace earshot::actors
