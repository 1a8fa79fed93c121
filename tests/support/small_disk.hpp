#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.hpp"

namespace earshot::tests {

// A file system of a few megabytes at a directory, seen only by programs that are started inside it. It lives as long
// as the object, whatever becomes of those programs.
class SmallDisk {
 public:
  SmallDisk(std::string directory, unsigned mebibytes) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    const std::string mount = "mount -t tmpfs -o size=" + std::to_string(mebibytes) + "m tmpfs \"$0\"";
    holder_ = std::make_unique<ChildProcess>(std::vector<std::string>{
        "/usr/bin/unshare", "--mount", "/bin/sh", "-c", mount + " && echo mounted && exec sleep infinity", directory_});
    std::string line;
    is_there_ = holder_->read_line(line) && line == "mounted";
  }

  // False where the system does not let us mount.
  [[nodiscard]] bool is_there() const { return is_there_; }
  // What a command is prefixed with to be started inside: where the test's own / is not the system's, it stays that.
  [[nodiscard]] std::vector<std::string> wrapper() const {
    return {"/usr/bin/nsenter", "--mount=" + holder() + "/ns/mnt", "--root=" + root()};
  }
  // Takes so much of what is left, or all of it, until free().
  void take(std::uint64_t bytes = UINT64_MAX) {
    std::ofstream file(filler(), std::ios::binary | std::ios::app);
    const std::string block(4096, 'x');
    for (std::uint64_t taken = 0; taken < bytes; taken += block.size())
      if (!file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) return;
  }
  void free() { std::filesystem::remove(filler()); }
  [[nodiscard]] std::uint64_t free_bytes() const { return std::filesystem::space(path()).available; }

 private:
  [[nodiscard]] std::string holder() const { return "/proc/" + std::to_string(holder_->pid()); }
  [[nodiscard]] std::string root() const { return holder() + "/root"; }
  // The directory as seen from outside.
  [[nodiscard]] std::string path() const { return root() + directory_; }
  [[nodiscard]] std::string filler() const { return path() + "/filler"; }

  const std::string directory_;
  std::unique_ptr<ChildProcess> holder_;
  bool is_there_ = false;
};

}  // namespace earshot::tests
