#pragma once

#include <cstdint>

#include "base/limits.hpp"

namespace earshot {

// Of this process, in bytes.
struct MemoryUse {
  std::uint64_t resident_bytes = 0;  // anonymous memory that the system has lent to it
  std::uint64_t used_bytes = 0;      // what it has allocated and not freed
  [[nodiscard]] std::uint64_t spare_bytes() const {
    return resident_bytes > used_bytes ? resident_bytes - used_bytes : 0;
  }
};

MemoryUse memory_use();

// Gives the system back every page in which nothing is allocated. Takes a while where much is free, and those who
// allocate wait for it.
void give_back_spare_memory();

// When that is worth while. The allocator of glibc gives back only what lies at the end of what it has, and what many
// connections leave when they end lies between the few things that stay: without this it would be kept for good. Yet
// not all that is spare can be given back, since a page with one thing in it stays: so what counts is how much more is
// spare than after the last time.
class SpareMemory {
 public:
  explicit SpareMemory(std::uint64_t spare_bytes_max = limits::kSpareMemoryBytes) : spare_bytes_max_(spare_bytes_max) {}

  // Looked at now and then.
  [[nodiscard]] bool worth_giving_back(const MemoryUse& use);
  // It was given back, and this is what is left.
  void given_back(const MemoryUse& use) { kept_bytes_ = use.spare_bytes(); }

 private:
  const std::uint64_t spare_bytes_max_;
  std::uint64_t kept_bytes_ = 0;  // spare, and not to be had
};

}  // namespace earshot
