// The room on the disk, the ballast, and an environment that has no room left.
#include "storage/disk_space.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "backends.hpp"
#include "base/limits.hpp"
#include "storage/log_store.hpp"

namespace earshot::storage {
namespace {

std::uint64_t blocks_bytes(const std::string& path) {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 ? static_cast<std::uint64_t>(file.st_blocks) * 512 : 0;
}

class DiskSpaceTest : public testing::Test {
 protected:
  DiskSpaceTest() {
    std::filesystem::create_directories(directory / "log");
    std::filesystem::create_directories(directory / "state");
  }
  std::unique_ptr<DiskSpace> open() { return must(open_disk_space(directory.path())); }

  tests::TemporaryDirectory directory;
  const std::string ballast = directory / "ballast";
};

TEST_F(DiskSpaceTest, BallastTakesItsRoomAndGivesItBack) {
  const auto space = open();
  EXPECT_FALSE(space->has_ballast());
  EXPECT_GT(must(space->free_bytes()), 0u);
  EXPECT_LE(must(space->free_bytes()), space->total_bytes());
  EXPECT_LE(space->ballast_bytes(), limits::kBallastBytes);
  must(space->make_ballast());
  EXPECT_TRUE(space->has_ballast());
  EXPECT_GE(blocks_bytes(ballast), space->ballast_bytes()) << "allocated, not sparse";
  space->release_ballast();
  EXPECT_FALSE(space->has_ballast());
  EXPECT_FALSE(std::filesystem::exists(ballast));
  space->release_ballast();
}

TEST_F(DiskSpaceTest, BallastOfAnEarlierProcessIsTakenOverUnlessItIsHollow) {
  must(open()->make_ballast());
  EXPECT_TRUE(open()->has_ballast());
  std::filesystem::resize_file(ballast, 0);  // as a power cut may leave it: the right size, no blocks
  std::filesystem::resize_file(ballast, limits::kBallastBytes);
  const auto space = open();
  EXPECT_FALSE(space->has_ballast());
  must(space->make_ballast());
  EXPECT_GE(blocks_bytes(ballast), space->ballast_bytes());
}

TEST_F(DiskSpaceTest, BallastThatDoesNotFitLeavesNothingBehindAndIsMadeLater) {
  const auto space = open();
  std::filesystem::create_symlink("/dev/full", ballast);  // it takes nothing
  EXPECT_FALSE(space->make_ballast());
  EXPECT_FALSE(space->has_ballast());
  EXPECT_EQ(std::filesystem::symlink_status(ballast).type(), std::filesystem::file_type::not_found)
      << "what was made of it would take the room that is short";
  must(space->make_ballast());
  EXPECT_TRUE(space->has_ballast());
  EXPECT_GE(blocks_bytes(ballast), space->ballast_bytes());
}

TEST_F(DiskSpaceTest, BallastThatComesOrGoesIsAClaimThatWritersKnowOf) {
  const auto claims = std::make_shared<RoomClaims>();
  const auto space = must(open_disk_space(directory.path(), claims));
  auto before = claims->count();
  must(space->make_ballast());
  EXPECT_FALSE(claims->were_none_since(before));
  before = claims->count();
  EXPECT_TRUE(claims->were_none_since(before));
  space->release_ballast();
  EXPECT_FALSE(claims->were_none_since(before));
  std::filesystem::create_symlink("/dev/full", ballast);
  before = claims->count();
  EXPECT_FALSE(space->make_ballast());
  EXPECT_FALSE(claims->were_none_since(before)) << "one in vain takes all the room there is, for a moment";
}

TEST_F(DiskSpaceTest, LostDirectoryIsAnErrorNotAnEmptyDisk) {
  const auto space = open();
  std::filesystem::remove_all(directory / "log");
  EXPECT_FALSE(space->free_bytes());
}

// The map's end stands for the disk's.
TEST(FullDisk, LogThatIsCutTakesAppendsThoughItsFileCannotGrow) {
  constexpr std::uint64_t kMapBytes = 1 << 20;
  constexpr std::size_t kEntryBytes = 10'000;
  tests::TemporaryDirectory directory;
  auto environment = must(open_lmdb(LmdbOptions{directory / "log", LogStore::tables(), kMapBytes}));
  auto store = must(LogStore::open(*environment));
  const auto body = std::make_shared<const std::string>(kEntryBytes, 'x');
  std::uint64_t last = 0;
  const auto append = [&] {
    LogWrite write;
    write.entries.push_back(LogEntry{LogIndex(last + 1), Term(1), EntryType::kCommand, body});
    const Status written = store->write(std::span(&write, 1));
    if (written) ++last;
    return written;
  };
  const auto cut = [&] {
    LogWrite write;
    write.snapshot = SnapshotMetadata{LogIndex(last), Term(1), "", LogIndex(0)};
    write.cut_through = LogIndex(last);
    return store->write(std::span(&write, 1));
  };
  while (environment->usage().used_bytes < kMapBytes * 8 / 10) ASSERT_TRUE(append());  // the rest is the reserve
  for (int round = 0; round < 4; ++round) {
    must(cut());
    const std::uint64_t before = last;
    while (environment->usage().used_bytes < kMapBytes * 8 / 10) ASSERT_TRUE(append());
    EXPECT_GT((last - before) * kEntryBytes, kMapBytes / 2) << "the pages of what was cut are used again";
  }
  EXPECT_LE(environment->usage().file_bytes, kMapBytes);
  Status full = append();
  while (full) full = append();
  EXPECT_EQ(full.error().code, ErrorCode::kStorageFull);
}

// A cut inside the making of LMDB's file leaves a torn one beside its place.
TEST(FullDisk, DataFileHalfMadeIsMadeAgain) {
  tests::TemporaryDirectory directory;
  std::ofstream(directory / "data.mdb.new", std::ios::binary) << std::string(3'000, 'x');
  {
    auto environment = must(open_lmdb(LmdbOptions{directory.path(), {"table"}}));
    put(*environment, 0, "key", "value");
  }
  EXPECT_FALSE(std::filesystem::exists(directory / "data.mdb.new"));
  auto environment = must(open_lmdb(LmdbOptions{directory.path(), {"table"}}));
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, "key"), "value");
}

// Written through a map, where a full disk is a signal.
TEST(FullDisk, TableOfReadersHasItsBlocksBeforehand) {
  tests::TemporaryDirectory directory;
  auto environment = must(open_lmdb(LmdbOptions{directory.path(), {"table"}}));
  EXPECT_GE(blocks_bytes(directory / "lock.mdb"), std::filesystem::file_size(directory / "lock.mdb"));
}

}  // namespace
}  // namespace earshot::storage
