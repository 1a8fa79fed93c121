#include <algorithm>
#include <utility>

#include "resp/command_table.hpp"
#include "resp/replies.hpp"

namespace earshot::resp {
namespace {

using Names = std::optional<std::vector<std::string>>;
using Texts = std::vector<std::string_view>;

// In the order in which Redis tells them.
constexpr std::pair<std::uint16_t, std::string_view> kFlagNames[] = {
    {flag::kWrite, "write"},
    {flag::kReadonly, "readonly"},
    {flag::kDenyoom, "denyoom"},
    {flag::kAdmin, "admin"},
    {flag::kNoscript, "noscript"},
    {flag::kLoading, "loading"},
    {flag::kStale, "stale"},
    {flag::kFast, "fast"},
    {flag::kNoAuth, "no_auth"},
    {flag::kAllowBusy, "allow_busy"},
    {flag::kMovableKeys, "movablekeys"},
};

Texts flags_of(const CommandEntry& entry) {
  Texts texts;
  for (const auto& [bit, name] : kFlagNames)
    if (entry.has(bit)) texts.push_back(name);
  return texts;
}

std::vector<std::string> categories_of(const CommandEntry& entry) {
  std::vector<std::string> texts;
  if (!entry.category.empty()) texts.push_back("@" + std::string(entry.category));
  if (entry.has(flag::kWrite)) texts.emplace_back("@write");
  if (entry.has(flag::kReadonly)) texts.emplace_back("@read");
  if (entry.has(flag::kAdmin)) texts.emplace_back("@admin");
  if (entry.has(flag::kAdmin) || entry.has(flag::kDangerous)) texts.emplace_back("@dangerous");
  texts.emplace_back(entry.has(flag::kFast) ? "@fast" : "@slow");
  return texts;
}

template <class Range>
void write_names(ReplyWriter& to, const Range& names) {
  to.set(names.size());
  for (const auto& name : names) to.simple(name);
}

void write_info_of(ReplyWriter& to, const CommandEntry& entry) {
  to.array(10);
  to.bulk(entry.name);
  to.integer(entry.arity);
  write_names(to, flags_of(entry));
  to.integer(entry.keys.first);
  to.integer(entry.keys.last);
  to.integer(entry.keys.step);
  write_names(to, categories_of(entry));
  to.array(0);  // tips for proxies
  to.array(0);  // key specifications: the three numbers say it all
  const auto subcommands = subcommands_of(entry);
  to.array(subcommands.size());
  for (const CommandEntry& subcommand : subcommands) write_info_of(to, subcommand);
}

void write_docs_of(ReplyWriter& to, const CommandEntry& entry) {
  const auto subcommands = subcommands_of(entry);
  to.map(subcommands.empty() ? 3 : 4);
  to.bulk("summary"), to.bulk(entry.summary);
  to.bulk("since"), to.bulk(entry.since);
  to.bulk("group"), to.bulk(entry.group);
  if (subcommands.empty()) return;
  to.bulk("subcommands");
  to.map(subcommands.size());
  for (const CommandEntry& subcommand : subcommands) {
    to.bulk(subcommand.name);
    write_docs_of(to, subcommand);
  }
}

std::vector<const CommandEntry*> commands() {
  std::vector<const CommandEntry*> all;
  for (const CommandEntry& entry : command_table())
    if (!entry.is_subcommand()) all.push_back(&entry);
  return all;
}

// One for each name: none for a name that is none's.
std::vector<const CommandEntry*> commands_named(const Names& names) {
  if (!names) return commands();
  std::vector<const CommandEntry*> named;
  for (const std::string& name : *names) named.push_back(find_command(name));
  return named;
}

}  // namespace

void write_command_count(ReplyWriter& to) { to.integer(static_cast<std::int64_t>(commands().size())); }

void write_command_list(ReplyWriter& to) {
  const auto all = commands();
  to.array(all.size());
  for (const CommandEntry* entry : all) to.bulk(entry->name);
}

void write_command_info(ReplyWriter& to, const Names& names) {
  const auto named = commands_named(names);
  to.array(named.size());
  for (const CommandEntry* entry : named) entry != nullptr ? write_info_of(to, *entry) : to.null();
}

void write_command_docs(ReplyWriter& to, const Names& names) {
  auto named = commands_named(names);
  std::erase(named, nullptr);
  to.map(named.size());
  for (const CommandEntry* entry : named) {
    to.bulk(entry->name);
    write_docs_of(to, *entry);
  }
}

}  // namespace earshot::resp
