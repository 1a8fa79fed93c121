#include "tests/support/child_process.hpp"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace earshot::tests {
namespace {

constexpr int kStartMs = 60'000;

// After the fork of a process with many threads: nothing may be allocated, another thread may have held the allocator.
[[noreturn]] void become(char* const* arguments, int output, int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::dup2(output, STDOUT_FILENO);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) become(arguments.data(), ends[1], parent);
  ::close(ends[1]);
  output_ = ends[0];
}

ChildProcess::~ChildProcess() {
  if (!waited_) {
    ::kill(pid_, SIGKILL);
    wait();
  }
  ::close(output_);
}

bool ChildProcess::fill(int timeout_ms) {
  pollfd waiting{output_, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, timeout_ms);
  if (ready < 0 && errno == EINTR) return true;
  if (ready == 0) throw std::runtime_error("the program said nothing for " + std::to_string(timeout_ms) + " ms");
  char chunk[4096];
  const ssize_t count = ::read(output_, chunk, sizeof chunk);
  if (count <= 0) return count < 0 && errno == EINTR;
  buffer_.append(chunk, static_cast<std::size_t>(count));
  return true;
}

bool ChildProcess::wait_output(int timeout_ms) {
  if (!buffer_.empty()) return true;
  pollfd waiting{output_, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) > 0;
}

bool ChildProcess::read_line(std::string& line, int timeout_ms) {
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return true;
    }
    if (!fill(timeout_ms)) {
      line = std::move(buffer_);
      buffer_.clear();
      return !line.empty();
    }
  }
}

std::string ChildProcess::read_all(int timeout_ms) {
  while (fill(timeout_ms)) {
  }
  return std::move(buffer_);
}

void ChildProcess::signal(int number) {
  if (!waited_) ::kill(pid_, number);
}

int ChildProcess::wait() {
  if (!waited_) {
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    waited_ = true;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

void NodeProcess::launch() {
  std::vector<std::string> command = options_.wrapper;
  command.insert(command.end(), {earshotd_path(), "--data", options_.data, "--client-port",
                                 std::to_string(options_.port), "--resp-port", std::to_string(options_.resp_port),
                                 "--http-port", std::to_string(options_.http_port), "--log-level", "warn"});
  command.insert(command.end(), options_.more.begin(), options_.more.end());
  process_ = std::make_unique<ChildProcess>(command);
}

bool NodeProcess::wait_ready(int timeout_ms) {
  std::string line;
  while (process_->wait_output(timeout_ms) && process_->read_line(line)) {
    if (line.rfind("earshotd ready:", 0) != 0) continue;
    const auto port_behind = [&](const char* word) {
      const auto place = line.find(word);
      if (place == std::string::npos) return std::uint16_t{0};
      return static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':', place) + 1)));
    };
    options_.port = port_behind("clients ");
    options_.resp_port = port_behind("resp ");
    options_.http_port = port_behind("http ");
    return true;
  }
  return false;
}

void NodeProcess::start() {
  launch();
  wait_until_ready();
}

void NodeProcess::wait_until_ready() {
  if (wait_ready(kStartMs)) return;
  process_->signal(SIGKILL);
  throw std::runtime_error("earshotd ended with code " + std::to_string(process_->wait()) + " before it was ready");
}

bool NodeProcess::start_unless_killed_after(int ms) {
  launch();
  if (wait_ready(ms)) return true;
  kill();
  return false;
}

void NodeProcess::kill() {
  process_->signal(SIGKILL);
  process_->wait();
  process_.reset();
}

std::optional<int> NodeProcess::wait_end(int timeout_ms) {
  // It says nothing after it was ready, so what comes is the end of its output.
  if (!process_->wait_output(timeout_ms)) return std::nullopt;
  const int code = process_->wait();
  process_.reset();
  return code;
}

int NodeProcess::stop() {
  process_->signal(SIGTERM);
  const int code = process_->wait();
  process_.reset();
  return code;
}

std::size_t anonymous_memory_bytes(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word) {
    std::size_t kibibytes = 0;
    if (word == "RssAnon:" && status >> kibibytes) return kibibytes << 10;
  }
  throw std::runtime_error("the process is gone");
}

std::string earshotd_path() { return EARSHOT_EARSHOTD; }
std::string earshot_path() { return EARSHOT_EARSHOT; }
std::string example_path(const std::string& name) { return EARSHOT_EXAMPLES "/client-example-" + name; }

std::vector<std::string> with_shim(const std::string& name, std::vector<std::string> environment) {
  // Sanitizers would rather be the first library of all; the shims do not mind.
  const char* options = std::getenv("ASAN_OPTIONS");
  std::vector<std::string> command{
      "/usr/bin/env",
      "ASAN_OPTIONS=" + (options == nullptr ? "" : std::string(options) + ":") + "verify_asan_link_order=0",
      "LD_PRELOAD=" EARSHOT_SHIMS "/" + name + "_shim.so"};
  command.insert(command.end(), std::make_move_iterator(environment.begin()),
                 std::make_move_iterator(environment.end()));
  return command;
}

std::vector<std::string> with_log(const std::string& file) { return {"/bin/sh", "-c", R"(exec "$@" 2>>"$0")", file}; }

std::string text_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace earshot::tests
