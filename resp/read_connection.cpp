#include "resp/read_connection.hpp"

#include <algorithm>
#include <limits>

#include "resp/numbers.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

// What CLIENT LIST can show without quotes.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '!' && c <= '~'; });
}

Reading<std::string> read_name(std::string_view name) {
  if (!is_plain(name)) return refuse("ERR Client names cannot contain spaces, newlines or special characters.");
  return std::string(name);
}

bool is_switch(std::string_view word) { return is_word(word, "on") || is_word(word, "off"); }

}  // namespace

Reading<Command> read_auth(Request words) {
  if (words.size() > 3) return refuse(kSyntaxError);
  if (words.size() == 2) return Auth{std::nullopt, std::string(words[1])};
  return Auth{std::string(words[1]), std::string(words[2])};
}

Reading<Command> read_echo(Request words) { return Echo{std::string(words[1])}; }

Reading<Command> read_hello(Request words) {
  Hello hello;
  if (words.size() > 1) {
    const auto protocol = read_integer(words[1]);
    if (!protocol) return refuse("ERR Protocol version is not an integer or out of range");
    if (*protocol < 2 || *protocol > 3) return refuse("NOPROTO unsupported protocol version");
    hello.protocol = static_cast<int>(*protocol);
  }
  for (std::size_t at = 2; at < words.size(); ++at) {
    const std::size_t left = words.size() - at - 1;
    if (is_word(words[at], "auth") && left >= 2) {
      hello.auth = Auth{std::string(words[at + 1]), std::string(words[at + 2])};
      at += 2;
    } else if (is_word(words[at], "setname") && left >= 1) {
      auto name = read_name(words[++at]);
      if (!name) return refuse(name.error());
      hello.name = std::move(*name);
    } else {
      return refuse("ERR Syntax error in HELLO option '" + std::string(quotable(words[at])) + "'");
    }
  }
  return hello;
}

Reading<Command> read_ping(Request words) {
  if (words.size() > 2) return refuse("ERR wrong number of arguments for 'ping' command");
  if (words.size() == 1) return Ping{};
  return Ping{std::string(words[1])};
}

Reading<Command> read_quit(Request /*words*/) { return Quit{}; }

Reading<Command> read_reset(Request /*words*/) { return Reset{}; }

Reading<Command> read_select(Request words) {
  const auto index = read_integer(words[1]);
  if (!index) return refuse(kNotAnInteger);
  if (*index < std::numeric_limits<int>::min() || *index > std::numeric_limits<int>::max())
    return refuse("ERR value is out of range, value must between -2147483648 and 2147483647");
  if (*index != 0) return refuse("ERR DB index is out of range");
  return Ok{};
}

Reading<Command> read_client_getname(Request /*words*/) { return ClientGetName{}; }

Reading<Command> read_client_id(Request /*words*/) { return ClientId{}; }

Reading<Command> read_client_info(Request /*words*/) { return ClientInfo{}; }

Reading<Command> read_client_list(Request words) {
  if (words.size() == 2) return ClientInfo{};
  if (words.size() == 4 && is_word(words[2], "type")) {
    if (is_word(words[3], "normal")) return ClientInfo{};
    for (const std::string_view other : {"master", "replica", "slave", "pubsub"})
      if (is_word(words[3], other)) return refuse("ERR clients have no other type than NORMAL in Earshot");
    return refuse("ERR Unknown client type '" + std::string(quotable(words[3])) + "'");
  }
  if (words.size() > 3 && is_word(words[2], "id")) {
    for (const std::string_view id : words.subspan(3))
      if (!read_integer(id)) return refuse("ERR Invalid client ID");
    return refuse("ERR CLIENT LIST ID is not supported by Earshot");
  }
  return refuse(kSyntaxError);
}

Reading<Command> read_client_no_evict(Request words) {
  if (!is_switch(words[2])) return refuse(kSyntaxError);
  return Ok{};
}

Reading<Command> read_client_reply(Request words) {
  if (is_word(words[2], "on")) return Ok{};
  if (is_word(words[2], "off") || is_word(words[2], "skip"))
    return refuse("ERR CLIENT REPLY OFF and SKIP are not supported by Earshot");
  return refuse(kSyntaxError);
}

// As Redis 7.2 has it.
Reading<Command> read_client_setinfo(Request words) {
  const std::string attribute(quotable(words[2]));
  if (!is_word(words[2], "lib-name") && !is_word(words[2], "lib-ver"))
    return refuse("ERR Unrecognized option '" + attribute + "'");
  if (!is_plain(words[3]))
    return refuse("ERR " + attribute + " cannot contain spaces, newlines or special characters.");
  return Ok{};
}

Reading<Command> read_client_setname(Request words) {
  auto name = read_name(words[2]);
  if (!name) return refuse(name.error());
  return ClientSetName{std::move(*name)};
}

}  // namespace earshot::resp
