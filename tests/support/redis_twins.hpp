#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

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

// Where both tell the same number in other digits, the second reply takes the first one's.
inline void take_digits(const Reply& from, Reply& to) {
  const auto number_in = [](const Reply& reply) -> std::optional<double> {
    const char* const end = reply.text.data() + reply.text.size();
    double number = 0;
    const auto read = std::from_chars(reply.text.data(), end, number);
    if (reply.text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return number;
  };
  const auto ours = number_in(from);
  const auto theirs = number_in(to);
  // To the digits that GEOPOS tells, or to the last bit.
  if (from.kind == to.kind && ours && theirs && std::abs(*ours - *theirs) <= 1e-17 + 0x1p-52 * std::abs(*ours))
    to.text = from.text;
  for (std::size_t i = 0; i < std::min(from.elements.size(), to.elements.size()); ++i)
    take_digits(from.elements[i], to.elements[i]);
}

// One connection to each. The reference is Redis 7.0: later ones tell numbers with as few digits as will do, which is
// no difference.
class TwinClients {
 public:
  TwinClients(std::uint16_t our_port, std::uint16_t redis_port, int protocol) : ours(our_port), redis(redis_port) {
    for (auto* client : {&ours, &redis}) client->use_protocol(protocol);
    tells_other_digits_ = redis.command({"INFO", "server"}).text.find("redis_version:7.0.") == std::string::npos;
  }
  // Both without a key.
  void clear() { expect_same({"FLUSHDB"}); }
  // The answer, which has to be the same to the last byte.
  Reply expect_same(const Words& words) {
    ours.send(words);
    redis.send(words);
    return expect_same_reply(words);
  }
  // To what both were sent.
  Reply expect_same_reply(const Words& words) {
    Reply our_reply = ours.receive();
    Reply its_reply = redis.receive();
    forgive_digits(our_reply, its_reply);
    EXPECT_EQ(our_reply, its_reply) << to_text(words).substr(0, 300);
    return our_reply;
  }
  // Before a comparison: see above. Both in the same order.
  void forgive_digits(const Reply& our_reply, Reply& its_reply) const {
    if (tells_other_digits_) take_digits(our_reply, its_reply);
  }

  RedisClient ours;
  RedisClient redis;

 private:
  bool tells_other_digits_ = false;
};

}  // namespace earshot::tests
