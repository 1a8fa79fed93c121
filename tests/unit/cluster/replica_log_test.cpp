#include "cluster/replica_log.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

// Entries of about 16 KiB each: four of them make a mark.
ReplicaLog log_of(std::uint64_t entries) {
  ReplicaLog log;
  for (std::uint64_t index = 1; index <= entries; ++index) {
    log.append(
        {LogIndex(index), Term(1), storage::EntryType::kCommand, std::make_shared<const std::string>(16 << 10, 'x')});
  }
  return log;
}

constexpr std::uint64_t kEntryBytes = (16 << 10) + sizeof(storage::LogEntry);

TEST(ReplicaLog, LeavesAboutTheLastBytesBelowAnIndex) {
  const ReplicaLog log = log_of(100);
  EXPECT_EQ(log.leaving(LogIndex(100), 1 << 30), LogIndex(0)) << "all of them";
  const LogIndex cut = log.leaving(LogIndex(80), 20 * kEntryBytes);
  EXPECT_GE(cut.value, 56u);
  EXPECT_LE(cut.value, 64u);
  EXPECT_LE(log.leaving(LogIndex(80), 0).value, 80u) << "never above it";
  EXPECT_GE(log.leaving(LogIndex(80), 0).value, 76u);
}

TEST(ReplicaLog, LeavesWhatIsLeftOfALogThatWasCut) {
  ReplicaLog log = log_of(100);
  storage::SnapshotMetadata snapshot;
  snapshot.index = LogIndex(90);
  snapshot.term = Term(1);
  log.take_snapshot(snapshot, LogIndex(70));
  EXPECT_EQ(log.leaving(LogIndex(70), 0), LogIndex(70));
  EXPECT_EQ(log.leaving(LogIndex(90), 1 << 30), LogIndex(70));
  const LogIndex cut = log.leaving(LogIndex(90), 8 * kEntryBytes);
  EXPECT_GE(cut.value, 78u);
  EXPECT_LE(cut.value, 86u);
}

}  // namespace
}  // namespace earshot::cluster
