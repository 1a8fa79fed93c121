#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "tests/support/disk_trace.h"

namespace earshot::tests {

// What disk_shim.c recorded, and what a power cut may leave of it. The disk owes only what was synced; for the rest
//  * each sector of 512 bytes is as last synced, or as any later write left it, whatever becomes of its neighbours;
//  * a file ends where it was last synced to end, or where any later write made it end;
//  * the names of a directory are as last synced, or later ones, in the order in which they were made.
// Goes forward only: cuts are tried in ascending order.
class PowerCut {
 public:
  explicit PowerCut(const std::string& trace_file);
  PowerCut(const PowerCut&) = delete;
  PowerCut& operator=(const PowerCut&) = delete;

  [[nodiscard]] std::uint64_t records() const { return records_.size(); }
  // Lets the first `records` records happen.
  void advance(std::uint64_t records);
  // Makes at `directory`, which is not there yet, what a cut now may leave of the recorded one.
  void leave(const std::string& directory, Random& random) const;

 private:
  // What was written into a sector and is not synced. The system keeps one copy of a sector, so each write adds to
  // those before it.
  struct Piece {
    std::uint64_t record;
    std::uint32_t begin;
    std::string_view bytes;
  };
  struct File {
    std::string synced;
    std::map<std::uint64_t, std::vector<Piece>> pending;           // by sector
    std::vector<std::pair<std::uint64_t, std::uint64_t>> lengths;  // (record, length), ascending by record
    [[nodiscard]] std::uint64_t length() const { return lengths.empty() ? synced.size() : lengths.back().second; }
  };
  struct Directory;
  // A file or a directory; both nothing: removed.
  struct Node {
    std::shared_ptr<File> file;
    std::shared_ptr<Directory> directory;
  };
  struct NameChange {
    std::uint64_t record;
    std::string name;
    Node node;
  };
  using Names = std::map<std::string, Node>;
  struct Directory {
    Names synced;
    Names current;
    std::deque<NameChange> pending;
  };
  struct Record {
    disk_record head;
    std::string_view payload;
  };

  void happen(std::uint64_t number, const Record& record);
  void write(std::uint64_t number, File& file, std::uint64_t offset, std::string_view bytes);
  static void sync(File& file, std::uint64_t upto);
  static void sync_range(File& file, std::uint64_t first_sector, std::uint64_t last_sector, std::uint64_t upto);
  static void set_length(std::uint64_t number, File& file, std::uint64_t bytes);
  // The directory that holds the last part of the path, and that part.
  std::pair<Directory*, std::string> place_of(std::string_view path);
  void change_name(std::uint64_t number, std::string_view path, Node node);
  static void leave_directory(const Directory& directory, const std::string& path, Random& random);
  static void leave_file(const File& file, const std::string& path, Random& random);

  std::string trace_;
  std::vector<Record> records_;
  std::uint64_t happened_ = 0;
  std::shared_ptr<Directory> root_ = std::make_shared<Directory>();
  std::map<std::uint64_t, std::shared_ptr<File>> files_;  // by inode
};

}  // namespace earshot::tests
