#include <atomic>
#include <functional>
#include <thread>

#include "log_store_fixture.hpp"

namespace earshot::storage {
namespace {

using testing::AllOf;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;
using testing::SizeIs;

INSTANTIATE_TEST_SUITE_P(Backends, LogStoreTest, testing::Values(Backend::kLmdb, Backend::kJournal, Backend::kModel),
                         name_of_backend);

using Indexes = std::vector<std::uint64_t>;

TEST_P(LogStoreTest, GroupNeverSeenHasAnEmptyLog) {
  const LoadedLog loaded = must(store->load(kGroup));
  EXPECT_EQ(loaded.hard_state, HardState{});
  EXPECT_EQ(loaded.snapshot, std::nullopt);
  EXPECT_THAT(loaded.entries, IsEmpty());
}

TEST_P(LogStoreTest, EverythingOfAGroupIsFoundAgainAfterReopening) {
  LogWrite all = append(kGroup, 1, 0);
  all.hard_state = HardState{Term(7), NodeId(2)};
  all.entries = {entry(1, 1, ""), entry(2, 3, std::string("\0\xff", 2)), entry(3, 7, std::string(100'000, 'x'))};
  all.entries[0].type = EntryType::kConfiguration;
  all.entries[1].type = EntryType::kBarrier;
  write(all);
  write(snapshot(kGroup, 2, 3));
  for (int round = 0; round < 2; ++round, reopen()) {
    const LoadedLog loaded = must(store->load(kGroup));
    EXPECT_EQ(loaded.hard_state, all.hard_state);
    EXPECT_EQ(loaded.snapshot, snapshot(kGroup, 2, 3).snapshot);
    EXPECT_EQ(loaded.entries, all.entries);
  }
}

TEST_P(LogStoreTest, GroupsDoNotTouchEachOther) {
  const std::vector<LogWrite> together = {append(kGroup, 1, 3), append(kOther, 1, 2), append(kGroup, 4, 5)};
  must(store->write(together));
  LogWrite drop = snapshot(kGroup, 9);
  drop.drop_log = true;
  drop.hard_state = HardState{Term(2), NodeId(1)};
  write(drop);
  for (int round = 0; round < 2; ++round, reopen()) {
    EXPECT_EQ(indexes(kGroup), Indexes{});
    EXPECT_EQ(indexes(kOther), (Indexes{1, 2}));
    EXPECT_EQ(must(store->load(kOther)).hard_state, HardState{});
    EXPECT_EQ(must(store->load(kOther)).snapshot, std::nullopt);
  }
}

TEST_P(LogStoreTest, AllGroupsShareOneAppendPoint) {
  for (std::uint64_t round = 1; round <= 3; ++round) {
    const std::vector<LogWrite> together = {append(kOther, round, round), append(kGroup, round, round)};
    must(store->write(together));
  }
  EXPECT_EQ(running_numbers(), (Indexes{1, 2, 3, 4, 5, 6}));
  LogWrite replaced = append(kGroup, 2, 2, 2);
  replaced.truncate_from = LogIndex(2);
  write(replaced);
  EXPECT_EQ(running_numbers(), (Indexes{1, 2, 3, 5, 7}));  // a number given out is not used again
  reopen();
  write(append(kOther, 4, 4));
  EXPECT_EQ(running_numbers().back(), 8u);
}

TEST_P(LogStoreTest, TruncationMakesWayForAnotherLeadersEntries) {
  write(append(kGroup, 1, 5, 1));
  LogWrite overwrite = append(kGroup, 3, 4, 2);
  overwrite.truncate_from = LogIndex(3);
  write(overwrite);
  for (int round = 0; round < 2; ++round, reopen()) {
    const auto entries = must(store->load(kGroup)).entries;
    EXPECT_EQ(entries, (std::vector{entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 2)}));
  }
}

TEST_P(LogStoreTest, TruncationInTheSameTransactionAsItsAppendWorks) {
  LogWrite overwrite = append(kGroup, 2, 2, 2);
  overwrite.truncate_from = LogIndex(2);
  const std::vector<LogWrite> together = {append(kGroup, 1, 3, 1), overwrite, append(kGroup, 3, 3, 3)};
  must(store->write(together));
  reopen();
  EXPECT_EQ(must(store->load(kGroup)).entries, (std::vector{entry(1, 1), entry(2, 2), entry(3, 3)}));
}

TEST_P(LogStoreTest, CutForgetsOnlyWhatIsBelow) {
  write(append(kGroup, 1, 6));
  LogWrite cut = snapshot(kGroup, 5);
  cut.cut_through = LogIndex(3);
  write(cut);
  for (int round = 0; round < 2; ++round, reopen()) EXPECT_EQ(indexes(kGroup), (Indexes{4, 5, 6}));
  EXPECT_EQ(running_numbers(), (Indexes{4, 5, 6})) << "erased with it, since nobody else's are before them";
  cut.cut_through = LogIndex(2);  // again and lower: nothing to do
  write(cut);
  EXPECT_EQ(indexes(kGroup), (Indexes{4, 5, 6}));
  EXPECT_EQ(running_numbers(), (Indexes{4, 5, 6}));
}

TEST_P(LogStoreTest, WhatIsCutIsErasedOnceAllBeforeItIsCut) {
  write_two_groups();
  cut_through(kGroup, 3);
  EXPECT_EQ(indexes(kGroup), (Indexes{4}));
  EXPECT_EQ(running_numbers(), (Indexes{1, 2, 3, 4, 5, 6})) << "the other group's come first";
  cut_through(kOther, 2);
  EXPECT_EQ(running_numbers(), (Indexes{6}));
  reopen();
  EXPECT_EQ(indexes(kGroup), (Indexes{4}));
  EXPECT_EQ(indexes(kOther), Indexes{});
}

TEST_P(LogStoreTest, WhenRoomIsShortAllThatIsCutIsErased) {
  write_two_groups();
  cut_through(kGroup, 3, LogStore::Erase::kAll);
  EXPECT_EQ(running_numbers(), (Indexes{1, 2, 6}));
  reopen();
  EXPECT_EQ(indexes(kGroup), (Indexes{4}));
  EXPECT_EQ(indexes(kOther), (Indexes{1, 2}));
}

TEST_P(LogStoreTest, WhatWasCutCanBeErasedWithoutWritingMore) {
  write_two_groups();
  cut_through(kGroup, 3);
  must(store->write({}, LogStore::Erase::kAll));
  EXPECT_EQ(running_numbers(), (Indexes{1, 2, 6}));
}

TEST_P(LogStoreTest, ALogThatWasCutAndNotErasedBeginsLowerAfterReopening) {
  write_two_groups();
  cut_through(kGroup, 3);
  reopen();
  EXPECT_EQ(indexes(kGroup), (Indexes{1, 2, 3, 4}));
  write(append(kGroup, 5, 5));
  cut_through(kGroup, 3);
  EXPECT_EQ(indexes(kGroup), (Indexes{4, 5}));
}

TEST_P(LogStoreTest, WhatWasCutBeforeAnInstalledSnapshotIsNoHole) {
  for (const std::uint64_t appended : {0, 1}) {
    const GroupId group(static_cast<std::uint16_t>(70 + appended));
    write(append(kOther, 1 + appended, 1 + appended));
    write(append(group, 1, 4));
    cut_through(group, 4);
    LogWrite install = snapshot(group, 100, 9);
    install.drop_log = true;
    if (appended > 0) install.entries = {entry(101, 9)};
    write(install);
    reopen();
    EXPECT_EQ(indexes(group), appended > 0 ? Indexes{101} : Indexes{});
    write(append(group, 101 + appended, 102));
    reopen();
    EXPECT_EQ(indexes(group), (Indexes{101, 102}));
  }
}

TEST_P(LogStoreTest, ATransactionErasesMoreThanItAppendsAndNotEverything) {
  constexpr std::uint64_t kMany = 2'000;
  write(append(kGroup, 1, kMany));
  cut_through(kGroup, kMany);
  EXPECT_THAT(running_numbers(), SizeIs(AllOf(Gt(kMany / 2), Lt(kMany))));
  const std::size_t before = running_numbers().size();
  write(append(kGroup, kMany + 1, kMany + 10));
  EXPECT_LT(running_numbers().size(), before);
  must(store->write({}, LogStore::Erase::kAll));
  EXPECT_THAT(running_numbers(), SizeIs(10));
}

TEST_P(LogStoreTest, LogCutToItsEndGoesOnAfterTheSnapshot) {
  write(append(kGroup, 1, 4));
  cut_through(kGroup, 4);
  reopen();
  EXPECT_EQ(indexes(kGroup), Indexes{});
  write(append(kGroup, 5, 6));
  reopen();
  EXPECT_EQ(indexes(kGroup), (Indexes{5, 6}));
}

TEST_P(LogStoreTest, InstalledSnapshotReplacesTheWholeLog) {
  write(append(kGroup, 1, 4));
  LogWrite install = snapshot(kGroup, 100, 9);
  install.drop_log = true;
  install.entries = {entry(101, 9)};
  write(install);
  for (int round = 0; round < 2; ++round, reopen()) {
    EXPECT_EQ(indexes(kGroup), (Indexes{101}));
    EXPECT_EQ(must(store->load(kGroup)).snapshot->index, LogIndex(100));
  }
}

TEST_P(LogStoreTest, ReadGivesARangeAndStopsAtItsBytes) {
  LogWrite some;
  some.group = kGroup;
  for (std::uint64_t index = 1; index <= 9; ++index) some.entries.push_back(entry(index, 1, std::string(1000, 'x')));
  write(some);
  EXPECT_EQ(must(store->read(kGroup, LogIndex(2), LogIndex(4), 1 << 20)).size(), 3u);
  EXPECT_EQ(must(store->read(kGroup, LogIndex(8), LogIndex(50), 1 << 20)).size(), 2u);
  EXPECT_EQ(must(store->read(kGroup, LogIndex(1), LogIndex(9), 2200)).size(), 2u);
  const auto one = must(store->read(kGroup, LogIndex(5), LogIndex(9), 0));
  EXPECT_EQ(one, std::vector{some.entries[4]});
}

TEST_P(LogStoreTest, ReadOfWhatIsNotThereIsNotFound) {
  write(append(kGroup, 1, 6));
  LogWrite cut = snapshot(kGroup, 3);
  cut.cut_through = LogIndex(3);
  write(cut);
  const std::vector<std::tuple<GroupId, std::uint64_t, std::uint64_t>> absent = {
      {kGroup, 3, 6}, {kGroup, 7, 8}, {kGroup, 0, 5}, {kGroup, 5, 4}, {kOther, 1, 1}};
  for (const auto& [group, first, last] : absent) {
    const auto read = store->read(group, LogIndex(first), LogIndex(last), 1 << 20);
    ASSERT_FALSE(read) << first;
    EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
  }
}

TEST_P(LogStoreTest, ReadersOnOtherThreadsNeverSeeACutAsDamage) {
  write(append(kGroup, 1, 50));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      for (std::uint64_t first : {1, 20, 45}) {
        const auto read = store->read(kGroup, LogIndex(first), LogIndex(400), 1 << 20);
        if (!read) {
          EXPECT_EQ(read.error().code, ErrorCode::kNotFound) << read.error().to_string();
          continue;
        }
        std::uint64_t index = first;
        for (const LogEntry& entry : *read) EXPECT_EQ(entry.index.value, index++);
      }
    }
  });
  for (std::uint64_t cut = 1; cut < 300; ++cut) {
    LogWrite next = append(kGroup, cut + 50, cut + 50);
    if (cut % 3 == 0) {
      next = append(kGroup, cut + 48, cut + 50, cut);
      next.truncate_from = LogIndex(cut + 48);
    }
    next.snapshot = snapshot(kGroup, cut).snapshot;
    next.cut_through = LogIndex(cut);
    write(next);
  }
  done = true;
  reader.join();
}

// An environment that lets the test in between a commit and whoever waits for it.
class HookedEnvironment final : public Environment {
 public:
  explicit HookedEnvironment(Environment& inner) : inner_(inner) {}

