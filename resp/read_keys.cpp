#include "resp/read_keys.hpp"

#include <utility>

#include "resp/numbers.hpp"
#include "resp/words.hpp"

namespace earshot::resp {

Reading<Command> read_dbsize(Request /*words*/) { return KeyCount{}; }

Reading<Command> read_del(Request words) { return Delete{words_from(words, 1)}; }

Reading<Command> read_exists(Request words) { return Exists{words_from(words, 1)}; }

Reading<Command> read_flush(Request words) {
  if (words.size() > 2) return refuse(kSyntaxError);
  if (words.size() == 2 && !is_word(words[1], "sync") && !is_word(words[1], "async")) return refuse(kSyntaxError);
  return DeleteAll{};
}

Reading<Command> read_keys(Request words) {
  auto pattern = read_pattern(words[1]);
  if (!pattern) return refuse(pattern.error());
  return Keys{std::move(*pattern)};
}

Reading<Command> read_type(Request words) { return TypeOf{std::string(words[1])}; }

Reading<Command> read_scan(Request words) {
  const auto cursor = read_cursor(words[1]);
  if (!cursor) return refuse("ERR invalid cursor");
  Scan scan;
  scan.cursor = *cursor;
  for (std::size_t at = 2; at < words.size(); at += 2) {
    if (at + 1 == words.size()) return refuse(kSyntaxError);
    const std::string_view value = words[at + 1];
    if (is_word(words[at], "count")) {
      const auto count = read_integer(value);
      if (!count) return refuse(kNotAnInteger);
      if (*count < 1) return refuse(kSyntaxError);
      scan.count = static_cast<std::size_t>(*count);
    } else if (is_word(words[at], "match")) {
      auto pattern = read_pattern(value);
      if (!pattern) return refuse(pattern.error());
      scan.pattern = std::move(*pattern);
    } else if (is_word(words[at], "type")) {
      scan.none = !is_word(value, "zset");
    } else {
      return refuse(kSyntaxError);
    }
  }
  return scan;
}

}  // namespace earshot::resp
