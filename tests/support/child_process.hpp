#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace earshot::tests {

// A program that the test started, with its standard output on a pipe. Ended with SIGKILL by the destructor if still
// there, and by the kernel when the test itself dies.
class ChildProcess {
 public:
  explicit ChildProcess(const std::vector<std::string>& command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line of standard output without its end; false at the end of the output. Throws after `timeout_ms`.
  bool read_line(std::string& line, int timeout_ms = 60'000);
  // Whether there is output, or its end, within the time.
  bool wait_output(int timeout_ms);
  // Everything up to the end of the output.
  std::string read_all(int timeout_ms = 60'000);
  // Sends a signal; harmless after the process has ended.
  void signal(int number);
  // Waits for the end: the exit code, or 128 + signal.
  int wait();
  [[nodiscard]] int pid() const { return pid_; }

 private:
  bool fill(int timeout_ms);

  int pid_ = -1;
  int output_ = -1;
  int status_ = -1;
  bool waited_ = false;
  std::string buffer_;
};

struct NodeOptions {
  std::string data;
  std::uint16_t port = 0;  // 0: the first start picks one, later starts take it again
  std::vector<std::string> more;
  std::vector<std::string> wrapper = {};  // a command that becomes the node's
  std::uint16_t resp_port = 0;            // as `port`
  std::uint16_t http_port = 0;            //
  bool starts_later = false;              // not by the constructor
};

// An earshotd on loopback that can be killed and started again on the same port and data.
class NodeProcess {
 public:
  explicit NodeProcess(NodeOptions options) : options_(std::move(options)) {
    if (!options_.starts_later) start();
  }

  // Returns once the node says that it is ready.
  void start();
  // The two halves of it, for nodes that are ready only together: throws, and the node has ended, when it is not ready
  // within a minute.
  void launch();
  void wait_until_ready();
  // Starts it, and kills it after so long unless it is ready before; whether it was, and runs.
  bool start_unless_killed_after(int ms);
  // SIGKILL, and waits for the end.
  void kill();
  // Waits until it has ended by itself: the exit code, or 128 + signal; nothing when it runs on.
  std::optional<int> wait_end(int timeout_ms);
  // SIGTERM; the exit code.
  int stop();
  // SIGSTOP and SIGCONT, for instance.
  void signal(int number) { process_->signal(number); }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(options_.port); }
  [[nodiscard]] std::uint16_t port() const { return options_.port; }
  [[nodiscard]] std::uint16_t resp_port() const { return options_.resp_port; }
  [[nodiscard]] std::uint16_t http_port() const { return options_.http_port; }
  [[nodiscard]] int pid() const { return process_->pid(); }
  [[nodiscard]] bool is_running() const { return process_ != nullptr; }

 private:
  // Whether it became ready within the time that it may be silent.
  bool wait_ready(int timeout_ms);

  NodeOptions options_;
  std::unique_ptr<ChildProcess> process_;
};

// Bytes of memory that belong to the process alone: what it has allocated, without the pages of files that it maps.
std::size_t anonymous_memory_bytes(int pid);

// Paths of the programs under test, from the build.
std::string earshotd_path();
std::string earshot_path();
std::string example_path(const std::string& name);
// A wrapper for NodeOptions: the node runs with tests/support/NAME_shim.c preloaded and these settings ("KEY=value").
std::vector<std::string> with_shim(const std::string& name, std::vector<std::string> environment);
// The same: what the node logs is appended to this file.
std::vector<std::string> with_log(const std::string& file);
std::string text_of(const std::string& file);

}  // namespace earshot::tests
