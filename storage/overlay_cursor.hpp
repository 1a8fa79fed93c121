#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace earshot::storage {

using OverlayChanges = std::map<std::string, std::optional<std::string>, std::less<>>;

// The two ways through a range of keys.
struct Ascending {
  using Iterator = OverlayChanges::const_iterator;
  static bool is_before(std::string_view a, std::string_view b) { return a < b; }
  static Iterator first(const OverlayChanges& changes, std::string_view from, std::string_view) {
    return changes.lower_bound(from);
  }
  static Iterator last(const OverlayChanges& changes, std::string_view, std::string_view to) {
    return to.empty() ? changes.end() : changes.lower_bound(to);
  }
};

struct Descending {
  using Iterator = OverlayChanges::const_reverse_iterator;
  static bool is_before(std::string_view a, std::string_view b) { return a > b; }
  static Iterator first(const OverlayChanges& changes, std::string_view from, std::string_view to) {
    return Iterator(Ascending::last(changes, from, to));
  }
  static Iterator last(const OverlayChanges& changes, std::string_view from, std::string_view to) {
    return Iterator(Ascending::first(changes, from, to));
  }
};

// Walks the changes in [from, to) of a newer overlay over an older one (or none): each key once, with its newest value.
// The overlays stay as they are meanwhile.
template <class Direction>
class OverlayCursor {
 public:
  OverlayCursor(const OverlayChanges& newer, const OverlayChanges* older, std::string_view from, std::string_view to) {
    if (!to.empty() && to <= from) return;
    newer_ = {Direction::first(newer, from, to), Direction::last(newer, from, to)};
    if (older != nullptr) older_ = {Direction::first(*older, from, to), Direction::last(*older, from, to)};
    choose();
  }

  [[nodiscard]] bool has_change() const { return chosen_ != nullptr; }
  [[nodiscard]] std::string_view key() const { return chosen_->first; }
  // Nothing: the key was erased.
  [[nodiscard]] const std::optional<std::string>& value() const { return chosen_->second; }

  void advance() {
    const std::string_view passed = key();
    if (older_.has() && older_.next->first == passed) ++older_.next;
    if (newer_.has() && newer_.next->first == passed) ++newer_.next;
    choose();
  }

 private:
  struct Range {
    typename Direction::Iterator next{};
    typename Direction::Iterator end{};
    [[nodiscard]] bool has() const { return next != end; }
  };

  void choose() {
    if (!newer_.has() && !older_.has()) {
      chosen_ = nullptr;
    } else if (!newer_.has() || (older_.has() && Direction::is_before(older_.next->first, newer_.next->first))) {
      chosen_ = &*older_.next;
    } else {
      chosen_ = &*newer_.next;
    }
  }

  Range newer_;
  Range older_;
  const OverlayChanges::value_type* chosen_ = nullptr;
};

}  // namespace earshot::storage
