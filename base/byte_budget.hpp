#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace earshot {

// A number of bytes against a bound, shared by many threads. Only a count, so relaxed order does.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // False, and nothing taken, when the bound is reached. The last one in may exceed it: a request larger than what is
  // left is let in rather than starved, so the bound holds up to one request per thread.
  bool try_take(std::size_t bytes) {
    if (is_full()) return false;
    take(bytes);
    return true;
  }
  void take(std::size_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::size_t limit() const { return bytes_max_; }
  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_full() const { return used() >= bytes_max_; }
  [[nodiscard]] bool is_half_full() const { return used() >= bytes_max_ / 2; }

 private:
  const std::size_t bytes_max_;
  std::atomic<std::size_t> used_{0};
};

// Bytes taken from a budget, given back with this object. The budget outlives it.
class ByteLease {
 public:
  ByteLease() = default;
  ByteLease(ByteBudget& budget, std::size_t bytes) : budget_(&budget), bytes_(bytes) { budget.take(bytes); }
  ByteLease(ByteLease&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteLease& operator=(ByteLease&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ByteLease() { shrink(0); }

  // Keeps only so many.
  void shrink(std::size_t bytes) {
    if (bytes >= bytes_) return;
    budget_->give_back(bytes_ - bytes);
    bytes_ = bytes;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  ByteBudget* budget_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace earshot
