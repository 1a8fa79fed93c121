#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace earshot::client {

// Where to connect, and when. A client begins at one of its addresses, drawn at random, and stays with it while it
// works. One that fails rests, longer each time and with jitter, and meanwhile another is tried at once: of those that
// do not rest one drawn at random, so that the clients of a dead node spread over the others. Addresses that a node
// told come last, for the time when all of the client's own rest.
//
// All addresses together are not tried more often than one would be: each round of them rests longer than the last.
//
// Pure logic, one thread; time as monotonic ms.
class Reconnector {
 public:
  Reconnector(std::vector<std::string> addresses, BackoffPolicy policy, Random random);

  // The one to connect to, or connected to.
  [[nodiscard]] const std::string& address() const { return known_[current_].text; }
  // Logged in. A connection must last for the policy's max_ms before its loss counts as a first failure again: a server
  // that takes logins and drops them must not be hammered.
  void connected(std::uint64_t now_ms) { connected_at_ms_ = now_ms; }

  // The attempt or the connection failed, and the address is to blame: it rests, at least for the reason's
  // retry_after_ms. Gives how long to wait before connecting to what address() is now.
  std::uint64_t failed(std::uint64_t now_ms, const Error& reason);
  // It failed for a reason that another address would not change: the client stays with this one.
  std::uint64_t put_off(std::uint64_t now_ms, std::uint64_t at_least_ms);

  // A node told these: they take the place of what was told before.
  void told(const std::vector<std::string>& addresses);
  // These as well.
  void told_more(const std::vector<std::string>& addresses);
  // The client leaves its node at the node's wish, for one of these addresses or any other. As failed().
  std::uint64_t leave(std::uint64_t now_ms, std::uint64_t rest_ms, const std::vector<std::string>& addresses);
  // Whether there is an address to go to that does not rest.
  [[nodiscard]] bool has_other(std::uint64_t now_ms) const;

  // What went wrong at each address that has failed since it last worked: "a:7400: connection refused; b:7400: …".
  [[nodiscard]] std::string complaints() const;
  [[nodiscard]] std::size_t addresses() const { return known_.size(); }

 private:
  struct Known {
    std::string text;
    bool is_own = false;  // the client's, not told by a node
    std::uint32_t failures = 0;
    std::uint64_t rests_until_ms = 0;
    std::string why;
  };

  [[nodiscard]] std::uint64_t choose(std::uint64_t now_ms);
  [[nodiscard]] std::vector<std::size_t> ready(std::uint64_t now_ms, bool own) const;
  void note_connection(std::uint64_t now_ms);

  std::vector<Known> known_;
  BackoffPolicy policy_;
  Random random_;
  std::size_t current_;
  std::uint64_t connected_at_ms_ = 0;  // 0: not connected since the last failure
  std::uint32_t failures_ = 0;         // of all addresses, since a connection lasted
  std::uint32_t put_offs_ = 0;
};

}  // namespace earshot::client
