#include "resp/command_reader.hpp"

#include <string>
#include <string_view>

#include "resp/command_table.hpp"
#include "tests/unit/resp/reading.hpp"

namespace earshot::resp {
namespace {

std::string error_of(const std::vector<std::string_view>& words) {
  const auto command = read_command(words);
  return command.has_value() ? "accepted" : command.error();
}

TEST(CommandReader, UnknownCommandsAreToldWithTheirArguments) {
  expect_refusals({
      {"foo", "ERR unknown command 'foo', with args beginning with: "},
      {"FOO a 'b c'", "ERR unknown command 'FOO', with args beginning with: 'a' 'b c' "},
      {"client|id", "ERR unknown command 'client|id', with args beginning with: "},
      {"client foo", "ERR unknown subcommand 'foo'. Try CLIENT HELP."},
      {"Command a|b", "ERR unknown subcommand 'a|b'. Try COMMAND HELP."},
      {"config ''", "ERR unknown subcommand ''. Try CONFIG HELP."},
      {"client kill x", "ERR unknown subcommand 'kill'. Try CLIENT HELP."},
  });
  EXPECT_EQ(error_of({""}), "ERR unknown command '', with args beginning with: ");
  EXPECT_EQ(error_of({std::string_view("a\0b", 3), std::string_view("c\0d", 3)}),
            "ERR unknown command 'a', with args beginning with: 'c' ");
}

TEST(CommandReader, AnErrorRepeatsNoMoreThan128BytesOfNameAndArguments) {
  const std::string name(300, 'x');
  const std::string argument(100, 'y');
  EXPECT_EQ(error_of({name, argument, argument, argument}), "ERR unknown command '" + std::string(128, 'x') +
                                                                "', with args beginning with: '" + argument + "' '" +
                                                                std::string(25, 'y') + "' ");
  EXPECT_EQ(error_of({"client", name}), "ERR unknown subcommand '" + std::string(128, 'x') + "'. Try CLIENT HELP.");
}

TEST(CommandReader, TheNumberOfWordsIsCheckedFirst) {
  const auto wrong = [](std::string_view name) {
    return "ERR wrong number of arguments for '" + std::string(name) + "' command";
  };
  for (const CommandEntry& entry : command_table()) {
    std::vector<std::string_view> words = {entry.name};
    if (const auto bar = entry.name.find('|'); bar != std::string_view::npos)
      words = {entry.name.substr(0, bar), entry.name.substr(bar + 1)};
    const auto arity = static_cast<std::size_t>(entry.arity < 0 ? -entry.arity : entry.arity);
    if (arity > words.size()) {
      while (words.size() + 1 < arity) words.emplace_back("x");
      EXPECT_EQ(error_of(words), wrong(entry.name));
    }
    if (entry.arity > 0) {
      while (words.size() < arity + 1) words.emplace_back("x");
      EXPECT_EQ(error_of(words), wrong(entry.name));
    }
  }
}

TEST(CommandReader, ABrowserIsSentAway) {
  read_as<Quit>("POST / HTTP/1.1");
  read_as<Quit>("Host: localhost:6379");
}

TEST(CommandTable, FindsEveryCommandInAnyCase) {
  for (const CommandEntry& entry : command_table()) {
    EXPECT_EQ(find_command(entry.name), &entry);
    EXPECT_NE(entry.arity, 0) << entry.name;
    EXPECT_EQ(entry.read == nullptr, !subcommands_of(entry).empty() && entry.name != "command") << entry.name;
  }
  EXPECT_EQ(find_command("GeoAdd"), find_command("geoadd"));
  EXPECT_EQ(find_command(""), nullptr);
  EXPECT_EQ(find_command(std::string(100, 'x')), nullptr);
}

TEST(CommandTable, OnlyWhatLogsInOrEndsAConnectionNeedsNoLogin) {
  std::vector<std::string_view> names;
  for (const CommandEntry& entry : command_table())
    if (entry.has(flag::kNoAuth)) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string_view>{"auth", "hello", "quit", "reset"}));
}

}  // namespace
}  // namespace earshot::resp
