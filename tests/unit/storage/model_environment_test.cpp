// What only the model can do: lose, fill and damage its disk.
#include "storage/model_environment.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Record> all(ModelDisk& disk, Table table = 0) {
  auto environment = disk.open();
  auto reader = must(environment->begin_read());
  return scan(*reader, table);
}

TEST(ModelDisk, CrashLosesWhatWasCommittedButNotSynced) {
  ModelDisk disk(2);
  disk.set_manual_sync(true);
  {
    auto environment = disk.open();
    put(*environment, 0, "synced", "1");
    put(*environment, 0, "erased later", "1");
    disk.sync();
    put(*environment, 0, "synced", "2");
    put(*environment, 0, "new", "2");
    put(*environment, 1, "new", "2");
    auto writer = must(environment->begin_write());
    EXPECT_TRUE(must(writer->erase(0, "erased later")));
    must(writer->commit());
    auto reader = must(environment->begin_read());
    EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"new", "2"}, Record{"synced", "2"}));
  }
  disk.crash();
  EXPECT_THAT(all(disk), ElementsAre(Record{"erased later", "1"}, Record{"synced", "1"}));
  EXPECT_THAT(all(disk, 1), IsEmpty());
}

TEST(ModelDisk, CleanRestartLosesNothing) {
  ModelDisk disk(1);
  disk.set_manual_sync(true);
  {
    auto environment = disk.open();
    put(*environment, 0, "a", "1");
  }
  EXPECT_THAT(all(disk), ElementsAre(Record{"a", "1"}));
}

TEST(ModelDisk, AutomaticSyncLosesNothingInACrash) {
  ModelDisk disk(1);
  {
    auto environment = disk.open();
    put(*environment, 0, "a", "1");
    auto writer = must(environment->begin_write());
    must(writer->put(0, "a", "uncommitted"));
  }
  disk.crash();
  EXPECT_THAT(all(disk), ElementsAre(Record{"a", "1"}));
}

TEST(ModelDisk, FullDiskRefusesTheCommitAndChangesNothing) {
  ModelDisk disk(1);
  auto environment = disk.open();
  put(*environment, 0, "a", std::string(99, 'x'));
  disk.set_capacity(150);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto writer = must(environment->begin_write());
    must(writer->put(0, "b", std::string(99, 'y')));
    EXPECT_TRUE(must(writer->erase(0, "a")));
    must(writer->put(0, "a", std::string(60, 'z')));
    const Status refused = writer->commit();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kStorageFull);
    auto reader = must(environment->begin_read());
    EXPECT_THAT(scan(*reader, 0), ElementsAre(Record{"a", std::string(99, 'x')}));
    EXPECT_EQ(environment->usage().used_bytes, 100u);
  }
}

TEST(ModelDisk, FullDiskStillTakesWhatMakesItSmaller) {
  ModelDisk disk(1);
  auto environment = disk.open();
  put(*environment, 0, "a", std::string(99, 'x'));
  disk.set_capacity(50);
  put(*environment, 0, "a", std::string(79, 'x'));
  put(*environment, 0, "a", "");
  put(*environment, 0, "b", std::string(48, 'y'));
  disk.set_capacity(0);
  put(*environment, 0, "c", std::string(1000, 'y'));
}

TEST(ModelDisk, DamageFlipsOneBitOfTheStoredValue) {
  ModelDisk disk(1);
  auto environment = disk.open();
  put(*environment, 0, "a", "AB");
  put(*environment, 0, "empty", "");
  EXPECT_FALSE(disk.damage(0, "absent", 1));
  EXPECT_FALSE(disk.damage(0, "empty", 1));
  EXPECT_TRUE(disk.damage(0, "a", 8 + 1));
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, "a"), "A@");
  EXPECT_TRUE(disk.damage(0, "a", 16 + 8 + 1));  // modulo its bits: back again
  EXPECT_EQ(get(*reader, 0, "a"), "AB");
}

TEST(ModelDisk, DamageOfAKeyMovesItsRecord) {
  ModelDisk disk(1);
  disk.set_manual_sync(true);
  auto environment = disk.open();
  put(*environment, 0, "xA", "value");
  put(*environment, 0, "xB", "other");
  EXPECT_FALSE(disk.damage_key(0, "absent", 1, 0));
  EXPECT_FALSE(disk.damage_key(0, "xA", 2, 0)) << "it has no more than two bytes";
  EXPECT_FALSE(disk.damage_key(0, "xA", 1, 0)) << "\"x@\" is free, but nothing is synced yet";
  disk.sync();
  EXPECT_TRUE(disk.damage_key(0, "xA", 1, 0));
  EXPECT_FALSE(disk.damage_key(0, "xB", 1, 9)) << "there is one under \"x@\"";
  auto reader = must(environment->begin_read());
  EXPECT_EQ(get(*reader, 0, "xA"), std::nullopt);
  EXPECT_EQ(get(*reader, 0, "x@"), "value");
  EXPECT_EQ(get(*reader, 0, "xB"), "other");
}

TEST(ModelDiskDeathTest, SecondEnvironmentOnOneDiskStopsTheProcess) {
  ModelDisk disk(1);
  auto environment = disk.open();
  EXPECT_DEATH((void)disk.open(), "one environment at a time");
  EXPECT_DEATH(disk.crash(), "destroyed first");
}

TEST(ModelDisk, RandomSyncsAndCrashesEqualAPlainMap) {
  using Map = std::map<std::string, std::string>;
  Random random(tests::seed_of_test());
  ModelDisk disk(1);
  disk.set_manual_sync(true);
  auto environment = disk.open();
  Map committed;
  Map synced;
  std::vector<std::pair<std::unique_ptr<ReadTransaction>, Map>> readers;
  const auto check = [](ReadTransaction& reader, const Map& expected) {
    EXPECT_EQ(scan(reader, 0), std::vector<Record>(expected.begin(), expected.end()));
  };
  for (int step = 0; step < 3000 && !testing::Test::HasFailure(); ++step) {
    const std::uint64_t dice = random.below(20);
    if (dice == 0) {
      readers.clear();
      environment = nullptr;
      disk.crash();
      environment = disk.open();
      committed = synced;
    } else if (dice < 3) {
      disk.sync();
      synced = committed;
    } else if (dice < 5) {
      readers.emplace_back(must(environment->begin_read()), committed);
    } else if (dice < 7 && !readers.empty()) {
      const auto reader = readers.begin() + static_cast<std::ptrdiff_t>(random.below(readers.size()));
      check(*reader->first, reader->second);
      readers.erase(reader);
    } else {
      auto writer = must(environment->begin_write());
      for (std::uint64_t i = random.between(1, 4); i-- > 0;) {
        const std::string key(1, static_cast<char>('a' + random.below(12)));
        if (random.chance(0.4)) {
          must(writer->erase(0, key));
          committed.erase(key);
        } else {
          committed[key] = std::to_string(random.below(1000));
          must(writer->put(0, key, committed[key]));
        }
      }
      must(writer->commit());
    }
    std::uint64_t bytes = 0;
    for (auto& [key, value] : committed) bytes += key.size() + value.size();
    EXPECT_EQ(environment->usage().used_bytes, bytes);
    check(*must(environment->begin_read()), committed);
  }
}

}  // namespace
}  // namespace earshot::storage
