#include "storage/verify.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "storage/keys.hpp"
#include "storage/log_store.hpp"
#include "storage/log_types.hpp"
#include "storage/record_kinds.hpp"
#include "storage/state_store.hpp"
#include "storage/verify_words.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kShardBytes = sizeof(ShardId::value);
constexpr int kLetters = 256;

bool is_known(int letter) { return record_kind(static_cast<char>(letter)).letter != 0; }

std::string letter_key(ShardId shard, int letter) {
  return letter == kLetters ? end_of_shard(shard) : state_key(shard, std::string(1, static_cast<char>(letter)));
}

// Every letter that is a kind has a section of its own, those between two of them one together.
void add_sections_of(ShardId shard, std::vector<Section>& sections) {
  for (int letter = 0; letter < kLetters;) {
    int next = letter + 1;
    while (!is_known(letter) && next < kLetters && !is_known(next)) ++next;
    const char kind = is_known(letter) ? static_cast<char>(letter) : '\0';
    std::string from = letter == 0 ? state_key(shard, {}) : letter_key(shard, letter);
    sections.push_back({Section::Part::kState, shard, kind, std::move(from), letter_key(shard, next)});
    letter = next;
  }
}

std::string name_in_key(std::string_view full_key) {
  return name_of_group(GroupId(static_cast<std::uint16_t>(keys::read_big_endian(full_key, 0, kShardBytes))));
}

std::string of_device(std::string_view key) {
  const UserId user = keys::user_of(key);
  return words::user(user) + ", device " + words::printable(keys::device_of(key, user).text());
}

std::string describe_state_key(std::string_view key) {
  switch (key.empty() ? '\0' : key.front()) {
    case 'H':
    case 'P': return words::user(keys::user_of(key));
    case 'M': return words::user(keys::user_of(key)) + ", sequence " + std::to_string(keys::sequence_of(key).value);
    case 'C': return of_device(key);
    case 'L': return "producer " + std::to_string(keys::read_big_endian(key, 1));
    case 'O':
      return "target shard " + std::to_string(keys::read_big_endian(key, 1, 2)) + ", number " +
             std::to_string(keys::number_of(key));
    case 'T': return "target shard " + std::to_string(keys::read_big_endian(key, 1, 2));
    case 'N': return "nodes and placement";
    case 'I': return "origin shard " + std::to_string(keys::read_big_endian(key, 1, 2));
    default: return "key " + words::hex(key);
  }
}

// The records that hang in a tree: those of a section, or in words.
struct Hanging {
  std::optional<Section> section;
  std::string table;
};

Hanging hanging_in(const Section& pages, const PageFlaw& flaw) {
  if (flaw.of == PageFlaw::Of::kFreePages) return {std::nullopt, "the list of free pages"};
  if (flaw.of == PageFlaw::Of::kTableNames) return {std::nullopt, "the list of tables"};
  Section section = pages;
  if (pages.is_of_state()) {
    section.part = Section::Part::kState;
    if (flaw.table != state_tables()[kStateTable]) return {std::nullopt, "table " + words::printable(flaw.table)};
    // A kind of its own only when everything there is of it.
    const bool is_one_kind = flaw.from.size() > kShardBytes && flaw.to.size() > kShardBytes &&
                             flaw.from.substr(0, kShardBytes + 1) == flaw.to.substr(0, kShardBytes + 1);
    return {section, is_one_kind ? plural_of(flaw.from[kShardBytes]) : "records"};
  }
  const auto tables = LogStore::tables();
  const std::array parts = {Section::Part::kLog, Section::Part::kHardStates, Section::Part::kSnapshots};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    section.part = parts[i];
    if (flaw.table == tables[i]) return {section, section.table()};
  }
  return {std::nullopt, "table " + words::printable(flaw.table)};
}

Finding finding_of_frame(const Section& pages, const PageFlaw& flaw) {
  return Finding{Finding::Kind::kDamaged,
                 pages.file(),
                 "frames",
                 "frame " + std::to_string(flaw.page),
                 "the frame " + flaw.what +
                     ": what is missing of it is told with the records, and if nothing is, "
                     "nothing is lost; but the node refuses to start",
                 true};
}

