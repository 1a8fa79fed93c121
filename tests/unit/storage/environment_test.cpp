// The contract of storage/environment.hpp, held by LMDB, the journal and the model alike.
#include "storage/environment.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "storage/keys.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class EnvironmentContract : public testing::TestWithParam<Backend> {
 protected:
  void reopen() {
    environment = nullptr;
    environment = disk.open();
  }

  TestDisk disk{GetParam(), {"first", "second", "third"}};
  std::unique_ptr<Environment> environment = disk.open();
};

INSTANTIATE_TEST_SUITE_P(Backends, EnvironmentContract,
                         testing::Values(Backend::kLmdb, Backend::kJournal, Backend::kModel), name_of_backend);

TEST_P(EnvironmentContract, CommittedRecordsAreReadBackAlsoAfterReopening) {
  put(*environment, 0, "key", "value");
  put(*environment, 0, "empty", "");
  for (int round = 0; round < 2; ++round, reopen()) {
    auto reader = must(environment->begin_read());
    EXPECT_EQ(get(*reader, 0, "key"), "value");
    EXPECT_EQ(get(*reader, 0, "empty"), "");
    EXPECT_EQ(get(*reader, 0, "other"), std::nullopt);
  }
}

TEST_P(EnvironmentContract, TablesAreApart) {
  put(*environment, 0, "key", "in the first");
  put(*environment, 2, "key", "in the third");
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, "key"), "in the first");
  EXPECT_EQ(get(*reader, 1, "key"), std::nullopt);
  EXPECT_EQ(get(*reader, 2, "key"), "in the third");
}

TEST_P(EnvironmentContract, WriterSeesItsOwnWritesAndOthersDoNotUntilCommit) {
  put(*environment, 0, "a", "old");
  auto writer = must(environment->begin_write());
  must(writer->put(0, "a", "new"));
  must(writer->put(0, "b", "added"));
  EXPECT_EQ(get(*writer, 0, "a"), "new");
  EXPECT_THAT(scan(*writer, 0), ElementsAre(Record{"a", "new"}, Record{"b", "added"}));
  {
    auto reader = must(environment->begin_read());
    EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"a", "old"}));
  }
  must(writer->commit());
  auto reader = must(environment->begin_read());
  EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"a", "new"}, Record{"b", "added"}));
}

TEST_P(EnvironmentContract, TransactionDestroyedWithoutCommitLeavesNoTrace) {
  put(*environment, 0, "kept", "1");
  {
    auto writer = must(environment->begin_write());
    must(writer->put(0, "kept", "2"));
    must(writer->put(0, "new", "3"));
    must(writer->append(1, "appended", "4"));
    EXPECT_TRUE(must(writer->erase(0, "kept")));
    must(writer->put(0, "kept", "5"));
  }
  for (int round = 0; round < 2; ++round, reopen()) {
    auto reader = must(environment->begin_read());
    EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"kept", "1"}));
    EXPECT_THAT(scan(*reader, 1), IsEmpty());
  }
  put(*environment, 0, "later", "6");
  auto reader = must(environment->begin_read());
  EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"kept", "1"}, Record{"later", "6"}));
}

TEST_P(EnvironmentContract, ReaderKeepsItsViewWhileOthersCommit) {
  put(*environment, 0, "a", "1");
  put(*environment, 0, "b", "1");
  auto before = must(environment->begin_read());
  const auto view = must(before->get(0, "a"));
  {
    auto writer = must(environment->begin_write());
    must(writer->put(0, "a", "2"));
    EXPECT_TRUE(must(writer->erase(0, "b")));
    must(writer->put(0, "c", "2"));
    must(writer->commit());
  }
  auto after = must(environment->begin_read());
  put(*environment, 0, "a", "3");

  EXPECT_EQ(*view, "1");
  EXPECT_THAT(scan(*before, 0), ElementsAre(Record{"a", "1"}, Record{"b", "1"}));
  EXPECT_THAT(scan_back(*before, 0), ElementsAre(Record{"b", "1"}, Record{"a", "1"}));
  EXPECT_THAT(scan(*after, 0), ElementsAre(Record{"a", "2"}, Record{"c", "2"}));
  before = nullptr;
  EXPECT_THAT(scan(*after, 0), ElementsAre(Record{"a", "2"}, Record{"c", "2"}));
}

TEST_P(EnvironmentContract, ReaderReusedAfterItsEndSeesTheNewestState) {
  for (int i = 0; i < 10; ++i) {
    put(*environment, 0, "counter", std::to_string(i));
    auto reader = must(environment->begin_read());
    EXPECT_EQ(get(*reader, 0, "counter"), std::to_string(i));
  }
}

