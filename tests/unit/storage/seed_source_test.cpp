#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "seed_fixture.hpp"
#include "tests/support/flawed_environment.hpp"

namespace earshot::storage::seeding {
namespace {

using testing::HasSubstr;

class SeedSourceTest : public SeedTest {};

INSTANTIATE_TEST_SUITE_P(Backends, SeedSourceTest, testing::Values(Backend::kLmdb, Backend::kModel), name_of_backend);

TEST_P(SeedSourceTest, SourceWithoutAnyRecordIsFetchedInOnePart) {
  write(*to, overlay_of(some('M', 1, 30, "of before")));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_EQ(fetch(source, sink), 1);
  EXPECT_EQ(sink.stands_at().applied, LogIndex(0));
  expect_equal();
  EXPECT_EQ(records_of(*to).size(), 0u);
}

TEST_P(SeedSourceTest, PartsAreBoundedAndTogetherTheState) {
  write(*from, overlay_of(some('M', 1, 100, "value"), 42));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_GT(fetch(source, sink), 20);
  EXPECT_EQ(sink.stands_at().applied, LogIndex(42));
  EXPECT_EQ(sink.stands_at().term, Term(3));
  expect_equal();
}

TEST_P(SeedSourceTest, PartEndsWithTheLastRecordThatFits) {
  write(*from, overlay_of({{"M1", std::string(100 - kSeedRecordExtraBytes - 2, 'x')},
                           {"M2", std::string(100 - kSeedRecordExtraBytes - 2, 'x')},
                           {"M3", ""}}));
  EXPECT_EQ((*new_source().part(1, SIZE_MAX, 0))->records.size(), 2u) << "two of 100 bytes fit into 200";
  limits.part_bytes_max = 199;
  EXPECT_EQ((*new_source().part(1, SIZE_MAX, 0))->records.size(), 1u);
  EXPECT_EQ((*new_source().part(1, 99, 0))->records.size(), 1u) << "at least one, or it would not go on";
}

TEST_P(SeedSourceTest, RecordLargerThanAPartGoesAlone) {
  write(*from, overlay_of({{"M1", "small"}, {"M2", std::string(10'000, 'x')}, {"M3", "small"}}));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_EQ(fetch(source, sink), 3);
  expect_equal();
}

TEST_P(SeedSourceTest, RecordAtTheLimitIsGivenAndALargerOneIsNot) {
  write(*from, overlay_of({{"M1", std::string(limits::kSeedRecordBytesMax, 'x')}}));
  auto source = new_source();
  auto sink = new_sink();
  fetch(source, sink);
  expect_equal();
  write(*from, overlay_of({{"M1", std::string(limits::kSeedRecordBytesMax + 1, 'x')}}));
  EXPECT_EQ(new_source().part(1, SIZE_MAX, 0).error().code, ErrorCode::kTooLarge);
}

TEST_P(SeedSourceTest, StateThatIsNearlyRightCostsLittle) {
  Changes all = some('M', 1, 500, "value");
  write(*from, overlay_of(all));
  all["M1100"] = "another";
  all["M1200"] = std::nullopt;
  all["M1300a"] = "too many";
  write(*to, overlay_of(all));
  auto source = new_source();
  auto sink = new_sink();
  fetch(source, sink);
  EXPECT_EQ(changes, 3u);
  expect_equal();
}

TEST_P(SeedSourceTest, WhatWasFlushedBehindThePositionComesAgain) {
  write(*from, overlay_of(some('M', 1, 20, "value"), 1));
  auto source = new_source();
  auto sink = new_sink();
  take(sink, **source.part(1, SIZE_MAX, 0));
  const auto overlay =
      overlay_of({{"C0", "before all"}, {"M1001", "changed"}, {"M1002", std::nullopt}, {"M1020", "2"}}, 2);
  write(*from, overlay);
  source.note_flushed(*overlay);
  fetch(source, sink);
  EXPECT_EQ(sink.stands_at().applied, LogIndex(2));
  expect_equal();
}

TEST_P(SeedSourceTest, LastPartWaitsForTheFlushUnderWay) {
  write(*from, overlay_of({{"M1", "1"}}, 1));
  auto source = new_source();
  auto sink = new_sink();
  source.flushing(true);
  take(sink, **source.part(1, SIZE_MAX, 0));
  EXPECT_FALSE(sink.is_complete());
  EXPECT_TRUE(source.is_nearly_done());
  const auto refused = source.part(2, SIZE_MAX, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_GT(refused.error().retry_after_ms, 0u);
  const auto overlay = overlay_of({{"M1", "2"}}, 2);
  write(*from, overlay);
  source.note_flushed(*overlay);
  source.flushing(false);
  fetch(source, sink);
  EXPECT_EQ(sink.stands_at().applied, LogIndex(2));
  expect_equal();
  EXPECT_FALSE(source.is_nearly_done());
}

TEST_P(SeedSourceTest, FetchEndsThoughTheShardIsNeverQuiet) {
  limits.part_bytes_max = 1'000;
  write(*from, overlay_of(some('M', 1, 300, "value"), 1));
  auto source = new_source();
  auto sink = new_sink();
  Random random(1);
  int parts = 0;
  for (std::uint64_t applied = 2; !sink.is_complete() && parts < 500; ++applied, ++parts) {
    // A flush with every part, and half as much as one holds.
    Changes some_changes;
    for (int i = 0; i < 8; ++i) some_changes["M" + std::to_string(1000 + random.below(400))] = std::to_string(applied);
    const auto overlay = overlay_of(some_changes, applied);
    source.flushing(true);
    write(*from, overlay);
    source.note_flushed(*overlay);
    source.flushing(false);
    take(sink, **source.part(sink.wanted().number, SIZE_MAX, 0));
  }
  EXPECT_LT(parts, 100);
  expect_equal();
}

TEST_P(SeedSourceTest, SourceIsOverrunWhenMoreIsFlushedThanItRemembers) {
  limits.dirty_bytes_max = 3 * (4 + 96);
  write(*from, overlay_of({{"M1", "1"}}));
  auto source = new_source();
  must(source.part(1, SIZE_MAX, 0));
  auto flush = [&](const Changes& changes) {
    auto overlay = std::make_shared<FrozenOverlay>();
    for (const auto& [key, value] : changes) overlay->changes.put(key, *value);
    source.note_flushed(*overlay);
  };
  EXPECT_TRUE(source.is_done()) << "what is flushed behind the last part is of the log";
  flush({{"C001", "1"}, {"C002", "1"}, {"C003", "1"}, {"C004", "1"}});
  EXPECT_FALSE(source.is_overrun());

  write(*from, overlay_of(some('M', 1, 20, "value")));
  SeedSource other(*from, kShard, kSeed + 1, 0, limits);
  must(other.part(1, SIZE_MAX, 0));
  const auto note = [&](const char* key) {
    FrozenOverlay overlay;
    overlay.changes.put(key, "1");
    other.note_flushed(overlay);
  };
  for (const char* key : {"C001", "C002", "C003", "C001", "T999"}) note(key);
  EXPECT_FALSE(other.is_overrun()) << "three keys before the position, one behind it";
  note("C004");
  EXPECT_TRUE(other.is_overrun());
  EXPECT_EQ(other.part(2, SIZE_MAX, 0).error().code, ErrorCode::kOutOfOrder);
}

TEST_P(SeedSourceTest, RememberedKeysGoFirstWhenHalfTheirRoomIsTaken) {
  limits.dirty_bytes_max = 4 * (5 + 96);
  write(*from, overlay_of(some('M', 1, 20, "value")));
  auto source = new_source();
  auto sink = new_sink();
  take(sink, **source.part(1, SIZE_MAX, 0));
  for (const char* key : {"M1001", "M1002"}) {
    EXPECT_TRUE((*source.part(source.last_number() + 1, SIZE_MAX, 0))->changed.empty());
    take(sink, **source.part(source.last_number(), SIZE_MAX, 0));
    const auto overlay = overlay_of({{key, "changed"}});
    write(*from, overlay);
    source.note_flushed(*overlay);
  }
  EXPECT_EQ((*source.part(source.last_number() + 1, SIZE_MAX, 0))->changed.size(), 2u);
  take(sink, **source.part(source.last_number(), SIZE_MAX, 0));
  fetch(source, sink);
  expect_equal();
}

TEST_P(SeedSourceTest, PartThatRememberedKeysFillHasNoRange) {
  limits.dirty_bytes_max = 2 * (2 + 96);
  write(*from, overlay_of({{"M1", "1"}, {"M2", std::string(190, 'x')}, {"M3", "1"}}));
  auto source = new_source();
  auto sink = new_sink();
  take(sink, **source.part(1, SIZE_MAX, 0));
  const auto overlay = overlay_of({{"M1", "changed"}}, 2);
  write(*from, overlay);
  source.note_flushed(*overlay);
  const SeedPart second = **source.part(2, SIZE_MAX, 0);
  EXPECT_EQ(second.changed.size(), 1u);
  EXPECT_EQ(second.range, std::nullopt) << "the next record does not fit beside it";
  take(sink, second);
  fetch(source, sink);
  expect_equal();
}

TEST_P(SeedSourceTest, LastPartIsGivenAgainAsItWas) {
  write(*from, overlay_of(some('M', 1, 20, "value")));
  auto source = new_source();
  must(source.part(1, SIZE_MAX, 0));
  const SeedPart second = **source.part(2, SIZE_MAX, 0);
  const auto overlay = overlay_of({{second.records.front().first, "changed"}}, 2);
  write(*from, overlay);
  source.note_flushed(*overlay);
  EXPECT_EQ(**source.part(2, SIZE_MAX, 5), second);
  EXPECT_EQ(source.asked_ms(), 5u);
  for (const std::uint64_t other : {0, 1, 4}) {
    const auto refused = source.part(other, SIZE_MAX, 0);
    ASSERT_FALSE(refused) << other;
    EXPECT_EQ(refused.error().code, ErrorCode::kOutOfOrder);
    EXPECT_EQ(refused.error().expected, 3u);
  }
}

TEST_P(SeedSourceTest, DamagedRecordOfTheSourceIsNamedAndNotGiven) {
  write(*from, overlay_of({{"Halice" + std::string(1, '\0'), "1"}, {"M1", "1"}}));
  damage(*from, "Halice" + std::string(1, '\0'));
  auto source = new_source();
  const auto refused = source.part(1, SIZE_MAX, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().detail, HasSubstr("mailbox heads, shard 5, user alice"));
  write(*from, overlay_of({{"Halice" + std::string(1, '\0'), "mended"}}));
  auto sink = new_sink();
  fetch(source, sink);
  expect_equal();
}

TEST_P(SeedSourceTest, TreeThatLeadsAstrayIsNotCopied) {
  write(*from, overlay_of(some('M', 1, 9, "value")));
  tests::DiskFlaws flaws;
  flaws.damaged_from = state_key(kShard, "M1003");
  flaws.damaged_to = state_key(kShard, "M1005");
  tests::FlawedEnvironment flawed(std::move(from), flaws);
  SeedSource source(flawed, kShard, kSeed, 0);
  EXPECT_EQ(source.part(1, SIZE_MAX, 0).error().code, ErrorCode::kCorrupt);
}

TEST_P(SeedSourceTest, StateWithAHoleAtTheSourceIsNotTakenForWhole) {
  write(*from, overlay_of(some('M', 1, 9, "value")));
  change_behind(*from, "M1004", std::nullopt);  // as a branch of the tree that is gone, with a scan none the wiser
  auto source = new_source();
  auto sink = new_sink();
  while (!source.is_done()) {
    must(sink.take(**source.part(sink.wanted().number, SIZE_MAX, 0), kSource));
    const auto overlay = sink.next_overlay();
    if (!overlay) {
      EXPECT_EQ(overlay.error().code, ErrorCode::kCorrupt);
      EXPECT_TRUE(source.is_done());
      EXPECT_FALSE(must(is_whole(*to, kShard)));
      return;
    }
    write(*to, *overlay);
    sink.written();
    ASSERT_EQ(must(sink.next_overlay()), nullptr);
  }
  FAIL() << "the hole was copied";
}

}  // namespace
}  // namespace earshot::storage::seeding
