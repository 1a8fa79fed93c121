#pragma once

namespace earshot {

// As in CMakeLists.txt and CHANGELOG.md.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace earshot
