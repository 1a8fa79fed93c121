#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/seed_sink.hpp"
#include "storage/seed_source.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

// A shard's state on its way from one disk to another.
namespace earshot::storage::seeding {

inline constexpr ShardId kShard{5};
inline constexpr NodeId kSource{2};
inline constexpr std::uint64_t kSeed = 77;
using Changes = std::map<std::string, std::optional<std::string>>;

inline std::shared_ptr<const FrozenOverlay> overlay_of(const Changes& changes, std::uint64_t applied = 1) {
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

inline void write(Environment& environment, const std::shared_ptr<const FrozenOverlay>& overlay) {
  must(write_overlays(environment, {&overlay, 1}));
}

inline std::vector<Record> records_of(Environment& environment) {
  auto reading = must(environment.begin_read());
  auto records = scan(*reading, kStateTable, state_key(kShard, {}), end_of_shard(kShard));
  std::erase_if(records, [](const Record& record) { return keys::is_storage_own(record.first.substr(2)); });
  return records;
}

// Alters a stored record behind the back of whoever keeps the sums.
inline void change_behind(Environment& environment, std::string_view key, std::optional<std::string> sealed) {
  auto writing = must(environment.begin_write());
  const std::string full_key = state_key(kShard, key);
  sealed ? must(writing->put(kStateTable, full_key, *sealed)) : (void)must(writing->erase(kStateTable, full_key));
  must(writing->commit());
}

inline std::string sealed_behind(Environment& environment, std::string_view key) {
  return get(*must(environment.begin_read()), kStateTable, state_key(kShard, key)).value();
}

inline void damage(Environment& environment, std::string_view key) {
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

}  // namespace earshot::storage::seeding
