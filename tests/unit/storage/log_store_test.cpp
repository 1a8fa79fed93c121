#include "storage/log_store.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <thread>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "storage/keys.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {

// For readable failures and comparisons by value.
bool operator==(const LogEntry& a, const LogEntry& b) {
  return a.index == b.index && a.term == b.term && a.type == b.type && *a.data == *b.data;
}
void PrintTo(const LogEntry& entry, std::ostream* out) {
  *out << entry.index.value << "@" << entry.term.value << ":" << entry.data->size() << "B";
}

namespace {

using testing::AllOf;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;
using testing::SizeIs;

constexpr Table kLogTable = 0;
constexpr GroupId kGroup{3};
constexpr GroupId kOther{4};

LogEntry entry(std::uint64_t index, std::uint64_t term = 1, std::string data = "command") {
  return LogEntry{LogIndex(index), Term(term), EntryType::kCommand,
                  std::make_shared<const std::string>(std::move(data))};
}

LogWrite append(GroupId group, std::uint64_t first, std::uint64_t last, std::uint64_t term = 1) {
  LogWrite write;
  write.group = group;
  for (std::uint64_t index = first; index <= last; ++index) write.entries.push_back(entry(index, term));
  return write;
}

LogWrite snapshot(GroupId group, std::uint64_t index, std::uint64_t term = 1) {
  LogWrite write;
  write.group = group;
  write.snapshot = SnapshotMetadata{LogIndex(index), Term(term), std::string("voters\0bytes", 12), LogIndex(1)};
  return write;
}

class LogStoreTest : public testing::TestWithParam<Backend> {
 protected:
  void reopen() {
    store = nullptr;
    environment = nullptr;
    environment = disk.open();
    store = must(LogStore::open(*environment));
  }

  void write(const LogWrite& write, LogStore::Erase erase = LogStore::Erase::kSome) {
    must(store->write(std::span(&write, 1), erase));
  }
  // Everything up to `index` is in a snapshot, and cut.
  void cut_through(GroupId group, std::uint64_t index, LogStore::Erase erase = LogStore::Erase::kSome) {
    LogWrite cut = snapshot(group, index);
    cut.cut_through = LogIndex(index);
    write(cut, erase);
  }
  // Two entries of one group, then four of another.
  void write_two_groups() {
    write(append(kOther, 1, 2));
    write(append(kGroup, 1, 4));
  }

  std::vector<std::uint64_t> indexes(GroupId group) {
    std::vector<std::uint64_t> found;
    for (const LogEntry& entry : must(store->load(group)).entries) found.push_back(entry.index.value);
    return found;
  }

  std::vector<std::uint64_t> running_numbers() {
    std::vector<std::uint64_t> numbers;
    for (auto& [key, value] : scan(*must(environment->begin_read()), kLogTable)) {
      numbers.push_back(keys::read_big_endian(key, 0));
    }
    return numbers;
  }

  // Flips a bit of the stored record at `place` in the log table.
  void damage(Table table, std::size_t place, std::size_t byte_from_end) {
    std::string key;
    std::string value;
    {
      const auto records = scan(*must(environment->begin_read()), table);
      ASSERT_LT(place, records.size());
      std::tie(key, value) = records[place];
    }
    value[value.size() - 1 - byte_from_end] ^= 4;
    put(*environment, table, key, value);
  }

  void expect_corrupt_at_open(const std::string& detail) {
    store = nullptr;
    environment = nullptr;
    environment = disk.open();
    const auto opened = LogStore::open(*environment);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(opened.error().detail, HasSubstr(detail));
  }

  TestDisk disk{GetParam(), LogStore::tables()};
  std::unique_ptr<Environment> environment = disk.open();
  std::unique_ptr<LogStore> store = must(LogStore::open(*environment));
};

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

TEST_P(LogStoreTest, DamagedRecordIsReportedWithItsGroupAndIndex) {
  const std::vector<LogWrite> together = {append(kOther, 1, 2), append(kGroup, 1, 3)};
  must(store->write(together));
  damage(kLogTable, 3, 0);  // kGroup, index 2: its data
  const auto read = store->read(kGroup, LogIndex(1), LogIndex(3), 1 << 20);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().detail, HasSubstr("group 3, index 2"));
  expect_corrupt_at_open("group 3, index 2");
}

TEST_P(LogStoreTest, DamagedLastRecordIsNotTakenForATornOne) {
  write(append(kGroup, 1, 3));
  damage(kLogTable, 2, 0);
  expect_corrupt_at_open("group 3, index 3");
}