  Result<std::unique_ptr<ReadTransaction>> begin_read() override { return inner_.begin_read(); }
  Result<std::unique_ptr<WriteTransaction>> begin_write() override {
    return std::make_unique<Transaction>(*this, must(inner_.begin_write()));
  }
  DiskUsage usage() override { return inner_.usage(); }

  std::function<void()> after_commit = [] {};

 private:
  class Transaction final : public WriteTransaction {
   public:
    Transaction(HookedEnvironment& owner, std::unique_ptr<WriteTransaction> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
      return inner_->get(table, key);
    }
    Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      return inner_->scan(table, from, to, visit);
    }
    Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      return inner_->scan_back(table, from, to, visit);
    }
    Result<std::uint64_t> count(Table table) override { return inner_->count(table); }
    Status put(Table table, std::string_view key, std::string_view value) override {
      return inner_->put(table, key, value);
    }
    Status append(Table table, std::string_view key, std::string_view value) override {
      return inner_->append(table, key, value);
    }
    Result<bool> erase(Table table, std::string_view key) override { return inner_->erase(table, key); }
    Status commit() override {
      const Status committed = inner_->commit();
      owner_.after_commit();
      return committed;
    }

   private:
    HookedEnvironment& owner_;
    std::unique_ptr<WriteTransaction> inner_;
  };

  Environment& inner_;
};

