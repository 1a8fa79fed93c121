#pragma once

#include <cstdint>
#include <string>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace earshot::actors {

// What a writer does about a full disk: keeps everything, tries again with back-off, and says so, at most once a
// minute. Any other failed write stops the process: what the disk holds is not known then, and the log will tell after
// a restart.
class WriterRetry {
 public:
  WriterRetry(std::string writer, const Clock& clock, Random random)
      : writer_(std::move(writer)), clock_(clock), random_(std::move(random)) {}

  // A write failed; how long to wait before the next attempt.
  std::uint64_t failed(const Error& error);
  // A write was synced.
  void succeeded();

 private:
  const std::string writer_;
  const Clock& clock_;
  Random random_;
  std::uint32_t attempts_ = 0;  // in a row, failed
  std::uint64_t said_at_ms_ = 0;
};

}  // namespace earshot::actors
