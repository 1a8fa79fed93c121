#include "tests/simulation/seed_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::simulation {
namespace {

using testing::HasSubstr;

std::string refusal_of(std::string_view line) {
  const auto options = run_of_line(line);
  return options ? "taken" : options.error().to_string();
}

TEST(SeedLine, WhatASeedFailedWithIsRunAgainWithIt) {
  const auto options = run_of_line("nodes 3 walkers 97");
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_EQ(options->seed, 97u);
  EXPECT_EQ(options->nodes, 3u);
  EXPECT_TRUE(options->walkers);
  EXPECT_FALSE(options->plain);
  EXPECT_EQ(replay_command(*options), "scripts/simulate --nodes 3 --seed 97 --walkers");
}

TEST(SeedLine, ASeedAloneIsOfOneNode) {
  const auto options = run_of_line("22");
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_EQ(replay_command(*options), "scripts/simulate --seed 22");
}

TEST(SeedLine, AWordThatNobodyKnowsIsNamed) {
  EXPECT_THAT(refusal_of("nodes 3 strollers 97"), HasSubstr("\"strollers\""));
  EXPECT_THAT(refusal_of("97th"), HasSubstr("\"97th\""));
  EXPECT_THAT(refusal_of("97 98"), HasSubstr("\"98\""));
}

TEST(SeedLine, ALineWithoutASeedIsNoRunOfTheFirst) {
  EXPECT_THAT(refusal_of("plain"), HasSubstr("no seed"));
  EXPECT_THAT(refusal_of("nodes 3"), HasSubstr("no seed"));
  EXPECT_THAT(refusal_of("nodes"), HasSubstr("\"nodes"));
  EXPECT_THAT(refusal_of("nodes 0 4"), HasSubstr("\"nodes 0\""));
  EXPECT_THAT(refusal_of("nodes 9 4"), HasSubstr("\"nodes 9\""));
}

}  // namespace
}  // namespace earshot::simulation