Finding finding_of(const Section& pages, const PageFlaw& flaw) {
  if (flaw.of == PageFlaw::Of::kFrame) return finding_of_frame(pages, flaw);
  const Hanging hanging = hanging_in(pages, flaw);
  std::string where = flaw.page == 0 ? "the whole tree" : "page " + std::to_string(flaw.page);
  if (hanging.section && flaw.page != 0) {
    where += flaw.from.empty() ? ", from the beginning" : ", from " + describe_key(*hanging.section, flaw.from);
    where += flaw.to.empty() ? " to the end" : " to " + describe_key(*hanging.section, flaw.to);
  }
  const char* means = flaw.of == PageFlaw::Of::kFreePages
                          ? ": nothing is lost yet, but a node may write over what is in use, or die when it writes"
                          : ": what cannot be read there is told with the records, and if nothing is, nothing is lost "
                            "yet; but a node may die when it writes there";
  return Finding{Finding::Kind::kDamaged, pages.file(), "pages of " + hanging.table, std::move(where),
                 (flaw.page == 0 ? "" : "the page ") + flaw.what + means};
}

}  // namespace

std::string_view name_of(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kUnreadable: return "unreadable";
    case Finding::Kind::kDamaged: return "damaged";
    case Finding::Kind::kMissing: return "missing";
    case Finding::Kind::kMiscounted: return "miscounted";
    case Finding::Kind::kMisplaced: return "misplaced";
    case Finding::Kind::kInconsistent: return "inconsistent";
  }
  return "";
}

std::string Section::file() const { return is_of_state() ? "state/data.mdb" : "log"; }

std::string Section::table() const {
  switch (part) {
    case Part::kState: return kind == 0 ? "records of unknown kinds" : plural_of(kind);
    case Part::kStatePages:
    case Part::kLogPages: return "pages";
    case Part::kLog: return "log entries";
    case Part::kHardStates: return "terms and votes";
    case Part::kSnapshots: return "snapshot metadata";
  }
  return "";
}

std::vector<Section> sections_of(std::uint16_t shard_count, bool has_sums) {
  std::vector<Section> sections;
  ShardId begin(0);  // of the keys that no section has yet
  for (const ShardId group : groups_of(shard_count)) {
    if (begin < group)
      sections.push_back({Section::Part::kState, begin, 0, state_key(begin, {}), state_key(group, {})});
    add_sections_of(group, sections);
    begin = group.next();
  }
  sections.push_back({Section::Part::kState, begin, 0, state_key(begin, {}), {}});
  for (const auto part : {Section::Part::kStatePages, Section::Part::kHardStates, Section::Part::kSnapshots,
                          Section::Part::kLog, Section::Part::kLogPages}) {
    sections.push_back({part, ShardId(0), 0, {}, {}});
  }
  for (Section& section : sections) section.has_sums = has_sums;
  return sections;
}

std::string describe_key(const Section& section, std::string_view full_key) {
  if (section.part == Section::Part::kState) {
    if (full_key.size() < kShardBytes) return "key " + words::hex(full_key);
    const std::string shard = name_in_key(full_key);
    return full_key.size() == kShardBytes ? shard : shard + ", " + describe_state_key(full_key.substr(kShardBytes));
  }
  if (section.part == Section::Part::kLog)
    return "running number " + std::to_string(keys::read_big_endian(full_key, 0));
  return name_in_key(full_key);
}

std::string key_behind(const Section& section, std::string_view full_key, std::size_t bytes_cut) {
  std::string key(full_key.substr(0, full_key.size() - std::min(bytes_cut, full_key.size())));
  while (!key.empty() && key.back() == '\xff') key.pop_back();
  if (key.empty()) return {};
  key.back() = static_cast<char>(static_cast<unsigned char>(key.back()) + 1);
  const bool is_inside = key > section.from && (section.to.empty() || key < section.to);
  return is_inside ? key : std::string();
}

void verify_pages(Environment& environment, const Section& section, Witness& witness) {
  const Status status =
      environment.check_pages([&witness] { witness.looked_at_page(); },
                              [&](const PageFlaw& flaw) { witness.found(finding_of(section, flaw)); });
  if (status) return;
  witness.found(Finding{Finding::Kind::kUnreadable, section.file(), section.table(), "all of them",
                        status.error().detail + ": the node refuses to start", true});
}

}  // namespace earshot::storage
