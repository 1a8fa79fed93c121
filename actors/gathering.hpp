#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.hpp"

namespace earshot::actors {

// Answers of several, which make one: put together as they come, from any thread, and given on by whoever comes last.
// Where some failed, the first failure is the answer.
template <class T>
class Gathering {
 public:
  // Precondition: parts > 0.
  Gathering(std::size_t parts, T whole, std::function<void(Result<T>)> done)
      : parts_left_(parts), whole_(std::move(whole)), done_(std::move(done)) {}

  // `put` adds a part to the whole.
  template <class Part, class Put>
  void add(Result<Part> part, Put&& put) {
    {
      const std::lock_guard lock(mutex_);
      if (part) {
        put(whole_, *std::move(part));
      } else if (!failure_) {
        failure_ = std::move(part.error());
      }
      if (--parts_left_ > 0) return;
    }
    if (failure_) return done_(fail(std::move(*failure_)));
    done_(std::move(whole_));
  }

 private:
  std::mutex mutex_;
  std::size_t parts_left_;
  T whole_;
  std::optional<Error> failure_;
  const std::function<void(Result<T>)> done_;
};

}  // namespace earshot::actors
