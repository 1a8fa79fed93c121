#pragma once

#include <string>

#include <tl/expected.hpp>

#include "resp/command.hpp"
#include "resp/request_parser.hpp"

namespace earshot::resp {

// An error reply as Redis words it, without the "-" in front: "ERR syntax error".
using ErrorReply = std::string;

// What the words ask for, or why they cannot be understood. The checks, their order and their words are Redis 7.0's,
// but for what needs a look at the data: whether a member exists comes after everything here.
tl::expected<Command, ErrorReply> read_command(Request request);

}  // namespace earshot::resp
