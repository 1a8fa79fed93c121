#pragma once

#include <cstddef>
#include <functional>

#include "actors/place_desk.hpp"
#include "gateway/bridge.hpp"
#include "resp/command.hpp"
#include "resp/reply_writer.hpp"

// Redis's commands about places, as a node does them: what each asks of the place desk, and how the answer reads.
namespace earshot::gateway {

// What a command has to do with those of its connection that came before it.
enum class Turn : std::uint8_t {
  kNone,   // nothing: it is answered at once
  kRead,   // it sees what earlier ones changed, so it waits for those
  kWrite,  // it goes where earlier ones went, behind them
  kAlone,  // it does both, in steps: it waits for all earlier ones, and later ones wait for it
};
Turn turn_of(const resp::Command& command);
// Its reply may be of any size.
bool is_large(const resp::Command& command);
// How much memory its reply may take, when it is not large.
std::size_t reply_bytes_max(const resp::Command& command);

// Asks; `answered` is called once, on any thread. Takes out of the command what its reply does not need. Precondition:
// the command has a turn.
void ask(const actors::PlaceDesk& desk, resp::Command& command, std::function<void(PlacesAnswer)> answered);

// The reply. The answer is the one to this command.
void write_reply(const resp::Command& command, PlacesAnswer answer, resp::ReplyWriter& to);
void write_error(const Error& error, resp::ReplyWriter& to);

}  // namespace earshot::gateway
