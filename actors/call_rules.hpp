#pragma once

#include <cstdint>
#include <string>

#include "actors/call_codec.hpp"
#include "base/error.hpp"

namespace earshot::actors {

// The rules that hold between the fields of a request, which whoever posts one on the shard's own node keeps: sessions,
// the place desk, other shards. A request of another node is held to them as it comes in, form and sizes having been
// checked before. `shard_count` is the cluster's. kInvalidArgument, kTooLarge or kChecksumMismatch, naming the field.
Status check(const CallRequest& request, std::uint16_t shard_count);

// Whether a message that was stored or sent has the bytes that its sender gave it.
Status check_body(const std::string& body, std::uint64_t checksum);

}  // namespace earshot::actors
