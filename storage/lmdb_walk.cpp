#include "storage/lmdb_walk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_format.hpp"
#include "storage/lmdb_meta.hpp"
#include "storage/lmdb_page.hpp"

namespace earshot::storage {
namespace {

using lmdb::Node;
using lmdb::Tree;
using lmdb::TreePage;
using Of = PageFlaw::Of;

template <class Part>
Part part_of(std::string_view bytes) {
  Part part;
  std::memcpy(&part, bytes.data(), sizeof part);
  return part;
}

// Where a page hangs: its keys are in [from, to), without an end when there is no `to`.
struct Place {
  std::uint64_t page = 0;
  unsigned depth = 0;  // levels from here down, this one included
  std::string from;
  std::optional<std::string> to;
};

class Walk;

// One tree. What its leaves hold is up to those that derive from it.
class TreeWalk {
 public:
  TreeWalk(Walk& walk, Of of, std::string table, const Tree& tree)
      : walk_(walk), of_(of), table_(std::move(table)), tree_(tree) {}
  virtual ~TreeWalk() = default;
  void run();

 protected:
  // Why this is no record of this tree, or "".
  virtual std::string take(const Node& node) = 0;
  virtual bool less(std::string_view a, std::string_view b) const { return a < b; }
  // Takes the pages of a value that lies outside of its leaf.
  std::string take_big(const Node& node);
  Walk& walk_;

 private:
  void visit(const Place& place);
  void visit_leaf(const TreePage& page, const Place& place);
  void visit_branch(const TreePage& page, const Place& place);
  std::string_view flaw_of_keys(const TreePage& page, const Place& place, std::size_t first) const;
  std::string_view flaw_of_record() const;
  void compare(std::string_view what, std::uint64_t seen, std::uint64_t told);
  void found(const Place& place, std::string what);

  const Of of_;
  const std::string table_;
  const Tree tree_;
  Tree seen_{};  // its counts are
  bool has_flaw_ = false;
};

// The file, and what is known of its pages so far.
class Walk {
 public:
  Walk(int file, const lmdb::HeadPage& head, const std::function<void()>& on_page,
       const std::function<void(PageFlaw)>& on_flaw)
      : file_(file),
        page_bytes_(head.trees[0].pad),
        last_transaction_(head.transaction),
        is_used_(head.last_page + 1),
        is_free_(head.last_page + 1),
        on_page_(on_page),
        on_flaw_(on_flaw) {}

  // Takes pages for a use that excludes any other; why that cannot be, or "".
  std::string take(std::uint64_t page, std::uint64_t count, std::vector<bool>& as);
  std::string use(std::uint64_t page, std::uint64_t count = 1) { return take(page, count, is_used_); }
  std::string set_free(std::uint64_t page) { return take(page, 1, is_free_); }
  // Nothing when that cannot be read: why_unread() says why.
  [[nodiscard]] std::optional<std::string> read(std::uint64_t page, std::size_t offset, std::size_t bytes);
  [[nodiscard]] const std::string& why_unread() const { return why_unread_; }

  [[nodiscard]] std::size_t page_bytes() const { return page_bytes_; }
  [[nodiscard]] std::uint64_t page_count() const { return is_used_.size(); }
  [[nodiscard]] std::uint64_t last_transaction() const { return last_transaction_; }
  void looked_at_page() { on_page_(); }
  void found(PageFlaw flaw) { on_flaw_(std::move(flaw)); }

