#include "base/spare_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>

#include <malloc.h>
#include <unistd.h>

namespace earshot {

MemoryUse memory_use() {
  MemoryUse use;
  // statm(5), in pages: all that is mapped, what is resident, and what of that is of files or shared.
  std::ifstream statm("/proc/self/statm");
  std::uint64_t mapped = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  if (statm >> mapped >> resident >> shared)
    use.resident_bytes = (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const struct mallinfo2 heap = ::mallinfo2();
  use.used_bytes = heap.uordblks + heap.hblkhd;
  return use;
}

void give_back_spare_memory() { ::malloc_trim(0); }

bool SpareMemory::worth_giving_back(const MemoryUse& use) {
  const std::uint64_t spare = use.spare_bytes();
  kept_bytes_ = std::min(kept_bytes_, spare);
  return spare - kept_bytes_ >= spare_bytes_max_;
}

}  // namespace earshot
