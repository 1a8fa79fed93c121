#include "storage/table_sums.hpp"

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/seal.hpp"
#include "storage/state_store.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/storage/backends.hpp"

namespace earshot::storage {
namespace {

using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;
constexpr ShardId kShard{3};

std::shared_ptr<const FrozenOverlay> overlay_of(ShardId shard, const Changes& changes) {
  auto overlay = std::make_shared<FrozenOverlay>();
  overlay->shard = shard;
  for (const auto& [key, value] : changes) value ? overlay->changes.put(key, *value) : overlay->changes.erase(key);
  return overlay;
}

Status write(Environment& environment, ShardId shard, const Changes& changes) {
  const std::vector overlays{overlay_of(shard, changes)};
  return write_overlays(environment, overlays);
}

std::optional<ShardSums> stored(Environment& environment, ShardId shard = kShard) {
  return must(read_sums(*must(environment.begin_read()), shard));
}

ShardSums counted(Environment& environment, ShardId shard = kShard) {
  return must(count_sums(*must(environment.begin_read()), shard));
}

// Changes the table behind the back of whoever keeps the sums.
void erase_behind(Environment& environment, std::string_view key) {
  auto transaction = must(environment.begin_write());
  EXPECT_TRUE(must(transaction->erase(kStateTable, state_key(kShard, key))));
  must(transaction->commit());
}

std::string value_behind(Environment& environment, std::string_view key) {
  return get(*must(environment.begin_read()), kStateTable, state_key(kShard, key)).value();
}

std::string head_of(std::uint64_t last) { return encode(MailboxHead{Sequence(1), Sequence(last), 1}); }

class TableSums : public testing::TestWithParam<Backend> {
 protected:
  TestDisk disk{GetParam(), state_tables()};
};

INSTANTIATE_TEST_SUITE_P(Backends, TableSums, testing::Values(Backend::kLmdb, Backend::kModel), name_of_backend);

TEST_P(TableSums, RandomChangesLeaveTheSumsOfAFullCount) {
  Random random(tests::seed_of_test());
  auto environment = disk.open();
  for (int round = 0; round < 60; ++round) {
    std::vector<std::shared_ptr<const FrozenOverlay>> overlays;
    for (std::uint16_t shard = 0; shard < 3; ++shard) {
      Changes changes;
      for (auto left = random.below(20); left > 0; --left) {
        std::string key(1, "CHLMO"[random.below(5)]);
        key += std::to_string(random.below(40));
        const bool is_erased = random.below(3) == 0;
        changes[key] = is_erased ? std::nullopt : std::optional(std::string(random.below(40), 'v'));
      }
      changes["S"] = std::to_string(round);
      overlays.push_back(overlay_of(ShardId(shard), changes));
    }
    must(write_overlays(*environment, overlays));
    for (std::uint16_t shard = 0; shard < 3; ++shard) {
      ASSERT_EQ(stored(*environment, ShardId(shard)), counted(*environment, ShardId(shard))) << "round " << round;
    }
    must(check_sums(*environment, 3));
  }
}

TEST_P(TableSums, ErasedAndReplacedRecordsAreSubtracted) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", "1"}, {"Hb", "2"}, {"Ma", "3"}, {"S", "s"}}));
  const ShardSums before = *stored(*environment);
  EXPECT_EQ(before.kinds.at('H').count, 2u);
  EXPECT_EQ(before.kinds.count('D'), 0u) << "the sums do not count themselves";
  must(write(*environment, kShard, {{"Hb", "other"}, {"Hc", "4"}, {"Ma", std::nullopt}, {"Mx", std::nullopt}}));
  EXPECT_EQ(stored(*environment)->kinds.count('M'), 0u);
  must(write(*environment, kShard, {{"Hb", "2"}, {"Hc", std::nullopt}, {"Ma", "3"}}));
  EXPECT_EQ(stored(*environment), before);
}

TEST_P(TableSums, TwoOverlaysOfOneShardInOneTransactionAreBothCounted) {
  auto environment = disk.open();
  must(write_overlays(*environment, std::vector{overlay_of(kShard, {{"Ha", "1"}}), overlay_of(kShard, {{"Ha", "2"}})}));
  EXPECT_EQ(stored(*environment), counted(*environment));
  EXPECT_EQ(stored(*environment)->kinds.at('H').count, 1u);
}

TEST_P(TableSums, MissingHeadIsSeenBeforeTheNodeServes) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", head_of(1)}, {"Hb", head_of(2)}, {"S", "s"}}));
  must(check_sums(*environment, 4));
  erase_behind(*environment, "Hb");
  const auto checked = check_sums(*environment, 4);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(checked.error().detail.find("shard 3: there are 1 mailbox heads where 2 should be"), std::string::npos)
      << checked.error().to_string();
}

