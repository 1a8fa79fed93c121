#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <kj/async-io.h>

#include "auth/login_throttle.hpp"
#include "auth/origin_list.hpp"
#include "base/clock.hpp"
#include "gateway/auth.hpp"

namespace earshot::gateway {

// Where a connection comes from, by its peer's address. What has none (a socket that is gone) shares one origin.
auth::Origin origin_of(kj::AsyncIoStream& stream);
// "192.0.2.7", "2001:db8::/64"; for logs.
std::string text_of(const auth::Origin& origin);

// Where the logins of all connections are judged. Thread-safe.
class LoginDesk {
 public:
  // Failed logins of exempt origins slow nobody down.
  LoginDesk(std::unique_ptr<Authenticator> authenticator, const Clock& clock, auth::OriginList exempt = {})
      : authenticator_(std::move(authenticator)), clock_(clock), exempt_(std::move(exempt)) {}

  // How long a login of this origin has to wait before it may be judged; kOverloaded(login) when too long.
  Result<std::uint64_t> admit(const auth::Origin& origin);
  // Who it is; else kUnauthenticated(token) with the time after which trying again makes sense.
  Result<Identity> judge(std::string_view token, const auth::Origin& origin);
  Authenticator& authenticator() { return *authenticator_; }

  [[nodiscard]] const Clock& clock() const { return clock_; }

 private:
  [[nodiscard]] bool is_throttled(const auth::Origin& origin) const {
    return authenticator_->keeps_secrets() && !exempt_.contains(origin);
  }

  const std::unique_ptr<Authenticator> authenticator_;
  const Clock& clock_;
  const auth::OriginList exempt_;
  std::mutex mutex_;
  auth::LoginThrottle throttle_;
};

}  // namespace earshot::gateway
