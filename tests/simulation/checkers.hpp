#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/history.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// Every mailbox as its node tells it to a device of its own, read through a session like any other.
using Mailboxes = std::map<UserId, std::vector<IncomingMessage>>;
struct Audit {
  Mailboxes mailboxes;
  std::map<UserId, std::vector<LostRange>> lost;
  std::map<UserId, std::uint64_t> committed_ms_min;  // when it began
  std::vector<std::string> failures;                 // of reading
};

// Reads all mailboxes, then calls `done`. The node must run.
void read_mailboxes(World& world, Host& host, const History& history, std::vector<UserId> users,
                    std::function<void(Audit)> done);

// What the promises of design.md say about a run that has come to rest. Each gives what is wrong, in words; all of it
// is judged by the recorded history and the mailboxes alone.
//
//  1, 2  what was accepted is in its mailbox, once, at the answered sequence, with its copies
//  3     messages of one device to one recipient keep their order
//  4     a mailbox has no hole that is not said to be lost, for a reason that there was; what has ended stays so
//  5     every device has everything, in the order of its mailbox
//  6     bodies are what was sent
std::vector<std::string> check_at_rest(History& history, const Audit& audit);

}  // namespace earshot::simulation
