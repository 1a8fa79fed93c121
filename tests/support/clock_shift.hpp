#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/child_process.hpp"

namespace earshot::tests {

// The file through which tests/support/clock_shim.c shifts the node's wall clock.
class ClockShift {
 public:
  explicit ClockShift(std::string path) : path_(std::move(path)) {
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ::ftruncate(file, sizeof(std::int64_t)) != 0) throw std::runtime_error("cannot make " + path_);
    void* page = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (page == MAP_FAILED) throw std::runtime_error("cannot map " + path_);
    shift_ms_ = static_cast<std::atomic<std::int64_t>*>(page);
  }
  ~ClockShift() { ::munmap(shift_ms_, sizeof(std::int64_t)); }
  ClockShift(const ClockShift&) = delete;
  ClockShift& operator=(const ClockShift&) = delete;
  void set(std::int64_t ms) { shift_ms_->store(ms); }
  // What the node's command is prefixed with.
  [[nodiscard]] std::vector<std::string> wrapper() const {
    return with_shim("clock", {"EARSHOT_CLOCK_SHIFT=" + path_});
  }

 private:
  const std::string path_;
  std::atomic<std::int64_t>* shift_ms_;
};

}  // namespace earshot::tests
