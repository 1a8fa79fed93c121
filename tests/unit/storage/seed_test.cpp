#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <optional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/seed_sink.hpp"
#include "storage/seed_source.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"
#include "tests/support/flawed_environment.hpp"

namespace earshot::storage {
namespace {

using testing::HasSubstr;

constexpr ShardId kShard{5};
constexpr NodeId kSource{2};
constexpr std::uint64_t kSeed = 77;
using Changes = std::map<std::string, std::optional<std::string>>;

std::shared_ptr<const FrozenOverlay> overlay_of(const Changes& changes, std::uint64_t applied = 1) {
  auto overlay = std::make_shared<FrozenOverlay>();
  overlay->shard = kShard;
  overlay->applied = LogIndex(applied);
  for (const auto& [key, value] : changes) value ? overlay->changes.put(key, *value) : overlay->changes.erase(key);
  ShardHead head;
  head.applied_index = LogIndex(applied);
  head.applied_term = Term(3);
  overlay->changes.put(keys::shard_head(), encode(head));
  return overlay;
}

void write(Environment& environment, const std::shared_ptr<const FrozenOverlay>& overlay) {
  must(write_overlays(environment, {&overlay, 1}));
}

std::vector<Record> records_of(Environment& environment) {
  auto reading = must(environment.begin_read());
  auto records = scan(*reading, kStateTable, state_key(kShard, {}), end_of_shard(kShard));
  std::erase_if(records, [](const Record& record) { return keys::is_storage_own(record.first.substr(2)); });
  return records;
}

// Alters a stored record behind the back of whoever keeps the sums.
void change_behind(Environment& environment, std::string_view key, std::optional<std::string> sealed) {
  auto writing = must(environment.begin_write());
  const std::string full_key = state_key(kShard, key);
  sealed ? must(writing->put(kStateTable, full_key, *sealed)) : (void)must(writing->erase(kStateTable, full_key));
  must(writing->commit());
}

std::string sealed_behind(Environment& environment, std::string_view key) {
  return get(*must(environment.begin_read()), kStateTable, state_key(kShard, key)).value();
}

void damage(Environment& environment, std::string_view key) {
  std::string sealed = sealed_behind(environment, key);
  sealed.back() ^= 1;
  change_behind(environment, key, sealed);
}

class SeedTest : public testing::TestWithParam<Backend> {
 protected:
  SeedTest() { limits.part_bytes_max = 200; }

  SeedSource new_source() { return SeedSource(*from, kShard, kSeed, 0, limits); }
  SeedSink new_sink() { return must(SeedSink::open(*to, kShard, limits)); }

  // Takes a part and writes all of it; how many overlays that took.
  int take(SeedSink& sink, SeedPart part) {
    must(sink.take(std::move(part), kSource));
    int overlays = 0;
    while (auto overlay = must(sink.next_overlay())) {
      write(*to, overlay);
      sink.written();
      changes += overlay->changes.in_order().size() - 1;  // the mark
      ++overlays;
    }
    return overlays;
  }

  // The rest of a fetch; how many parts that took.
  int fetch(SeedSource& source, SeedSink& sink, std::size_t bytes_max = SIZE_MAX) {
    int parts = 0;
    for (; !sink.is_complete() && !HasFailure(); ++parts) {
      auto part = source.part(sink.wanted().number, bytes_max, 0);
      if (!part) {
        ADD_FAILURE() << part.error().to_string();
        break;
      }
      take(sink, **part);
    }
    return parts;
  }

  void expect_equal() {
    EXPECT_EQ(records_of(*to), records_of(*from));
    auto reading = must(to->begin_read());
    EXPECT_EQ(must(read_sums(*reading, kShard)), must(count_sums(*reading, kShard)));
    EXPECT_TRUE(must(is_whole(*to, kShard)));
    must(check_sums(*to, 10));
  }

  static Changes some(char kind, int first, int last, const std::string& value) {
    Changes changes;
    for (int i = first; i <= last; ++i) changes[kind + std::to_string(1000 + i)] = value + std::to_string(i);
    return changes;
  }