 private:
  int file_;
  std::size_t page_bytes_;
  std::uint64_t last_transaction_;
  std::vector<bool> is_used_;
  std::vector<bool> is_free_;
  std::string why_unread_;
  const std::function<void()>& on_page_;
  const std::function<void(PageFlaw)>& on_flaw_;
};

std::string Walk::take(std::uint64_t page, std::uint64_t count, std::vector<bool>& as) {
  const bool is_inside = page >= lmdb::kHeadPages && page < page_count() && count <= page_count() - page;
  if (!is_inside) return "lies outside of the file's " + std::to_string(page_count()) + " pages";
  for (std::uint64_t each = page; each < page + count; ++each) {
    if (as[each]) return &as == &is_free_ ? "is free twice" : "is in use at another place too";
    as[each] = true;
    if (is_free_[each] && is_used_[each]) return "is in use and free";
  }
  return {};
}

std::optional<std::string> Walk::read(std::uint64_t page, std::size_t offset, std::size_t bytes) {
  std::string read(bytes, '\0');
  const auto place = static_cast<off_t>(page * page_bytes_ + offset);
  ssize_t count = 0;
  do {
    count = ::pread(file_, read.data(), bytes, place);
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(bytes)) return read;
  why_unread_ = count < 0 ? std::string("cannot be read: ") + std::strerror(errno) : "lies behind the end of the file";
  return std::nullopt;
}

void TreeWalk::run() {
  if (const auto flaw = flaw_of_record(); !flaw.empty()) {
    return walk_.found(PageFlaw{of_, table_, 0, {}, {}, std::string(flaw)});
  }
  if (tree_.root != lmdb::kNoPage) visit(Place{tree_.root, tree_.depth, {}, {}});
  if (has_flaw_) return;  // what was not seen was not counted
  compare("branch pages", seen_.branch_pages, tree_.branch_pages);
  compare("leaf pages", seen_.leaf_pages, tree_.leaf_pages);
  compare("overflow pages", seen_.overflow_pages, tree_.overflow_pages);
  compare("records", seen_.entries, tree_.entries);
}

// What a tree's record says before its pages are looked at.
std::string_view TreeWalk::flaw_of_record() const {
  // In the record of the free pages there are a page size and the environment's flags, too.
  const bool is_plain = of_ == Of::kFreePages ? (tree_.flags & lmdb::kIntegerKeys) != 0 : tree_.flags == 0;
  if (!is_plain) return "its keys are said to be of another kind";
  const bool is_empty = tree_.root == lmdb::kNoPage;
  if (is_empty != (tree_.depth == 0)) return "it is said to be empty and not";
  if (tree_.depth > lmdb::kDepthMax) return "it is said to be deeper than a tree can be";
  return "";
}

void TreeWalk::compare(std::string_view what, std::uint64_t seen, std::uint64_t told) {
  if (seen == told) return;
  walk_.found(
      PageFlaw{of_,
               table_,
               0,
               {},
               {},
               "it has " + std::to_string(seen) + " " + std::string(what) + " and counts " + std::to_string(told)});
}

void TreeWalk::found(const Place& place, std::string what) {
  has_flaw_ = true;
  walk_.found(PageFlaw{of_, table_, place.page, place.from, place.to.value_or(""), std::move(what)});
}

void TreeWalk::visit(const Place& place) {
  walk_.looked_at_page();
  if (auto flaw = walk_.use(place.page); !flaw.empty()) return found(place, std::move(flaw));
  auto bytes = walk_.read(place.page, 0, walk_.page_bytes());
  if (!bytes) return found(place, walk_.why_unread());
  const auto kind = place.depth == 1 ? TreePage::Kind::kLeaf : TreePage::Kind::kBranch;
  const auto page = TreePage::parse(std::move(*bytes), place.page, kind);
  if (!page) {
    const bool leads_on = kind == TreePage::Kind::kBranch || of_ == Of::kTableNames;
    return found(place, page.error().detail + (leads_on ? ", and nothing behind it was looked at" : ""));
  }
  kind == TreePage::Kind::kLeaf ? visit_leaf(*page, place) : visit_branch(*page, place);
}

std::string_view TreeWalk::flaw_of_keys(const TreePage& page, const Place& place, std::size_t first) const {
  const std::size_t size = page.size();
  if (first == size) return "";
  if (of_ == Of::kFreePages) {
    for (std::size_t i = first; i < size; ++i) {
      if (page.node(i).key.size() != sizeof(std::uint64_t)) return "has a key of another size";
    }
  }
  if (!place.from.empty() && less(page.node(first).key, place.from)) return "has keys that belong before it";
  if (place.to && !less(page.node(size - 1).key, *place.to)) return "has keys that belong behind it";
  for (std::size_t i = first + 1; i < size; ++i) {
    if (!less(page.node(i - 1).key, page.node(i).key)) return "has keys in disorder";
  }
  return "";
}

void TreeWalk::visit_leaf(const TreePage& page, const Place& place) {
  ++seen_.leaf_pages;
  seen_.entries += page.size();
  if (const auto flaw = flaw_of_keys(page, place, 0); !flaw.empty()) found(place, std::string(flaw));
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (auto flaw = take(page.node(i)); !flaw.empty()) found(place, "has a record whose " + flaw);
  }
}

void TreeWalk::visit_branch(const TreePage& page, const Place& place) {
  ++seen_.branch_pages;
  // LMDB's readers stop the process at a branch with one child, but for the list of free pages.
  if (page.size() < 2 && of_ != Of::kFreePages) return found(place, "branches to one page only");
  // Below children in disorder no key range means anything.
  if (const auto flaw = flaw_of_keys(page, place, 1); !flaw.empty()) return found(place, std::string(flaw));
  for (std::size_t i = 0; i < page.size(); ++i) {
    Place child{page.node(i).child, place.depth - 1, place.from, place.to};
    if (i > 0) child.from = page.node(i).key;
    if (i + 1 < page.size()) child.to = page.node(i + 1).key;
    visit(child);
  }
}

std::string TreeWalk::take_big(const Node& node) {
  walk_.looked_at_page();
  const auto page = part_of<std::uint64_t>(node.stored);
  const std::string name = "value's page " + std::to_string(page) + " ";
  if (auto flaw = walk_.use(page); !flaw.empty()) return name + flaw;
  const auto bytes = walk_.read(page, 0, sizeof(lmdb::OverflowHeader));
  if (!bytes) return name + walk_.why_unread();
  const auto header = part_of<lmdb::OverflowHeader>(*bytes);
  if (header.number != page) return name + "has another page's number";
  if (header.flags != lmdb::kOverflowPage) return name + "is of another kind than its place";
  // Pages that a value had before it became shorter may still belong to it.
  const std::uint64_t needed = (sizeof header - 1 + node.value_bytes) / walk_.page_bytes() + 1;
  if (header.pages < needed) return name + "is too small for it";
  if (header.pages > 1) {
    if (auto flaw = walk_.use(page + 1, header.pages - 1); !flaw.empty()) return name + "goes on where it " + flaw;
  }
  seen_.overflow_pages += header.pages;
  const bool is_there = node.value_bytes == 0 || walk_.read(page, sizeof header + node.value_bytes - 1, 1).has_value();
  return is_there ? std::string() : name + "has an end that " + walk_.why_unread();
}

// Transaction -> pages that it freed: how many, then their numbers, falling.
class FreePagesWalk final : public TreeWalk {
 public:
  FreePagesWalk(Walk& walk, const Tree& tree) : TreeWalk(walk, Of::kFreePages, {}, tree) {}

