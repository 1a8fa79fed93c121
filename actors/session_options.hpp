#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/counters.hpp"
#include "actors/ports.hpp"
#include "actors/session_directory.hpp"
#include "base/backoff.hpp"
#include "base/byte_budget.hpp"
#include "base/limits.hpp"

namespace earshot::actors {

// Whose session it is, and what its node gives it.
struct SessionOptions {
  SessionId id = 0;
  UserId user;
  Role role = Role::kUser;
  LoginRequest request;
  NodeId node;
  BackoffPolicy retransmit{limits::kRetransmitFirstMs, limits::kRetransmitMaxMs};
  std::uint64_t request_timeout_ms = limits::kRequestTimeoutMs;
  std::shared_ptr<SessionCounters> counters;                  // of the node; null: the session counts for itself
  std::shared_ptr<ByteBudget> windows;                        // of the node; null: the session is alone
  std::shared_ptr<const std::vector<std::string>> addresses;  // of the cluster's nodes, for its client; null: none
  std::shared_ptr<SessionDirectory> directory;                // of the node; null: nobody looks for the session
  std::uint64_t seed = 0;                                     // of the jitter of its timers
  bool takes_altered_bodies = false;                          // for mutation tests only

  // With counters and windows of its own where the node gives none.
  SessionOptions with_defaults() && {
    if (!counters) counters = std::make_shared<SessionCounters>();
    if (!windows) windows = std::make_shared<ByteBudget>(limits::kWindowsBytesMax);
    return std::move(*this);
  }
};

}  // namespace earshot::actors
