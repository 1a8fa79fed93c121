#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "resp/reader.hpp"

namespace earshot::resp {

// What Redis tells of a command by these names; clients choose by it where to send it.
namespace flag {
inline constexpr std::uint16_t kWrite = 1 << 0;
inline constexpr std::uint16_t kReadonly = 1 << 1;
inline constexpr std::uint16_t kDenyoom = 1 << 2;  // may need more memory
inline constexpr std::uint16_t kAdmin = 1 << 3;
inline constexpr std::uint16_t kNoscript = 1 << 4;
inline constexpr std::uint16_t kLoading = 1 << 5;
inline constexpr std::uint16_t kStale = 1 << 6;
inline constexpr std::uint16_t kFast = 1 << 7;    // constant or logarithmic time
inline constexpr std::uint16_t kNoAuth = 1 << 8;  // before a login too
inline constexpr std::uint16_t kAllowBusy = 1 << 9;
inline constexpr std::uint16_t kMovableKeys = 1 << 10;  // options may name more keys
inline constexpr std::uint16_t kDangerous = 1 << 11;    // told as a category alone
}  // namespace flag

// Where keys stand among the words; the last may count from the end: -1. Without keys all are 0.
struct KeyWords {
  int first = 0;
  int last = 0;
  int step = 0;
};

struct CommandEntry {
  std::string_view name;  // lower case; a subcommand's is "client|id"
  int arity = 0;          // words, the name included; negative: at least so many
  std::uint16_t flags = 0;
  KeyWords keys;
  std::string_view category;  // without "@"; beside those that follow from the flags
  std::string_view group;
  std::string_view since;  // the version of Redis
  std::string_view summary;
  Reader read = nullptr;  // none: only subcommands can be read

  [[nodiscard]] bool has(std::uint16_t flags_asked) const { return (flags & flags_asked) == flags_asked; }
  [[nodiscard]] bool is_subcommand() const { return name.find('|') != std::string_view::npos; }
  [[nodiscard]] bool takes(std::size_t words) const;
};

// Every command, and behind one that has subcommands those.
std::span<const CommandEntry> command_table();
// By its full name, in any case; none: no such command.
const CommandEntry* find_command(std::string_view name);
// By the first two words: the subcommand where the first one has any. None: there is no such command or subcommand.
const CommandEntry* find_command(Request words);
// Empty for a command that has none. Precondition: the entry is one of the table.
std::span<const CommandEntry> subcommands_of(const CommandEntry& entry);

}  // namespace earshot::resp
