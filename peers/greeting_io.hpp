#pragma once

#include <cstddef>
#include <string>

#include <kj/async-io.h>

#include "peers/greeting.hpp"

namespace earshot::peers {

// What a promise of this floor fails with: the text alone, since it goes to a log.
kj::Exception failure(std::string why);
std::string text_of(const kj::Exception& exception);

// The next greeting, and not a byte more; rejects at the end, and with what makes it none. Beyond `bytes_max` nothing
// is allocated. The stream outlives it.
kj::Promise<Greeting> read_greeting(kj::AsyncIoStream& stream, std::size_t bytes_max);
kj::Promise<void> write_greeting(kj::AsyncIoStream& stream, const Greeting& greeting);

}  // namespace earshot::peers
