#include "resp/glob.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::resp {
namespace {

bool matches(std::string_view pattern, std::string_view text) { return Glob(pattern).matches(text); }

TEST(Glob, FitsWhatRedissPatternsFit) {
  const struct {
    std::string_view pattern, text;
    bool fits;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"abcd", "abc", false},
      {"*", "", true},
      {"*", "anything", true},
      {"a*", "a", true},
      {"a***", "a", true},
      {"*c", "abc", true},
      {"*c", "abcd", false},
      {"a*b*c", "aXbXbXc", true},
      {"a*b*c", "aXcXb", false},
      {"a?c", "abc", true},
      {"?", "", false},
      {"[abc]", "b", true},
      {"[abc]", "d", false},
      {"[^a]", "b", true},
      {"[^a]", "a", false},
      {"[a-c]", "b", true},
      {"[c-a]", "b", true},
      {"[a-c]", "d", false},
      {"[\\]]", "]", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\\\", "\\", true},
  };
  for (const auto& [pattern, text, fits] : cases) EXPECT_EQ(matches(pattern, text), fits) << pattern << " " << text;
}

TEST(Glob, WhatIsNotClosedEndsWithThePattern) {
  EXPECT_TRUE(matches("[ab", "b"));
  EXPECT_FALSE(matches("[", "["));
  EXPECT_FALSE(matches("[]", "]"));
  EXPECT_TRUE(matches("[^", "a"));
  EXPECT_TRUE(matches("[^]", "a"));
  EXPECT_TRUE(matches("a\\", "a\\"));
  EXPECT_TRUE(matches("[a\\", "\\"));
  EXPECT_TRUE(matches("[a-", "-"));
  EXPECT_TRUE(matches("[a-]", "^"));  // from "]" to "a", as Redis reads it
}

TEST(Glob, ManyStarsDoNotTakeForEver) {
  std::string pattern;
  for (int i = 0; i < 2'000; ++i) pattern += "*a";
  EXPECT_FALSE(matches(pattern + "*b", std::string(10'000, 'a')));
  EXPECT_TRUE(matches(pattern + "*", std::string(10'000, 'a')));
}

// Each of its bytes looked at again for each byte of the text: that would be ten thousand million.
TEST(Glob, NeitherDoesALongSet) {
  const std::string set = "*[" + std::string(1'000'000, 'b') + "]";
  EXPECT_FALSE(matches(set, std::string(10'000, 'a')));
  EXPECT_TRUE(matches(set, std::string(10'000, 'a') + "b"));
}

// All ways are tried: slow, and plainly right.
bool matches_by_trial(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*')
    return matches_by_trial(pattern.substr(1), text) || (!text.empty() && matches_by_trial(pattern, text.substr(1)));
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         matches_by_trial(pattern.substr(1), text.substr(1));
}

TEST(Glob, FindsAWayWhereverThereIsOne) {
  Random random(tests::seed_of_test());
  const auto any = [&](std::string_view letters, std::size_t length_max) {
    std::string text(random.below(length_max + 1), '\0');
    for (char& c : text) c = letters[random.below(letters.size())];
    return text;
  };
  for (int round = 0; round < 50'000; ++round) {
    const std::string pattern = any("ab?**", 8);
    const std::string text = any("ab", 8);
    ASSERT_EQ(matches(pattern, text), matches_by_trial(pattern, text)) << pattern << " " << text;
  }
}

}  // namespace
}  // namespace earshot::resp
