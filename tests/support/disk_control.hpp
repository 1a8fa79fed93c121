#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/child_process.hpp"
#include "tests/support/disk_trace.h"

namespace earshot::tests {

// The disk of a node that runs with disk_shim.c: what the test makes of it, and what the node did to it. Works in a
// directory that is there; the node's data belongs below data().
class DiskControl {
 public:
  static constexpr std::uint64_t kEvery = UINT64_MAX;

  explicit DiskControl(std::string directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(disk());
    std::ofstream(control_file(), std::ios::binary) << std::string(sizeof(disk_control), '\0');
    const int file = ::open(control_file().c_str(), O_RDWR | O_CLOEXEC);
    void* page = ::mmap(nullptr, sizeof(disk_control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (page == MAP_FAILED) throw std::runtime_error("cannot map " + control_file());
    control_ = static_cast<disk_control*>(page);
  }
  ~DiskControl() { ::munmap(control_, sizeof(disk_control)); }
  DiskControl(const DiskControl&) = delete;
  DiskControl& operator=(const DiskControl&) = delete;

  [[nodiscard]] std::string data() const { return disk() + "/node"; }
  [[nodiscard]] std::string trace_file() const { return directory_ + "/trace"; }
  // What the node's command is prefixed with.
  [[nodiscard]] std::vector<std::string> wrapper(bool records) const {
    std::vector<std::string> settings{"EARSHOT_DISK_DIRECTORY=" + disk(), "EARSHOT_DISK_CONTROL=" + control_file()};
    if (records) settings.push_back("EARSHOT_DISK_TRACE=" + trace_file());
    return with_shim("disk", std::move(settings));
  }

  [[nodiscard]] std::uint64_t records() const { return std::atomic_ref(control_->records).load(); }
  [[nodiscard]] std::uint64_t syncs() const { return std::atomic_ref(control_->syncs).load(); }
  void delay_syncs_ms(std::uint64_t ms) { std::atomic_ref(control_->sync_delay_ms).store(ms); }
  // So many more writes of data pages, or syncs, fail.
  void fail_writes(int error, std::uint64_t writes = kEvery) {
    std::atomic_ref(control_->write_errno).store(static_cast<std::uint64_t>(error));
    std::atomic_ref(control_->write_faults).store(writes);
  }
  void fail_syncs(int error, std::uint64_t syncs = kEvery) {
    std::atomic_ref(control_->sync_errno).store(static_cast<std::uint64_t>(error));
    std::atomic_ref(control_->sync_faults).store(syncs);
  }
  [[nodiscard]] std::uint64_t sync_failures_left() const { return std::atomic_ref(control_->sync_faults).load(); }
  void mend() { fail_writes(0, 0), fail_syncs(0, 0), cut_short(0); }
  void use_up_quota(bool used_up) { std::atomic_ref(control_->quota).store(used_up ? 1 : 0); }
  [[nodiscard]] std::uint64_t cuts_left() const { return std::atomic_ref(control_->cuts).load(); }
  // As if a quota that is used up were raised before anybody can look.
  void cut_short(std::uint64_t writes) { std::atomic_ref(control_->cuts).store(writes); }
  void lie() { std::atomic_ref(control_->lying).store(1); }

 private:
  [[nodiscard]] std::string disk() const { return directory_ + "/disk"; }
  [[nodiscard]] std::string control_file() const { return directory_ + "/control"; }

  const std::string directory_;
  disk_control* control_ = nullptr;
};

}  // namespace earshot::tests
