#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace earshot::bench {

// Times from a send to its receiver's callback, in µs, of the least program that could do what a node and its clients
// do for it: no decisions, no state, no protocol. A thread hands a message of 408 bytes every 200 µs to another, which
// writes it to a socket; a server reads it, has a third thread append it to a file, synced, together with what else
// waits, and writes it to one of 16 sockets, which a last thread reads, answering every second message. What is slower
// than this on a machine is the broker's doing, and what is not is the machine's.
std::vector<double> relay_us(const std::string& directory, std::uint64_t messages);

}  // namespace earshot::bench
