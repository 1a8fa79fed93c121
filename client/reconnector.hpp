#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/random.hpp"

namespace earshot::client {

// Where to connect next, and when. Clients start at an address drawn at random, move on to the next when one fails, and
// wait longer after every round of failures, with jitter, so that those which lost one node together do not come back
// together. Pure logic, one thread; time as monotonic ms.
class Reconnector {
 public:
  Reconnector(std::vector<std::string> addresses, BackoffPolicy policy, Random random);

  [[nodiscard]] const std::string& address() const { return addresses_[current_]; }
  // Logged in. A connection must last for the policy's max_ms before its loss counts as a first failure again: a server
  // that takes logins and drops them must not be hammered.
  void connected(std::uint64_t now_ms) { connected_at_ms_ = now_ms; }
  // The attempt or the connection failed: moves on, and gives how long to wait, at least `at_least_ms`.
  std::uint64_t failed(std::uint64_t now_ms, std::uint64_t at_least_ms = 0);

 private:
  std::vector<std::string> addresses_;
  BackoffPolicy policy_;
  Random random_;
  std::size_t current_;
  std::uint64_t connected_at_ms_ = 0;  // 0: not connected since the last failure
  std::uint32_t failures_ = 0;
};

}  // namespace earshot::client
