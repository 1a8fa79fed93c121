#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

// What a fuzz target is: one function that takes bytes from a stranger. It must come back, whatever they are. libFuzzer
// calls it when the build has EARSHOT_FUZZ, the plain driver (plain_driver.cpp) in every other build.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace earshot::fuzz {

inline std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// What must hold of every input; the process ends with the input in the driver's hands.
inline void require(bool holds) {
  if (!holds) std::abort();
}

// The first byte chooses among `count` kinds; the rest is what that kind reads.
inline std::size_t choose(std::string_view& bytes, std::size_t count) {
  if (bytes.empty()) return 0;
  const std::size_t kind = static_cast<unsigned char>(bytes.front()) % count;
  bytes.remove_prefix(1);
  return kind;
}

}  // namespace earshot::fuzz
