#include "tests/support/redis_server.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/free_port.hpp"
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
