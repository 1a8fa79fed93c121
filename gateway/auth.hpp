#pragma once

#include <memory>
#include <string_view>

#include "base/config.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/messages.hpp"

namespace earshot::gateway {

// Tells who a login is. Called on every KJ thread, at the same time.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Whom the token proves its holder to be; kUnauthenticated(token) when nobody.
  [[nodiscard]] virtual Result<Identity> authenticate(std::string_view token) const = 0;
};

// kInvalidArgument(auth) when the mode is not fit for where the node listens: without authentication any client is any
// user, so only this machine may connect.
Result<std::unique_ptr<Authenticator>> make_authenticator(AuthMode mode, bool listens_on_loopback);

}  // namespace earshot::gateway
