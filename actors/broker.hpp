#pragma once

#include <memory>

#include "actors/ports.hpp"
#include "base/config.hpp"

namespace earshot::actors {

// A node as its gateways see it. Thread-safe.
class Broker {
 public:
  virtual ~Broker() = default;
  // Starts a session for an authenticated user; the answer comes as client->logged_in(). Never null. After an error, or
  // closed(), the inbox leads nowhere.
  virtual std::shared_ptr<SessionInbox> open_session(Identity identity, LoginRequest request,
                                                     std::shared_ptr<ClientPort> client) = 0;
};

}  // namespace earshot::actors
