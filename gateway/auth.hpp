#pragma once

#include <memory>
#include <string_view>

#include "base/clock.hpp"
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
  [[nodiscard]] virtual Result<Identity> authenticate(std::string_view token) = 0;
  // Reads its keys again; what cannot be used changes nothing.
  virtual Status reload() { return {}; }
  // Says in the log what it goes by, and what is unwise about it.
  virtual void tell() {}
  // Whether there is anything to guess.
  [[nodiscard]] virtual bool keeps_secrets() const { return false; }
};

// By config.auth. kInvalidArgument(auth) when the mode is not fit for where the node listens: without authentication
// any client is any user, so only this machine may connect. kInvalidArgument(jwt_keys) when its keys cannot be used.
Result<std::unique_ptr<Authenticator>> make_authenticator(const NodeConfig& config, bool listens_on_loopback,
                                                          const Clock& clock);

}  // namespace earshot::gateway