  SeedLimits limits;
  std::size_t changes = 0;  // of records, that were written
  TestDisk from_disk{GetParam(), state_tables()};
  TestDisk to_disk{GetParam(), state_tables()};
  std::unique_ptr<Environment> from = from_disk.open();
  std::unique_ptr<Environment> to = to_disk.open();
};

INSTANTIATE_TEST_SUITE_P(Backends, SeedTest, testing::Values(Backend::kLmdb, Backend::kModel), name_of_backend);

TEST_P(SeedTest, SourceWithoutAnyRecordIsFetchedInOnePart) {
  write(*to, overlay_of(some('M', 1, 30, "of before")));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_EQ(fetch(source, sink), 1);
  EXPECT_EQ(sink.stands_at().applied, LogIndex(0));
  expect_equal();
  EXPECT_EQ(records_of(*to).size(), 0u);
}

TEST_P(SeedTest, PartsAreBoundedAndTogetherTheState) {
  write(*from, overlay_of(some('M', 1, 100, "value"), 42));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_GT(fetch(source, sink), 20);
  EXPECT_EQ(sink.stands_at().applied, LogIndex(42));
  EXPECT_EQ(sink.stands_at().term, Term(3));
  expect_equal();
}

TEST_P(SeedTest, PartEndsWithTheLastRecordThatFits) {
  write(*from, overlay_of({{"M1", std::string(100 - kSeedRecordExtraBytes - 2, 'x')},
                           {"M2", std::string(100 - kSeedRecordExtraBytes - 2, 'x')},
                           {"M3", ""}}));
  EXPECT_EQ((*new_source().part(1, SIZE_MAX, 0))->records.size(), 2u) << "two of 100 bytes fit into 200";
  limits.part_bytes_max = 199;
  EXPECT_EQ((*new_source().part(1, SIZE_MAX, 0))->records.size(), 1u);
  EXPECT_EQ((*new_source().part(1, 99, 0))->records.size(), 1u) << "at least one, or it would not go on";
}

TEST_P(SeedTest, RecordLargerThanAPartGoesAlone) {
  write(*from, overlay_of({{"M1", "small"}, {"M2", std::string(10'000, 'x')}, {"M3", "small"}}));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_EQ(fetch(source, sink), 3);
  expect_equal();
}

TEST_P(SeedTest, RecordAtTheLimitIsGivenAndALargerOneIsNot) {
  write(*from, overlay_of({{"M1", std::string(limits::kSeedRecordBytesMax, 'x')}}));
  auto source = new_source();
  auto sink = new_sink();
  fetch(source, sink);
  expect_equal();
  write(*from, overlay_of({{"M1", std::string(limits::kSeedRecordBytesMax + 1, 'x')}}));
  EXPECT_EQ(new_source().part(1, SIZE_MAX, 0).error().code, ErrorCode::kTooLarge);
}

TEST_P(SeedTest, StateThatIsNearlyRightCostsLittle) {
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

TEST_P(SeedTest, WhatWasFlushedBehindThePositionComesAgain) {
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

TEST_P(SeedTest, LastPartWaitsForTheFlushUnderWay) {
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

TEST_P(SeedTest, FetchEndsThoughTheShardIsNeverQuiet) {
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

TEST_P(SeedTest, SourceIsOverrunWhenMoreIsFlushedThanItRemembers) {
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

TEST_P(SeedTest, RememberedKeysGoFirstWhenHalfTheirRoomIsTaken) {
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

TEST_P(SeedTest, PartThatRememberedKeysFillHasNoRange) {
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

TEST_P(SeedTest, LastPartIsGivenAgainAsItWas) {
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

TEST_P(SeedTest, DamagedRecordOfTheSourceIsNamedAndNotGiven) {
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

TEST_P(SeedTest, TreeThatLeadsAstrayIsNotCopied) {
  write(*from, overlay_of(some('M', 1, 9, "value")));
  tests::DiskFlaws flaws;
  flaws.damaged_from = state_key(kShard, "M1003");
  flaws.damaged_to = state_key(kShard, "M1005");
  tests::FlawedEnvironment flawed(std::move(from), flaws);
  SeedSource source(flawed, kShard, kSeed, 0);
  EXPECT_EQ(source.part(1, SIZE_MAX, 0).error().code, ErrorCode::kCorrupt);
}

TEST_P(SeedTest, StateWithAHoleAtTheSourceIsNotTakenForWhole) {
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

TEST_P(SeedTest, ShardHasNoStateFromTheFirstOverlayToTheLast) {
  write(*from, overlay_of(some('M', 1, 20, "value"), 9));
  write(*to, overlay_of({{"M1", "1"}}, 3));
  EXPECT_TRUE(must(is_whole(*to, kShard)));
  auto source = new_source();
  auto sink = new_sink();
  while (!sink.is_complete()) {
    must(sink.take(**source.part(sink.wanted().number, SIZE_MAX, 0), kSource));
    const auto overlay = must(sink.next_overlay());
    write(*to, overlay);
    sink.written();
    ASSERT_EQ(must(sink.next_overlay()), nullptr);
    EXPECT_EQ(must(is_whole(*to, kShard)), sink.is_complete());
    EXPECT_EQ(overlay->applied, LogIndex(sink.is_complete() ? 9 : 0));
    must(check_sums(*to, 10));
  }
  expect_equal();
}

TEST_P(SeedTest, FetchGoesOnWhereAnEarlierProcessWas) {
  write(*from, overlay_of(some('M', 1, 20, "value")));
  write(*to, not_whole_overlay(kShard));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_EQ(sink.wanted(), (SeedSink::Wanted{0, 1, NodeId(0)}));
  take(sink, **source.part(1, SIZE_MAX, 0));
  take(sink, **source.part(2, SIZE_MAX, 0));
  to.reset();
  to = to_disk.open();
  auto next = new_sink();
  EXPECT_EQ(next.wanted(), (SeedSink::Wanted{kSeed, 3, kSource}));
  fetch(source, next);
  expect_equal();
}

TEST_P(SeedTest, PartThatWasHalfWrittenIsTakenOnceMore) {
  limits.part_bytes_max = 1 << 20;
  limits.overlay_bytes_max = 1'000;
  write(*from, overlay_of(some('M', 1, 100, "value")));
  write(*to, overlay_of(some('M', 50, 200, "other")));
  auto source = new_source();
  {
    auto sink = new_sink();
    must(sink.take(**source.part(1, SIZE_MAX, 0), kSource));
    for (int i = 0; i < 3; ++i) {
      write(*to, must(sink.next_overlay()));
      sink.written();
    }
  }
  to.reset();
  to = to_disk.open();
  auto sink = new_sink();
  EXPECT_EQ(sink.wanted(), (SeedSink::Wanted{kSeed, 1, kSource}));
  EXPECT_GT(take(sink, **source.part(1, SIZE_MAX, 0)), 10);
  EXPECT_TRUE(sink.is_complete());
  expect_equal();
}

TEST_P(SeedTest, WhatThePartsDoNotHaveIsErasedInSteps) {
  limits.overlay_bytes_max = 1'000;
  write(*to, overlay_of(some('M', 1, 200, "value")));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_GT(take(sink, **source.part(1, SIZE_MAX, 0)), 10);
  expect_equal();
}

TEST_P(SeedTest, DamagedStateIsMendedInPlace) {
  write(*from, overlay_of(some('H', 1, 40, "value")));
  write(*to, overlay_of(some('H', 1, 40, "value")));
  damage(*to, "H1003");
  change_behind(*to, "H1005", std::nullopt);
  std::string guard = sealed_behind(*to, "H1007");
  guard.front() ^= 1;
  change_behind(*to, "H1007", guard);
  damage(*to, keys::shard_sums());
  write(*to, not_whole_overlay(kShard));
  must(check_sums(*to, 10));
  auto source = new_source();
  auto sink = new_sink();
  fetch(source, sink);
  EXPECT_EQ(changes, 3u);
  expect_equal();
}

TEST_P(SeedTest, DamagedMarkIsAMarkAllTheSame) {
  write(*to, overlay_of({{"M1", "1"}}));
  write(*to, not_whole_overlay(kShard));
  damage(*to, keys::seed_head());
  EXPECT_FALSE(must(is_whole(*to, kShard)));
  EXPECT_EQ(new_sink().wanted(), SeedSink::Wanted{});
}

TEST_P(SeedTest, ShardThatIsBeingFetchedGivesNothing) {
  write(*from, overlay_of({{"M1", "1"}}));
  write(*from, not_whole_overlay(kShard));
  EXPECT_EQ(new_source().part(1, SIZE_MAX, 0).error().code, ErrorCode::kUnavailable);
}

TEST_P(SeedTest, OnlyTheWantedPartIsTaken) {
  write(*from, overlay_of(some('M', 1, 20, "value")));
  auto source = new_source();
  auto sink = new_sink();
  const SeedPart first = **source.part(1, SIZE_MAX, 0);
  take(sink, first);
  SeedPart third = **source.part(2, SIZE_MAX, 0);
  third.number = 3;
  SeedPart other = third;
  other.seed = kSeed + 1;
  for (const SeedPart& part : {first, third, other}) {
    const auto taken = sink.take(part, kSource);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::kOutOfOrder);
    EXPECT_EQ(taken.error().expected, 2u);
  }
  fetch(source, sink);
  expect_equal();
}

TEST_P(SeedTest, FirstPartOfAnotherSeedBeginsAnew) {
  write(*from, overlay_of(some('M', 1, 20, "value")));
  auto source = new_source();
  auto sink = new_sink();
  take(sink, **source.part(1, SIZE_MAX, 0));
  take(sink, **source.part(2, SIZE_MAX, 0));
  SeedSource other(*from, kShard, kSeed + 1, 0, limits);
  take(sink, **other.part(1, SIZE_MAX, 0));
  EXPECT_EQ(sink.wanted(), (SeedSink::Wanted{kSeed + 1, 2, kSource}));
  fetch(other, sink);
  expect_equal();
}

TEST_P(SeedTest, PartsThatNoSourceMakesAreNotTaken) {
  const SeedPart good{kSeed, 1, SeedPart::Range{"", "M5"}, {{"M1", "1"}, {"M2", "2"}}, {}, {}};
  const auto refuse = [&](const char* why, const auto& spoil) {
    auto sink = new_sink();
    SeedPart part = good;
    spoil(part);
    const auto taken = sink.take(part, kSource);
    ASSERT_FALSE(taken) << why;
    EXPECT_EQ(taken.error().code, ErrorCode::kCorrupt) << why;
    EXPECT_FALSE(sink.is_busy());
    must(sink.take(good, kSource));
  };
  refuse("no name", [](SeedPart& p) { p.seed = 0; });
  refuse("no range", [](SeedPart& p) { p.range.reset(); });
  refuse("begins elsewhere", [](SeedPart& p) { p.range->from = "A"; });
  refuse("ends before it begins", [](SeedPart& p) { p.range->to = "B"; });
  refuse("record behind the range", [](SeedPart& p) { p.records.emplace_back("M5", ""); });
  refuse("disorder", [](SeedPart& p) { std::swap(p.records[0], p.records[1]); });
  refuse("twice", [](SeedPart& p) { p.records[0] = p.records[1]; });
  refuse("the sums", [](SeedPart& p) { p.records[0].first = "D"; });
  refuse("the mark", [](SeedPart& p) { p.records[0].first = "B"; });
  refuse("no key", [](SeedPart& p) { p.records[0].first.clear(); });
  refuse("a key that does not fit", [](SeedPart& p) { p.records[0].first = "C" + std::string(509, 'x'); });
  refuse("too large", [](SeedPart& p) { p.records[0].second.resize(limits::kSeedRecordBytesMax + 1); });
  refuse("change of what was not given", [](SeedPart& p) { p.changed.emplace_back("A", "1"); });
  refuse("end before the end", [](SeedPart& p) { p.end.emplace(); });
}

TEST_P(SeedTest, LaterPartsThatNoSourceMakesAreNotTaken) {
  const SeedPart good{kSeed, 2, SeedPart::Range{"M5", "M9"}, {{"M6", "6"}}, {{"M1", "x"}, {"M2", std::nullopt}}, {}};
  auto sink = new_sink();
  take(sink, SeedPart{kSeed, 1, SeedPart::Range{"", "M5"}, {{"M1", "1"}}, {}, {}});
  const auto refuse = [&](const char* why, const auto& spoil) {
    SeedPart part = good;
    spoil(part);
    const auto taken = sink.take(part, kSource);
    ASSERT_FALSE(taken) << why;
    EXPECT_EQ(taken.error().code, ErrorCode::kCorrupt) << why;
  };
  refuse("a gap", [](SeedPart& p) { p.range->from = "M51"; });
  refuse("a change behind the position", [](SeedPart& p) { p.changed[1].first = "M5"; });
  refuse("changes in disorder", [](SeedPart& p) { std::swap(p.changed[0], p.changed[1]); });
  refuse("change of the sums", [](SeedPart& p) { p.changed[0].first = "D"; });
  refuse("large change", [](SeedPart& p) { p.changed[0].second->resize(limits::kSeedRecordBytesMax + 1); });
  take(sink, good);
  take(sink, SeedPart{kSeed, 3, SeedPart::Range{"M9", ""}, {}, {}, {}});
  must(sink.take(SeedPart{kSeed, 4, {}, {}, {{"T1", "1"}}, SeedPart::End{LogIndex(3), Term(1), {}}}, kSource));
  EXPECT_EQ(sink.next_overlay().error().code, ErrorCode::kCorrupt) << "it has no head at index 3";
  sink.start_over();
  EXPECT_EQ(sink.wanted(), SeedSink::Wanted{});
}

TEST(SeedSpeed, HundredThousandRecordsAreFetched) {
  TestDisk from_disk(Backend::kLmdb, state_tables());
  TestDisk to_disk(Backend::kLmdb, state_tables());
  auto from = from_disk.open();
  auto to = to_disk.open();
  constexpr int kRecords = 100'000;
  constexpr std::size_t kBytes = 300;
  for (int i = 0; i < kRecords; i += 10'000) {
    Changes changes;
    for (int j = i; j < i + 10'000; ++j) changes["M" + std::to_string(1'000'000 + j)] = std::string(kBytes, 'x');
    write(*from, overlay_of(changes));
  }
  using Clock = std::chrono::steady_clock;
  for (const char* what : {"into nothing", "over itself"}) {
    SeedSource source(*from, kShard, kSeed, 0);
    auto sink = must(SeedSink::open(*to, kShard));
    Clock::duration reading{};
    Clock::duration making{};
    Clock::duration writing{};
    int parts = 0;
    for (; !sink.is_complete(); ++parts) {
      auto at = Clock::now();
      const auto lap = [&at] {
        const auto before = std::exchange(at, Clock::now());
        return at - before;
      };
      SeedPart part = **source.part(sink.wanted().number, SIZE_MAX, 0);
      reading += lap();
      must(sink.take(std::move(part), kSource));
      while (auto overlay = must(sink.next_overlay())) {
        making += lap();
        write(*to, overlay);
        writing += lap();
        sink.written();
      }
    }
    const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
    const double bytes = kRecords * static_cast<double>(kBytes + 8) / 1e6;
    std::cout << what << ": " << parts << " parts, " << bytes / seconds(reading + making + writing) << " MB/s (reading "
              << seconds(reading) << " s, making overlays " << seconds(making) << " s, writing " << seconds(writing)
              << " s)\n";
  }
  EXPECT_EQ(records_of(*to), records_of(*from));
}

}  // namespace
}  // namespace earshot::storage
