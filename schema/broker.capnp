@0xe1c04fd27a9b3355;
# What a client calls. The bootstrap capability of a connection is a Broker.
#
# Rules of evolution (docs/schema-evolution.md): fields and methods are only ever appended; a default value means "as
# before"; nothing is renumbered.
# Batches everywhere: one call carries many messages, since a call costs far more than a message.

using Cxx = import "/capnp/c++.capnp";
using Errors = import "errors.capnp";
$Cxx.namespace("earshot::schema");

const protocolMin :UInt16 = 1;   # the oldest and the newest protocol that this schema describes
const protocolMax :UInt16 = 1;

interface Broker {
  login @0 LoginRequest -> LoginAnswer;
}

struct LoginRequest {
  protocolMin @0 :UInt16;       # the range that the client speaks
  protocolMax @1 :UInt16;
  token @2 :Text;               # with auth "none": the user id itself
  device @3 :Text;
  producer @4 :UInt64;          # the producer id this device was given before, 0: none
  epoch @5 :UInt64;             # the mailbox epoch that lastReceived belongs to, 0: none
  lastReceived @6 :UInt64;      # LastReceivedSeqID: everything up to it is in the client's own database; 0: nothing
  startAt @7 :StartAt;          # where a device that is new to the mailbox begins
  agent @8 :Text;               # the client's name and version, for logs
}

enum StartAt {
  oldest @0;                    # at the oldest kept message
  newest @1;                    # only what arrives from now on
}

struct LoginAnswer {
  union {
    ok :group {
      session @0 :Session;
      welcome @1 :Welcome;
    }
    error @2 :Errors.Error;
  }
}

struct Welcome {
  protocol @0 :UInt16;          # the protocol that is spoken from here on
  user @1 :Text;
  shardCount @2 :UInt16;        # a message's lane is xxh3(recipient) % shardCount
  producer @3 :UInt64;          # use this producer id …
  newProducer @4 :Bool;         # … and it is new: lanes start at 1; what was sent without answer is uncertain
  epoch @5 :UInt64;             # the mailbox's epoch; when it differs from the client's, lastReceived becomes the
  restoredUpTo @6 :UInt64;      #   smaller of itself and restoredUpTo
  cursor @7 :UInt64;            # everything up to it is acked by this device
  lastSequence @8 :UInt64;      # the newest message in the mailbox
  limits @9 :Limits;
  node @10 :UInt64;
}

struct Limits {
  bodyBytesMax @0 :UInt32;
  batchMessagesMax @1 :UInt32;
  batchBytesMax @2 :UInt32;
  fetchMessagesMax @3 :UInt32;
  windowMessagesMax @4 :UInt32;
  laneWindowMax @5 :UInt32;
  callsInFlightMax @6 :UInt32;
  callBytesInFlightMax @7 :UInt32;
}

interface Session {
  send @0 (messages :List(Outgoing)) -> (answers :List(SendAnswer));
  # Stores messages in their recipients' mailboxes. One answer per message, in order; each is given only when the
  # message is committed and synced. Messages of one lane must stand in the order of their numbers.

  subscribe @1 (receiver :Receiver, mode :Mode, windowMessages :UInt32) -> StatusAnswer;
  # Starts delivery from the device's cursor, once per session.

  ack @2 (upTo :UInt64, above :List(UInt64)) -> AckAnswer;
  # Everything up to `upTo`, and in `unordered` mode also `above` (ascending), is in the client's database. Stops
  # retransmission when received; answers when the cursor is committed. In `sequenceOnly` mode: the client's report of
  # LastReceivedSeqID.

  nack @3 (sequences :List(UInt64), delayMs :UInt32) -> StatusAnswer;
  # Not taken (ascending, at least one): deliver again after the delay. In `ordered` mode delivery resumes from the first
  # of them.

  fetch @4 (after :UInt64, limit :UInt32, cause :FetchCause) -> FetchAnswer;
  # The messages that follow `after`, without holes, at most `limit`. What is gone is said in `lost`.

  history @5 (before :UInt64, limit :UInt32) -> FetchAnswer;
  # The newest `limit` messages below `before` (0: from the end), in ascending order, whatever the cursor.

  logout @6 () -> ();
  # Ends the session in order; the cursor stays.
}

enum Mode {
  ordered @0;       # strictly in sequence, cumulative acks
  unordered @1;     # selective acks, delayed nacks
  sequenceOnly @2;  # no acks: the client checks contiguity and refetches; the cursor follows its reports
}

enum FetchCause {   # counted and shown, since frequent refetches cost more than acks and their cause is hard to find
  unspecified @0;
  gap @1;           # a delivered batch did not follow LastReceivedSeqID
  checksum @2;      # a delivered body failed its checksum
  reconnect @3;     # catching up after a new connection
  catchUp @4;       # reading on demand (sequence-only clients, tools)
}

struct Outgoing {
  recipient @0 :Text;
  number @1 :UInt64;         # place in the lane of the recipient's shard
  answeredBelow @2 :UInt64;  # the client has the answers of all lower numbers of this lane
  idHigh @3 :UInt64;
  idLow @4 :UInt64;
  body @5 :Data;
  checksum @6 :UInt64;       # xxh3-64 of body, made by the sender
  sentAtMs @7 :UInt64;       # the sender's clock, shown to the recipient, used for nothing
  copyToSelf @8 :Bool;       # also put a copy into the sender's own mailbox, for its other devices
}

struct SendAnswer {
  union {
    stored @0 :Stored;
    refused @1 :Errors.Error; # final: the number is used up
    held @2 :Errors.Error;    # temporary: send this and the lane's later messages again
  }
  repeat @3 :Bool;            # this number was answered before: here is its first answer again
}

struct Stored {
  sequence @0 :UInt64;
  epoch @1 :UInt64;
}

struct StatusAnswer {
  union {
    ok @0 :Void;
    error @1 :Errors.Error;
  }
}

struct AckAnswer {
  union {
    cursor @0 :UInt64;        # everything up to here is acked and committed
    error @1 :Errors.Error;
  }
}

interface Receiver {
  deliver @0 (batch :Batch) -> ();
  # Returns when the client has taken the batch in; that is flow control, not an ack.

  closed @1 (reason :Errors.Error) -> ();
  # The session is over; the connection closes after it.
}

struct Batch {
  epoch @0 :UInt64;
  messages @1 :List(Incoming);
  lost @2 :List(LostRange);
  lastSequence @3 :UInt64;    # the newest message in the mailbox
}

struct Incoming {
  sequence @0 :UInt64;
  sender @1 :Text;
  senderDevice @2 :Text;
  idHigh @3 :UInt64;
  idLow @4 :UInt64;
  body @5 :Data;
  checksum @6 :UInt64;
  sentAtMs @7 :UInt64;
  storedAtMs @8 :UInt64;
  attempt @9 :UInt32;         # 1 on the first delivery of this session
  copyOf @10 :Text;           # "" or, on the sender's own copy of a sent message, its recipient
}

struct LostRange {
  first @0 :UInt64;
  last @1 :UInt64;
  reason @2 :LostReason;
}

enum LostReason {
  unknown @0;
  corrupt @1;                 # stored records fail their checksum
  trimmed @2;                 # the retention policy ended them
}

struct FetchAnswer {
  union {
    batch @0 :Batch;
    error @1 :Errors.Error;
  }
}
