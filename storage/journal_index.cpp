#include "storage/journal_index.hpp"

#include <utility>

#include "storage/journal_segment.hpp"

namespace earshot::storage {

const JournalIndex::Version* JournalIndex::seen(const Version& newest, std::uint64_t as_of) {
  const Version* version = &newest;
  while (version != nullptr && version->born > as_of) version = version->older.get();
  return version != nullptr && !version->erased ? version : nullptr;
}

const JournalIndex::Version* JournalIndex::find(storage::Table table, std::string_view key, std::uint64_t as_of) const {
  const auto found = this->table(table).find(key);
  return found == this->table(table).end() ? nullptr : seen(found->second, as_of);
}

JournalIndex::Version* JournalIndex::newest(storage::Table table, std::string_view key) {
  EARSHOT_INVARIANT(table < tables_.size(), "a table is one of those that the environment was opened with");
  const auto found = tables_[table].find(key);
  return found == tables_[table].end() ? nullptr : &found->second;
}

void JournalIndex::count(storage::Table table, std::string_view key, const Version& version, bool there) {
  if (version.erased) return;
  Totals& totals = totals_[table];
  const std::uint64_t bytes = key.size() + version.bytes;
  there ? ++totals.records : --totals.records;
  there ? totals.bytes += bytes : totals.bytes -= bytes;
}

bool JournalIndex::put(storage::Table table, std::string_view key, Version version) {
  Version* known = newest(table, key);
  if (known == nullptr) {
    count(table, key, version, true);
    tables_[table].emplace_hint(tables_[table].end(), key, std::move(version));
    return true;
  }
  count(table, key, *known, false);
  count(table, key, version, true);
  if (known->born == version.born) {
    let_go(*known);
    version.older = std::move(known->older);
    *known = std::move(version);
    return false;
  }
  version.older = std::make_unique<Version>(std::move(*known));
  *known = std::move(version);
  return true;
}

bool JournalIndex::erase(storage::Table table, std::string_view key, std::uint64_t born) {
  Version gone;
  gone.born = born;
  gone.erased = true;
  return put(table, key, std::move(gone));
}

void JournalIndex::undo(storage::Table table, std::string_view key, std::uint64_t born) {
  Version* known = newest(table, key);
  if (known == nullptr || known->born != born) return;
  count(table, key, *known, false);
  if (known->older == nullptr) {
    tables_[table].erase(tables_[table].find(key));
    return;
  }
  Version older = std::move(*known->older);
  *known = std::move(older);
  count(table, key, *known, true);
}

bool JournalIndex::settle(storage::Table table, std::string_view key, JournalSegment& segment,
                          std::uint64_t frame_offset) {
  Version* known = newest(table, key);
  EARSHOT_INVARIANT(known != nullptr && known->segment == nullptr, "what a commit changed is settled once");
  if (!known->erased) {
    known->segment = &segment;
    known->offset += static_cast<std::uint32_t>(frame_offset);
    ++segment.records;
  }
  return known->erased || known->older != nullptr;
}

void JournalIndex::let_go(Version& version) {
  if (version.segment != nullptr) --version.segment->records;
}

void JournalIndex::prune(storage::Table table, std::string_view key, std::uint64_t oldest) {
  Version* known = newest(table, key);
  if (known == nullptr) return;
  Version* kept = known;  // the newest that who reads as of `oldest` sees, and every later one
  while (kept->born > oldest && kept->older != nullptr) kept = kept->older.get();
  if (kept->born <= oldest) {
    for (auto older = std::move(kept->older); older != nullptr; older = std::move(older->older)) let_go(*older);
  }
  if (known->erased && known->older == nullptr && known->born <= oldest) tables_[table].erase(tables_[table].find(key));
}

}  // namespace earshot::storage
