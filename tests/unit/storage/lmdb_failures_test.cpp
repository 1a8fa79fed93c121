// What LMDB's failures mean: what may be tried again, and what ends the process. Where these tests run there is room.
#include "storage/lmdb_failures.hpp"

#include <gtest/gtest.h>

#include "backends.hpp"

namespace earshot::storage {
namespace {

class LmdbFailuresTest : public testing::Test {
 protected:
  // LMDB writes, and the system cuts it short; `meanwhile` is what others do.
  template <class Meanwhile>
  Error write_cut_short(Meanwhile&& meanwhile) {
    const int code = failures.code_of([&] {
      meanwhile();
      return EIO;
    });
    EXPECT_EQ(code, kCutShort);
    return failures.judge(code, "write");
  }
  Error write_cut_short() {
    return write_cut_short([] {});
  }
  void claim() { const RoomClaims::Claim claimed(*claims); }

  tests::TemporaryDirectory directory;
  ManualClock clock;
  const std::shared_ptr<RoomClaims> claims = std::make_shared<RoomClaims>();
  LmdbFailures failures{directory.path(), claims, clock};
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

// LMDB tries again what was interrupted; the write that it then makes may be cut short.
TEST_F(LmdbFailuresTest, InterruptionIsNoFailure) {
  EXPECT_EQ(write_cut_short([] { errno = EINTR; }).code, ErrorCode::kStorageFull);
}

TEST_F(LmdbFailuresTest, WriteCutShortWhereThereIsRoomIsForgivenOnceAMinute) {
  EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull);
  clock.advance(59'999);
  EXPECT_DEATH(write_cut_short(), "cannot write and sync .*: a write was cut short");
  clock.advance(1);
  EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull);
  EXPECT_DEATH(write_cut_short(), "a write was cut short") << "the minute begins anew";
}

TEST_F(LmdbFailuresTest, WriteCutShortWhileRoomWasClaimedHasMetAFullDisk) {
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(write_cut_short([this] { claim(); }).code, ErrorCode::kStorageFull);
  }
  {
    const RoomClaims::Claim since_before(*claims);
    for (int time = 0; time < 3; ++time) EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull);
  }
  EXPECT_EQ(write_cut_short().code, ErrorCode::kStorageFull) << "nothing was forgiven so far";
  claim();
  EXPECT_DEATH(write_cut_short(), "a write was cut short") << "an earlier claim explains nothing";
}

TEST_F(LmdbFailuresTest, FullDiskIsWaitedForAsOftenAsItIsMet) {
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(failures.judge(ENOSPC, "write").code, ErrorCode::kStorageFull);
    EXPECT_EQ(failures.judge(EDQUOT, "write").code, ErrorCode::kStorageFull);
  }
}

}  // namespace
}  // namespace earshot::storage
