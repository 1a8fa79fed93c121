#pragma once

#include <memory>

#include "actors/node_links.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"

namespace earshot::app {

// A node's links as its settings have them: peers/peer_links.hpp.
class PeerNodeLinks : public actors::NodeLinks {
 public:
  // Settings and clock outlive it.
  static std::unique_ptr<PeerNodeLinks> make(const NodeConfig& config, const Clock& clock);
  // What open() would refuse in the settings alone.
  [[nodiscard]] virtual Status check() const = 0;
  // Certificates are read again, for links that begin from now on.
  virtual Status reload() = 0;
};

}  // namespace earshot::app
