#pragma once

#include <fstream>
#include <stdexcept>
#include <string>

namespace earshot::bench {

// Anonymous memory of a process, in bytes: what it holds itself, without the mapped pages of its files.
inline double anonymous_bytes(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("RssAnon:", 0) == 0) return std::stod(line.substr(8)) * 1024;
  throw std::runtime_error("no RssAnon");
}

}  // namespace earshot::bench
