#include "base/multiples.hpp"

#include <gtest/gtest.h>

namespace earshot {
namespace {

TEST(Multiples, AMultipleItselfIsTheFirstFromThereAndNotAfter) {
  EXPECT_EQ(multiple_from(300, 150), 300u);
  EXPECT_EQ(multiple_after(300, 150), 450u);
}

TEST(Multiples, WhatLiesBetweenTwoGoesToTheNext) {
  for (const std::uint64_t at : {151u, 299u}) {
    EXPECT_EQ(multiple_from(at, 150), 300u);
    EXPECT_EQ(multiple_after(at, 150), 300u);
  }
}

}  // namespace
}  // namespace earshot
