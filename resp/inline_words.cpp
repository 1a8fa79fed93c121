#include "resp/inline_words.hpp"

#include <charconv>
#include <cstddef>

namespace earshot::resp {
namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

char escaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

class Cutter {
 public:
  explicit Cutter(std::string_view line) : rest_(line) {}

  std::optional<std::vector<std::string>> cut() {
    std::vector<std::string> words;
    for (skip_blanks(); !rest_.empty(); skip_blanks()) {
      std::string word;
      if (!cut_word(word)) return std::nullopt;
      words.push_back(std::move(word));
    }
    return words;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
  }
  // False: the quotes are not closed as they should be.
  bool cut_word(std::string& word) {
    while (!rest_.empty() && !is_blank(rest_.front())) {
      const char c = rest_.front();
      if (c == '"' || c == '\'') {
        rest_.remove_prefix(1);
        return cut_quoted(word, c) && (rest_.empty() || is_blank(rest_.front()));
      }
      word += c;
      rest_.remove_prefix(1);
    }
    return true;
  }
  bool cut_quoted(std::string& word, char quote) {
    while (!rest_.empty()) {
      if (rest_.front() == quote) {
        rest_.remove_prefix(1);
        return true;
      }
      quote == '"' ? take_escaped(word) : take_single(word);
    }
    return false;
  }
  void take_single(std::string& word) {
    if (rest_.starts_with("\\'")) rest_.remove_prefix(1);
    word += rest_.front();
    rest_.remove_prefix(1);
  }
  void take_escaped(std::string& word) {
    unsigned char byte = 0;
    if (rest_.size() >= 4 && rest_.starts_with("\\x")) {
      const char* const end = rest_.data() + 4;
      if (std::from_chars(rest_.data() + 2, end, byte, 16).ptr == end) {
        word += static_cast<char>(byte);
        rest_.remove_prefix(4);
        return;
      }
    }
    const bool is_escape = rest_.front() == '\\' && rest_.size() > 1;
    word += is_escape ? escaped(rest_[1]) : rest_.front();
    rest_.remove_prefix(is_escape ? 2 : 1);
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::vector<std::string>> inline_words(std::string_view line) { return Cutter(line).cut(); }

}  // namespace earshot::resp
