#pragma once

#include <cstdint>

namespace earshot::tests {

// One that nobody listens on now, that no other test picks as long as this process lives, and that no connection is
// given by the system. Throws when there is none.
std::uint16_t free_port();

}  // namespace earshot::tests
