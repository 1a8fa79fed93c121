#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <kj/async.h>

namespace earshot::peers {

// What a KJ thread is given to do, with a bell that is rung only while the thread waits for it: a burst of posts wakes
// it once.
class TaskQueue {
 public:
  TaskQueue() = default;
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;

  // From any thread, the KJ thread too; nothing is run inside. After close() the task is dropped.
  void post(std::function<void()> task);

  // From the KJ thread only: runs what is posted, in its order, until the promise is dropped.
  kj::Promise<void> run();
  // Drops what is queued; the thread is about to end.
  void close();

 private:
  kj::Promise<void> wait();

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  std::thread::id thread_;
  // Armed when not null: for other threads, and for the KJ thread itself, which need not ask the system.
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> bell_;
  kj::Own<kj::PromiseFulfiller<void>> own_bell_;
  bool closed_ = false;
};

}  // namespace earshot::peers
