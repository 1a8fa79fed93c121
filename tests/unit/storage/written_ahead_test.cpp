#include "storage/written_ahead.hpp"

#include <filesystem>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.hpp"

namespace earshot::storage {
namespace {

constexpr std::uint64_t kStep = 256 << 10;
constexpr std::uint64_t kEndMax = 1 << 30;

class WrittenAheadTest : public testing::Test {
 protected:
  FileDescriptor open() { return FileDescriptor(::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }
  [[nodiscard]] std::uint64_t size() const { return std::filesystem::file_size(path_); }

  tests::TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/file";
};

TEST_F(WrittenAheadTest, ZerosAreKeptBehindWhatIsUsed) {
  WrittenAhead ahead(open(), kStep, kEndMax);
  ahead.keep_behind(4'096);
  EXPECT_EQ(size(), 4'096 + kStep);
  ahead.keep_behind(4'096 + kStep / 2);
  EXPECT_EQ(size(), 4'096 + kStep) << "half of it is left";
  ahead.keep_behind(8'192 + kStep / 2);
  EXPECT_EQ(size(), 4'096 + 2 * kStep);
}

TEST_F(WrittenAheadTest, WhatIsUsedStaysAsItIs) {
  const std::string used(10'000, 'x');
  ASSERT_EQ(::pwrite(open().get(), used.data(), used.size(), 0), static_cast<ssize_t>(used.size()));
  WrittenAhead(open(), kStep, kEndMax).keep_behind(used.size());
  EXPECT_EQ(size(), used.size() + kStep);
  const auto bytes = read_file(path_, used.size() + kStep);
  ASSERT_TRUE(bytes && *bytes);
  EXPECT_EQ((*bytes)->substr(0, used.size()), used);
  EXPECT_EQ((*bytes)->find_first_not_of('\0', used.size()), std::string::npos);
}

TEST_F(WrittenAheadTest, AFileThatGrowsInLargeStepsIsLeftAlone) {
  WrittenAhead ahead(open(), kStep, kEndMax);
  for (std::uint64_t used = kStep; used < 10 * kStep; used += kStep) ahead.keep_behind(used);
  EXPECT_EQ(size(), 0u);
}

TEST_F(WrittenAheadTest, TheFileDoesNotGrowBeyondItsEnd) {
  WrittenAhead ahead(open(), kStep, kStep / 2 + 10);
  ahead.keep_behind(4'096);
  EXPECT_EQ(size(), kStep / 2 + 10);
  ahead.keep_behind(kStep / 2);
  EXPECT_EQ(size(), kStep / 2 + 10);
}

TEST_F(WrittenAheadTest, NothingIsWrittenAheadUnlessItIsWanted) {
  WrittenAhead ahead(open(), 0, kEndMax);
  ahead.keep_behind(4'096);
  EXPECT_EQ(size(), 0u);
}

TEST_F(WrittenAheadTest, AFailureIsNone) {
  WrittenAhead ahead(FileDescriptor(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), kStep,
                     kEndMax);
  ahead.keep_behind(4'096);
}

}  // namespace
}  // namespace earshot::storage
