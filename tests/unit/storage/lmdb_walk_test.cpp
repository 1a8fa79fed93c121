#include "storage/lmdb_walk.hpp"

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "storage/files.hpp"
#include "storage/keys.hpp"
#include "storage/lmdb_format.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Of = PageFlaw::Of;

std::string key_of(std::uint64_t number) {
  std::string key = "key ";
  keys::append_big_endian(key, number);
  return key;
}

auto says(Of of, const std::string& what) {
  return AllOf(Field(&PageFlaw::of, of), Field(&PageFlaw::what, HasSubstr(what)));
}

// An environment whose file is altered and looked at, with two trees of two levels, big values and free pages.
class LmdbWalk : public testing::Test {
 protected:
  void SetUp() override {
    auto environment = open();
    auto writing = must(environment->begin_write());
    for (std::uint64_t i = 0; i < 60; ++i) must(writing->put(0, key_of(i), std::string(200 + i, 'v')));
    for (std::uint64_t i = 0; i < 40; ++i) must(writing->append(1, key_of(i), std::string(300, 'w')));
    for (std::uint64_t i = 0; i < 3; ++i)
      must(writing->put(0, "big " + key_of(i), std::string(3'000 + i * 4'000, 'b')));
    must(writing->commit());
    writing = must(environment->begin_write());
    for (std::uint64_t i = 20; i < 40; ++i) must(writing->erase(0, key_of(i)));
    must(writing->commit());
    writing = nullptr;
    put(*environment, 1, "key z", "last");
    environment.reset();
    file = FileDescriptor(::open(path().c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(file.is_open());
    const auto first = read<lmdb::HeadPage>(0);
    page_bytes = first.trees[0].pad;
    const auto second = read<lmdb::HeadPage>(page_bytes);
    head = second.transaction > first.transaction ? second : first;
    head_place = second.transaction > first.transaction ? page_bytes : 0;
  }

  std::unique_ptr<Environment> open() {
    return must(open_lmdb(LmdbOptions{directory.path(), {"one", "two"}, 1 << 26, 126}));
  }
  [[nodiscard]] std::string path() const { return directory / "data.mdb"; }

  [[nodiscard]] std::vector<PageFlaw> walk() {
    pages_seen = 0;
    std::vector<PageFlaw> flaws;
    must(walk_pages(
        path(), [this] { ++pages_seen; }, [&](PageFlaw flaw) { flaws.push_back(std::move(flaw)); }));
    return flaws;
  }

  template <class Part>
  [[nodiscard]] Part read(std::uint64_t place) const {
    Part part;
    EXPECT_EQ(::pread(file.get(), &part, sizeof part, static_cast<off_t>(place)), static_cast<ssize_t>(sizeof part));
    return part;
  }
  template <class Part>
  void write(std::uint64_t place, const Part& part) const {
    ASSERT_EQ(::pwrite(file.get(), &part, sizeof part, static_cast<off_t>(place)), static_cast<ssize_t>(sizeof part));
  }
  // What is found with this in that place; it is put back.
  template <class Part>
  std::vector<PageFlaw> walk_with(std::uint64_t place, const Part& part) {
    const auto before = read<Part>(place);
    write(place, part);
    auto flaws = walk();
    write(place, before);
    return flaws;
  }
  bool is_flip_seen(std::uint64_t place, int bit) {
    return !walk_with(place, static_cast<std::uint8_t>(read<std::uint8_t>(place) ^ (1 << bit))).empty();
  }

  [[nodiscard]] std::uint64_t place_of(std::uint64_t page) const { return page * page_bytes; }
  // Where a node stands in the file.
  [[nodiscard]] std::uint64_t node_place(std::uint64_t page, std::size_t index) const {
    return place_of(page) + read<std::uint16_t>(place_of(page) + sizeof(lmdb::PageHeader) + 2 * index);
  }
  [[nodiscard]] std::uint64_t value_place(std::uint64_t page, std::size_t index) const {
    const std::uint64_t place = node_place(page, index);
    return place + sizeof(lmdb::NodeHeader) + read<lmdb::NodeHeader>(place).key_bytes;
  }
  // The record of table "one" or "two" in the list of tables, behind "earshot.advance".
  [[nodiscard]] std::uint64_t tree_place(std::size_t table) const { return value_place(head.trees[1].root, 1 + table); }
  [[nodiscard]] std::uint64_t root_of(std::size_t table) const { return read<lmdb::Tree>(tree_place(table)).root; }
  [[nodiscard]] std::uint64_t child_of(std::uint64_t branch, std::size_t index) const {
    return read<lmdb::NodeHeader>(node_place(branch, index)).bytes;
  }
  // Where the list of free pages has its first number, and the number.
  [[nodiscard]] std::uint64_t free_place() const { return value_place(head.trees[0].root, 0) + 8; }

  tests::TemporaryDirectory directory;
  FileDescriptor file;
  std::uint64_t page_bytes = 0;
  lmdb::HeadPage head{};
  std::uint64_t head_place = 0;
  std::uint64_t pages_seen = 0;
};

TEST_F(LmdbWalk, FindsNothingInWhatLmdbWrites) {
  EXPECT_THAT(walk(), IsEmpty());
  EXPECT_EQ(read<lmdb::Tree>(tree_place(0)).depth, 2) << "the tests want a tree of two levels";
  EXPECT_GT(read<lmdb::Tree>(tree_place(0)).overflow_pages, 3u);
  EXPECT_GT(head.trees[0].entries, 0u);
  // Each overflow page's head and each other page of a tree, once.
  EXPECT_GT(pages_seen, 10u);
}

TEST_F(LmdbWalk, FindsNothingAfterRandomWrites) {
  Random random(tests::seed_of_test());
  auto environment = open();
  for (int round = 0; round < 150; ++round) {
    auto writing = must(environment->begin_write());
    const std::uint64_t changes = random.below(4) == 0 ? 400 : 20;
    for (std::uint64_t i = 0; i < changes; ++i) {
      const auto table = static_cast<Table>(random.below(2));
      // Keys of many lengths, values from nothing to several pages.
      const std::string key = key_of(random.below(600)) + std::string(random.below(20) * random.below(20), 'k');
      const std::uint64_t bytes =
          random.below(30) == 0 ? random.below(20'000) : random.below(2'300) / (1 + random.below(20));
      if (random.below(3) == 0) {
        must(writing->erase(table, key));
      } else {
        must(writing->put(table, key, std::string(bytes, 'r')));
      }
    }
    if (random.below(8) != 0) must(writing->commit());
    writing = nullptr;
    if (random.below(20) == 0) {
      environment.reset();
      environment = open();
    }
    const auto flaws = walk();
    ASSERT_TRUE(flaws.empty()) << "round " << round << ": page " << flaws[0].page << " " << flaws[0].what;
  }
}

TEST_F(LmdbWalk, EveryBitOfAPageHeaderIsSeen) {
  constexpr std::size_t kUnusedFirst = 8;  // two bytes that mean something in trees of another kind only
  constexpr std::size_t kUnusedEnd = 10;
  constexpr int kBits = 8 * (sizeof(lmdb::PageHeader) - (kUnusedEnd - kUnusedFirst));
  std::uint64_t pages = 0;
  for (std::uint64_t page = lmdb::kHeadPages; page <= head.last_page; ++page) {
    int seen = 0;
    for (std::size_t byte = 0; byte < sizeof(lmdb::PageHeader); ++byte) {
      if (byte >= kUnusedFirst && byte < kUnusedEnd) continue;
      for (int bit = 0; bit < 8; ++bit) seen += is_flip_seen(place_of(page) + byte, bit);
    }
    // A free page has no header, nor have those behind the first of a big value.
    EXPECT_THAT(seen, AnyOf(0, kBits)) << "page " << page;
    pages += seen != 0;
  }
  EXPECT_THAT(walk(), IsEmpty());
  EXPECT_EQ(pages, pages_seen);
}

TEST_F(LmdbWalk, EveryBitOfTheRecordsPlacesIsSeen) {
  for (const std::uint64_t page : {root_of(0), child_of(root_of(0), 0), head.trees[0].root, head.trees[1].root}) {
    const auto header = read<lmdb::PageHeader>(place_of(page));
    for (std::size_t byte = sizeof header; byte < header.lower; ++byte) {
      for (int bit = 0; bit < 8; ++bit) EXPECT_TRUE(is_flip_seen(place_of(page) + byte, bit)) << page << ", " << byte;
    }
  }
}

TEST_F(LmdbWalk, SizesThatDoNotFillThePageAreSeen) {
  const std::uint64_t leaf = child_of(root_of(1), 0);
  const std::uint64_t place = node_place(leaf, 1);
  const auto node = read<lmdb::NodeHeader>(place);
  for (const std::uint32_t bytes : {node.bytes - 2, node.bytes + 2, 0u, 5'000u, UINT32_MAX}) {
    EXPECT_THAT(walk_with(place, bytes), Contains(says(Of::kTable, "record"))) << bytes;
  }
  for (const std::uint16_t bytes : {std::uint16_t{0}, std::uint16_t{512}, std::uint16_t{UINT16_MAX}}) {
    EXPECT_THAT(walk_with(place + offsetof(lmdb::NodeHeader, key_bytes), bytes),
                Contains(says(Of::kTable, "key of impossible size")));
  }
}

TEST_F(LmdbWalk, FlawNamesTheTableAndTheKeysThatHangThere) {
  const std::uint64_t root = root_of(0);
  const std::uint64_t leaf = child_of(root, 1);
  const auto upper = static_cast<std::uint16_t>(read<lmdb::PageHeader>(place_of(leaf)).upper | 0x4000);
  const auto flaws = walk_with(place_of(leaf) + offsetof(lmdb::PageHeader, upper), upper);
  ASSERT_EQ(flaws.size(), 1u) << "what hangs below a damaged page was not counted";
  EXPECT_EQ(flaws[0].of, Of::kTable);
  EXPECT_EQ(flaws[0].table, "one");
  EXPECT_EQ(flaws[0].page, leaf);
  EXPECT_THAT(flaws[0].what, HasSubstr("bounds"));
  auto environment = open();
  const auto records = scan(*must(environment->begin_read()), 0, flaws[0].from, flaws[0].to);
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.size(), (read<lmdb::PageHeader>(place_of(leaf)).lower - sizeof(lmdb::PageHeader)) / 2);
}

TEST_F(LmdbWalk, PageUsedTwiceIsSeen) {
  const std::uint64_t root = root_of(1);
  const auto first = static_cast<std::uint32_t>(child_of(root, 0));
  EXPECT_THAT(walk_with(node_place(root, 1), first), Contains(says(Of::kTable, "in use at another place")));
  const auto of_other_table = static_cast<std::uint32_t>(child_of(root_of(0), 0));
  EXPECT_THAT(walk_with(node_place(root, 1), of_other_table), Contains(says(Of::kTable, "in use at another place")));
}

TEST_F(LmdbWalk, BranchThatLeadsInACircleOrOutOfTheFileEndsTheWayThere) {
  const std::uint64_t root = root_of(0);
  for (const std::uint64_t child :
       {root, std::uint64_t{0}, std::uint64_t{1}, head.last_page + 1, std::uint64_t{UINT32_MAX}}) {
    const auto flaws = walk_with(node_place(root, 0), static_cast<std::uint32_t>(child));
    ASSERT_EQ(flaws.size(), 1u) << child;
    EXPECT_THAT(flaws[0], says(Of::kTable, child == root ? "in use at another place" : "outside of the file"));
  }
  lmdb::Tree tree = read<lmdb::Tree>(tree_place(0));
  tree.depth = 31;
  EXPECT_THAT(walk_with(tree_place(0), tree), Not(IsEmpty()));
  tree.depth = UINT16_MAX;
  EXPECT_THAT(walk_with(tree_place(0), tree), ElementsAre(says(Of::kTable, "deeper than a tree can be")));
}

TEST_F(LmdbWalk, CountsOfATreeThatDoNotFitAreSeen) {
  const auto sound = read<lmdb::Tree>(tree_place(0));
  const auto with = [&](std::uint64_t lmdb::Tree::*count, std::uint64_t value) {
    lmdb::Tree tree = sound;
    tree.*count = value;
    return walk_with(tree_place(0), tree);
  };
  EXPECT_THAT(with(&lmdb::Tree::branch_pages, 7), ElementsAre(says(Of::kTable, "1 branch pages and counts 7")));
  EXPECT_THAT(with(&lmdb::Tree::leaf_pages, 1), ElementsAre(says(Of::kTable, "leaf pages and counts 1")));
  EXPECT_THAT(with(&lmdb::Tree::overflow_pages, 0), ElementsAre(says(Of::kTable, "overflow pages and counts 0")));
  EXPECT_THAT(with(&lmdb::Tree::entries, UINT64_MAX), ElementsAre(says(Of::kTable, "43 records and counts")));
  EXPECT_THAT(with(&lmdb::Tree::root, lmdb::kNoPage), ElementsAre(says(Of::kTable, "said to be empty")));
}

TEST_F(LmdbWalk, BigValueWhosePagesAreNotItsOwnIsSeen) {
  const std::uint64_t leaf = child_of(root_of(0), 0);  // "big " sorts before "key "
  const std::uint64_t place = value_place(leaf, 2);
  const auto page = read<std::uint64_t>(place);
  const std::uint64_t count_place = place_of(page) + offsetof(lmdb::OverflowHeader, pages);
  const auto count = read<std::uint32_t>(count_place);
  ASSERT_GT(count, 2u);
  EXPECT_THAT(walk_with(count_place, count - 1), Contains(says(Of::kTable, "too small")));
  EXPECT_THAT(walk_with(count_place, UINT32_MAX), Contains(says(Of::kTable, "outside of the file")));
  EXPECT_THAT(walk_with(count_place, count + 2), Not(IsEmpty()));
  EXPECT_THAT(walk_with(place, std::uint64_t{UINT64_MAX}), Contains(says(Of::kTable, "outside of the file")));
  EXPECT_THAT(walk_with(place, root_of(1)), Not(IsEmpty()));
}

TEST_F(LmdbWalk, KeysInDisorderOrOutOfTheirRangeAreSeen) {
  const std::uint64_t leaf = child_of(root_of(1), 1);
  const std::uint64_t key = node_place(leaf, 0) + sizeof(lmdb::NodeHeader);
  EXPECT_THAT(walk_with(key, 'a'), ElementsAre(says(Of::kTable, "belong before it")));
  EXPECT_THAT(walk_with(key, 'z'), ElementsAre(says(Of::kTable, "disorder")));
  const std::uint64_t first_leaf = child_of(root_of(1), 0);
  const std::size_t records = (read<lmdb::PageHeader>(place_of(first_leaf)).lower - sizeof(lmdb::PageHeader)) / 2;
  EXPECT_THAT(walk_with(node_place(first_leaf, records - 1) + sizeof(lmdb::NodeHeader), 'z'),
              ElementsAre(says(Of::kTable, "belong behind it")));
  const std::uint64_t separator = node_place(root_of(1), 1) + sizeof(lmdb::NodeHeader);
  EXPECT_THAT(walk_with(separator, 'a'), Not(IsEmpty()));
}

TEST_F(LmdbWalk, FreePagesThatAreNotFreeAreSeen) {
  const auto page = read<std::uint64_t>(free_place());
  EXPECT_THAT(walk_with(free_place(), root_of(0)), Contains(says(Of::kTable, "in use and free")));
  EXPECT_THAT(walk_with(free_place(), std::uint64_t{1}), ElementsAre(says(Of::kFreePages, "outside of the file")));
  EXPECT_THAT(walk_with(free_place(), page | std::uint64_t{1} << 40),
              ElementsAre(says(Of::kFreePages, "outside of the file")));
  const auto second = read<std::uint64_t>(free_place() + 8);
  EXPECT_THAT(walk_with(free_place(), second), ElementsAre(says(Of::kFreePages, "free twice")));
  EXPECT_THAT(walk_with(free_place() - 8, std::uint64_t{UINT64_MAX}), Not(IsEmpty()));
  const std::uint64_t transaction = node_place(head.trees[0].root, 0) + sizeof(lmdb::NodeHeader);
  EXPECT_THAT(walk_with(transaction, std::uint64_t{1} << 60), Contains(says(Of::kFreePages, "yet to come")));
}

TEST_F(LmdbWalk, PagesBehindTheEndOfTheFileAreSeen) {
  std::filesystem::resize_file(path(), 2 * page_bytes);
  EXPECT_THAT(walk(), Contains(says(Of::kTableNames, "behind the end of the file")));
}

TEST_F(LmdbWalk, HeadThatNamesMorePagesThanAFileCanHaveIsRefused) {
  write(head_place + offsetof(lmdb::HeadPage, last_page), std::uint64_t{1} << 60);
  const auto status = walk_pages(
      path(), [] {}, [](const PageFlaw&) {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
}

TEST_F(LmdbWalk, PagesOfRandomBytesEndIt) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t page = 2 + random.below(head.last_page - 1);
    std::vector<std::uint8_t> before(page_bytes);
    ASSERT_EQ(::pread(file.get(), before.data(), page_bytes, static_cast<off_t>(place_of(page))),
              static_cast<ssize_t>(page_bytes));
    std::vector<std::uint8_t> bytes = before;
    // Some of them, so that the check of the header is passed as often as not.
    const std::size_t begin = random.below(2) == 0 ? 0 : sizeof(lmdb::PageHeader);
    for (std::uint64_t i = random.below(100); i > 0; --i)
      bytes[begin + random.below(page_bytes - begin)] = static_cast<std::uint8_t>(random.below(256));
    ASSERT_EQ(::pwrite(file.get(), bytes.data(), page_bytes, static_cast<off_t>(place_of(page))),
              static_cast<ssize_t>(page_bytes));
    (void)walk();
    EXPECT_LE(pages_seen, 3 * head.last_page);
    ASSERT_EQ(::pwrite(file.get(), before.data(), page_bytes, static_cast<off_t>(place_of(page))),
              static_cast<ssize_t>(page_bytes));
  }
  EXPECT_THAT(walk(), IsEmpty());
}

}  // namespace
}  // namespace earshot::storage
