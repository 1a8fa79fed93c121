// What LMDB's failures mean: what may be tried again, and what ends the process. Where these tests run there is room.
#include "storage/lmdb_failures.hpp"

#include <gtest/gtest.h>

#include "backends.hpp"

namespace earshot::storage {
namespace {

class LmdbFailuresTest : public testing::Test {
 protected:
  Error write_cut_short() {
    const int code = failures.code_of([] { return EIO; });
    EXPECT_EQ(code, kCutShort);
    return failures.judge(code, "write");
  }

  tests::TemporaryDirectory directory;
  ManualClock clock;
  LmdbFailures failures{directory.path(), clock};
};

TEST_F(LmdbFailuresTest, FailedWriteOrSyncIsNeverForgiven) {
  const int code = failures.code_of([] {
    errno = EIO;
    return EIO;
  });
  EXPECT_EQ(code, EIO);
  EXPECT_DEATH(failures.judge(code, "write"), "cannot write and sync .*: Input/output error");
}

TEST_F(LmdbFailuresTest, EarlierErrorOfTheSystemIsNotTakenForLmdbs) {
  errno = EIO;
  EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull);
}

TEST_F(LmdbFailuresTest, WriteCutShortWhereThereIsRoomIsForgivenOnceAMinute) {
  EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull);
  clock.advance(59'999);
  EXPECT_DEATH(write_cut_short(), "cannot write and sync .*: a write was cut short");
  clock.advance(1);
  EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull);
  EXPECT_DEATH(write_cut_short(), "a write was cut short") << "the minute begins anew";
}

TEST_F(LmdbFailuresTest, FullDiskIsWaitedForAsOftenAsItIsMet) {
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(failures.judge(ENOSPC, "write").code, ErrorCode::kStorageFull);
    EXPECT_EQ(failures.judge(EDQUOT, "write").code, ErrorCode::kStorageFull);
  }
}

}  // namespace
}  // namespace earshot::storage
