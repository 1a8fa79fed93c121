#include "storage/lmdb_meta.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kMetaBytes = 152;  // of a page, that LMDB writes

std::string bytes_of(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

class LmdbMeta : public testing::Test {
 protected:
  void SetUp() override {
    auto environment = must(open_lmdb(options()));
    for (int i = 0; i < 20; ++i) put(*environment, 0, "key " + std::to_string(i), std::string(100, 'v'));
    records = scan(*must(environment->begin_read()), 0);
    environment.reset();
    good = bytes_of(file);
    good_note = bytes_of(note);
    // Where a page begins depends on the system.
    ASSERT_EQ(static_cast<unsigned char>(good[kPageBytes + 16]), 0xDE);
  }
  [[nodiscard]] LmdbOptions options() const { return LmdbOptions{directory.path(), {"table"}, 1 << 26, 126}; }
  void write(const std::string& bytes) const { std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes; }

  enum class Outcome { kSame, kRefused, kDied, kOther };
  // Opens the environment in a process of its own, since it may die of what it finds.
  [[nodiscard]] Outcome open() const {
    const pid_t child = ::fork();
    if (child == 0) {
      auto environment = open_lmdb(options());
      if (!environment) ::_exit(static_cast<int>(Outcome::kRefused));
      std::vector<Record> found;
      auto transaction = (*environment)->begin_read();
      const auto visit = [&](std::string_view key, std::string_view value) {
        found.emplace_back(key, value);
        return true;
      };
      if (!transaction || !(*transaction)->scan(0, {}, {}, visit)) ::_exit(static_cast<int>(Outcome::kRefused));
      ::_exit(static_cast<int>(found == records ? Outcome::kSame : Outcome::kOther));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? static_cast<Outcome>(WEXITSTATUS(status)) : Outcome::kDied;
  }

  tests::TemporaryDirectory directory;
  const std::string file = directory / "data.mdb";
  const std::string note = directory / "meta.note";
  std::vector<Record> records;
  std::string good;
  std::string good_note;
};

TEST_F(LmdbMeta, FlippedBitNeverBringsBackAnEarlierVersion) {
  std::map<Outcome, int> outcomes;
  for (std::size_t page = 0; page < 2; ++page) {
    for (std::size_t bit = 0; bit < kMetaBytes * 8; ++bit) {
      std::string bad = good;
      char& byte = bad[page * kPageBytes + bit / 8];
      byte = static_cast<char>(byte ^ (1 << (bit % 8)));
      write(bad);
      std::ofstream(note, std::ios::binary | std::ios::trunc) << good_note;
      const Outcome outcome = open();
      EXPECT_NE(outcome, Outcome::kOther) << "page " << page << ", bit " << bit;
      ++outcomes[outcome];
    }
  }
  std::cout << outcomes[Outcome::kSame] << " harmless, " << outcomes[Outcome::kRefused] << " refused, "
            << outcomes[Outcome::kDied] << " died of" << std::endl;
  EXPECT_GT(outcomes[Outcome::kRefused], 500);
}

TEST_F(LmdbMeta, FileAfterAnyNumberOfCommitsIsSound) {
  for (int i = 0; i < 5; ++i) {
    auto environment = must(open_lmdb(options()));
    put(*environment, 0, "another", std::to_string(i));
    environment.reset();
    must(check_meta_pages(file, note));
  }
}

TEST_F(LmdbMeta, NoteThatAPowerCutLeftBehindIsNoDamage) {
  const std::string earlier = bytes_of(note);
  {
    auto environment = must(open_lmdb(options()));
    put(*environment, 0, "another", "value");
  }
  for (const std::string& bytes : {earlier, std::string(), earlier.substr(0, 10), std::string(24, 'x')}) {
    std::ofstream(note, std::ios::binary | std::ios::trunc) << bytes;
    must(open_lmdb(options()));
  }
  std::filesystem::remove(note);
  must(open_lmdb(options()));
}

TEST_F(LmdbMeta, DataFileOlderThanItsNoteIsRefused) {
  {
    auto environment = must(open_lmdb(options()));
    for (int i = 0; i < 2; ++i) put(*environment, 0, "another", "value");
  }
  write(good);
  const auto opened = open_lmdb(options());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, testing::HasSubstr("an earlier commit than the last one"));
}

TEST_F(LmdbMeta, LostTableIsNotMadeAgain) {
  std::string bad = good;
  // The table's name, in every version of the page that lists the tables.
  for (std::size_t at = bad.find("table"); at != std::string::npos; at = bad.find("table", at + 1)) bad[at] = 'x';
  write(bad);
  const auto opened = open_lmdb(options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().detail, testing::HasSubstr("lost its table"));
}

TEST_F(LmdbMeta, ReadOnlyNeitherMakesNorLocks) {
  auto options = this->options();
  const auto writing = must(open_lmdb(options));
  options.read_only = true;
  const auto reading = must(open_lmdb(options));
  EXPECT_EQ(scan(*must(reading->begin_read()), 0), records);
  EXPECT_EQ(must(must(reading->begin_read())->count(0)), records.size());
  options.path = directory / "absent";
  EXPECT_FALSE(open_lmdb(options));
}

}  // namespace
}  // namespace earshot::storage
