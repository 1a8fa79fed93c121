// What was stored and is not what is read: reported with its place, never guessed.
#include "log_store_fixture.hpp"

namespace earshot::storage {
namespace {

using testing::HasSubstr;

class LogStoreDamageTest : public LogStoreTest {};
INSTANTIATE_TEST_SUITE_P(Backends, LogStoreDamageTest,
                         testing::Values(Backend::kLmdb, Backend::kJournal, Backend::kModel), name_of_backend);

TEST_P(LogStoreDamageTest, DamagedRecordIsReportedWithItsGroupAndIndex) {
  const std::vector<LogWrite> together = {append(kOther, 1, 2), append(kGroup, 1, 3)};
  must(store->write(together));
  damage(kLogTable, 3, 0);  // kGroup, index 2: its data
  const auto read = store->read(kGroup, LogIndex(1), LogIndex(3), 1 << 20);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().detail, HasSubstr("group 3, index 2"));
  expect_corrupt_at_open("group 3, index 2");
}

TEST_P(LogStoreDamageTest, DamagedLastRecordIsNotTakenForATornOne) {
  write(append(kGroup, 1, 3));
  damage(kLogTable, 2, 0);
  expect_corrupt_at_open("group 3, index 3");
}

TEST_P(LogStoreDamageTest, RecordMovedToAnotherKeyIsDamaged) {
  write(append(kGroup, 1, 1));
  const auto records = scan(*must(environment->begin_read()), kLogTable);
  std::string key;
  keys::append_big_endian(key, 2);
  put(*environment, kLogTable, key, records[0].second);
  expect_corrupt_at_open("group 3, index 1");
}

TEST_P(LogStoreDamageTest, MissingRecordIsReported) {
  write(append(kGroup, 1, 4));
  {
    auto writer = must(environment->begin_write());
    std::string key;
    keys::append_big_endian(key, 3);
    EXPECT_TRUE(must(writer->erase(kLogTable, key)));
    must(writer->commit());
  }
  const auto read = store->read(kGroup, LogIndex(1), LogIndex(4), 1 << 20);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  expect_corrupt_at_open("group 3 goes from index 2 to 4");
}

TEST_P(LogStoreDamageTest, LogThatDoesNotReachItsSnapshotIsReported) {
  write(append(kGroup, 1, 2));
  {
    auto writer = must(environment->begin_write());
    std::string key;
    keys::append_big_endian(key, 1);
    EXPECT_TRUE(must(writer->erase(kLogTable, key)));
    must(writer->commit());
  }
  expect_corrupt_at_open("group 3 begins at index 2");
}

TEST_P(LogStoreDamageTest, DamagedTermAndVoteAreNotGuessed) {
  LogWrite write_term;
  write_term.group = kGroup;
  write_term.hard_state = HardState{Term(7), NodeId(2)};
  write(write_term);
  damage(1, 0, 3);
  const auto loaded = store->load(kGroup);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(loaded.error().detail, HasSubstr("group 3"));
}

TEST_P(LogStoreDamageTest, DamagedSnapshotMetadataIsReported) {
  write(snapshot(kGroup, 5));
  damage(2, 0, 0);
  EXPECT_EQ(store->load(kGroup).error().code, ErrorCode::kCorrupt);
  expect_corrupt_at_open("group 3");
}

}  // namespace
}  // namespace earshot::storage
