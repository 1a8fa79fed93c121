#pragma once

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>

#include "schema/wire_size.hpp"

// How many words answers take on the wire, for hints that let one allocation do: without a hint the RPC system clears 8
// KiB for every answer, with too small a one it grows.
namespace earshot::gateway {

using wire::kBatchWords;
using wire::words_of;

constexpr std::size_t kCapabilityWords = 1 + flat::words_of<capnp::rpc::CapDescriptor>();  // in a table of one

// With the session that it comes with.
inline std::size_t words_of(const Welcome& welcome) {
  return flat::words_of<schema::Welcome>() + flat::words_of_text(welcome.user.text().size()) +
         flat::words_of<schema::Limits>() + kCapabilityWords;
}

}  // namespace earshot::gateway
