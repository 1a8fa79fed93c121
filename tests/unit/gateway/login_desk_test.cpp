#include "gateway/login_desk.hpp"

#include <cstring>
#include <memory>
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <kj/debug.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace earshot::gateway {
namespace {

// A connection that says where it comes from.
class From final : public kj::AsyncIoStream {
 public:
  explicit From(const std::string& address) : address_(address) {}

  void getpeername(sockaddr* to, kj::uint* size) override {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, address_.c_str(), &v4.sin_addr) == 1) {
      v4.sin_family = AF_INET;
      std::memcpy(to, &v4, *size = sizeof v4);
    } else if (::inet_pton(AF_INET6, address_.c_str(), &v6.sin6_addr) == 1) {
      v6.sin6_family = AF_INET6;
      std::memcpy(to, &v6, *size = sizeof v6);
    } else {
      KJ_FAIL_REQUIRE("the socket is gone");
    }
  }
  kj::Promise<std::size_t> tryRead(void*, std::size_t, std::size_t) override { return kj::NEVER_DONE; }
  kj::Promise<void> write(const void*, std::size_t) override { return kj::NEVER_DONE; }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>>) override { return kj::NEVER_DONE; }
  kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  void shutdownWrite() override {}

 private:
  const std::string address_;
};

auth::Origin origin(const std::string& address) {
  From stream(address);
  return origin_of(stream);
}

class Secretive final : public Authenticator {
 public:
  explicit Secretive(bool keeps_secrets) : keeps_secrets_(keeps_secrets) {}
  Result<Identity> authenticate(std::string_view) override { return fail(ErrorCode::kUnauthenticated, "token", "no"); }
  [[nodiscard]] bool keeps_secrets() const override { return keeps_secrets_; }

 private:
  const bool keeps_secrets_;
};

TEST(OriginOf, AnIpv4AddressIsOneOrigin) {
  EXPECT_EQ(origin("10.0.0.1"), (auth::Origin{false, 0x0a000001}));
  EXPECT_NE(origin("10.0.0.1"), origin("10.0.0.2"));
}

TEST(OriginOf, ANetworkOfIpv6IsOneOriginHoweverManyAddressesItHas) {
  EXPECT_EQ(origin("2001:db8:1:2::1"), (auth::Origin{true, 0x20010db800010002}));
  EXPECT_EQ(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
}

TEST(OriginOf, AnIpv4ClientIsTheSameOnASocketForBoth) {
  EXPECT_EQ(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
  EXPECT_NE(origin("::ffff:10.0.0.1"), origin("::ffff:10.0.0.2"));
}

TEST(OriginOf, IsReadAsAnAddressOrANetwork) {
  EXPECT_EQ(text_of(origin("192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(text_of(origin("2001:db8:1:2:3:4:5:6")), "2001:db8:1:2::/64");
  EXPECT_EQ(text_of(auth::Origin{}), "0.0.0.0");
}

TEST(OriginOf, WhatCannotTellIsOneOriginToo) { EXPECT_EQ(origin("gone"), auth::Origin{}); }

TEST(LoginDesk, FailuresOfOneOriginSlowItAndNoOther) {
  ManualClock clock;
  LoginDesk desk(std::make_unique<Secretive>(true), clock);
  const auth::Origin guesser = origin("10.0.0.1");
  for (std::uint32_t i = 0; i < limits::kLoginFailuresFree; ++i) {
    ASSERT_EQ(desk.admit(guesser).value(), 0u);
    EXPECT_EQ(desk.judge("guess", guesser).error().retry_after_ms, 0u);
  }
  ASSERT_EQ(desk.admit(guesser).value(), 0u) << "at the limit";
  EXPECT_EQ(desk.judge("guess", guesser).error().retry_after_ms, limits::kLoginDelayFirstMs) << "and one more";
  EXPECT_EQ(desk.admit(guesser).value(), limits::kLoginDelayFirstMs);
  EXPECT_EQ(desk.admit(origin("10.0.0.2")).value(), 0u);
  EXPECT_EQ(desk.admit(origin("2001:db8::1")).value(), 0u);
  clock.advance(limits::kLoginFailuresMax * limits::kLoginForgetMs);
  EXPECT_EQ(desk.admit(guesser).value(), 0u) << "forgotten";
}

TEST(LoginDesk, WhereThereIsNothingToGuessNobodyWaits) {
  ManualClock clock;
  LoginDesk desk(std::make_unique<Secretive>(false), clock);
  const auth::Origin one = origin("127.0.0.1");
  for (std::uint32_t i = 0; i < 10 * limits::kLoginFailuresMax; ++i) {
    ASSERT_EQ(desk.admit(one).value(), 0u);
    ASSERT_EQ(desk.judge("", one).error().retry_after_ms, 0u);
  }
}

}  // namespace
}  // namespace earshot::gateway
