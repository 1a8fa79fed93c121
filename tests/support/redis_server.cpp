#include "tests/support/redis_server.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/redis_client.hpp"

namespace earshot::tests {
namespace {

constexpr int kAttempts = 5;

// Redis goes by the name that it is called by.
std::string redis_program(const TemporaryDirectory& directory) {
  if (std::filesystem::exists("/usr/bin/redis-server")) return "/usr/bin/redis-server";
  const std::string other_name = "/usr/bin/redis-check-rdb";
  if (!std::filesystem::exists(other_name)) throw std::runtime_error("no Redis: install the package redis-tools");
  std::string link = directory / "redis-server";
  if (!std::filesystem::exists(link)) std::filesystem::create_symlink(other_name, link);
  return link;
}

// Nobody's when asked. Redis cannot pick one itself and say which.
std::uint16_t free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool is_bound = ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(listener);
  if (!is_bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

RedisServer::RedisServer() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (start()) return;
  }
  throw std::runtime_error("Redis does not start");
}

bool RedisServer::start() {
  port_ = free_port();
  process_.emplace(std::vector<std::string>{redis_program(directory_), "--port", std::to_string(port_), "--bind",
                                            "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
                                            directory_.path()});
  std::string line;
  while (process_->read_line(line)) {
    if (line.find("Ready to accept connections") == std::string::npos) continue;
    return RedisClient(port_).command({"PING"}).text == "PONG";
  }
  return false;
}

RespServer::RespServer() {
  if (const char* given = std::getenv("EARSHOT_RESP_PORT")) {
    port_ = static_cast<std::uint16_t>(std::stoi(given));
    return;
  }
  NodeOptions options;
  options.data = directory_ / "node";
  port_ = node_.emplace(std::move(options)).resp_port();
  if (port_ == 0) throw std::runtime_error("earshotd does not say where it serves Redis's protocol");
}

}  // namespace earshot::tests
