// What a journal is beyond the contract of every environment (environment_test.cpp): its files.
#include "storage/journal_environment.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "storage/journal_frame.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JournalTest : public testing::Test {
 protected:
  [[nodiscard]] Result<std::unique_ptr<Environment>> open(bool read_only = false) const {
    return open_journal({directory.path(), 2, 64 << 10, 16 << 10, read_only});
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
      if (entry.path().extension() == ".journal") found.push_back(entry.path().string());
    std::ranges::sort(found);
    return found;
  }
  static std::string bytes_of(const std::string& file) {
    std::ostringstream bytes;
    bytes << std::ifstream(file, std::ios::binary).rdbuf();
    return bytes.str();
  }
  static void write_to(const std::string& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }
  // As a killed process leaves them: nothing is closed.
  void keep_files() {
    kept.clear();
    for (const auto& file : files()) kept[file] = bytes_of(file);
  }
  void bring_back() {
    for (const auto& file : files()) std::filesystem::remove(file);
    for (const auto& [file, bytes] : kept) write_to(file, bytes);
  }
  // Where the frame of a value stands; the value occurs once.
  static std::size_t frame_of(const std::string& bytes, const std::string& value) {
    return bytes.find(value) / kFramePageBytes * kFramePageBytes;
  }
  std::vector<Record> all(Table table = 0) {
    auto environment = must(open());
    return scan(*must(environment->begin_read()), table);
  }

  tests::TemporaryDirectory directory;
  std::map<std::string, std::string> kept;
};

