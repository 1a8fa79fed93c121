#include "base/out_of_memory.hpp"

#include <cstdlib>
#include <new>
#include <string_view>

#include <unistd.h>

namespace earshot {
namespace {

// Allocates nothing.
[[noreturn]] void stop() {
  constexpr std::string_view kWhy = "earshot: out of memory, the process stops; what was acknowledged is on the disk\n";
  (void)!::write(STDERR_FILENO, kWhy.data(), kWhy.size());
  std::abort();
}

}  // namespace

void stop_when_out_of_memory() { std::set_new_handler(stop); }

}  // namespace earshot
