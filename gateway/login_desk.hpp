#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include <kj/async-io.h>

#include "auth/login_throttle.hpp"
#include "base/clock.hpp"
#include "gateway/auth.hpp"

namespace earshot::gateway {

// Where a connection comes from, by its peer's address. What has none (a socket that is gone) shares one origin.
auth::Origin origin_of(kj::AsyncIoStream& stream);

// Where the logins of all connections are judged. Thread-safe.
class LoginDesk {
 public:
  LoginDesk(std::unique_ptr<Authenticator> authenticator, const Clock& clock)
      : authenticator_(std::move(authenticator)), clock_(clock) {}

  // How long a login of this origin has to wait before it may be judged; kOverloaded(login) when too long.
  Result<std::uint64_t> admit(const auth::Origin& origin);
  // Who it is; else kUnauthenticated(token) with the time after which trying again makes sense.
  Result<Identity> judge(std::string_view token, const auth::Origin& origin);
  Authenticator& authenticator() { return *authenticator_; }

  [[nodiscard]] const Clock& clock() const { return clock_; }

 private:
  const std::unique_ptr<Authenticator> authenticator_;
  const Clock& clock_;
  std::mutex mutex_;
  auth::LoginThrottle throttle_;
};

}  // namespace earshot::gateway
