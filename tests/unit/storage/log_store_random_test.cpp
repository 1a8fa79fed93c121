// Random writes against plain containers, with restarts and full disks.
#include <algorithm>
#include <deque>
#include <map>

#include "base/random.hpp"
#include "log_store_fixture.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {
namespace {

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

class LogStoreRandomTest : public LogStoreTest {};
INSTANTIATE_TEST_SUITE_P(Backends, LogStoreRandomTest,
                         testing::Values(Backend::kLmdb, Backend::kJournal, Backend::kModel), name_of_backend);

TEST_P(LogStoreRandomTest, RandomWritesWithReopeningEqualPlainLogs) {
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

TEST_P(LogStoreRandomTest, LogsThatAreSweptAllTheTimeEqualPlainLogs) {
  sweep_always();
  RandomLogs logs(tests::seed_of_test());
  std::map<GroupId, ExpectedLog> expected;
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    must(store->write(logs.next(expected)));
    expect_equal(*store, expected, logs.random());
    if (logs.random().chance(0.9)) continue;
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