TEST_P(TableSums, HeadUnderAnAlteredKeyIsSeenByWhoTakesNoDamage) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", head_of(1)}, {"Hb", head_of(2)}, {"S", "s"}}));
  must(check_sums(*environment, kShard, false));
  const std::string moved = value_behind(*environment, "Hb");
  erase_behind(*environment, "Hb");
  put(*environment, kStateTable, state_key(kShard, "Hc"), moved);
  must(check_sums(*environment, kShard, true));  // it shows that it is damaged, to whoever comes across it
  EXPECT_EQ(check_sums(*environment, kShard, false).error().code, ErrorCode::kCorrupt);
  must(check_sums(*environment, ShardId(0), false));
}

TEST_P(TableSums, HeadFromAnEarlierTimeIsSeenThoughItsSealFits) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", head_of(1)}, {"S", "s"}}));
  const std::string earlier = value_behind(*environment, "Ha");
  must(write(*environment, kShard, {{"Ha", head_of(2)}}));
  must(check_sums(*environment, 4));
  put(*environment, kStateTable, state_key(kShard, "Ha"), earlier);
  EXPECT_FALSE(check_sums(*environment, 4));
}

TEST_P(TableSums, MissingMessageDoesNotKeepTheNodeFromServingTheRest) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ma", "1"}, {"Mb", "2"}, {"S", "s"}}));
  erase_behind(*environment, "Mb");
  must(check_sums(*environment, 4));
  EXPECT_EQ(counted(*environment).kinds.at('M').count + 1, stored(*environment)->kinds.at('M').count);
}

TEST_P(TableSums, WhoLooksForALostMessageFindsOut) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ma", "1"}, {"Mb", "2"}, {"S", "s"}}));
  must(check_records(*environment, kShard, 'M'));
  must(check_records(*environment, ShardId(1), 'M'));  // where there is nothing
  const std::string moved = value_behind(*environment, "Mb");
  erase_behind(*environment, "Mb");
  EXPECT_EQ(check_records(*environment, kShard, 'M').error().code, ErrorCode::kCorrupt) << "it is not there";
  put(*environment, kStateTable, state_key(kShard, "Mc"), moved);
  EXPECT_EQ(check_records(*environment, kShard, 'M').error().code, ErrorCode::kCorrupt) << "it has another key";
  must(store_counted_sums(*environment, 4));
  EXPECT_EQ(check_records(*environment, kShard, 'M').error().code, ErrorCode::kCorrupt)
      << "its seal is of the other key";
  erase_behind(*environment, "Mc");
  must(store_counted_sums(*environment, 4));
  must(check_records(*environment, kShard, 'M'));  // somebody has taken the loss
}

TEST_P(TableSums, AShardWithDamagedSumsIsNamedAndTheOthersAreWritten) {
  auto environment = disk.open();
  const ShardId other(1);
  must(write(*environment, kShard, {{"Ha", "1"}}));
  std::string sums = value_behind(*environment, keys::shard_sums());
  sums.back() = static_cast<char>(sums.back() ^ 1);
  put(*environment, kStateTable, state_key(kShard, keys::shard_sums()), sums);

  const std::vector overlays{overlay_of(kShard, {{"Hb", "2"}}), overlay_of(other, {{"Ha", "3"}})};
  EXPECT_EQ(write_overlays(*environment, overlays).error().code, ErrorCode::kCorrupt) << "nobody asks which";
  EXPECT_EQ(stored(*environment, other), std::nullopt);
  WriteDamage damage;
  must(write_overlays(*environment, overlays, &damage));
  EXPECT_EQ(damage.unwritten, std::vector{kShard});
  EXPECT_TRUE(damage.met.empty());
  EXPECT_EQ(counted(*environment).kinds.at('H').count, 1u) << "left as it was";
  EXPECT_EQ(stored(*environment, other), counted(*environment, other));

  auto brings_its_own = std::make_shared<FrozenOverlay>();
  brings_its_own->shard = kShard;
  brings_its_own->changes.put("Ha", "4");
  brings_its_own->sums = sums_of_record(kShard, "Ha", "4");
  must(write_overlays(*environment, std::vector<std::shared_ptr<const FrozenOverlay>>{brings_its_own}));
  EXPECT_EQ(stored(*environment), counted(*environment));
}

// Of "Mb" under the key of "Mc", which comes later: the count is right then, and would hide that "Mb" is missing.
TEST_P(TableSums, WhoWritesOverADamagedRecordIsToldSo) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ma", "1"}, {"Mb", "2"}}));
  const std::string moved = value_behind(*environment, "Mb");
  erase_behind(*environment, "Mb");
  put(*environment, kStateTable, state_key(kShard, "Mc"), moved);
  WriteDamage damage;
  must(write_overlays(*environment, std::vector{overlay_of(kShard, {{"Ma", "3"}})}, &damage));
  EXPECT_TRUE(damage.met.empty());
  must(write_overlays(*environment, std::vector{overlay_of(kShard, {{"Mc", "4"}})}, &damage));
  EXPECT_EQ(damage.met, std::vector{kShard});
  EXPECT_TRUE(damage.unwritten.empty());
  must(check_records(*environment, kShard, 'M'));
}

