// What is LMDB's alone: its files, its locks, its limits.
#include "storage/lmdb_environment.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.hpp"

namespace earshot::storage {
namespace {

using testing::HasSubstr;

class LmdbEnvironment : public testing::Test {
 protected:
  Result<std::unique_ptr<Environment>> open(std::uint64_t map_bytes = 64 << 20) {
    return open_lmdb(LmdbOptions{directory / "environment", {"table"}, map_bytes, 16});
  }
  std::string file(const std::string& name) { return directory / "environment/" + name; }

  tests::TemporaryDirectory directory;
};

TEST_F(LmdbEnvironment, SecondOpeningInOneProcessIsRefused) {
  auto first = must(open());
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  put(*first, 0, "still", "works");
  first = nullptr;
  EXPECT_TRUE(open());
}

TEST_F(LmdbEnvironment, FilesThatAreNoEnvironmentAreRefusedAsCorrupt) {
  std::filesystem::create_directories(directory / "environment");
  std::ofstream(file("data.mdb")) << std::string(10'000, 'x');
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST_F(LmdbEnvironment, FileInTheWayOfTheDirectoryIsNamed) {
  std::ofstream(directory / "environment") << "a file";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(opened.error().detail, HasSubstr("environment is not a directory"));
}

TEST_F(LmdbEnvironment, MapTooLargeForTheAddressSpaceIsExplained) {
  const auto opened = open(1ull << 62);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInternal);
  EXPECT_THAT(opened.error().detail, HasSubstr("address space"));
}

TEST_F(LmdbEnvironment, FullMapRefusesWritesUntilSomethingIsErased) {
  auto environment = must(open(1 << 20));
  const std::string value(10'000, 'v');
  int stored = 0;
  std::optional<Error> full;
  while (!full) {
    ASSERT_LT(stored, 1000) << "a map of 1 MiB never got full";
    auto writer = must(environment->begin_write());
    const Status written = writer->put(0, "key " + std::to_string(stored), value);
    if (!written) {  // a spoiled transaction says so until its end, and its commit changes nothing
      EXPECT_FALSE(writer->put(0, "small", "v"));
    }
    const Status committed = writer->commit();
    EXPECT_TRUE(written || !committed);
    if (committed) {
      ++stored;
    } else {
      full = committed.error();
    }
  }
  EXPECT_EQ(full->code, ErrorCode::kStorageFull);
  EXPECT_GT(stored, 20);
  {
    auto reader = must(environment->begin_read());
    EXPECT_EQ(scan(*reader, 0).size(), static_cast<std::size_t>(stored));
  }
  for (int i = 0; i < stored / 2; ++i) {
    auto writer = must(environment->begin_write());
    EXPECT_TRUE(must(writer->erase(0, "key " + std::to_string(i))));
    must(writer->commit());
  }
  for (int i = 0; i < stored / 4; ++i) put(*environment, 0, "again " + std::to_string(i), value);
}

// Writes a record of 1 MiB where files may not grow beyond 256 KiB.
void commit_beyond_file_limit(Result<std::unique_ptr<Environment>> environment) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{256 << 10, 256 << 10};
  ::setrlimit(RLIMIT_FSIZE, &small);
  // The first that is cut short may have met a quota that was raised at that moment.
  for (const bool is_forgiven : {true, false}) {
    auto writer = must((*environment)->begin_write());
    must(writer->put(0, "key", std::string(1 << 20, 'v')));
    const auto committed = writer->commit();
    if (is_forgiven && !committed && committed.error().code == ErrorCode::kStorageFull) std::cerr << "forgiven once, ";
  }
}

// Any failure of the system to write or sync, other than a full disk, leaves unknown what the disk holds.
TEST_F(LmdbEnvironment, WriteThatFailsInsideACommitStopsTheProcess) {
  must(open());
  EXPECT_DEATH(commit_beyond_file_limit(open()), "forgiven once, .*cannot write and sync");
  auto environment = must(open());
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, "key"), std::nullopt);
}

TEST_F(LmdbEnvironment, CommittedRecordsSurviveAKilledProcess) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto environment = open();
    auto writer = (*environment)->begin_write();
    (void)(*writer)->put(0, "committed", "1");
    (void)(*writer)->commit();
    auto second = (*environment)->begin_write();
    (void)(*second)->put(0, "uncommitted", "1");
    auto reader = (*environment)->begin_read();  // leaves a dead reader's slot behind
    (void)!::write(pipe_ends[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(pipe_ends[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);

  auto environment = must(open());
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, "committed"), "1");
  EXPECT_EQ(get(*reader, 0, "uncommitted"), std::nullopt);
}

TEST_F(LmdbEnvironment, NoTablesAreRefused) {
  const auto opened = open_lmdb(LmdbOptions{directory / "environment", {}});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace earshot::storage
