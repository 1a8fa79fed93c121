#include "storage/data_directory.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.hpp"
#include "storage/journal_environment.hpp"
#include "storage/keys.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_store.hpp"
#include "storage/seal.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::storage {
namespace {

using testing::HasSubstr;

class DataDirectoryTest : public testing::Test {
 protected:
  [[nodiscard]] Result<DataDirectory> open(std::uint16_t shards = 4, std::uint64_t random = 1) const {
    return DataDirectory::open(path, shards, random);
  }
  [[nodiscard]] std::string identity_bytes() const {
    std::ostringstream bytes;
    bytes << std::ifstream(path + "/identity", std::ios::binary).rdbuf();
    return bytes.str();
  }
  void write_identity(const std::string& bytes) const {
    std::ofstream(path + "/identity", std::ios::binary | std::ios::trunc) << bytes;
  }
  void write_format(char format) const {
    std::string older = identity_bytes().substr(kSealBytes, 8 + 4 + 8 + 8 + 2);  // they knew of no clusters
    older[11] = format;                                                          // its last byte, behind the magic
    write_identity(seal("EARSHOT\n", older));
  }
  void expect_refused(ErrorCode code, const std::string& field, const std::string& detail, std::uint16_t shards = 4) {
    const auto opened = open(shards);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, code);
    EXPECT_EQ(opened.error().field, field);
    EXPECT_THAT(opened.error().detail, HasSubstr(detail));
  }

  tests::TemporaryDirectory directory;
  std::string path = directory / "some/where/data";
};

TEST_F(DataDirectoryTest, IdentityAndDataSurviveReopening) {
  std::uint64_t cluster_id = 0;
  {
    auto opened = must(open(4, 1));
    cluster_id = opened.identity.cluster_id;
    EXPECT_NE(cluster_id, 0u);
    EXPECT_EQ(opened.identity.node, NodeId(1));
    EXPECT_EQ(opened.identity.shard_count, 4);
    put(*opened.state_environment, kStateTable, "key", "value");
    LogWrite write;
    write.group = GroupId(2);
    write.hard_state = HardState{Term(5), NodeId(1)};
    must(opened.log->write(std::span(&write, 1)));
  }
  auto again = must(open(0, 2));
  EXPECT_EQ(again.identity.cluster_id, cluster_id);
  EXPECT_EQ(again.identity.shard_count, 4);
  EXPECT_EQ(get(*must(again.state_environment->begin_read()), kStateTable, "key"), "value");
  EXPECT_EQ(must(again.log->load(GroupId(2))).hard_state.term, Term(5));
}

TEST_F(DataDirectoryTest, EveryDirectoryGetsAClusterOfItsOwn) {
  const auto first = must(open(4, 1));
  const auto second = must(DataDirectory::open(directory / "other", 4, 2));
  EXPECT_NE(first.identity.cluster_id, second.identity.cluster_id);
}

