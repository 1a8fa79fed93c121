#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/error.hpp"
#include "base/limits.hpp"

namespace earshot::auth {

// Where a connection comes from, as far as logins are concerned: an IPv4 address, or the /64 of an IPv6 address, since
// whoever has one such address has them all.
struct Origin {
  bool v6 = false;
  std::uint64_t prefix = 0;
  bool operator==(const Origin&) const = default;
};

// Makes guessing slow. The first few failed logins of an origin cost it nothing; after them its logins are judged one
// by one, further and further apart, so that many connections at once guess no faster than one. Failures are forgotten
// with time, and a good login adds none; it takes none away either, or one account would pay for guessing at others.
//
// Pure logic, one thread at a time; time as monotonic ms.
class LoginThrottle {
 public:
  struct Limits {
    std::uint32_t failures_free = limits::kLoginFailuresFree;
    std::uint32_t failures_max = limits::kLoginFailuresMax;
    std::uint64_t delay_first_ms = limits::kLoginDelayFirstMs;
    std::uint64_t delay_max_ms = limits::kLoginDelayMaxMs;
    std::uint64_t wait_max_ms = limits::kLoginWaitMaxMs;
    std::uint64_t forget_ms = limits::kLoginForgetMs;
    std::size_t origins_max = limits::kLoginOriginsMax;
  };
  LoginThrottle() : LoginThrottle(Limits()) {}
  explicit LoginThrottle(Limits limits) : limits_(limits) {}

  // How long a login that arrives now has to wait before it is judged; that time is then taken. kOverloaded(login) with
  // retry_after_ms when it would be too long: then it is not to be judged at all.
  Result<std::uint64_t> admit(const Origin& origin, std::uint64_t now_ms);
  // A judged login was refused. The time after which trying again makes sense.
  std::uint64_t failed(const Origin& origin, std::uint64_t now_ms);

  [[nodiscard]] std::size_t origins() const { return entries_.size(); }

 private:
  struct HashOrigin {
    std::size_t operator()(const Origin& origin) const noexcept;
  };
  struct Entry {
    std::uint32_t failures = 0;
    std::uint64_t counted_at_ms = 0;     // failures are forgotten one by one from here on
    std::uint64_t next_login_at_ms = 0;  // earlier ones are taken
    std::list<Origin>::iterator place;
  };

  void forget(Entry& entry, std::uint64_t now_ms) const;
  [[nodiscard]] std::uint64_t delay_ms(const Entry& entry) const;

  const Limits limits_;
  std::unordered_map<Origin, Entry, HashOrigin> entries_;
  std::list<Origin> by_last_failure_;  // the oldest first
};

}  // namespace earshot::auth
