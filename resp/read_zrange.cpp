#include <utility>

#include "resp/numbers.hpp"
#include "resp/read_sets.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

enum class By : std::uint8_t { kIndex, kScore, kName };

// A bound with "(" before it is outside the range.
bool take_exclusive(std::string_view& bound) {
  const bool is_exclusive = bound.starts_with('(');
  if (is_exclusive) bound.remove_prefix(1);
  return is_exclusive;
}

Reading<IndexRange> read_indexes(std::string_view first, std::string_view last) {
  const auto from = read_integer(first);
  const auto to = read_integer(last);
  if (!from || !to) return refuse(kNotAnInteger);
  return IndexRange{*from, *to};
}

Reading<ScoreRange> read_scores(std::string_view min, std::string_view max) {
  ScoreRange range;
  range.min_exclusive = take_exclusive(min);
  range.max_exclusive = take_exclusive(max);
  const auto low = read_score_bound(min);
  const auto high = read_score_bound(max);
  if (!low || !high) return refuse("ERR min or max is not a float");
  range.min = *low;
  range.max = *high;
  return range;
}

bool is_name_bound(std::string_view bound) {
  return bound == "-" || bound == "+" || bound.starts_with('[') || bound.starts_with('(');
}

Reading<NameRange> read_names(std::string_view min, std::string_view max) {
  if (!is_name_bound(min) || !is_name_bound(max)) return refuse("ERR min or max not valid string range item");
  NameRange range;
  range.is_empty = min == "+" || max == "-";
  if (min != "-" && min != "+") {
    range.min_exclusive = min.starts_with('(');
    range.min = min.substr(1);
  }
  if (max != "-" && max != "+") {
    range.max_exclusive = max.starts_with('(');
    range.max = max.substr(1);
  }
  return range;
}

class RangeReader {
 public:
  explicit RangeReader(Request words) : words_(words) { range_.key = words[1]; }

  Reading<Command> read() && {
    while (at_ < words_.size())
      if (auto taken = take_option(); !taken) return refuse(taken.error());
    if (limit_ != -1 && by_ == By::kIndex)
      return refuse("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    if (range_.with_scores && by_ == By::kName)
      return refuse("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    if (auto read = read_bounds(); !read) return refuse(read.error());
    if (by_ != By::kIndex) {
      // Nothing stands at a negative offset: larger than any, once it has no sign.
      range_.offset = static_cast<std::size_t>(offset_);
      if (limit_ >= 0) range_.limit = static_cast<std::size_t>(limit_);
    }
    return std::move(range_);
  }

 private:
  Reading<void> take_option() {
    const std::string_view option = words_[at_++];
    if (is_word(option, "withscores"))
      range_.with_scores = true;
    else if (is_word(option, "limit") && words_.size() - at_ >= 2)
      return take_limit();
    else if (is_word(option, "rev") && !range_.reversed)
      range_.reversed = true;
    else if (is_word(option, "bylex") && by_ == By::kIndex)
      by_ = By::kName;
    else if (is_word(option, "byscore") && by_ == By::kIndex)
      by_ = By::kScore;
    else
      return refuse(kSyntaxError);
    return {};
  }
  Reading<void> take_limit() {
    const auto offset = read_integer(words_[at_++]);
    const auto limit = read_integer(words_[at_++]);
    if (!offset || !limit) return refuse(kNotAnInteger);
    offset_ = *offset;
    limit_ = *limit;
    return {};
  }
  Reading<void> read_bounds() {
    std::string_view min = words_[2];
    std::string_view max = words_[3];
    if (by_ != By::kIndex && range_.reversed) std::swap(min, max);
    switch (by_) {
      case By::kIndex: return keep(read_indexes(min, max));
      case By::kScore: return keep(read_scores(min, max));
      case By::kName: return keep(read_names(min, max));
    }
    return {};
  }
  template <class Bounds>
  Reading<void> keep(Reading<Bounds> bounds) {
    if (!bounds) return refuse(bounds.error());
    range_.range = std::move(*bounds);
    return {};
  }

  const Request words_;
  std::size_t at_ = 4;
  Range range_;
  By by_ = By::kIndex;
  std::int64_t offset_ = 0;
  std::int64_t limit_ = -1;  // none
};

}  // namespace

Reading<Command> read_zrange(Request words) { return RangeReader(words).read(); }

}  // namespace earshot::resp
