#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace earshot::storage::lmdb {

// A record of a leaf, or a child of a branch. Views of its page.
struct Node {
  std::string_view key;
  std::uint16_t flags = 0;        // of a leaf
  std::uint32_t value_bytes = 0;  // of a leaf; more than are stored here when the value is a big one
  std::string_view stored;        // of a leaf
  std::uint64_t child = 0;        // of a branch
};

// One page of a tree, checked by itself: its header, and that its nodes fill it as LMDB lays them out. LMDB believes
// all of this, and much of it is looked at only by who writes.
class TreePage {
 public:
  enum class Kind { kBranch, kLeaf };

  // `bytes`: the whole page. kCorrupt: LMDB has not written this as page `number`.
  static Result<TreePage> parse(std::string bytes, std::uint64_t number, Kind kind);

  [[nodiscard]] std::size_t size() const { return places_.size(); }
  // Valid as long as the page, which must not be moved meanwhile.
  [[nodiscard]] Node node(std::size_t index) const;

 private:
  TreePage(std::string bytes, Kind kind) : bytes_(std::move(bytes)), kind_(kind) {}
  [[nodiscard]] std::string_view flaw_of_header(std::uint64_t number) const;
  // Takes the nodes' places; what is wrong with them, or "".
  std::string_view take_nodes();
  [[nodiscard]] std::string_view flaw_of_layout() const;
  [[nodiscard]] std::size_t stored_bytes(std::size_t place) const;
  [[nodiscard]] std::size_t node_bytes(std::size_t place) const;

  std::string bytes_;
  Kind kind_;
  std::vector<std::uint16_t> places_;  // of the nodes, in the order of their keys
};

}  // namespace earshot::storage::lmdb
