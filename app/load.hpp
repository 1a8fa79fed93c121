#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"

// A load of sends, made by the client library with stores in memory: what `earshot bench` and bench/ measure with.
namespace earshot::app {

struct LoadOptions {
  std::vector<std::string> servers{"127.0.0.1:7400"};
  std::string name = "load";  // senders are NAME-1, NAME-2 …, recipients NAME-to-1 …
  std::uint32_t connections = 16;
  std::uint32_t window = 256;        // unanswered messages per connection
  std::uint64_t messages = 200'000;  // over all connections
  std::uint32_t body_bytes = 128;
  std::uint32_t recipients = 10'000;
  std::uint64_t timeout_ms = 120'000;
  std::function<void(std::uint64_t)> progress;  // messages answered so far; from several threads, one at a time
};

struct LoadResult {
  double seconds = 0;  // from the first send to the last answer
  std::uint64_t stored = 0;
  std::uint64_t refused = 0;
  std::uint64_t resent = 0;
  double p50_us = 0;  // from send() to its answer
  double p99_us = 0;
  [[nodiscard]] double rate() const { return seconds > 0 ? static_cast<double>(stored) / seconds : 0; }
};

// Connects, sends everything in closed loops of `window`, waits for every answer. kDeadlineExceeded when that takes
// longer than the time given; what a login or a store answers otherwise.
Result<LoadResult> run_load(const LoadOptions& options);

// The value below which `fraction` of the samples lie; 0 without samples. Reorders them.
double percentile(std::vector<double>& samples, double fraction);

}  // namespace earshot::app
