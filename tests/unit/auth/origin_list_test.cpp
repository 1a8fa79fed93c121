#include "auth/origin_list.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::auth {
namespace {

Origin v4(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
  return {false, a << 24 | b << 16 | c << 8 | d};
}
Origin v6(std::uint64_t prefix) { return {true, prefix}; }

std::string refusal(std::string_view text) {
  const auto list = OriginList::parse(text);
  if (list) return "";
  EXPECT_EQ(list.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(list.error().field, "login_throttle_exempt");
  return list.error().detail;
}

TEST(OriginList, NothingNamesNobody) {
  for (const char* text : {"", "  "}) {
    const auto list = OriginList::parse(text).value();
    EXPECT_TRUE(list.empty());
    EXPECT_FALSE(list.contains(v4(10, 0, 0, 7)));
    EXPECT_FALSE(list.contains({})) << "nor a socket that is gone";
  }
}

TEST(OriginList, AnAddressNamesItselfAndNotItsNeighbours) {
  const auto list = OriginList::parse("10.0.0.7,fd00:0:0:5::1").value();
  EXPECT_TRUE(list.contains(v4(10, 0, 0, 7)));
  EXPECT_FALSE(list.contains(v4(10, 0, 0, 6)));
  EXPECT_FALSE(list.contains(v4(10, 0, 0, 8)));
  EXPECT_TRUE(list.contains(v6(0xfd00'0000'0000'0005))) << "an IPv6 address stands for its /64";
  EXPECT_FALSE(list.contains(v6(0xfd00'0000'0000'0004)));
}

TEST(OriginList, APrefixNamesAllThatBeginsWithItFromTheFirstToTheLast) {
  const auto list = OriginList::parse(" 10.1.0.0/16 , 192.168.0.128/25, fd00:1::/32 ").value();
  EXPECT_TRUE(list.contains(v4(10, 1, 0, 0)));
  EXPECT_TRUE(list.contains(v4(10, 1, 255, 255)));
  EXPECT_FALSE(list.contains(v4(10, 0, 255, 255)));
  EXPECT_FALSE(list.contains(v4(10, 2, 0, 0)));
  EXPECT_TRUE(list.contains(v4(192, 168, 0, 128)));
  EXPECT_FALSE(list.contains(v4(192, 168, 0, 127)));
  EXPECT_TRUE(list.contains(v6(0xfd00'0001'ffff'ffff)));
  EXPECT_FALSE(list.contains(v6(0xfd00'0002'0000'0000)));
}

TEST(OriginList, TheTwoKindsAreKeptApart) {
  EXPECT_FALSE(OriginList::parse("0.0.0.0/0")->contains(v6(7)));
  EXPECT_TRUE(OriginList::parse("0.0.0.0/0")->contains(v4(255, 255, 255, 255)));
  EXPECT_FALSE(OriginList::parse("::/0")->contains(v4(0, 0, 0, 7)));
  EXPECT_TRUE(OriginList::parse("::/0")->contains(v6(UINT64_MAX)));
}

TEST(OriginList, WhatNamesNobodyIsRefused) {
  using namespace std::string_view_literals;
  for (const auto text : {"proxy.example"sv, "10.0.0"sv, "10.0.0.7,"sv, ",10.0.0.7"sv, "10.0.0.7 10.0.0.8"sv,
                          "10.0.0.7\0"sv, "/8"sv, "[fd00::]"sv, "fe80::1%eth0"sv})
    EXPECT_NE(refusal(text).find("is no address"), std::string::npos) << text;
  for (const auto text :
       {"10.0.0.0/33"sv, "10.0.0.0/"sv, "10.0.0.0/8x"sv, "10.0.0.0/-1"sv, "10.0.0.0/8/8"sv, "10.0.0.0/99999999999"sv})
    EXPECT_NE(refusal(text).find("/0 to /32"), std::string::npos) << text;
  EXPECT_NE(refusal("fd00::/65").find("/0 to /64"), std::string::npos);
  EXPECT_NE(refusal("::ffff:10.0.0.7").find("IPv4"), std::string::npos) << "it would never be met as that";
}

TEST(OriginList, HoldsAsManyAsTheLimitAndNotOneMore) {
  std::string text = "10.0.0.0";
  for (std::size_t i = 1; i < limits::kLoginExemptMax; ++i) text += ",10.0.0." + std::to_string(i);
  EXPECT_EQ(refusal(text), "");
  EXPECT_NE(refusal(text + ",10.0.1.0").find(std::to_string(limits::kLoginExemptMax)), std::string::npos);
}

}  // namespace
}  // namespace earshot::auth
