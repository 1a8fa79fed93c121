#include "resp/command_reader.hpp"

#include "resp/command_table.hpp"
#include "resp/reader.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

constexpr std::size_t kQuotedBytesMax = 128;  // of a name, and of all arguments together

// What a browser says first when a page sends it here, as the name of a command. Redis then ends the connection.
bool is_http(std::string_view name) { return is_word(name, "post") || is_word(name, "host:"); }

ErrorReply unknown(Request words) {
  const std::string name(quotable(words[0], kQuotedBytesMax));
  if (const CommandEntry* const entry = find_command(words[0]); entry != nullptr && !entry->is_subcommand())
    return "ERR unknown subcommand '" + std::string(quotable(words[1], kQuotedBytesMax)) + "'. Try " +
           to_upper(words[0]) + " HELP.";
  std::string arguments;
  for (std::size_t at = 1; at < words.size() && arguments.size() < kQuotedBytesMax; ++at)
    arguments += "'" + std::string(quotable(words[at], kQuotedBytesMax - arguments.size())) + "' ";
  return "ERR unknown command '" + name + "', with args beginning with: " + arguments;
}

}  // namespace

tl::expected<Command, ErrorReply> read_command(Request request) {
  if (is_http(request.front())) return Quit{};
  const CommandEntry* const entry = find_command(request);
  if (entry == nullptr) return refuse(unknown(request));
  if (!entry->takes(request.size()))
    return refuse("ERR wrong number of arguments for '" + std::string(entry->name) + "' command");
  return entry->read(request);
}

}  // namespace earshot::resp