TEST_P(EnvironmentContract, EraseTellsWhetherTheKeyWasThere) {
  put(*environment, 0, "a", "1");
  auto writer = must(environment->begin_write());
  EXPECT_FALSE(must(writer->erase(0, "b")));
  EXPECT_FALSE(must(writer->erase(1, "a")));
  EXPECT_TRUE(must(writer->erase(0, "a")));
  EXPECT_FALSE(must(writer->erase(0, "a")));
  must(writer->commit());
  auto reader = must(environment->begin_read());
  EXPECT_THAT(scan(*reader, 0), IsEmpty());
}

TEST_P(EnvironmentContract, KeysSortAsUnsignedBytesAndPrefixesComeFirst) {
  const std::vector<std::string> ordered = {std::string("\0", 1),
                                            std::string("\0\0", 2),
                                            "a",
                                            std::string("a\0", 2),
                                            "ab",
                                            "b",
                                            "\x7f",
                                            "\x80",
                                            "\xff",
                                            "\xff\xff"};
  auto writer = must(environment->begin_write());
  for (auto key = ordered.rbegin(); key != ordered.rend(); ++key) must(writer->put(0, *key, "v"));
  must(writer->commit());
  auto reader = must(environment->begin_read());
  std::vector<std::string> found;
  for (auto& [key, value] : scan(*reader, 0)) found.push_back(key);
  EXPECT_EQ(found, ordered);
}

class ScanBounds : public EnvironmentContract {
 protected:
  void SetUp() override {
    for (const char* key : {"b", "d", "f"}) put(*environment, 1, key, "v");
    reader = must(environment->begin_read());
  }
  void TearDown() override { reader = nullptr; }

  std::string forward(std::string_view from, std::string_view to, std::size_t records_max = SIZE_MAX) {
    std::string keys;
    for (auto& [key, value] : scan(*reader, 1, from, to, records_max)) keys += key;
    return keys;
  }
  std::string backward(std::string_view from, std::string_view to, std::size_t records_max = SIZE_MAX) {
    std::string keys;
    for (auto& [key, value] : scan_back(*reader, 1, from, to, records_max)) keys += key;
    return keys;
  }

  std::unique_ptr<ReadTransaction> reader;
};

INSTANTIATE_TEST_SUITE_P(Backends, ScanBounds, testing::Values(Backend::kLmdb, Backend::kJournal, Backend::kModel),
                         name_of_backend);

TEST_P(ScanBounds, FromIsInsideAndToIsOutside) {
  EXPECT_EQ(forward("b", "f"), "bd");
  EXPECT_EQ(backward("b", "f"), "db");
  EXPECT_EQ(forward("a", "g"), "bdf");
  EXPECT_EQ(backward("a", "g"), "fdb");
  EXPECT_EQ(forward("c", "e"), "d");
  EXPECT_EQ(backward("c", "e"), "d");
  EXPECT_EQ(backward("d", "d1"), "d");
}

TEST_P(ScanBounds, EmptyToMeansToTheEnd) {
  EXPECT_EQ(forward("", ""), "bdf");
  EXPECT_EQ(backward("", ""), "fdb");
  EXPECT_EQ(forward("d", ""), "df");
  EXPECT_EQ(backward("d", ""), "fd");
  EXPECT_EQ(forward("g", ""), "");
  EXPECT_EQ(backward("g", ""), "");
}

TEST_P(ScanBounds, EmptyOrReversedRangeHoldsNothing) {
  EXPECT_EQ(forward("d", "d"), "");
  EXPECT_EQ(backward("d", "d"), "");
  EXPECT_EQ(forward("f", "b"), "");
  EXPECT_EQ(backward("f", "b"), "");
  EXPECT_EQ(backward("", "a"), "");
  EXPECT_EQ(backward("", "b"), "");
  EXPECT_THAT(scan(*reader, 0), IsEmpty());
  EXPECT_THAT(scan_back(*reader, 0), IsEmpty());
  EXPECT_THAT(scan_back(*reader, 0, "a", "b"), IsEmpty());
}

TEST_P(ScanBounds, VisitorStopsTheScan) {
  EXPECT_EQ(forward("", "", 2), "bd");
  EXPECT_EQ(backward("", "", 2), "fd");
}

TEST_P(ScanBounds, BoundsLongerThanAnyKeyAreStillBounds) {
  const std::string long_d = "d" + std::string(1000, 'x');
  EXPECT_EQ(forward(long_d, ""), "f");
  EXPECT_EQ(backward("", long_d), "db");
}

