#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "client/client.hpp"
#include "resp_load.hpp"

namespace earshot::bench {

// Clients of the library, each with one question or change under way: what programs see that speak Cap'n Proto RPC.
class RpcCallers {
 public:
  using Next = std::function<PlacesRequest()>;

  // Connects to 127.0.0.1. Throws std::runtime_error.
  RpcCallers(std::uint16_t port, std::uint32_t count);
  ~RpcCallers();
  RpcCallers(const RpcCallers&) = delete;
  RpcCallers& operator=(const RpcCallers&) = delete;

  // In a closed loop; no request is begun after that time. `strings` are the members that were found.
  RespLoadResult run(const Next& next, std::chrono::milliseconds time_max);

 private:
  std::shared_ptr<client::Runtime> runtime_;
  std::vector<std::unique_ptr<client::Client>> clients_;
};

}  // namespace earshot::bench
