#pragma once

#include <utility>

#include "base/request_tag.hpp"

namespace earshot {

// In whose name this thread is at work: requests to other shards and nodes that are made meanwhile carry it along, for
// log lines. Nothing but lines depends on it.
class CallScope {
 public:
  explicit CallScope(const RequestTag& tag) : outer_(std::exchange(current_, tag)) {}
  ~CallScope() { current_ = outer_; }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  [[nodiscard]] static const RequestTag& current() { return current_; }

 private:
  inline static thread_local RequestTag current_;  // of nobody
  const RequestTag outer_;
};

}  // namespace earshot
