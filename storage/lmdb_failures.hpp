#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "storage/files.hpp"

// What LMDB's codes mean.
namespace earshot::storage {

// The one place where LMDB's codes become ours. `what` names the operation.
Error error_of(int code, std::string_view what);

// Ends the process: which of the written pages are on the disk is unknown. Going on could acknowledge what is not
// there.
[[noreturn]] void stop_on_failed_sync(int code, const std::string& path);

// Judges the failed writes of the environment in `path`. One thread at a time.
class LmdbFailures {
 public:
  explicit LmdbFailures(std::string path) : path_(std::move(path)) {}

  // What to answer, if the process may go on; else it ends here. `witness`: of the data file, never written through.
  Error judge(int code, std::string_view what, const FileDescriptor& witness);

 private:
  bool forgives();

  const std::string path_;
  std::optional<std::chrono::steady_clock::time_point> forgiven_at_;
};

}  // namespace earshot::storage
