#pragma once

#include <cstdint>
#include <string>

#include "resp/command.hpp"
#include "resp/replies.hpp"
#include "resp/reply_writer.hpp"

namespace earshot::gateway {

// Replies to what is asked of the server itself and of the connection, without a look at any place. Precondition: the
// command is one of those; logins and INFO are not.
void write_server_reply(const resp::Command& command, const resp::ClientFacts& client, resp::ReplyWriter& to);

// What the process takes of the machine's memory now; 0 where that cannot be read.
std::uint64_t resident_bytes();

}  // namespace earshot::gateway