TEST_F(JournalTest, SecondOpeningIsRefused) {
  const auto held = must(open());
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

TEST_F(JournalTest, EveryBitOfATornLastFrameLeavesWhatWasBefore) {
  auto environment = must(open());
  put(*environment, 0, "a", "before");
  put(*environment, 0, "b", "the last one");
  keep_files();
  environment = nullptr;
  const std::string file = kept.begin()->first;
  const std::string whole = kept.begin()->second;
  const std::size_t frame = frame_of(whole, "the last one");
  const std::size_t frame_bytes = read_frame(std::string_view(whole).substr(frame)).value().bytes;
  for (std::size_t bit = frame * 8; bit < (frame + frame_bytes) * 8; ++bit) {
    kept[file][bit / 8] = static_cast<char>(whole[bit / 8] ^ (1 << (bit % 8)));
    bring_back();
    ASSERT_THAT(all(), ElementsAre(Record{"a", "before"})) << "bit " << bit;
    kept[file] = whole;
  }
  for (std::size_t cut = 0; cut < frame_bytes; ++cut) {
    kept[file] = whole.substr(0, frame + cut);
    bring_back();
    ASSERT_THAT(all(), ElementsAre(Record{"a", "before"})) << "cut at " << cut;
  }
}

TEST_F(JournalTest, WhatComesAfterATornFrameTakesItsPlace) {
  auto environment = must(open());
  put(*environment, 0, "a", "before");
  put(*environment, 0, "b", "the last one");
  keep_files();
  environment = nullptr;
  std::string& bytes = kept.begin()->second;
  bytes[bytes.find("the last one")] = 'T';
  bring_back();
  environment = must(open());
  put(*environment, 0, "c", "after");
  environment = nullptr;
  EXPECT_THAT(all(), ElementsAre(Record{"a", "before"}, Record{"c", "after"}));
}

TEST_F(JournalTest, AnyDamagedBitOfAFrameThatOthersStandBehindIsSeen) {
  auto environment = must(open());
  put(*environment, 0, "a", "before");
  put(*environment, 0, "b", "in the middle");
  put(*environment, 0, "c", "behind");
  environment = nullptr;
  keep_files();
  const std::string file = kept.begin()->first;
  const std::string whole = kept.begin()->second;
  const std::size_t frame = frame_of(whole, "in the middle");
  const std::size_t frame_bytes = read_frame(std::string_view(whole).substr(frame)).value().bytes;
  for (std::size_t bit = frame * 8; bit < (frame + frame_bytes) * 8; ++bit) {
    kept[file][bit / 8] = static_cast<char>(whole[bit / 8] ^ (1 << (bit % 8)));
    bring_back();
    const auto opened = open();
    ASSERT_FALSE(opened) << "bit " << bit;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(opened.error().detail, HasSubstr("frame 2 is damaged or missing"));
    kept[file] = whole;
  }
  // For who looks what is left, the rest is there.
  kept[file][whole.find("in the middle")] = 'I';
  bring_back();
  const auto reader = must(open(true));
  EXPECT_THAT(scan(*must(reader->begin_read()), 0), ElementsAre(Record{"a", "before"}, Record{"c", "behind"}));
  std::vector<std::uint64_t> flawed;
  must(reader->check_pages([] {}, [&](const PageFlaw& flaw) { flawed.push_back(flaw.page); }));
  EXPECT_THAT(flawed, ElementsAre(2));
}

TEST_F(JournalTest, LastFrameOfAnEnvironmentThatWasClosedIsNotTakenForATornOne) {
  put(*must(open()), 0, "a", "the last one");
  keep_files();
  std::string& bytes = kept.begin()->second;
  bytes[bytes.find("the last one")] = 'T';
  bring_back();
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST_F(JournalTest, LostFileIsSeen) {
  {
    auto environment = must(open());
    for (int i = 10; i < 70; ++i) put(*environment, 0, std::to_string(i), std::string(20'000, 'x'));
  }
  keep_files();
  ASSERT_GT(kept.size(), 4u);
  kept.erase(std::next(kept.begin(), 2));
  bring_back();
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST_F(JournalTest, FilesOfWhatComesAndGoesAreUsedAgain) {
  auto environment = must(open());
  put(*environment, 1, "small", "stays");
  constexpr int kRounds = 2'000;
  std::size_t files_max = 0;
  for (int i = 0; i < kRounds; ++i) {
    auto writer = must(environment->begin_write());
    must(writer->append(0, std::to_string(100'000 + i), std::string(3'000, 'x')));
    if (i >= 10) {
      EXPECT_TRUE(must(writer->erase(0, std::to_string(100'000 + i - 10))));
    }
    must(writer->commit());
    files_max = std::max(files_max, files().size());
  }
  EXPECT_LE(files_max, 8u);
  EXPECT_LE(environment->usage().used_bytes, 4u * (64 << 10));
  environment = nullptr;
  environment = must(open());
  auto reader = must(environment->begin_read());
  EXPECT_EQ(scan(*reader, 0).size(), 10u);
  EXPECT_EQ(get(*reader, 1, "small"), "stays");
}

TEST_F(JournalTest, AFileThatSomebodyReadsIsNotUsedAgain) {
  auto environment = must(open());
  put(*environment, 0, "old", std::string(5'000, 'o'));
  auto reader = must(environment->begin_read());
  const auto view = must(reader->get(0, "old"));
  {
    auto writer = must(environment->begin_write());
    EXPECT_TRUE(must(writer->erase(0, "old")));
    must(writer->commit());
  }
  for (int i = 0; i < 200; ++i) {
    auto writer = must(environment->begin_write());
    must(writer->put(0, "new", std::string(5'000, 'n')));
    must(writer->commit());
  }
  EXPECT_EQ(*view, std::string(5'000, 'o'));
  reader = nullptr;
  for (int i = 0; i < 20; ++i) put(*environment, 0, "new", std::string(30'000, 'n'));
  EXPECT_LE(files().size(), 8u);
}

// A file that is used again holds frames of its former life: whole ones, which count no more.
TEST_F(JournalTest, OldFramesBehindATornOneAreNotTakenForNew) {
  auto environment = must(open());
  for (int i = 0; i < 300; ++i) put(*environment, 0, "key", "value " + std::to_string(i) + std::string(3'000, 'x'));
  keep_files();
  environment = nullptr;
  for (auto& [file, bytes] : kept) {
    const std::size_t at = bytes.find("value 299x");
    if (at != std::string::npos) bytes[at] = 'V';
  }
  bring_back();
  const auto records = all();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_THAT(records[0].second, HasSubstr("value 298x"));
}

TEST_F(JournalTest, AFileThatCannotBeMadeChangesNothingAndLaterTheSameIsTaken) {
  auto environment = must(open());
  put(*environment, 0, "a", "before");
  // The next file cannot be made.
  std::filesystem::create_directory(directory / "000000000002.journal");
  auto writer = must(environment->begin_write());
  must(writer->put(0, "b", std::string(100'000, 'x')));
  EXPECT_FALSE(writer->commit());
  writer = nullptr;
  EXPECT_THAT(scan(*must(environment->begin_read()), 0), ElementsAre(Record{"a", "before"}));
  std::filesystem::remove(directory / "000000000002.journal");
  put(*environment, 0, "b", std::string(100'000, 'y'));
  environment = nullptr;
  EXPECT_THAT(all(), ElementsAre(Record{"a", "before"}, Record{"b", std::string(100'000, 'y')}));
}

// Files as power cuts, kills and closings leave them, over and over: what was committed is there, wholly, and files are
// not piled up.
TEST_F(JournalTest, RandomCommitsWithKillsEqualAPlainMap) {
  Random random(tests::seed_of_test());
  std::map<std::string, std::string> expected;
  auto environment = must(open());
  for (int step = 0; step < 3'000; ++step) {
    auto writer = must(environment->begin_write());
    auto next = expected;
    for (std::uint64_t i = random.below(6); i-- > 0;) {
      const std::string key = std::to_string(random.below(50));
      if (random.chance(0.4)) {
        EXPECT_EQ(must(writer->erase(0, key)), next.erase(key) > 0);
      } else {
        next[key] = std::string(random.below(4'000), static_cast<char>('a' + step % 26));
        must(writer->put(0, key, next[key]));
      }
    }
    if (random.chance(0.8)) {
      must(writer->commit());
      expected = std::move(next);
    }
    writer = nullptr;
    if (!random.chance(0.02)) continue;
    if (random.chance(0.5)) keep_files();
    const bool was_killed = !kept.empty();
    environment = nullptr;
    if (was_killed) bring_back();
    kept.clear();
    environment = must(open());
    const auto found = scan(*must(environment->begin_read()), 0);
    std::map<std::string, std::string> there(found.begin(), found.end());
    ASSERT_EQ(there, expected) << "step " << step;
    ASSERT_LE(files().size(), 30u);
  }
}

TEST(JournalFrame, TellsWhatItWasBuiltFrom) {
  FrameWriter writer;
  writer.begin();
  const std::size_t offset = writer.put(1, "key", "value");
  writer.erase(2, "gone");
  const std::string frame(writer.finish(7, 3));
  EXPECT_EQ(frame.size(), kFramePageBytes);
  const auto head = read_frame(frame);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->number, 7u);
  EXPECT_EQ(head->begins_at, 3u);
  std::vector<std::string> changes;
  EXPECT_TRUE(read_changes(std::string_view(frame).substr(0, head->bytes), [&](const FrameChange& change) {
    if (change.value) {
      EXPECT_EQ(change.value_offset, offset);
    }
    changes.push_back(std::to_string(change.table) + std::string(change.key) + "=" +
                      std::string(change.value.value_or("-")));
  }));
  EXPECT_THAT(changes, ElementsAre("1key=value", "2gone=-"));
}

TEST(JournalFrame, GarbageIsNone) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random.below(200), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    if (bytes.size() > 24 && random.chance(0.5))
      bytes.replace(16, 8, std::string("\0\0\0\0\0\0\0", 7) + char(bytes.size()));
    EXPECT_FALSE(read_frame(bytes));
    (void)read_changes(bytes, [](const FrameChange&) {});
  }
}

}  // namespace
}  // namespace earshot::storage