TEST_P(EnvironmentContract, KeysThatCannotBeStoredAreRefusedAndNeverFound) {
  const std::string longest(511, 'k');
  const std::string too_long(512, 'k');
  auto writer = must(environment->begin_write());
  must(writer->put(0, longest, "v"));
  for (const std::string& bad : {std::string(), too_long}) {
    for (const Status& refused : {writer->put(0, bad, "v"), writer->append(1, bad, "v")}) {
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
      EXPECT_EQ(refused.error().field, "key");
    }
    EXPECT_EQ(get(*writer, 0, bad), std::nullopt);
    EXPECT_FALSE(must(writer->erase(0, bad)));
  }
  must(writer->commit());  // the refusals did not spoil it
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, longest), "v");
}

TEST_P(EnvironmentContract, AppendTakesOnlyAKeyAboveAllOthers) {
  auto writer = must(environment->begin_write());
  must(writer->append(0, "b", "1"));
  must(writer->append(0, "c", "2"));
  for (const char* key : {"a", "c", "bb"}) {
    const Status refused = writer->append(0, key, "3");
    ASSERT_FALSE(refused) << key;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(must(writer->erase(0, "c")));
  must(writer->append(0, "bb", "4"));
  must(writer->commit());
  auto reader = must(environment->begin_read());
  EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"b", "1"}, Record{"bb", "4"}));
}

TEST_P(EnvironmentContract, BigValuesComeBackWhole) {
  std::string big(9 << 20, '\0');
  Random random(7);
  for (char& byte : big) byte = static_cast<char>(random.next());
  put(*environment, 0, "big", big);
  put(*environment, 0, "page", big.substr(0, 4096));
  reopen();
  auto reader = must(environment->begin_read());
  EXPECT_TRUE(get(*reader, 0, "big") == big);
  EXPECT_TRUE(get(*reader, 0, "page") == big.substr(0, 4096));
}

TEST_P(EnvironmentContract, VisitorMayReadInsideAScan) {
  put(*environment, 0, "a", "1");
  put(*environment, 0, "b", "2");
  put(*environment, 1, "a", "one");
  auto reader = must(environment->begin_read());
  std::vector<std::string> joined;
  must(reader->scan(0, {}, {}, [&](std::string_view key, std::string_view) {
    joined.push_back(get(*reader, 1, key).value_or("none"));
    auto other = must(environment->begin_read());
    EXPECT_TRUE(get(*other, 0, key));
    return true;
  }));
  EXPECT_THAT(joined, ElementsAre("one", "none"));
}

TEST_P(EnvironmentContract, UsageGrowsWithWhatIsStored) {
  const DiskUsage empty = environment->usage();
  put(*environment, 0, "big", std::string(1 << 20, 'x'));
  const DiskUsage filled = environment->usage();
  EXPECT_GE(filled.used_bytes, empty.used_bytes + (1 << 20));
  EXPECT_GE(filled.file_bytes, filled.used_bytes);
  auto writer = must(environment->begin_write());
  EXPECT_TRUE(must(writer->erase(0, "big")));
  must(writer->commit());
  // A journal's file comes free with the commits behind those that need nothing of it any more.
  for (int i = 0; i < 3 && GetParam() == Backend::kJournal; ++i)
    put(*environment, 0, "next", std::string(60 << 10, 'x'));
  EXPECT_LT(environment->usage().used_bytes,
            empty.used_bytes + (GetParam() == Backend::kJournal ? 256 << 10 : 64 << 10));
}

TEST_P(EnvironmentContract, ReadersOnOtherThreadsSeeWholeCommitsOnly) {
  put(*environment, 0, "x", "0");
  put(*environment, 1, "x", "0");
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        auto reader = must(environment->begin_read());
        const auto first = get(*reader, 0, "x");
        EXPECT_EQ(first, get(*reader, 1, "x"));
        for (auto& [key, value] : scan(*reader, 2)) EXPECT_EQ(value, first);
      }
    });
  }
  for (int i = 1; i <= 50; ++i) {
    auto writer = must(environment->begin_write());
    const std::string value = std::to_string(i);
    must(writer->put(0, "x", value));
    must(writer->put(1, "x", value));
    for (int key = 0; key < 20; ++key) {
      if ((key + i) % 3 == 0) {
        must(writer->erase(2, std::to_string(key)));
      } else {
        must(writer->put(2, std::to_string(key), value));
      }
    }
    must(writer->commit());
  }
  done = true;
  for (auto& reader : readers) reader.join();
}

