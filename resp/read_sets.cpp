#include "resp/read_sets.hpp"

#include "resp/numbers.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

struct ZaddOptions {
  bool if_new = false;
  bool if_exists = false;
  bool counts_changed = false;
  bool is_increment = false;
  bool if_greater = false;
  bool if_less = false;

  // False: this is none.
  bool take(std::string_view word) {
    bool* const option = is_word(word, "nx")     ? &if_new
                         : is_word(word, "xx")   ? &if_exists
                         : is_word(word, "ch")   ? &counts_changed
                         : is_word(word, "incr") ? &is_increment
                         : is_word(word, "gt")   ? &if_greater
                         : is_word(word, "lt")   ? &if_less
                                                 : nullptr;
    if (option != nullptr) *option = true;
    return option != nullptr;
  }
  [[nodiscard]] Reading<void> check(std::size_t members) const {
    if (if_new && if_exists) return refuse("ERR XX and NX options at the same time are not compatible");
    if ((if_new && (if_greater || if_less)) || (if_greater && if_less))
      return refuse("ERR GT, LT, and/or NX options at the same time are not compatible");
    if (is_increment && members > 1) return refuse("ERR INCR option supports a single increment-element pair");
    return {};
  }
};

}  // namespace

Reading<Command> read_zadd(Request words) {
  ZaddOptions options;
  std::size_t at = 2;
  while (at < words.size() && options.take(words[at])) ++at;
  const std::size_t left = words.size() - at;
  if (left == 0 || left % 2 != 0) return refuse(kSyntaxError);
  if (auto checked = options.check(left / 2); !checked) return refuse(checked.error());
  Add add;
  add.key = words[1];
  add.counts_changed = options.counts_changed;
  if (options.if_new) add.condition = AddCondition::kIfNew;
  if (options.if_exists) add.condition = AddCondition::kIfExists;
  add.members.reserve(left / 2);
  for (; at < words.size(); at += 2) {
    const auto score = read_double(words[at]);
    if (!score) return refuse(kNotAFloat);
    add.members.push_back({std::string(words[at + 1]), *score});
  }
  if (options.is_increment || options.if_greater || options.if_less)
    return refuse("ERR GT, LT and INCR are not supported by Earshot");
  return add;
}

Reading<Command> read_zcard(Request words) { return Cardinality{std::string(words[1])}; }

Reading<Command> read_zrem(Request words) { return Remove{std::string(words[1]), words_from(words, 2)}; }

Reading<Command> read_zscore(Request words) { return ScoreOf{std::string(words[1]), std::string(words[2])}; }

}  // namespace earshot::resp