TEST_P(TableSums, LostSumsAreSeen) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", "1"}, {"S", "s"}}));
  erase_behind(*environment, keys::shard_sums());
  EXPECT_FALSE(check_sums(*environment, 4));
  must(store_counted_sums(*environment, 4));
  must(check_sums(*environment, 4));
  EXPECT_EQ(stored(*environment), counted(*environment));
  EXPECT_EQ(stored(*environment, ShardId(0)), std::nullopt) << "a shard without records has no sums";
}

TEST_P(TableSums, DamagedSumsAreNeitherBelievedNorWrittenOver) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", "1"}, {"S", "s"}}));
  const std::string key = state_key(kShard, keys::shard_sums());
  std::string bytes = value_behind(*environment, keys::shard_sums());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  put(*environment, kStateTable, key, bytes);
  EXPECT_FALSE(check_sums(*environment, 4));
  const auto written = write(*environment, kShard, {{"Hb", "2"}});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(value_behind(*environment, keys::shard_sums()), bytes);
}

TEST_P(TableSums, DamagedValueStaysCountedAsWhatWasMeant) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ca", "value"}, {"S", "s"}}));
  const auto meant = stored(*environment);
  std::string bytes = value_behind(*environment, "Ca");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  put(*environment, kStateTable, state_key(kShard, "Ca"), bytes);
  EXPECT_EQ(counted(*environment), meant);
  must(check_sums(*environment, 4));
  must(write(*environment, kShard, {{"Ca", "value"}}));
  EXPECT_EQ(stored(*environment), meant);
}

TEST_P(TableSums, DamagedGuardThatWasReplacedOrErasedLeavesTheSumsOfWhatIsThere) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ca", "1"}, {"Cb", "2"}, {"La", "3"}, {"Ma", "4"}, {"S", "s"}}));
  const auto count = counted(*environment).kinds.at('C').count;
  for (const std::string_view key : {"Ca", "La"}) {
    std::string sealed = value_behind(*environment, key);
    sealed[0] = static_cast<char>(sealed[0] ^ 0x10);
    put(*environment, kStateTable, state_key(kShard, key), sealed);
  }
  must(check_sums(*environment, 4));
  must(write(*environment, kShard, {{"Ca", "new"}, {"Cc", "5"}, {"La", std::nullopt}, {"Mb", "6"}}));
  EXPECT_EQ(stored(*environment), counted(*environment));
  EXPECT_EQ(stored(*environment)->kinds.at('C').count, count + 1);
  must(check_sums(*environment, 4));
  erase_behind(*environment, "Cb");
  EXPECT_FALSE(check_sums(*environment, 4)) << "what is missing still shows";
}

TEST_P(TableSums, CommitIsSaidBeforeItBegins) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ha", "1"}, {"S", "s"}}));
  erase_behind(*environment, "Ha");
  std::size_t records = 0;
  bool is_said = false;
  const auto count = [&](std::string_view, std::size_t) { ++records; };
  must(store_counted_sums(*environment, 4, count, [&] {
    is_said = true;
    EXPECT_EQ(records, 2u) << "the head of the shard, and the sums: all is counted";
    EXPECT_NE(stored(*environment), counted(*environment)) << "and nothing is stored";
  }));
  EXPECT_TRUE(is_said);
  EXPECT_EQ(stored(*environment), counted(*environment));
}

TEST_P(TableSums, SumsOfAShardThatHasNothingLeftAreAcceptedToo) {
  auto environment = disk.open();
  must(write(*environment, kShard, {{"Ca", "1"}, {"S", "s"}}));
  erase_behind(*environment, "Ca");
  erase_behind(*environment, "S");
  ASSERT_FALSE(check_sums(*environment, 4));
  must(store_counted_sums(*environment, 4));
  must(check_sums(*environment, 4));
}

TEST(TableSumsAfterCrash, AreThoseOfWhatSurvived) {
  Random random(tests::seed_of_test());
  ModelDisk disk(state_tables().size());
  disk.set_manual_sync(true);
  for (int round = 0; round < 50; ++round) {
    {
      auto environment = disk.open();
      for (auto writes = random.below(6); writes > 0; --writes) {
        must(write(*environment, kShard,
                   {{"H" + std::to_string(random.below(9)), std::to_string(random.next())},
                    {"M" + std::to_string(random.below(9)), std::nullopt},
                    {"M" + std::to_string(random.below(9)), "m"},
                    {"S", std::to_string(round)}}));
        if (random.below(2) == 0) disk.sync();
      }
    }
    disk.crash();
    auto environment = disk.open();
    ASSERT_EQ(stored(*environment).value_or(ShardSums{}), counted(*environment)) << "round " << round;
  }
}

}  // namespace
}  // namespace earshot::storage
