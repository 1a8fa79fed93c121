#pragma once

#include <cstddef>

#include "base/error.hpp"
#include "schema/command.capnp.h"
#include "schema/commands.hpp"
#include "schema/fields.hpp"

// For codecs alone: one command, or who it comes from, for messages that carry one on its way into a log.
namespace earshot::codec {

// One of nobody takes no words, and is not to be written.
std::size_t words_of(const Mover& mover);
void write(const Mover& from, schema::Mover::Builder to);
Mover read(schema::Mover::Reader from, Fields& fields);

// Words of everything behind the Command struct. `One` is an alternative of Command.
template <class One>
std::size_t words_behind_command(const One& command);
template <class One>
void write_command(const One& command, schema::Command::Builder to);

// Form only (names, enums, sizes): rules between fields are the caller's. kUnsupportedVersion for a command that this
// version does not know. Passes on the library's exceptions: call inside flat::read().
Result<Command> read_command(schema::Command::Reader from, Fields::Source source);

}  // namespace earshot::codec
