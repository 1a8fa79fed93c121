#include "storage/lmdb_meta.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/checksum.hpp"
#include "storage/keys.hpp"
#include "storage/lmdb_format.hpp"
#include "storage/seal.hpp"

namespace earshot::storage {
namespace {

using lmdb::HeadPage;
using lmdb::Tree;

constexpr std::size_t kPageBytesMax = 65'536;

bool read_page(int file, std::uint64_t offset, HeadPage& page) {
  return ::pread(file, &page, sizeof page, static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof page);
}

bool is_meta(const HeadPage& page) { return page.magic == lmdb::kMagic && page.version == lmdb::kVersion; }

std::uint64_t checksum_of_page(const HeadPage& page) {
  return checksum_of(std::string_view(reinterpret_cast<const char*>(&page), sizeof page));
}

// What the page says, whatever its number.
std::uint64_t content_checksum_of(HeadPage page) {
  page.header.number = page.transaction = 0;
  return checksum_of_page(page);
}

bool is_page_size(std::uint32_t bytes) { return bytes >= 512 && bytes <= kPageBytesMax && (bytes & (bytes - 1)) == 0; }

// Why the page is none that a commit has written, or "".
std::string_view flaw_of(const HeadPage& page, std::uint64_t number, std::uint32_t page_bytes) {
  if (page.header.number != number || page.header.flags != lmdb::kHeadPage) return "has another page's header";
  if (page.trees[0].pad != page_bytes) return "names another page size";
  for (const Tree& tree : page.trees) {
    const bool is_empty = tree.root == lmdb::kNoPage;
    if (is_empty != (tree.depth == 0) || is_empty != (tree.leaf_pages == 0)) return "names half an empty tree";
    if (is_empty) continue;
    if (tree.depth > lmdb::kDepthMax || tree.root < lmdb::kHeadPages || tree.root > page.last_page)
      return "names no root of a tree";
    if (tree.branch_pages + tree.leaf_pages + tree.overflow_pages > page.last_page) return "counts too many pages";
  }
  return "";
}

std::string_view flaw_of_pair(const HeadPage& first, const HeadPage& second) {
  // A new file has two pages numbered 0.
  if (second.transaction == 0) return first.transaction == 0 ? "" : "were not written in turn";
  if (first.transaction % 2 != 0 || second.transaction % 2 != 1) return "were not written in turn";
  const bool second_is_newer = second.transaction > first.transaction;
  const HeadPage& newer = second_is_newer ? second : first;
  const HeadPage& older = second_is_newer ? first : second;
  if (newer.transaction != older.transaction + 1) return "are no neighbours in time";
  if (newer.last_page < older.last_page) return "show a file that became shorter";
  return "";
}

struct Pages {
  HeadPage first{};
  HeadPage second{};
  [[nodiscard]] const HeadPage& newer() const { return second.transaction > first.transaction ? second : first; }
  [[nodiscard]] const HeadPage& older() const { return second.transaction > first.transaction ? first : second; }
};

// Nothing when these are no pages of a format known here.
template <class ReadPage>  // (offset, page) -> whether it is there
std::optional<Pages> pages_by(ReadPage&& read) {
  Pages pages;
  if (!read(0, pages.first) || !is_meta(pages.first)) return std::nullopt;
  if (!read(pages.first.trees[0].pad, pages.second) || !is_meta(pages.second)) return std::nullopt;
  return pages;
}

std::optional<Pages> read_pages(int file) {
  return pages_by([file](std::uint64_t offset, HeadPage& page) { return read_page(file, offset, page); });
}

std::optional<Pages> pages_of(std::string_view bytes) {
  return pages_by([bytes](std::uint64_t offset, HeadPage& page) {
    if (offset + sizeof page > bytes.size()) return false;
    std::memcpy(&page, bytes.data() + offset, sizeof page);
    return true;
  });
}

struct Note {
  std::uint64_t transaction = 0;
  std::uint64_t checksum = 0;
  std::uint64_t older_checksum = 0;  // of the other page's content
};

constexpr std::string_view kNoteKey = "meta.note";
constexpr std::size_t kNoteBytesMax = 4096;

// Nothing when there is none, or it is damaged: it is only a witness.
Result<std::optional<Note>> read_note(const std::string& note_file) {
  auto bytes = read_file(note_file, kNoteBytesMax);
  if (!bytes) return fail(std::move(bytes.error()));
  const std::string sealed = bytes->value_or("");
  const auto value = open_sealed(kNoteKey, sealed);
  if (!value || value->size() != sizeof(Note)) return std::optional<Note>{};
  return std::optional(
      Note{keys::read_big_endian(*value, 0), keys::read_big_endian(*value, 8), keys::read_big_endian(*value, 16)});
}

std::string_view flaw_by_note(const HeadPage& newer, const Note& note) {
  if (content_checksum_of(newer) == note.older_checksum) return "show an earlier commit under a later number";
  if (newer.transaction < note.transaction) return "show an earlier commit than the last one";
  // A power cut, or a full disk, may have left the note behind.
  if (newer.transaction > note.transaction) return "";
  return checksum_of_page(newer) == note.checksum ? "" : "are not as the last commit has written them";
}

}  // namespace

Result<MetaNote> MetaNote::open(const std::string& note_file, const std::string& data_file) {
  FileDescriptor file(::open(note_file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail(file_error(errno, "open", note_file));
  auto heads = FileMap::open(data_file, kPageBytesMax + sizeof(HeadPage));
  if (!heads) return fail(std::move(heads.error()));
  return MetaNote(std::move(file), std::move(*heads));
}

void MetaNote::write() {
  const auto pages = pages_of(heads_.bytes());
  if (!pages) return;
  std::string bytes;
  begin_sealed(bytes);
  keys::append_big_endian(bytes, pages->newer().transaction);
  keys::append_big_endian(bytes, checksum_of_page(pages->newer()));
  keys::append_big_endian(bytes, content_checksum_of(pages->older()));
  finish_sealed(kNoteKey, bytes);
  // Cut short, it is no note.
  (void)!::pwrite(file_.get(), bytes.data(), bytes.size(), 0);
}

Status check_meta_pages(const std::string& data_file, const std::string& note_file) {
  const FileDescriptor file(::open(data_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return fail(file_error(errno, "open", data_file));
  const auto damaged = [&](std::string_view which, std::string_view what) {
    return fail(ErrorCode::kCorrupt, "",
                data_file + " is damaged at its head: " + std::string(which) + " " + std::string(what));
  };
  HeadPage first{};
  if (!read_page(file.get(), 0, first) || !is_meta(first)) return {};
  const std::uint32_t page_bytes = first.trees[0].pad;
  if (!is_page_size(page_bytes)) return damaged("page 0", "names no page size");
  const auto pages = read_pages(file.get());
  if (!pages) return {};
  auto note = read_note(note_file);
  if (!note) return fail(std::move(note.error()));
  if (const auto flaw = flaw_of(pages->first, 0, page_bytes); !flaw.empty()) return damaged("page 0", flaw);
  if (const auto flaw = flaw_of(pages->second, 1, page_bytes); !flaw.empty()) return damaged("page 1", flaw);
  if (const auto flaw = flaw_of_pair(pages->first, pages->second); !flaw.empty()) return damaged("its two pages", flaw);
  if (!*note) return {};
  if (const auto flaw = flaw_by_note(pages->newer(), **note); !flaw.empty()) return damaged("its two pages", flaw);
  return {};
}

std::optional<HeadPage> newest_head(int data_file) {
  const auto pages = read_pages(data_file);
  if (!pages || !is_page_size(pages->newer().trees[0].pad)) return std::nullopt;
  return pages->newer();
}

}  // namespace earshot::storage
