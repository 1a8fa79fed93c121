// Power cuts on a journal with short files, so that they are made, filled, retired and used again all the time: a
// process that commits is recorded, then its directory is made again and again as a cut at some moment may have left
// it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "storage/journal_environment.hpp"
#include "tests/support/disk_control.hpp"
#include "tests/support/power_cut.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot {
namespace {

using State = std::map<std::string, std::string>;

constexpr std::uint64_t kCommits = 2'000;
constexpr const char* kDirectory = "EARSHOT_JOURNAL_DIRECTORY";
constexpr const char* kSeed = "EARSHOT_JOURNAL_SEED";

storage::JournalOptions options(std::string path) {
  return {.path = std::move(path), .tables = 2, .segment_bytes = 64 << 10, .written_ahead_bytes = 16 << 10};
}

// The commits that a seed makes: entries that come and go in their order, and a few records that stay.
class Commits {
 public:
  explicit Commits(std::uint64_t seed) : random_(seed) {}

  void next(storage::WriteTransaction* transaction) {
    for (std::uint64_t entries = random_.below(4); entries-- > 0;) {
      const auto value = std::string(random_.below(random_.chance(0.05) ? 90'000 : 3'000), 'e') + std::to_string(last_);
      put(transaction, 0, std::to_string(++last_), value);
    }
    for (std::uint64_t gone = random_.below(4); gone-- > 0 && first_ <= last_;)
      erase(transaction, 0, std::to_string(first_++));
    put(transaction, 1, std::to_string(random_.below(20)), std::to_string(random_.next()));
  }
  [[nodiscard]] const State& state() const { return state_; }

 private:
  static std::string name_of(storage::Table table, const std::string& key) { return std::to_string(table) + "/" + key; }
  void put(storage::WriteTransaction* transaction, storage::Table table, const std::string& key, std::string value) {
    if (transaction != nullptr) {
      ASSERT_TRUE(transaction->put(table, key, value));
    }
    state_[name_of(table, key)] = std::move(value);
  }
  void erase(storage::WriteTransaction* transaction, storage::Table table, const std::string& key) {
    if (transaction != nullptr) {
      ASSERT_TRUE(transaction->erase(table, key));
    }
    state_.erase(name_of(table, key));
  }

  Random random_;
  std::uint64_t first_ = 1;
  std::uint64_t last_ = 0;
  State state_;
};

State read(storage::Environment& environment) {
  State state;
  const auto reader = environment.begin_read().value();
  for (storage::Table table = 0; table < 2; ++table) {
    const Status scanned = reader->scan(table, {}, {}, [&](std::string_view key, std::string_view value) {
      state[std::to_string(table) + "/" + std::string(key)] = value;
      return true;
    });
    EXPECT_TRUE(scanned);
  }
  return state;
}

// What the recorded process does: a line for each commit that was answered.
TEST(JournalPowerCut, DISABLED_Writer) {
  const char* directory = std::getenv(kDirectory);
  ASSERT_NE(directory, nullptr);
  auto environment = storage::open_journal(options(directory)).value();
  Commits commits(std::strtoull(std::getenv(kSeed), nullptr, 10));
  for (std::uint64_t i = 1; i <= kCommits; ++i) {
    if (i % 500 == 0) {
      environment = nullptr;
      environment = storage::open_journal(options(directory)).value();
    }
    auto transaction = environment->begin_write().value();
    commits.next(transaction.get());
    ASSERT_TRUE(transaction->commit());
    std::cout << "committed " << i << std::endl;
  }
}

struct Recording {
  std::vector<std::uint64_t> acked_at;  // [i]: the record before which commit i + 1 was answered, or a later one
  std::uint64_t records = 0;
};

Recording record(const tests::DiskControl& disk, std::uint64_t seed) {
  std::vector<std::string> command = disk.wrapper(true);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  command.insert(command.end(), {"env", kDirectory + ("=" + disk.data()), kSeed + ("=" + std::to_string(seed)), self,
                                 "--gtest_filter=JournalPowerCut.DISABLED_Writer", "--gtest_also_run_disabled_tests"});
  tests::ChildProcess process(command);
  Recording recording;
  for (std::string line; process.read_line(line);)
    if (line.starts_with("committed")) recording.acked_at.push_back(disk.records());
  EXPECT_EQ(process.wait(), 0);
  recording.records = disk.records();
  return recording;
}

// How many commits are there, when that is a number that may be; else nothing.
std::optional<std::uint64_t> commits_in(const State& found, std::uint64_t seed, std::uint64_t at_least) {
  Commits commits(seed);
  for (std::uint64_t i = 0; i <= kCommits; ++i) {
    if (i >= at_least && commits.state() == found) return i;
    commits.next(nullptr);
  }
  return std::nullopt;
}

TEST(JournalPowerCut, LosesNoCommitAndTearsNone) {
  const std::uint64_t cuts = std::getenv("EARSHOT_LONG") != nullptr ? 1'000 : 60;
  Random random(tests::seed_of_test());
  const std::uint64_t seed = random.next();
  tests::TemporaryDirectory directory;
  tests::DiskControl disk(directory / "recorded");
  const Recording recording = record(disk, seed);
  ASSERT_EQ(recording.acked_at.size(), kCommits);
  tests::PowerCut trace(disk.trace_file());
  std::vector<std::uint64_t> moments;
  for (std::uint64_t i = 0; i < cuts; ++i) moments.push_back(random.between(0, recording.records));
  std::ranges::sort(moments);
  for (const std::uint64_t moment : moments) {
    trace.advance(moment);
    const std::string left = directory / "left";
    trace.leave(left, random);
    auto environment = storage::open_journal(options(left + "/node"));
    ASSERT_TRUE(environment) << "cut at " << moment << ": " << environment.error().to_string();
    const auto acked =
        static_cast<std::uint64_t>(std::ranges::upper_bound(recording.acked_at, moment) - recording.acked_at.begin());
    const auto found = commits_in(read(**environment), seed, acked);
    EXPECT_TRUE(found) << "cut at " << moment << " of " << recording.records << ": not what " << acked
                       << " commits or more have made";
    *environment = nullptr;
    std::filesystem::remove_all(left);
  }
}

}  // namespace
}  // namespace earshot