TEST_P(LogStoreTest, RecordCutBeforeTheIndexKnowsIsNotFoundAndNoDamage) {
  HookedEnvironment hooked(*environment);
  store = must(LogStore::open(hooked));
  write(append(kGroup, 1, 5));
  int reads = 0;
  hooked.after_commit = [&] {
    const auto cut = store->read(kGroup, LogIndex(2), LogIndex(5), 1 << 20);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, ErrorCode::kNotFound) << cut.error().to_string();
    EXPECT_EQ(must(store->read(kGroup, LogIndex(4), LogIndex(5), 1 << 20)).size(), 2u);
    ++reads;
  };
  LogWrite cut = snapshot(kGroup, 3);
  cut.cut_through = LogIndex(3);
  write(cut);
  EXPECT_EQ(reads, 1);
  store = nullptr;
}

using LogStoreDeathTest = LogStoreTest;
INSTANTIATE_TEST_SUITE_P(Backends, LogStoreDeathTest, testing::Values(Backend::kModel), name_of_backend);

TEST_P(LogStoreDeathTest, WritesThatDoNotJoinStopTheProcess) {
  write(append(kGroup, 1, 3));
  EXPECT_DEATH(write(append(kGroup, 5, 5)), "entries join the end of the log");
  EXPECT_DEATH(write(append(kGroup, 3, 3)), "entries join the end of the log");
  EXPECT_DEATH(write(append(kOther, 2, 2)), "entries join the end of the log");
  LogWrite cut;
  cut.group = kGroup;
  cut.cut_through = LogIndex(2);
  EXPECT_DEATH(write(cut), "cut only below its snapshot");
  LogWrite truncate = snapshot(kGroup, 2);
  truncate.truncate_from = LogIndex(2);
  EXPECT_DEATH(write(truncate), "never truncated");
}

}  // namespace
}  // namespace earshot::storage
