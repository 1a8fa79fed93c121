#pragma once

#include "base/error.hpp"

namespace earshot::gateway {

// A client's connection, seen from the KJ thread that serves it.
class ServedConnection {
 public:
  virtual ~ServedConnection() noexcept(false) = default;
  // Ends it in order: the client is told the reason, if there is a way to.
  virtual void end(const Error& reason) = 0;
  // Looks after what has its time: calls without an answer, writes and messages that do not get on. Called from time
  // to time.
  virtual void check_times() = 0;
};

}  // namespace earshot::gateway
