#pragma once

#include <array>
#include <cstdint>

// LMDB's file, format 1 on a 64-bit system, in the machine's byte order: read from mdb.c of LMDB 0.9 (MDB_page,
// MDB_node, MDB_db, MDB_meta), for the checks that LMDB itself leaves out. Pages 0 and 1 are the heads, which commits
// write in turn. Every other page is of one tree, or on the list of free pages, which is a tree itself.
namespace earshot::storage::lmdb {

inline constexpr std::uint32_t kMagic = 0xBEEFC0DE;
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kNoPage = UINT64_MAX;
inline constexpr std::uint64_t kHeadPages = 2;
inline constexpr std::uint16_t kDepthMax = 32;  // of LMDB's cursors

// A page's flags. Others are set in memory only, or on trees with several values to a key, which nobody makes here.
inline constexpr std::uint16_t kBranchPage = 0x01;
inline constexpr std::uint16_t kLeafPage = 0x02;
inline constexpr std::uint16_t kOverflowPage = 0x04;
inline constexpr std::uint16_t kHeadPage = 0x08;
// A leaf's node's flags.
inline constexpr std::uint16_t kBigValue = 0x01;  // stored is the number of an overflow page
inline constexpr std::uint16_t kSubTree = 0x02;   // stored is a Tree
// A tree's flag.
inline constexpr std::uint16_t kIntegerKeys = 0x08;

struct Tree {         // MDB_db
  std::uint32_t pad;  // of the free pages: the page size
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branch_pages;
  std::uint64_t leaf_pages;
  std::uint64_t overflow_pages;
  std::uint64_t entries;
  std::uint64_t root;
};
static_assert(sizeof(Tree) == 48);

struct PageHeader {  // MDB_page
  std::uint64_t number;
  std::uint16_t pad;
  std::uint16_t flags;
  std::uint16_t lower;  // behind the last node's place
  std::uint16_t upper;  // of the first node, the nearest to the header
};
static_assert(sizeof(PageHeader) == 16);

struct OverflowHeader {  // MDB_page, with pages in the place of the bounds
  std::uint64_t number;
  std::uint16_t pad;
  std::uint16_t flags;
  std::uint32_t pages;  // that belong together; only the first has a header
};
static_assert(sizeof(OverflowHeader) == 16);

struct NodeHeader {     // MDB_node
  std::uint32_t bytes;  // of the value; of a branch, the child's lower half
  std::uint16_t flags;  // of a branch: the child's upper half
  std::uint16_t key_bytes;
};
static_assert(sizeof(NodeHeader) == 8);

struct HeadPage {  // MDB_page, then MDB_meta
  PageHeader header;
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_bytes;
  std::array<Tree, 2> trees;  // of the free pages, of the tables' names
  std::uint64_t last_page;
  std::uint64_t transaction;
};
static_assert(sizeof(HeadPage) == 152);

}  // namespace earshot::storage::lmdb
