#include "resp/read_server.hpp"

#include <optional>
#include <utility>

#include "resp/words.hpp"

namespace earshot::resp {
namespace {

std::vector<std::string> lower_words_from(Request words, std::size_t first) {
  std::vector<std::string> lower;
  for (const std::string_view word : words.subspan(first)) lower.push_back(to_lower(word));
  return lower;
}

using Names = std::optional<std::vector<std::string>>;

ErrorReply too_many_names() {
  return "ERR more than " + std::to_string(limits::kRespNamesMax) + " names are asked about: ask for fewer";
}

// Behind the names of the command and its subcommand; none: of everything.
Reading<Names> names_in(Request words) {
  if (words.size() <= 2) return Names();
  if (words.size() - 2 > limits::kRespNamesMax) return refuse(too_many_names());
  return words_from(words, 2);
}

}  // namespace

Reading<Command> read_info(Request words) { return Info{lower_words_from(words, 1)}; }

Reading<Command> read_command_count(Request /*words*/) { return CommandCount{}; }

Reading<Command> read_command_docs(Request words) {
  auto names = names_in(words);
  if (!names) return refuse(names.error());
  return CommandDocs{std::move(*names)};
}

Reading<Command> read_command_info(Request words) {
  auto names = names_in(words);
  if (!names) return refuse(names.error());
  return CommandInfo{std::move(*names)};
}

Reading<Command> read_command_list(Request words) {
  if (words.size() == 2) return CommandList{};
  const bool is_filter = words.size() == 5 && is_word(words[2], "filterby") &&
                         (is_word(words[3], "module") || is_word(words[3], "aclcat") || is_word(words[3], "pattern"));
  if (!is_filter) return refuse(kSyntaxError);
  return refuse("ERR COMMAND LIST FILTERBY is not supported by Earshot");
}

Reading<Command> read_config_get(Request words) {
  if (words.size() - 2 > limits::kRespNamesMax) return refuse(too_many_names());
  ConfigGet get;
  for (const std::string_view word : words.subspan(2)) {
    const auto pattern = read_pattern(word);
    if (!pattern) return refuse(pattern.error());
    get.patterns.push_back(to_lower(*pattern));
  }
  return get;
}

Reading<Command> read_config_set(Request words) {
  if (is_word(words[1], "set") && words.size() % 2 != 0) return refuse(kSyntaxError);
  return refuse("ERR settings are in the node's configuration file and cannot be changed by a client");
}

Reading<Command> read_unsupported(Request words) {
  return refuse("ERR " + to_upper(words[0]) + " " + to_upper(words[1]) + " is not supported by Earshot");
}

}  // namespace earshot::resp