 private:
  bool less(std::string_view a, std::string_view b) const override {
    return part_of<std::uint64_t>(a) < part_of<std::uint64_t>(b);
  }

  std::string take(const Node& node) override {
    if (node.key.size() != sizeof(std::uint64_t)) return {};  // said of its page
    if (part_of<std::uint64_t>(node.key) > walk_.last_transaction()) return "transaction is yet to come";
    if (node.flags == lmdb::kSubTree) return "value is a tree";
    numbers_ = 0;
    flaw_.clear();
    if (node.flags != lmdb::kBigValue) {
      take_numbers(node.stored);
    } else if (auto flaw = take_big(node); !flaw.empty()) {
      return flaw;
    } else {
      read_numbers(part_of<std::uint64_t>(node.stored), node.value_bytes);
    }
    if (flaw_.empty() && (numbers_ == 0 || numbers_ - 1 < count_)) flaw_ = "list is shorter than it says";
    return flaw_;
  }

  void read_numbers(std::uint64_t page, std::uint64_t bytes) {
    for (std::uint64_t offset = 0; offset < bytes; offset += walk_.page_bytes()) {
      const std::size_t piece = std::min<std::uint64_t>(walk_.page_bytes(), bytes - offset);
      const auto numbers = walk_.read(page, sizeof(lmdb::OverflowHeader) + offset, piece);
      if (numbers) {
        take_numbers(*numbers);
      } else if (flaw_.empty()) {
        flaw_ = "list " + walk_.why_unread();
      }
    }
  }

  void take_numbers(std::string_view bytes) {
    for (; bytes.size() >= sizeof(std::uint64_t) && flaw_.empty(); bytes.remove_prefix(sizeof(std::uint64_t))) {
      const auto number = part_of<std::uint64_t>(bytes);
      if (numbers_++ == 0) {
        count_ = number;
        previous_ = lmdb::kNoPage;
      } else if (numbers_ - 1 <= count_) {
        if (number >= previous_) flaw_ = "list is in disorder at page " + std::to_string(number);
        if (auto flaw = walk_.set_free(number); !flaw.empty()) flaw_ = "page " + std::to_string(number) + " " + flaw;
        previous_ = number;
      }
    }
  }

  // Of the record being taken.
  std::uint64_t numbers_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t previous_ = 0;
  std::string flaw_;
};

class TableWalk final : public TreeWalk {
 public:
  using TreeWalk::TreeWalk;

 private:
  std::string take(const Node& node) override {
    if (node.flags == lmdb::kSubTree) return "value is a tree";
    return node.flags == lmdb::kBigValue ? take_big(node) : std::string();
  }
};

// Name -> the table's tree.
class TableNamesWalk final : public TreeWalk {
 public:
  TableNamesWalk(Walk& walk, const Tree& tree) : TreeWalk(walk, Of::kTableNames, {}, tree) {}
  [[nodiscard]] const std::vector<std::pair<std::string, Tree>>& tables() const { return tables_; }

 private:
  std::string take(const Node& node) override {
    if (node.flags != lmdb::kSubTree || node.stored.size() != sizeof(Tree)) return "value is no tree";
    tables_.emplace_back(node.key, part_of<Tree>(node.stored));
    return {};
  }

  std::vector<std::pair<std::string, Tree>> tables_;
};

}  // namespace

Status walk_pages(const std::string& data_file, const std::function<void()>& on_page,
                  const std::function<void(PageFlaw)>& on_flaw) {
  const FileDescriptor file(::open(data_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return fail(file_error(errno, "open", data_file));
  const auto head = newest_head(file.get());
  if (!head) return fail(ErrorCode::kCorrupt, "", data_file + " is damaged at its head");
  if (head->last_page >= limits::kMapBytes / head->trees[0].pad) {
    return fail(ErrorCode::kCorrupt, "", data_file + " is damaged at its head: it names too many pages");
  }
  Walk walk(file.get(), *head, on_page, on_flaw);
  FreePagesWalk(walk, head->trees[0]).run();
  TableNamesWalk names(walk, head->trees[1]);
  names.run();
  for (const auto& [name, tree] : names.tables()) TableWalk(walk, Of::kTable, name, tree).run();
  return {};
}

}  // namespace earshot::storage
