#pragma once

#include <cstdint>

#include "actors/session_options.hpp"

namespace earshot::actors {

// Whether the client's range of protocol versions overlaps with ours: kUnsupportedVersion.
Status check_protocol(const LoginRequest& request);

// What a client is told of its login.
Welcome welcome_of(const SessionOptions& options, const LoginOutcome& login, std::uint16_t shard_count);

}  // namespace earshot::actors
