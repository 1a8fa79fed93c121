#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/messages.hpp"

// The client's own database: what makes "in the bag" true on the device. LmdbStore (lmdb_store.hpp) is one; an
// application that has a database already implements Store on it (examples/own_database.cpp), so that its messages and
// their place in the mailbox are committed together.
namespace earshot::client {

// A message's place in the outbox, in the order in which send() took it: 1, 2, 3 …, never used twice.
using Ticket = Number<struct TicketTag>;

// A message in the outbox: kept from send() until its answer.
struct OutboxMessage {
  Ticket ticket;
  ShardId lane;  // shard of the recipient; means something only when message.number is not 0
  bool uncertain =
      false;  // its producer was forgotten with the answer outstanding: told to the application, never resent
  OutgoingMessage
      message;  // number 0: not numbered yet, since no server has told the shard count; answered_below is unused
};

// The outbox's counters. Small; the library hands the whole of it over with every change that touches it.
struct OutboxHead {
  ProducerId producer;            // 0: none given yet
  std::uint16_t shard_count = 0;  // 0: not known yet
  Ticket next_ticket{1};
  Ticket sent_through;           // messages with later tickets were certainly never sent
  std::vector<LaneNumber> next;  // per shard: the number that its lane gives out next; empty until shard_count is known
  std::uint64_t store = 0;       // names this database, drawn by chance before the first login; 0: not yet
  std::uint32_t run = 0;         // counts the clients that were opened with it
};

// The inbox's counters.
struct InboxHead {
  UserId user;  // whose mailbox this is; empty before the first login
  DeviceId device;
  Epoch epoch;                           // 0: never logged in
  Sequence last_received;                // LastReceivedSeqID: everything up to it is in the store
  std::vector<Sequence> received_above;  // beyond it, ascending, at most selective_acks_max; `unordered` mode only
};

struct StoredState {
  OutboxHead outbox_head;
  std::vector<OutboxMessage> outbox;  // ascending by ticket
  InboxHead inbox_head;
};

// Called once per operation, from any thread, also before the operation's call returns. Success means: committed, and
// it survives what the store promises to survive. An error means: nothing of it was stored.
using Done = std::function<void(Status)>;

// What a database must do. Every function is one transaction: all of it or nothing.
//
// How the library calls it: load() first and alone. Then at most one call of each function is under way, add(),
// remove() and receive() possibly at the same time and from different threads; welcome() alone. Arguments stay valid
// until `done` is called. A function may return at once and commit elsewhere; one that commits before it returns blocks
// the caller of send() (add) or the runtime's thread (the others).
class Store {
 public:
  virtual ~Store() = default;

  // Everything needed to go on where a crash left off. A new store gives a default state.
  virtual Result<StoredState> load() = 0;

  // Appends messages to the outbox and keeps the head. send() returns when this is done. Each client begins with one
  // that has no messages, and logs in when it is done: the server must not take a login of an earlier run, which was on
  // its way for long, for the newest one.
  virtual void add(const OutboxHead& head, std::span<const OutboxMessage> messages, Done done) = 0;

  // Takes answered messages out of the outbox; absent ones are no error.
  virtual void remove(std::span<const Ticket> tickets, Done done) = 0;

  // A server has welcomed this device: keeps both heads and overwrites the outbox messages with the tickets in
  // `changed` (newly numbered, or uncertain from now on).
  virtual void welcome(const OutboxHead& outbox_head, const InboxHead& inbox_head,
                       std::span<const OutboxMessage> changed, Done done) = 0;

  // Keeps received messages, what is lost, and the head *in one transaction*: the ack is sent from `done`. Messages
  // come in ascending sequence within a call, each (epoch, sequence) once unless a restored mailbox gives a sequence
  // again under a new epoch.
  virtual void receive(const InboxHead& head, std::span<const IncomingMessage> messages,
                       std::span<const LostRange> lost, Done done) = 0;
};

}  // namespace earshot::client
