#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/environment.hpp"

namespace earshot::storage {

class JournalSegment;

// Which records a journal holds and where in its files they stand, as of the newest commit and of every earlier one
// that somebody still reads. Not locked: its owner does that.
class JournalIndex {
 public:
  // What a key was from one commit on.
  struct Version {
    JournalSegment* segment = nullptr;  // null: in the frame that is being built
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    std::uint64_t born = 0;  // the commit
    bool erased = false;
    std::unique_ptr<Version> older;
  };
  using Table = std::map<std::string, Version, std::less<>>;
  struct Totals {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;  // of keys and values
  };

  explicit JournalIndex(std::size_t tables) : tables_(tables), totals_(tables) {}

  [[nodiscard]] const Table& table(storage::Table table) const {
    EARSHOT_INVARIANT(table < tables_.size(), "a table is one of those that the environment was opened with");
    return tables_[table];
  }
  [[nodiscard]] std::size_t tables() const { return tables_.size(); }
  // Of the newest versions.
  [[nodiscard]] const std::vector<Totals>& totals() const { return totals_; }

  // The version that a reader as of this commit sees; null: none.
  static const Version* seen(const Version& newest, std::uint64_t as_of);
  [[nodiscard]] const Version* find(storage::Table table, std::string_view key, std::uint64_t as_of) const;

  // A key's newest version, which takes the place of one that is of the same commit. True when it was of another.
  bool put(storage::Table table, std::string_view key, Version version);
  // The same for a key that has no value any more. Only for one that has.
  bool erase(storage::Table table, std::string_view key, std::uint64_t born);
  // Takes back what a commit that did not happen made of a key.
  void undo(storage::Table table, std::string_view key, std::uint64_t born);
  // Where the frame of the commit that made the newest version now stands. Whether there is something to prune() once
  // nobody sees what was before.
  bool settle(storage::Table table, std::string_view key, JournalSegment& segment, std::uint64_t frame_offset);
  // Drops what nobody sees who reads as of `oldest` or later.
  void prune(storage::Table table, std::string_view key, std::uint64_t oldest);

 private:
  Version* newest(storage::Table table, std::string_view key);
  void count(storage::Table table, std::string_view key, const Version& version, bool there);
  static void let_go(Version& version);

  std::vector<Table> tables_;
  std::vector<Totals> totals_;
};

}  // namespace earshot::storage
