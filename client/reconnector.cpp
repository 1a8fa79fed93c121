#include "client/reconnector.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace earshot::client {

Reconnector::Reconnector(std::vector<std::string> addresses, BackoffPolicy policy, Random random)
    : addresses_(std::move(addresses)), policy_(policy), random_(random) {
  EARSHOT_INVARIANT(!addresses_.empty(), "a client has at least one address");
  current_ = random_.below(addresses_.size());
}

std::uint64_t Reconnector::failed(std::uint64_t now_ms, std::uint64_t at_least_ms) {
  if (connected_at_ms_ != 0 && now_ms - connected_at_ms_ >= policy_.max_ms) failures_ = 0;
  connected_at_ms_ = 0;
  current_ = (current_ + 1) % addresses_.size();
  const std::uint32_t round = failures_ / static_cast<std::uint32_t>(addresses_.size());
  if (failures_ < UINT32_MAX) ++failures_;
  return std::max(backoff_ms(policy_, round + 1, random_), at_least_ms);
}

}  // namespace earshot::client
