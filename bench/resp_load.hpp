#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace earshot::bench {

struct RespLoad {
  std::uint16_t port = 0;  // on 127.0.0.1
  std::uint32_t connections = 1;
  std::uint32_t pipeline = 1;  // requests of a connection that are sent together; the next follow the last reply
  std::uint64_t requests_max = UINT64_MAX;
  std::chrono::milliseconds time_max = std::chrono::hours(1);  // no request is begun later
};

struct RespLoadResult {
  std::uint64_t requests = 0;
  double seconds = 0;  // from the first request to the last reply
  double p99_us = 0;   // from a request's sending to its reply
  std::uint64_t errors = 0;
  std::string first_error;
  std::uint64_t strings = 0;  // bulk strings in all replies
  [[nodiscard]] double rate() const { return static_cast<double>(requests) / seconds; }
};

// Appends one request to the buffer.
using MakeRequest = std::function<void(std::string& out)>;

// Loads a server of Redis's protocol from this thread, in a closed loop. Throws std::system_error when it cannot be
// reached, std::runtime_error when it hangs up or says nothing for a minute.
RespLoadResult run_load(const RespLoad& load, const MakeRequest& make_request);

}  // namespace earshot::bench