TEST_F(DataDirectoryTest, SecondOpeningIsRefusedInThisProcessAndInAnother) {
  const auto held = must(open());
  expect_refused(ErrorCode::kConflict, "", "open already");
  const pid_t child = ::fork();
  if (child == 0) {
    const auto opened = open();
    ::_exit(!opened && opened.error().code == ErrorCode::kConflict ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(DataDirectoryTest, DirectoryOfADeadProcessOpensAgain) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto opened = open();
    ::_exit(opened ? 0 : 1);  // without any destructor
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(open());
}

TEST_F(DataDirectoryTest, WrongShardCountIsRefusedAndNamed) {
  must(open(4));
  expect_refused(ErrorCode::kInvalidArgument, "shards", "made with 4 shards, not 8", 8);
  EXPECT_TRUE(open(4));
}

TEST_F(DataDirectoryTest, ImpossibleShardCountsMakeNothing) {
  expect_refused(ErrorCode::kInvalidArgument, "shards", "needs a number of shards", 0);
  expect_refused(ErrorCode::kInvalidArgument, "shards", "at most 1024", 1025);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(DataDirectoryTest, NewerFormatIsRefusedByName) {
  must(open());
  std::string newer;
  begin_sealed(newer);
  newer.append("EARSHOT\n");
  keys::append_big_endian(newer, NodeIdentity::kFormat + 1, 4);
  newer.append("whatever the next format says");
  finish_sealed("EARSHOT\n", newer);
  write_identity(newer);
  expect_refused(ErrorCode::kUnsupportedVersion, "", "has format " + std::to_string(NodeIdentity::kFormat + 1));
}

TEST_F(DataDirectoryTest, DirectoryMadeBeforeRecordsWereCountedIsCountedOnce) {
  constexpr ShardId kShard{2};
  {
    auto opened = must(open());
    EXPECT_FALSE(opened.sums_were_counted);
    auto transaction = must(opened.state_environment->begin_write());
    for (const char* key : {"Ha", "S"}) {
      const std::string full_key = state_key(kShard, key);
      must(transaction->put(kStateTable, full_key, seal(full_key, "value")));
    }
    must(transaction->commit());
  }
  expect_refused(ErrorCode::kCorrupt, "state", "shard 2: has records, but nothing tells how many there should be");
  write_format(1);
  {
    auto opened = must(open());
    EXPECT_TRUE(opened.sums_were_counted);
    const auto sums = must(read_sums(*must(opened.state_environment->begin_read()), kShard));
    ASSERT_TRUE(sums);
    EXPECT_EQ(sums->kinds.at('H').count, 1u);
  }
  EXPECT_FALSE(must(open()).sums_were_counted);
}

// As a node of format 2 left it; and as one that was killed while it moved the log.
TEST_F(DataDirectoryTest, LogThatIsInLmdbMovesOnceAndWholly) {
  constexpr std::uint64_t kEntries = 3'000;  // several commits of the move
  const auto body = std::make_shared<const std::string>(3'000, 'x');
  must(open());
  std::filesystem::remove_all(path + "/log");
  write_format(2);
  {
    auto environment = must(open_lmdb(LmdbOptions{path + "/log", LogStore::tables()}));
    auto log = must(LogStore::open(*environment));
    LogWrite write;
    write.group = GroupId(2);
    write.hard_state = HardState{Term(5), NodeId(1)};
    for (std::uint64_t i = 1; i <= kEntries; ++i)
      write.entries.push_back(LogEntry{LogIndex(i), Term(5), EntryType::kCommand, body});
    must(log->write(std::span(&write, 1)));
  }
  {
    auto half = must(open_journal(JournalOptions{.path = path + "/log", .tables = LogStore::tables().size()}));
    put(*half, 0, "half", "of a move");
  }
  for (int round = 0; round < 2; ++round) {
    auto opened = must(open());
    EXPECT_FALSE(std::filesystem::exists(path + "/log/data.mdb"));
    EXPECT_EQ(opened.identity.format, NodeIdentity::kFormat);
    const LoadedLog log = must(opened.log->load(GroupId(2)));
    EXPECT_EQ(log.hard_state.term, Term(5));
    ASSERT_EQ(log.entries.size(), kEntries);
    EXPECT_EQ(*log.entries.back().data, *body);
  }
}

TEST_F(DataDirectoryTest, AnyDamagedBitOfTheIdentityIsSeen) {
  must(open());
  const std::string good = identity_bytes();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    write_identity(bad);
    const auto opened = open();
    ASSERT_FALSE(opened) << "bit " << bit;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    write_identity(good.substr(0, size));
    EXPECT_FALSE(open()) << size << " bytes";
  }
  write_identity(good);
  EXPECT_TRUE(open());
}

TEST_F(DataDirectoryTest, LostIdentityIsNotReplacedByANewOne) {
  must(open());
  std::filesystem::remove(path + "/identity");
  expect_refused(ErrorCode::kCorrupt, "", "identity file is missing");
}

TEST_F(DataDirectoryTest, CrashWhileTheIdentityIsWrittenLeavesAPlaceThatOpens) {
  std::filesystem::create_directories(path);
  std::ofstream(path + "/identity.new") << "half";
  std::ofstream(path + "/lock");
  EXPECT_TRUE(open());
}

TEST_F(DataDirectoryTest, ForeignFilesAreLeftAlone) {
  std::filesystem::create_directories(path);
  std::ofstream(path + "/thesis.txt") << "years of work";
  expect_refused(ErrorCode::kInvalidArgument, "data", "thesis.txt");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path), {}), 1);
}

TEST_F(DataDirectoryTest, FileInTheWayIsNamed) {
  std::filesystem::create_directories(directory / "some/where");
  std::ofstream(path) << "a file";
  expect_refused(ErrorCode::kInvalidArgument, "data", "is not a directory");
}

}  // namespace
}  // namespace earshot::storage
