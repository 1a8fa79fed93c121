#include "storage/lmdb_page.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "storage/lmdb_format.hpp"
#include "storage/record_rules.hpp"

namespace earshot::storage::lmdb {
namespace {

template <class Part>
Part part_at(std::string_view bytes, std::size_t place) {
  Part part;
  std::memcpy(&part, bytes.data() + place, sizeof part);
  return part;
}

constexpr std::size_t kPlaceBytes = sizeof(std::uint16_t);

std::size_t even(std::size_t bytes) { return (bytes + 1) & ~std::size_t{1}; }

// The largest node that LMDB puts on a page of this size, so that two fit; its me_nodemax.
std::size_t node_bytes_max(std::size_t page_bytes) {
  return (((page_bytes - sizeof(PageHeader)) / 2) & ~std::size_t{1}) - kPlaceBytes;
}

}  // namespace

Result<TreePage> TreePage::parse(std::string bytes, std::uint64_t number, Kind kind) {
  TreePage page(std::move(bytes), kind);
  std::string_view flaw = page.flaw_of_header(number);
  if (flaw.empty()) flaw = page.take_nodes();
  if (flaw.empty()) flaw = page.flaw_of_layout();
  if (!flaw.empty()) return fail(ErrorCode::kCorrupt, "", std::string(flaw));
  return page;
}

std::string_view TreePage::flaw_of_header(std::uint64_t number) const {
  const auto header = part_at<PageHeader>(bytes_, 0);
  if (header.number != number) return "has another page's number";
  if (header.flags != (kind_ == Kind::kLeaf ? kLeafPage : kBranchPage)) return "is of another kind than its place";
  const bool are_bounds = header.lower >= sizeof header && header.lower <= header.upper &&
                          header.upper <= bytes_.size() && header.lower % 2 == 0 && header.upper % 2 == 0;
  if (!are_bounds) return "has impossible bounds of its free room";
  if (header.lower == sizeof header) return "is empty";
  return "";
}

std::string_view TreePage::take_nodes() {
  const auto header = part_at<PageHeader>(bytes_, 0);
  for (std::size_t at = sizeof header; at < header.lower; at += kPlaceBytes) {
    const auto place = part_at<std::uint16_t>(bytes_, at);
    const bool is_inside = place >= header.upper && place % 2 == 0 && place + sizeof(NodeHeader) <= bytes_.size();
    if (!is_inside) return "has a record outside of it";
    const auto node = part_at<NodeHeader>(bytes_, place);
    // The key of a branch's first node is not looked at, and may be empty.
    const bool may_be_empty = kind_ == Kind::kBranch && places_.empty();
    if (node.key_bytes > kKeyBytesMax || (node.key_bytes == 0 && !may_be_empty)) return "has a key of impossible size";
    if (kind_ == Kind::kLeaf) {
      const bool is_kind = node.flags == 0 || node.flags == kBigValue || node.flags == kSubTree;
      if (!is_kind) return "has a record of unknown kind";
      const std::size_t bytes = sizeof node + node.key_bytes + stored_bytes(place);
      if (bytes > node_bytes_max(bytes_.size())) return "has a record that is too large for it";
    }
    if (place + node_bytes(place) > bytes_.size()) return "has a record that runs over its end";
    places_.push_back(place);
  }
  return "";
}

// LMDB moves the nodes together whenever one leaves or changes its size: they fill the page from `upper` to its end.
std::string_view TreePage::flaw_of_layout() const {
  std::vector<std::uint16_t> sorted = places_;
  std::sort(sorted.begin(), sorted.end());
  std::size_t next = part_at<PageHeader>(bytes_, 0).upper;
  for (const std::uint16_t place : sorted) {
    if (place < next) return "has records that overlap";
    if (place > next) return "has a gap between its records";
    next += node_bytes(place);
  }
  return next == bytes_.size() ? "" : "has a gap behind its records";
}

std::size_t TreePage::stored_bytes(std::size_t place) const {
  if (kind_ == Kind::kBranch) return 0;
  const auto node = part_at<NodeHeader>(bytes_, place);
  return node.flags == kBigValue ? sizeof(std::uint64_t) : node.bytes;
}

std::size_t TreePage::node_bytes(std::size_t place) const {
  return even(sizeof(NodeHeader) + part_at<NodeHeader>(bytes_, place).key_bytes + stored_bytes(place));
}

Node TreePage::node(std::size_t index) const {
  const std::size_t place = places_[index];
  const auto header = part_at<NodeHeader>(bytes_, place);
  const std::string_view rest = std::string_view(bytes_).substr(place + sizeof header);
  Node node;
  node.key = rest.substr(0, header.key_bytes);
  if (kind_ == Kind::kBranch) {
    node.child = header.bytes | std::uint64_t{header.flags} << 32;
  } else {
    node.flags = header.flags;
    node.value_bytes = header.bytes;
    node.stored = rest.substr(header.key_bytes, stored_bytes(place));
  }
  return node;
}

}  // namespace earshot::storage::lmdb
