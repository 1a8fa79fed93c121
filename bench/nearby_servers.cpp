#include "nearby_servers.hpp"

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <signal.h>
#include <unistd.h>

#include "resp_request.hpp"
#include "tests/support/free_port.hpp"

namespace earshot::bench {
namespace {

constexpr auto kPatience = std::chrono::minutes(2);
constexpr auto kBetweenTries = std::chrono::milliseconds(5);

// "earshotd ready: clients ADDRESS:PORT, resp ADDRESS:PORT, data …": the port behind the word.
std::uint16_t port_behind(std::string_view word, std::string_view line) {
  std::uint16_t port = 0;
  if (const auto found = line.find(word); found != std::string_view::npos) {
    std::string_view address = line.substr(found + word.size());
    address = address.substr(0, address.find(','));
    const std::size_t colon = address.rfind(':');
    if (colon != std::string_view::npos)
      std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  }
  if (port == 0) throw std::runtime_error("no port behind '" + std::string(word) + "' in: " + std::string(line));
  return port;
}

// Debian's redis-tools has the server too: redis-check-rdb is the same program, which looks at the name it is called
// by.
std::string redis_server(const std::string& directory) {
  for (const char* program : {"/usr/bin/redis-server", "/usr/bin/redis-check-rdb"}) {
    if (!std::filesystem::exists(program)) continue;
    std::string link = directory + "/redis-server";
    std::filesystem::create_symlink(program, link);
    return link;
  }
  throw std::runtime_error("neither redis-server nor redis-tools is installed");
}

std::unique_ptr<Server> answering(std::unique_ptr<Server> server) {
  wait_for_answer(server->port(), [](std::string& out) { RespRequest(out, 1).word("PING"); });
  return server;
}

}  // namespace

Server::Server(std::string directory, std::uint16_t port, Command command)
    : directory_(std::move(directory)), port_(port), command_(std::move(command)) {
  start();
}

Server::~Server() {
  if (!process_) return;
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Server::start() {
  process_ = std::make_unique<tests::ChildProcess>(command_(port_));
  if (port_ != 0 && rpc_port_ == 0) return;
  std::string line;
  if (!process_->read_line(line)) throw std::runtime_error("the node ended before it was ready");
  port_ = port_behind(", resp ", line);
  rpc_port_ = port_behind("ready: clients ", line);
}

std::optional<int> Server::pid() const { return process_ ? std::optional(process_->pid()) : std::nullopt; }

void Server::kill() {
  process_->signal(SIGKILL);
  process_->wait();
}

std::unique_ptr<Server> start_node(const std::string& directory) {
  return answering(std::make_unique<Server>(directory, 0, [directory](std::uint16_t port) {
    return std::vector<std::string>{tests::earshotd_path(), "--data", directory, "--client-port", "0",   "--resp-port",
                                    std::to_string(port),   "--http", "false",   "--log-level",   "warn"};
  }));
}

std::unique_ptr<Server> start_redis(const std::string& directory, bool synced) {
  std::filesystem::create_directories(directory);
  const std::string program = redis_server(directory);
  const std::string settings = directory + "/redis.conf";
  std::ofstream(settings) << "bind 127.0.0.1\ndir " << directory << "\nlogfile redis.log\nloglevel warning\nsave \"\"\n"
                          << "appendonly " << (synced ? "yes" : "no") << "\nappendfsync always\n";
  return answering(std::make_unique<Server>(directory, tests::free_port(), [=](std::uint16_t port) {
    return std::vector<std::string>{program, settings, "--port", std::to_string(port)};
  }));
}

void wait_for_answer(std::uint16_t port, const MakeRequest& request, std::uint64_t strings_min) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  RespLoad once;
  once.port = port;
  once.requests_max = 1;
  for (std::string reason;; std::this_thread::sleep_for(kBetweenTries)) {
    try {
      const RespLoadResult result = run_load(once, request);
      if (result.errors == 0 && result.strings >= strings_min) return;
      reason = result.errors > 0 ? result.first_error : "an empty answer";
    } catch (const std::runtime_error& error) {  // also std::system_error
      reason = error.what();
    }
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no answer in two minutes: " + reason);
  }
}

}  // namespace earshot::bench
