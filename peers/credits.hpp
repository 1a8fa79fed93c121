#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

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

// What was taken in of each class and is wanted by nobody any more. Of all threads that handle frames.
struct HandledBytes {
  PerClass<std::atomic<std::uint64_t>> of{};
};

// The same seen from the end that receives: what it has taken in, handled, and told that it takes. So what waits in the
// mailboxes of those who handle it is bounded as well.
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
  // Where whoever has handled something notes it; may outlive this.
  [[nodiscard]] const std::shared_ptr<HandledBytes>& handled() const { return handled_; }
  // So much may have come since the link began.
  [[nodiscard]] std::uint64_t told(FrameClass of) const { return told_[index_of(of)]; }
  // Whether so much was handled that it is time to say so.
  [[nodiscard]] bool grant_due() const {
    for (std::size_t i = 0; i < kFrameClasses; ++i)
      if (handled(i) + bytes_ - told_[i] >= bytes_ / 4) return true;
    return false;
  }
  // The totals to say now.
  PerClass<std::uint64_t> grant() {
    for (std::size_t i = 0; i < kFrameClasses; ++i) told_[i] = handled(i) + bytes_;
    return told_;
  }

 private:
  [[nodiscard]] std::uint64_t handled(std::size_t i) const { return handled_->of[i].load(std::memory_order_relaxed); }

  const std::uint64_t bytes_;
  const std::shared_ptr<HandledBytes> handled_ = std::make_shared<HandledBytes>();
  PerClass<std::uint64_t> received_{};
  PerClass<std::uint64_t> told_{};
};

}  // namespace earshot::peers
