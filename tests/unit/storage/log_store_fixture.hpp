#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "storage/keys.hpp"
#include "storage/log_store.hpp"

namespace earshot::storage {

// For readable failures and comparisons by value.
inline bool operator==(const LogEntry& a, const LogEntry& b) {
  return a.index == b.index && a.term == b.term && a.type == b.type && *a.data == *b.data;
}
inline void PrintTo(const LogEntry& entry, std::ostream* out) {
  *out << entry.index.value << "@" << entry.term.value << ":" << entry.data->size() << "B";
}

inline constexpr Table kLogTable = 0;
inline constexpr GroupId kGroup{3};
inline constexpr GroupId kOther{4};

inline LogEntry entry(std::uint64_t index, std::uint64_t term = 1, std::string data = "command") {
  return LogEntry{LogIndex(index), Term(term), EntryType::kCommand,
                  std::make_shared<const std::string>(std::move(data))};
}

inline LogWrite append(GroupId group, std::uint64_t first, std::uint64_t last, std::uint64_t term = 1) {
  LogWrite write;
  write.group = group;
  for (std::uint64_t index = first; index <= last; ++index) write.entries.push_back(entry(index, term));
  return write;
}

inline LogWrite snapshot(GroupId group, std::uint64_t index, std::uint64_t term = 1) {
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
    store = must(LogStore::open(*environment, sweep));
  }
  // Every write goes on with a sweep.
  void sweep_always() {
    sweep.from_bytes = 0;
    reopen();
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
    EXPECT_THAT(opened.error().detail, testing::HasSubstr(detail));
  }

  TestDisk disk{GetParam(), LogStore::tables()};
  std::unique_ptr<Environment> environment = disk.open();
  LogSweepOptions sweep;
  std::unique_ptr<LogStore> store = must(LogStore::open(*environment));
};

}  // namespace earshot::storage
