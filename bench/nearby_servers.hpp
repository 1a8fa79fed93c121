#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resp_load.hpp"
#include "tests/support/child_process.hpp"

namespace earshot::bench {

// A server of Redis's protocol on 127.0.0.1: a process of ours on a directory of its own, gone with the object, or one
// that somebody else runs.
class Server {
 public:
  // The command for a port; for port 0 the server picks one and tells it in its first line of output.
  using Command = std::function<std::vector<std::string>(std::uint16_t port)>;

  Server(std::string directory, std::uint16_t port, Command command);
  explicit Server(std::uint16_t port) : port_(port) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Of Cap'n Proto RPC; 0: it has none.
  [[nodiscard]] std::uint16_t rpc_port() const { return rpc_port_; }
  // None for a server that somebody else runs.
  [[nodiscard]] std::optional<int> pid() const;
  // SIGKILL, and waits for the end.
  void kill();
  // On the same port and data as before; does not wait until it serves.
  void start();

 private:
  std::string directory_;
  std::uint16_t port_;
  std::uint16_t rpc_port_ = 0;
  Command command_;
  std::unique_ptr<tests::ChildProcess> process_;
};

// Each returns once the server answers.
std::unique_ptr<Server> start_node(const std::string& directory);
// Without persistence, or with every write synced before its answer.
std::unique_ptr<Server> start_redis(const std::string& directory, bool synced);

// Asks again and again until the answer is no error, and has at least so many strings: refused and broken connections
// are failures too. Throws with the last of them after two minutes.
void wait_for_answer(std::uint16_t port, const MakeRequest& request, std::uint64_t strings_min = 0);

}  // namespace earshot::bench
