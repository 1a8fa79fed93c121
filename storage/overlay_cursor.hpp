#pragma once

#include <string_view>

#include "storage/overlay.hpp"

namespace earshot::storage {

// The two ways through a range of keys.
struct Ascending {
  using Iterator = Overlay::Order::const_iterator;
  static bool is_before(std::string_view a, std::string_view b) { return a < b; }
  static Iterator first(const Overlay::Order& changes, std::string_view from, std::string_view) {
    return changes.lower_bound(from);
  }
  static Iterator last(const Overlay::Order& changes, std::string_view, std::string_view to) {
    return to.empty() ? changes.end() : changes.lower_bound(to);
  }
};

struct Descending {
  using Iterator = Overlay::Order::const_reverse_iterator;
  static bool is_before(std::string_view a, std::string_view b) { return a > b; }
  static Iterator first(const Overlay::Order& changes, std::string_view from, std::string_view to) {
    return Iterator(Ascending::last(changes, from, to));
  }
  static Iterator last(const Overlay::Order& changes, std::string_view from, std::string_view to) {
    return Iterator(Ascending::first(changes, from, to));
  }
};

// Walks the changes in [from, to) of a newer overlay over an older one (or none): each key once, with its newest value.
// The overlays stay as they are meanwhile.
template <class Direction>
class OverlayCursor {
 public:
  OverlayCursor(const Overlay& newer, const Overlay* older, std::string_view from, std::string_view to) {
    if (!to.empty() && to <= from) return;
    newer_ = Range(newer, from, to);
    if (older != nullptr) older_ = Range(*older, from, to);
    choose();
  }

  [[nodiscard]] bool has_change() const { return chosen_ != nullptr; }
  [[nodiscard]] const Overlay::Change& change() const { return *chosen_; }

  void advance() {
    const std::string_view passed = chosen_->key();
    if (older_.has() && older_.key() == passed) ++older_.next;
    if (newer_.has() && newer_.key() == passed) ++newer_.next;
    choose();
  }

 private:
  struct Range {
    Range() = default;
    Range(const Overlay& overlay, std::string_view from, std::string_view to)
        : next(Direction::first(overlay.in_order(), from, to)), end(Direction::last(overlay.in_order(), from, to)) {}

    [[nodiscard]] bool has() const { return next != end; }
    [[nodiscard]] std::string_view key() const { return (*next)->key(); }

    typename Direction::Iterator next{};
    typename Direction::Iterator end{};
  };

  void choose() {
    if (!newer_.has() && !older_.has()) {
      chosen_ = nullptr;
    } else if (!newer_.has() || (older_.has() && Direction::is_before(older_.key(), newer_.key()))) {
      chosen_ = *older_.next;
    } else {
      chosen_ = *newer_.next;
    }
  }

  Range newer_;
  Range older_;
  const Overlay::Change* chosen_ = nullptr;
};

}  // namespace earshot::storage
