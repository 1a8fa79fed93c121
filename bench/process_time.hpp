#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <poll.h>
#include <unistd.h>

namespace earshot::bench {

// What a process has used of the machine's cores since its start, in seconds; its threads among it.
inline double cpu_seconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

inline void let_time_pass(std::uint64_t ms) { ::poll(nullptr, 0, static_cast<int>(ms)); }

}  // namespace earshot::bench
