#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/redis_client.hpp"
#include "tests/support/redis_server.hpp"

namespace earshot::tests {

inline std::string to_text(const Words& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + (word.empty() ? "\"\"" : word);
  return text;
}

// Our server and Redis's, which are told the same. Both live as long as the test program.
class RedisTwins : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (ours_ == nullptr) ours_ = std::make_unique<RespServer>();
    if (redis_ == nullptr) redis_ = std::make_unique<RedisServer>();
  }
  static std::uint16_t our_port() { return ours_->port(); }
  static std::uint16_t redis_port() { return redis_->port(); }

 private:
  static inline std::unique_ptr<RespServer> ours_;
  static inline std::unique_ptr<RedisServer> redis_;
};

// One connection to each.
class TwinClients {
 public:
  TwinClients(std::uint16_t our_port, std::uint16_t redis_port, int protocol) : ours(our_port), redis(redis_port) {
    for (auto* client : {&ours, &redis}) client->use_protocol(protocol);
  }
  // Both without a key.
  void clear() { expect_same({"FLUSHDB"}); }
  // The answer, which has to be the same to the last byte.
  Reply expect_same(const Words& words) {
    Reply our_reply = ours.command(words);
    EXPECT_EQ(our_reply, redis.command(words)) << to_text(words).substr(0, 300);
    return our_reply;
  }

  RedisClient ours;
  RedisClient redis;
};

}  // namespace earshot::tests
