#pragma once

#include <cstdint>
#include <optional>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::tests {

// A Redis on loopback that keeps nothing. Needs the package redis-tools, of which redis-check-rdb is the server too, or
// a redis-server in /usr/bin. Serves when the constructor returns; ends with the object.
class RedisServer {
 public:
  RedisServer();

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  // False: it did not come to serve, as happens when somebody else has taken the port.
  bool start();

  TemporaryDirectory directory_;
  std::uint16_t port_ = 0;
  std::optional<ChildProcess> process_;
};

// A server of Redis's protocol that is put to the test: an earshotd. With EARSHOT_RESP_PORT set, whatever listens there
// instead; its data is erased.
class RespServer {
 public:
  RespServer();

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  TemporaryDirectory directory_;
  std::uint16_t port_ = 0;
  std::optional<NodeProcess> node_;
};

}  // namespace earshot::tests
