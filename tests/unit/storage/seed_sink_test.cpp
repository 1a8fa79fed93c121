#include <chrono>
#include <iostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "seed_fixture.hpp"

namespace earshot::storage::seeding {
namespace {

class SeedSinkTest : public SeedTest {};

INSTANTIATE_TEST_SUITE_P(Backends, SeedSinkTest, testing::Values(Backend::kLmdb, Backend::kModel), name_of_backend);

TEST_P(SeedSinkTest, ShardHasNoStateFromTheFirstOverlayToTheLast) {
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

TEST_P(SeedSinkTest, FetchGoesOnWhereAnEarlierProcessWas) {
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

TEST_P(SeedSinkTest, PartThatWasHalfWrittenIsTakenOnceMore) {
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

TEST_P(SeedSinkTest, WhatThePartsDoNotHaveIsErasedInSteps) {
  limits.overlay_bytes_max = 1'000;
  write(*to, overlay_of(some('M', 1, 200, "value")));
  auto source = new_source();
  auto sink = new_sink();
  EXPECT_GT(take(sink, **source.part(1, SIZE_MAX, 0)), 10);
  expect_equal();
}

TEST_P(SeedSinkTest, DamagedStateIsMendedInPlace) {
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

TEST_P(SeedSinkTest, DamagedMarkIsAMarkAllTheSame) {
  write(*to, overlay_of({{"M1", "1"}}));
  write(*to, not_whole_overlay(kShard));
  damage(*to, keys::seed_head());
  EXPECT_FALSE(must(is_whole(*to, kShard)));
  EXPECT_EQ(new_sink().wanted(), SeedSink::Wanted{});
}

TEST_P(SeedSinkTest, ShardThatIsBeingFetchedGivesNothing) {
  write(*from, overlay_of({{"M1", "1"}}));
  write(*from, not_whole_overlay(kShard));
  EXPECT_EQ(new_source().part(1, SIZE_MAX, 0).error().code, ErrorCode::kUnavailable);
}

TEST_P(SeedSinkTest, OnlyTheWantedPartIsTaken) {
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

TEST_P(SeedSinkTest, FirstPartOfAnotherSeedBeginsAnew) {
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

TEST_P(SeedSinkTest, PartsThatNoSourceMakesAreNotTaken) {
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

TEST_P(SeedSinkTest, LaterPartsThatNoSourceMakesAreNotTaken) {
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
}  // namespace earshot::storage::seeding