// Random transactions against plain maps: commits, aborts, reopenings, readers that stay open for a while.
class EnvironmentModelTest {
 public:
  using Tables = std::array<std::map<std::string, std::string>, 3>;

  EnvironmentModelTest(TestDisk& disk, std::uint64_t seed) : disk_(disk), environment_(disk.open()), random_(seed) {}

  void step() {
    switch (random_.below(20)) {
      case 0:
        readers_.clear();
        environment_ = nullptr;
        environment_ = disk_.open();
        break;
      case 1:
      case 2:
        if (readers_.size() > 3) readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(random_.below(4)));
        readers_.emplace_back(must(environment_->begin_read()), committed_);
        break;
      case 3: check_all(); break;
      default: write();
    }
  }

  void check_all() {
    for (auto& [reader, expected] : readers_) check(*reader, expected);
    auto reader = must(environment_->begin_read());
    check(*reader, committed_);
  }

 private:
  std::string key() {
    std::string key(random_.between(1, 3), 'a');
    for (char& c : key) c = static_cast<char>(random_.below(2) ? 0xfd + random_.below(3) : random_.below(4));
    return key;
  }

  std::string value() { return std::string(random_.chance(0.05) ? random_.below(20'000) : random_.below(50), 'v'); }

  void write() {
    Tables next = committed_;
    auto writer = must(environment_->begin_write());
    for (std::uint64_t i = random_.below(12); i-- > 0;) {
      const Table table = static_cast<Table>(random_.below(3));
      const std::string k = key();
      auto& expected = next[table];
      if (random_.chance(0.3)) {
        EXPECT_EQ(must(writer->erase(table, k)), expected.erase(k) == 1);
      } else if (random_.chance(0.2)) {
        const std::string v = value();
        const bool is_greatest = expected.empty() || k > expected.rbegin()->first;
        EXPECT_EQ(writer->append(table, k, v).has_value(), is_greatest);
        if (is_greatest) expected[k] = v;
      } else {
        expected[k] = value();
        must(writer->put(table, k, expected[k]));
      }
    }
    check(*writer, next);
    if (random_.chance(0.2)) return;  // aborted
    must(writer->commit());
    committed_ = std::move(next);
  }

  void check(ReadTransaction& transaction, const Tables& expected) {
    const Table table = static_cast<Table>(random_.below(3));
    const auto& map = expected[table];
    const std::string from = random_.chance(0.2) ? "" : key();
    const std::string to = random_.chance(0.2) ? "" : key();
    std::vector<Record> records;
    for (auto& [k, v] : map) {
      if (k >= from && (to.empty() || k < to)) records.emplace_back(k, v);
    }
    EXPECT_EQ(scan(transaction, table, from, to), records);
    std::ranges::reverse(records);
    EXPECT_EQ(scan_back(transaction, table, from, to), records);
    const std::string k = key();
    const auto found = map.find(k);
    EXPECT_EQ(get(transaction, table, k), found == map.end() ? std::nullopt : std::optional(found->second));
  }

  TestDisk& disk_;
  std::unique_ptr<Environment> environment_;
  Random random_;
  Tables committed_;
  std::vector<std::pair<std::unique_ptr<ReadTransaction>, Tables>> readers_;
};

TEST_P(EnvironmentContract, RandomTransactionsEqualPlainMaps) {
  environment = nullptr;
  EnvironmentModelTest test(disk, tests::seed_of_test());
  for (int i = 0; i < 800 && !HasFailure(); ++i) test.step();
  test.check_all();
}

using EnvironmentDeathTest = EnvironmentContract;
INSTANTIATE_TEST_SUITE_P(Backends, EnvironmentDeathTest,
                         testing::Values(Backend::kLmdb, Backend::kJournal, Backend::kModel), name_of_backend);

TEST_P(EnvironmentDeathTest, EnvironmentThatEndsBeforeItsTransactionsStopsTheProcess) {
  auto reader = must(environment->begin_read());
  EXPECT_DEATH(environment.reset(), "transactions end before their environment");
}

TEST_P(EnvironmentDeathTest, SecondWriterStopsTheProcessInsteadOfHangingIt) {
  auto writer = must(environment->begin_write());
  EXPECT_DEATH((void)environment->begin_write(), "one writer at a time");
}

TEST_P(EnvironmentDeathTest, UnknownTableStopsTheProcess) {
  auto reader = must(environment->begin_read());
  EXPECT_DEATH((void)reader->get(3, "key"), "a table is one of those");
}

}  // namespace
}  // namespace earshot::storage
