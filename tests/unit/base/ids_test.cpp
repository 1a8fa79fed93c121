#include "base/ids.hpp"

#include <set>
#include <string>
#include <unordered_set>

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "base/limits.hpp"

namespace earshot::tests {
namespace {

std::string refusal(std::string_view text) {
  const auto id = UserId::parse(text, "recipient");
  EXPECT_FALSE(id.has_value()) << text;
  if (id) return {};
  EXPECT_EQ(id.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(id.error().field, "recipient");
  return id.error().detail;
}

TEST(Names, AcceptAnyUtf8UpToTheLimit) {
  for (const std::string& text :
       {std::string("a"), std::string("Ünïcode 名前 🦊"), std::string(128, 'x'), std::string(" ")}) {
    const auto id = UserId::parse(text, "user");
    ASSERT_TRUE(id.has_value()) << text;
    EXPECT_EQ(id->text(), text);
  }
}

TEST(Names, RefuseEmptyAndOneByteTooLongNamingTheLimit) {
  EXPECT_EQ(refusal(""), "must not be empty");
  EXPECT_EQ(refusal(std::string(129, 'x')), "has 129 bytes, the limit is 128");
}

TEST(Names, RefuseBrokenUtf8) {
  EXPECT_EQ(refusal("\xff"), "is not valid UTF-8");
  EXPECT_EQ(refusal("caf\xc3"), "is not valid UTF-8") << "cut inside a character";
  EXPECT_EQ(refusal("\xc0\x80"), "is not valid UTF-8") << "an overlong zero";
  EXPECT_EQ(refusal("\xed\xa0\x80"), "is not valid UTF-8") << "a surrogate";
}

TEST(Names, RefuseControlCharactersThatForgeLogLinesOrEndKeys) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {"a\0b"sv, "a\nb"sv, "\x1b[31m"sv, "a\x7f"sv, "a\u0085b"sv, "\u009b"sv})
    EXPECT_EQ(refusal(text), "contains a control character");
  EXPECT_TRUE(UserId::parse("\u00a0\u00e9", "user").has_value()) << "C2 A0 and C3 A9 are no controls";
}

TEST(MessageIds, ReadBackWhatTheyPrint) {
  const MessageId id{0x0123456789abcdef, 0xfedcba9876543210};
  EXPECT_EQ(id.to_string(), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(MessageId::parse(id.to_string()).value(), id);
  EXPECT_EQ(MessageId::parse(MessageId{}.to_string()).value(), MessageId{});
}

TEST(MessageIds, RefuseWhatIsNot32HexadecimalDigits) {
  for (const char* text :
       {"", "0", "0123456789abcdeffedcba987654321", "0123456789abcdeffedcba98765432100",
        "0123456789abcdeg0000000000000000", "+123456789abcdef0000000000000000", "0x23456789abcdef0000000000000000"})
    EXPECT_FALSE(MessageId::parse(text).has_value()) << text;
}

TEST(Shards, AKeyHasOneShardAndManyKeysSpreadOverAll) {
  EXPECT_EQ(shard_of("", 64).value, 0x2d06800538d394c2ull % 64);
  EXPECT_EQ(shard_of("alice", 64), shard_of(UserId::trusted("alice"), 64));
  std::set<std::uint16_t> met;
  for (int i = 0; i < 2'000; ++i) met.insert(shard_of("user-" + std::to_string(i), 64).value);
  EXPECT_EQ(met.size(), 64u);
  EXPECT_LT(*met.rbegin(), 64u);
}

TEST(Numbers, OfDifferentMeaningsAreDifferentTypes) {
  static_assert(!std::is_convertible_v<Sequence, LogIndex>);
  static_assert(!std::is_convertible_v<std::uint64_t, Sequence>);
  EXPECT_EQ(Sequence(1).next(), Sequence(2));
  EXPECT_LT(Sequence(1), Sequence(2));
  EXPECT_EQ(std::unordered_set<Sequence>({Sequence(1), Sequence(1), Sequence(2)}).size(), 2u);
}

}  // namespace
}  // namespace earshot::tests
