#pragma once

#include "resp/reader.hpp"

namespace earshot::resp {

Reading<Command> read_info(Request words);

// COMMAND
Reading<Command> read_command_count(Request words);
Reading<Command> read_command_docs(Request words);
Reading<Command> read_command_info(Request words);  // COMMAND alone too
Reading<Command> read_command_list(Request words);

// CONFIG
Reading<Command> read_config_get(Request words);
Reading<Command> read_config_set(Request words);  // everything else that changes settings too

// A subcommand that Redis has and this server has not, and which deserves more than to be called unknown.
Reading<Command> read_unsupported(Request words);

}  // namespace earshot::resp
