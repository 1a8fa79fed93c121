#include "auth/secret_file.hpp"

#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/limits.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::auth {
namespace {

using tests::write_file;

class SecretFileTest : public testing::Test {
 protected:
  // As if everything had happened within one tick of the system's clock.
  void set_time() {
    const timespec times[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  }

  const tests::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "secret";
};

TEST_F(SecretFileTest, AtTheLimitItIsReadAndOneByteMoreIsTooLarge) {
  write_file(path_, std::string(limits::kKeyFileBytesMax, 'x'));
  const auto file = read_secret_file(path_, "tls_key");
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_EQ(file->text.size(), limits::kKeyFileBytesMax);
  write_file(path_, std::string(limits::kKeyFileBytesMax + 1, 'x'));
  const auto large = read_secret_file(path_, "tls_key");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(large.error().field, "tls_key");
  EXPECT_NE(large.error().detail.find(std::to_string(limits::kKeyFileBytesMax)), std::string::npos);
}

TEST_F(SecretFileTest, WhatIsNotThereIsNamedInTheSystemsWords) {
  const auto file = read_secret_file(path_, "jwt_keys");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(file.error().field, "jwt_keys");
  EXPECT_NE(file.error().detail.find("No such file"), std::string::npos);
  EXPECT_EQ(version_of(path_), FileVersion{});
}

TEST_F(SecretFileTest, TellsWhetherOthersMayReadIt) {
  write_file(path_, "x");
  EXPECT_FALSE(read_secret_file(path_, "")->read_by_others);
  std::filesystem::permissions(path_, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  EXPECT_TRUE(read_secret_file(path_, "")->read_by_others);
}

TEST_F(SecretFileTest, AFileThatTookItsPlaceIsAnotherVersionThoughOfTheSameTime) {
  write_file(path_, "first");
  set_time();
  const FileVersion before = version_of(path_);
  EXPECT_EQ(read_secret_file(path_, "")->version, before);
  write_file(path_ + ".new", "other");
  std::filesystem::rename(path_ + ".new", path_);
  set_time();
  EXPECT_NE(version_of(path_), before);
}

TEST_F(SecretFileTest, AFileThatGrewIsAnotherVersionThoughOfTheSameTime) {
  write_file(path_, "first");
  set_time();
  const FileVersion before = version_of(path_);
  write_file(path_, "first and more");
  set_time();
  EXPECT_NE(version_of(path_), before);
}

}  // namespace
}  // namespace earshot::auth
