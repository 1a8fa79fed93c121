#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "places/member.hpp"

namespace earshot::places {

struct ScoredMember {
  MemberPtr member;
  double score = 0;
};

// Members by their score and their name, as data that one node may ask another by.
struct MemberBounds {
  double score_min = -std::numeric_limits<double>::infinity();
  double score_max = std::numeric_limits<double>::infinity();
  bool score_min_exclusive = false;
  bool score_max_exclusive = false;
  std::optional<std::string> name_min = {};  // none: from the first
  std::optional<std::string> name_max = {};
  bool name_min_exclusive = false;
  bool name_max_exclusive = false;
  bool is_empty = false;  // nobody is within

  [[nodiscard]] bool hold(double score, std::string_view name) const {
    if (is_empty || (score_min_exclusive ? score <= score_min : score < score_min)) return false;
    if (score_max_exclusive ? score >= score_max : score > score_max) return false;
    if (name_min && (name_min_exclusive ? name <= *name_min : name < *name_min)) return false;
    return !name_max || (name_max_exclusive ? name < *name_max : name <= *name_max);
  }
  bool operator==(const MemberBounds&) const = default;
};

// Some of a layer's members, in the order of their scores and, where those are equal, of their names' bytes.
struct MemberRange {
  std::function<bool(double score, std::string_view name)> wants;  // none: everybody
  // Which of those, counted from 0; negative: from the end, -1 the last.
  std::int64_t first = 0;
  std::int64_t last = -1;
  bool reversed = false;                    // counted and told from the other end
  std::size_t count_max = SIZE_MAX;         // no more of them are told: the first ones
  std::optional<MemberBounds> bounds = {};  // only those within are wanted; none: all
};

// Cuts a range out of a layer's members, who are shown to it one by one and in any order. Of those it keeps as many as
// are between the range and the nearer end of the layer, the range included, and a few more: 16 bytes each. The members
// live as long as it does. One thread.
class RangeCut {
 public:
  // `size`: as many members will be shown to it.
  RangeCut(const MemberRange& range, std::size_t size);

  void look(Member& member);
  // In the order of the range.
  std::vector<ScoredMember> finish();
  [[nodiscard]] std::size_t kept() const { return kept_.size(); }

 private:
  struct Kept {
    double score;
    Member* member;
  };
  // Of indexes in the order of the range, the last excluded.
  struct Bounds {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  [[nodiscard]] Bounds bounds(std::size_t wanted) const;
  [[nodiscard]] std::size_t kept_of_unknown() const;
  // Whether it is nearer to the end that is kept.
  [[nodiscard]] bool is_nearer(const Kept& one, const Kept& other) const;
  void trim();

  const MemberRange& range_;
  bool keeps_last_ = false;  // who comes last in the order of the range, else first
  std::size_t keep_ = 0;
  std::size_t wanted_ = 0;  // who were shown
  std::vector<Kept> kept_;
  std::optional<Kept> edge_;  // nobody farther from that end is in the range
};

}  // namespace earshot::places
