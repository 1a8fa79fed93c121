#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "peers/frame.hpp"

namespace earshot::peers {

// How much the other end takes, of each class: totals since the link began, so that a grant can be said again.
class Credits {
 public:
  explicit Credits(PerClass<std::uint64_t> granted = {}) : granted_(granted) {}

  // A piece may go while there is any left; the last one may exceed it.
  [[nodiscard]] bool has(FrameClass of) const { return sent_[index_of(of)] < granted_[index_of(of)]; }
  void spend(FrameClass of, std::size_t bytes) { sent_[index_of(of)] += bytes; }
  void grant(const PerClass<std::uint64_t>& totals) {
    for (std::size_t i = 0; i < kFrameClasses; ++i) granted_[i] = std::max(granted_[i], totals[i]);
  }

 private:
  PerClass<std::uint64_t> sent_{};
  PerClass<std::uint64_t> granted_;
};

// The same seen from the end that receives: what it has taken in, passed on, and told that it takes.
class Window {
 public:
  explicit Window(std::uint64_t bytes) : bytes_(bytes) { told_.fill(bytes); }

  // False: more came than was granted.
  [[nodiscard]] bool took(FrameClass of, std::size_t bytes) {
    const std::size_t i = index_of(of);
    if (received_[i] >= told_[i]) return false;
    received_[i] += bytes;
    return true;
  }
  // So much may have come since the link began.
  [[nodiscard]] std::uint64_t told(FrameClass of) const { return told_[index_of(of)]; }
  void passed_on(FrameClass of, std::size_t bytes) { passed_on_[index_of(of)] += bytes; }
  // Whether so much was passed on that it is time to say so.
  [[nodiscard]] bool grant_due() const {
    for (std::size_t i = 0; i < kFrameClasses; ++i)
      if (passed_on_[i] + bytes_ - told_[i] >= bytes_ / 4) return true;
    return false;
  }
  // The totals to say now.
  PerClass<std::uint64_t> grant() {
    for (std::size_t i = 0; i < kFrameClasses; ++i) told_[i] = passed_on_[i] + bytes_;
    return told_;
  }

 private:
  const std::uint64_t bytes_;
  PerClass<std::uint64_t> received_{};
  PerClass<std::uint64_t> passed_on_{};
  PerClass<std::uint64_t> told_{};
};

}  // namespace earshot::peers
