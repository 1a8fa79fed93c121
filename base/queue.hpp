#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace earshot {

// First in, first out, with access to what is between; takes no memory while it is empty, where std::deque keeps more
// than half a KiB: there is one for each of many thousand idle sessions, and more than one.
template <class T>
class Queue {
 public:
  using value_type = T;
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  [[nodiscard]] bool empty() const { return first_ == items_.size(); }
  [[nodiscard]] std::size_t size() const { return items_.size() - first_; }
  T& operator[](std::size_t i) { return items_[first_ + i]; }
  const T& operator[](std::size_t i) const { return items_[first_ + i]; }
  T& front() { return items_[first_]; }
  const T& front() const { return items_[first_]; }
  iterator begin() { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  iterator end() { return items_.end(); }
  const_iterator begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  const_iterator end() const { return items_.end(); }

  void push_back(T item) {
    if (items_.capacity() == 0) items_.reserve(kFewest);
    items_.push_back(std::move(item));
  }
  // Precondition: not empty.
  void pop_front() {
    [[maybe_unused]] const T gone = std::move(items_[first_++]);
    if (empty()) return clear();
    // As many moves as there were pops since the last time, at most.
    if (first_ >= kFewest && first_ >= size()) forget_gone();
  }
  void clear() {
    std::vector<T>().swap(items_);
    first_ = 0;
  }
  template <class Predicate>
  void erase_if(Predicate predicate) {
    forget_gone();
    std::erase_if(items_, predicate);
    if (empty()) clear();
  }

 private:
  static constexpr std::size_t kFewest = 8;

  void forget_gone() {
    items_.erase(items_.begin(), begin());
    first_ = 0;
  }

  std::vector<T> items_;  // those before first_ are moved from
  std::size_t first_ = 0;
};

}  // namespace earshot
