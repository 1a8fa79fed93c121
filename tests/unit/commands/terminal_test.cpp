#include "app/terminal.hpp"

#include <string>

#include <gtest/gtest.h>

namespace earshot::app {
namespace {

const std::string kHalf = "[################................]  50 %  ";

TEST(ProgressText, BarGrowsFromNothingToTheWholeAndNoFurther) {
  EXPECT_EQ(progress_text(0, 200, 0), "[................................]   0 %  0");
  EXPECT_EQ(progress_text(100, 200, 0), kHalf + "100");
  EXPECT_EQ(progress_text(199, 200, 0), "[###############################.]  99 %  199");
  EXPECT_EQ(progress_text(200, 200, 0), "[################################] 100 %  200");
  EXPECT_EQ(progress_text(300, 200, 0), "[################################] 100 %  300");
}

TEST(ProgressText, PaceAndWhatIsLeftAreToldAfterASecond) {
  EXPECT_EQ(progress_text(100, 200, 999), kHalf + "100");
  EXPECT_EQ(progress_text(100, 200, 4'000), kHalf + "100  25/s  4 s left");
  EXPECT_EQ(progress_text(0, 200, 4'000), "[................................]   0 %  0") << "no pace to tell";
}

TEST(ProgressText, WithoutATotalThereIsOnlyACount) {
  EXPECT_EQ(progress_text(0, 0, 0), "0");
  EXPECT_EQ(progress_text(7'000, 0, 2'000), "7000  3500/s");
}

}  // namespace
}  // namespace earshot::app