TEST_P(LogStoreTest, RecordMovedToAnotherKeyIsDamaged) {
  write(append(kGroup, 1, 1));
  const auto records = scan(*must(environment->begin_read()), kLogTable);
  std::string key;
  keys::append_big_endian(key, 2);
  put(*environment, kLogTable, key, records[0].second);
  expect_corrupt_at_open("group 3, index 1");
}

TEST_P(LogStoreTest, MissingRecordIsReported) {
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

TEST_P(LogStoreTest, LogThatDoesNotReachItsSnapshotIsReported) {
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

TEST_P(LogStoreTest, DamagedTermAndVoteAreNotGuessed) {
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

TEST_P(LogStoreTest, DamagedSnapshotMetadataIsReported) {
  write(snapshot(kGroup, 5));
  damage(2, 0, 0);
  EXPECT_EQ(store->load(kGroup).error().code, ErrorCode::kCorrupt);
  expect_corrupt_at_open("group 3");
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

// What a log must hold, kept in plain containers.
struct ExpectedLog {
  HardState hard_state;
  std::optional<SnapshotMetadata> snapshot;
  std::deque<LogEntry> entries;
  std::map<std::uint64_t, LogEntry> cut;  // by index: they may be there again after a restart

  // What is found after a restart, if that is what may be found.
  void take_up(const LoadedLog& loaded) {
    const std::size_t again = loaded.entries.size() - std::min(loaded.entries.size(), entries.size());
    for (std::size_t i = again; i > 0; --i) {
      const auto known = cut.find(loaded.entries[i - 1].index.value);
      if (known == cut.end() || known->second != loaded.entries[i - 1]) return;
      entries.push_front(known->second);
      cut.erase(known);
    }
  }
  void forget(auto is_gone) {
    for (const LogEntry& entry : entries)
      if (is_gone(entry)) cut.insert_or_assign(entry.index.value, entry);
    std::erase_if(entries, is_gone);
  }

  [[nodiscard]] std::uint64_t snapshot_index() const { return snapshot ? snapshot->index.value : 0; }
  [[nodiscard]] std::uint64_t last() const { return entries.empty() ? snapshot_index() : entries.back().index.value; }
};

class RandomLogs {
 public:
  explicit RandomLogs(std::uint64_t seed) : random_(seed) {}

  // One to four writes of any groups, legal after what `logs` holds, and done to it.
  std::vector<LogWrite> next(std::map<GroupId, ExpectedLog>& logs) {
    std::vector<LogWrite> writes(random_.between(1, 4));
    for (LogWrite& write : writes) {
      write.group = GroupId(static_cast<std::uint16_t>(random_.below(3) * 300));
      fill(write, logs[write.group]);
    }
    return writes;
  }

  Random& random() { return random_; }

 private:
  void fill(LogWrite& write, ExpectedLog& log) {
    if (random_.chance(0.3))
      log.hard_state = {Term(++term_), NodeId(random_.below(4))}, write.hard_state = log.hard_state;
    if (random_.chance(0.05)) {
      install(write, log);
    } else {
      if (random_.chance(0.2)) compact(write, log);
      if (random_.chance(0.25) && log.last() > log.snapshot_index()) truncate(write, log);
    }
    for (std::uint64_t i = random_.below(5); i-- > 0;) {
      LogEntry next = entry(log.last() + 1, term_, std::string(random_.below(random_.chance(0.1) ? 9000 : 60), 'd'));
      next.type = static_cast<EntryType>(random_.between(1, 3));
      write.entries.push_back(next);
      log.entries.push_back(std::move(next));
    }
  }

  void install(LogWrite& write, ExpectedLog& log) {
    const std::uint64_t index = log.last() + random_.between(0, 9);
    log.snapshot = SnapshotMetadata{LogIndex(index), Term(term_), std::to_string(term_), LogIndex(index / 2)};
    log.entries.clear();
    write.snapshot = log.snapshot, write.drop_log = true;
  }

  void compact(LogWrite& write, ExpectedLog& log) {
    const std::uint64_t index = random_.between(log.snapshot_index(), log.last());
    log.snapshot = SnapshotMetadata{LogIndex(index), Term(term_), std::to_string(term_), LogIndex(index / 2)};
    const std::uint64_t cut = random_.below(index + 1);
    log.forget([&](const LogEntry& entry) { return entry.index.value <= cut; });
    write.snapshot = log.snapshot, write.cut_through = LogIndex(cut);
  }

  void truncate(LogWrite& write, ExpectedLog& log) {
    const std::uint64_t from = random_.between(log.snapshot_index() + 1, log.last() + 1);
    std::erase_if(log.entries, [&](const LogEntry& entry) { return entry.index.value >= from; });
    write.truncate_from = LogIndex(from);
  }

  Random random_;
  std::uint64_t term_ = 1;
};

void expect_equal(LogStore& store, const std::map<GroupId, ExpectedLog>& logs, Random& random) {
  for (const auto& [group, expected] : logs) {
    const LoadedLog loaded = must(store.load(group));
    EXPECT_EQ(loaded.hard_state, expected.hard_state);
    EXPECT_EQ(loaded.snapshot, expected.snapshot);
    EXPECT_EQ(loaded.entries, std::vector<LogEntry>(expected.entries.begin(), expected.entries.end()));
    if (expected.entries.empty()) continue;
    const std::uint64_t first = random.below(expected.entries.size());
    const std::uint64_t last = first + random.below(expected.entries.size() - first);
    const LogIndex base = expected.entries.front().index;
    const auto read = store.read(group, LogIndex(base.value + first), LogIndex(base.value + last), SIZE_MAX);
    EXPECT_EQ(must(read), std::vector<LogEntry>(expected.entries.begin() + static_cast<std::ptrdiff_t>(first),
                                                expected.entries.begin() + static_cast<std::ptrdiff_t>(last) + 1));
  }
}

TEST_P(LogStoreTest, RandomWritesWithReopeningEqualPlainLogs) {
  RandomLogs logs(tests::seed_of_test());
  std::map<GroupId, ExpectedLog> expected;
  for (int step = 0; step < 200 && !HasFailure(); ++step) {
    must(store->write(logs.next(expected)));
    if (logs.random().chance(0.5)) expect_equal(*store, expected, logs.random());
    reopen();
    for (auto& [group, log] : expected) log.take_up(must(store->load(group)));
    expect_equal(*store, expected, logs.random());
  }
}

// The disk fills up now and then: refused writes change nothing, and the same writes succeed once there is room.
TEST(LogStoreOnFullDisk, RefusedWritesChangeNothingAndSucceedLater) {
  RandomLogs logs(tests::seed_of_test());
  ModelDisk disk(LogStore::tables().size());
  auto environment = disk.open();
  auto store = must(LogStore::open(*environment));
  std::map<GroupId, ExpectedLog> expected;
  int refusals = 0;
  for (int step = 0; step < 600 && !testing::Test::HasFailure(); ++step) {
    auto after = expected;
    const std::vector<LogWrite> writes = logs.next(after);
    if (logs.random().chance(0.3)) disk.set_capacity(1);
    if (const Status written = store->write(writes); !written) {
      ++refusals;
      EXPECT_EQ(written.error().code, ErrorCode::kStorageFull);
      expect_equal(*store, expected, logs.random());
      disk.set_capacity(0);
      must(store->write(writes));
    }
    disk.set_capacity(0);
    expected = std::move(after);
    expect_equal(*store, expected, logs.random());
  }
  EXPECT_GT(refusals, 50);
}

// The same on LMDB, whose map fills up inside a transaction. The entries are large, so that what one of them no longer
// fits into is room enough for a cut, which copies pages before it frees any; a node sees to that with its disk
// reserve.
TEST(LogStoreOnFullDisk, FullMapIsSurvivedAndCuttingMakesRoom) {
  TestDisk disk(Backend::kLmdb, LogStore::tables(), 16 << 20);
  auto environment = disk.open();
  auto store = must(LogStore::open(*environment));
  std::uint64_t last = 0;
  const auto append_one = [&] {
    LogWrite write;
    write.group = kGroup;
    write.entries = {entry(last + 1, 1, std::string(600'000, 'x'))};
    const Status written = store->write(std::span(&write, 1));
    if (written) ++last;
    return written;
  };
  Status written;
  while (written) written = append_one();
  EXPECT_EQ(written.error().code, ErrorCode::kStorageFull);
  EXPECT_GT(last, 20u);
  EXPECT_EQ(must(store->load(kGroup)).entries.size(), last);
  LogWrite cut = snapshot(kGroup, last / 2);
  cut.cut_through = LogIndex(last / 2);
  must(store->write(std::span(&cut, 1)));
  int refusals = 0;
  for (std::uint64_t i = 0; i < last / 4; ++i) {
    while (!append_one()) ASSERT_LT(++refusals, 3) << "what the cut has freed is not used";
  }
  store = nullptr;
  environment = nullptr;
  environment = disk.open();
  store = must(LogStore::open(*environment));
  EXPECT_EQ(must(store->load(kGroup)).entries.back().index.value, last);
}

}  // namespace
}  // namespace earshot::storage
