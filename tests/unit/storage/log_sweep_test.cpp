// The logs of many groups share files, which are given back from the first one on: what a group keeps for long must
// not keep the files of all others.
#include "storage/log_sweep.hpp"

#include <algorithm>
#include <functional>

#include "log_store_fixture.hpp"

namespace earshot::storage {
namespace {

TEST(LogSweep, AShortLogIsLeftAlone) {
  LogSweep sweep({1'000, 5'000});
  sweep.appended(999);
  ASSERT_TRUE(sweep.wants_length());
  sweep.look(999, 7);
  EXPECT_FALSE(sweep.is_on());
}

TEST(LogSweep, GoesThroughALongLogOnce) {
  LogSweep sweep({1'000, 5'000});
  sweep.look(1'000, 7);
  ASSERT_TRUE(sweep.is_on());
  EXPECT_EQ(sweep.next(), 1u);
  sweep.passed(5);
  EXPECT_EQ(sweep.next(), 6u);
  sweep.passed(6);
  EXPECT_FALSE(sweep.is_on());
}

TEST(LogSweep, ALogThatIsLongForWhatGroupsKeepIsNotSweptAgainAtOnce) {
  LogSweep sweep({1'000, 5'000});
  sweep.look(4'000, 7);
  sweep.rewritten(1'500);
  sweep.ended();
  sweep.look(3'999, 9);
  EXPECT_FALSE(sweep.is_on());
  sweep.look(4'000, 9);
  EXPECT_TRUE(sweep.is_on());
}

TEST(LogSweep, WaitsForASnapshotWithinBounds) {
  LogSweep sweep({1'000, 5'000});
  sweep.look(1'000, 7);
  EXPECT_FALSE(sweep.rewrites_early(251));
  sweep.appended(4'999);
  EXPECT_FALSE(sweep.rewrites_early(251));
  sweep.appended(1);
  EXPECT_TRUE(sweep.rewrites_early(251));
  sweep.passed(1);
  EXPECT_TRUE(sweep.rewrites_early(251)) << "nor are those behind it waited for";
  sweep.ended();
  sweep.look(1'000, 9);
  EXPECT_FALSE(sweep.rewrites_early(251)) << "the next sweep waits anew";
}

TEST(LogSweep, GroupsThatAreSlowOneAfterTheOtherAreWaitedForNoLongerThanOne) {
  LogSweep sweep({1'000, 5'000});
  sweep.look(1'000, 7);
  EXPECT_FALSE(sweep.rewrites_early(251));
  sweep.appended(3'000);
  sweep.passed(1);  // its group has a snapshot now
  sweep.appended(9'000);
  sweep.passed(2);
  EXPECT_FALSE(sweep.rewrites_early(251)) << "while it went on, nobody was waited for";
  sweep.appended(1'999);
  EXPECT_FALSE(sweep.rewrites_early(251));
  sweep.appended(1);
  EXPECT_TRUE(sweep.rewrites_early(251)) << "the first group had its part of the time";
}

TEST(LogSweep, WaitsForAMomentOnlyIfThatSavesLittle) {
  LogSweep sweep({1'000, 5'000});
  sweep.look(1'000, 7);
  sweep.appended(499);
  EXPECT_FALSE(sweep.rewrites_early(1));
  sweep.passed(1);
  sweep.appended(1);
  EXPECT_TRUE(sweep.rewrites_early(150)) << "it does not wait for each of many groups anew";
  EXPECT_TRUE(sweep.rewrites_early(100));
  EXPECT_FALSE(sweep.rewrites_early(1)) << "250 bytes are little, but not more";
  sweep.ended();
  sweep.look(1'000, 9);
  EXPECT_FALSE(sweep.rewrites_early(1));
  sweep.appended(500);
  EXPECT_TRUE(sweep.rewrites_early(250));
}

// In files of 64 KiB.
class SweptLogTest : public LogStoreTest {
 protected:
  SweptLogTest() {
    sweep.from_bytes = 256 << 10;
    sweep.held_up_bytes = 512 << 10;
    reopen();
  }
  // Another group is busy: it writes 4 MiB, and cuts what it has written before. The most that the log takes.
  std::uint64_t most_bytes_while_another_is_busy(const std::function<void(std::uint64_t index)>& also = {}) {
    std::uint64_t most = 0;
    for (std::uint64_t index = 1; index <= 512; ++index) {
      LogWrite busy = index > 1 ? snapshot(kOther, index - 1) : LogWrite{};
      busy.group = kOther;
      if (index > 1) busy.cut_through = LogIndex(index - 1);
      busy.entries = {entry(index, 1, std::string(8 << 10, 'b'))};
      write(busy);
      if (also) also(index);
      most = std::max(most, environment->usage().used_bytes);
    }
    return most;
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, SweptLogTest, testing::Values(Backend::kJournal), name_of_backend);

TEST_P(SweptLogTest, AGroupThatKeepsItsEntriesKeepsNoFilesOfOthers) {
  write(append(kGroup, 1, 20));
  write(snapshot(kGroup, 20));
  EXPECT_LE(most_bytes_while_another_is_busy(), 512u << 10);
  for (int round = 0; round < 2; ++round, reopen()) {
    EXPECT_EQ(must(store->load(kGroup)).entries, append(kGroup, 1, 20).entries);
    EXPECT_EQ(indexes(kOther).back(), 512u);
  }
}

// As the groups of shards that nobody writes to: what they begin with brings no state to flush.
TEST_P(SweptLogTest, AGroupThatHasNothingToDoIsNotWaitedForLong) {
  write(append(kGroup, 1, 20));
  EXPECT_LE(most_bytes_while_another_is_busy(), 512u << 10);
  reopen();
  EXPECT_EQ(must(store->load(kGroup)).entries, append(kGroup, 1, 20).entries);
}

// A change of leader brings an entry, but nothing to flush.
TEST_P(SweptLogTest, AGroupThatGetsAnEntryNowAndThenIsNotWaitedForLong) {
  const auto now_and_then = [this](std::uint64_t index) {
    if (index % 16 == 0) write(append(kGroup, index / 16, index / 16));
  };
  EXPECT_LE(most_bytes_while_another_is_busy(now_and_then), 512u << 10);
  reopen();
  EXPECT_EQ(must(store->load(kGroup)).entries, append(kGroup, 1, 32).entries);
}

TEST_P(SweptLogTest, AGroupThatWritesMuchAndGetsNoSnapshotKeepsFilesForAWhileOnly) {
  LogWrite all;
  const std::uint64_t most = most_bytes_while_another_is_busy([&](std::uint64_t index) {
    LogWrite one;
    one.group = kGroup;
    one.entries = {entry(index, 1, std::string(1 << 10, 'g'))};
    write(one);
    all.entries.push_back(one.entries.front());
  });
  EXPECT_GT(most, 1u << 20) << "it was waited for";
  EXPECT_LE(most, 3u << 20) << "of 4.5 MiB";
  reopen();
  EXPECT_EQ(must(store->load(kGroup)).entries, all.entries);
}

}  // namespace
}  // namespace earshot::storage
