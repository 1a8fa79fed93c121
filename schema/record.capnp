@0xb5d7c2a9f0e61843;
# What a shard keeps on disk: the values of the state tables (storage/keys.hpp lists their keys).
#
# Rules of evolution: as broker.capnp. Every stored value is preceded by a checksum that also covers its key.

using Cxx = import "/capnp/c++.capnp";
using Errors = import "errors.capnp";
$Cxx.namespace("earshot::schema");

struct MailboxRecord {          # one message in one mailbox; the sequence is in the key
  sender @0 :Text;
  senderDevice @1 :Text;
  idHigh @2 :UInt64;
  idLow @3 :UInt64;
  body @4 :Data;
  checksum @5 :UInt64;          # of body, made by the sender
  sentAtMs @6 :UInt64;          # the sender's clock
  storedAtMs @7 :UInt64;        # the shard's committed tick
  copyOf @8 :Text;
}

struct MailboxHead {            # one mailbox
  first @0 :UInt64;             # the oldest kept sequence; last + 1 when nothing is kept
  last @1 :UInt64;              # the newest sequence given out
  devices @2 :UInt32;           # how many cursors it has
}

struct CursorRecord {           # one device's place in its user's mailbox
  upTo @0 :UInt64;              # everything up to here is acked
  above @1 :List(UInt64);       # acked beyond it (unordered mode), ascending
  producer @2 :UInt64;          # the device's producer id
  lastSeenMs @3 :UInt64;        # tick of its last login
}

struct LaneRecord {             # one producer's stream into this shard
  user @0 :Text;
  device @1 :Text;
  expected @2 :UInt64;          # the number it accepts next
  known @3 :List(KnownAnswer);  # the answers of the numbers just below `expected`, ascending and without holes
  lastUsedMs @4 :UInt64;
}

struct KnownAnswer {
  idHigh @0 :UInt64;
  idLow @1 :UInt64;
  union {
    stored :group {
      sequence @2 :UInt64;
      epoch @3 :UInt64;         # of the answer; the mailbox's epoch may be another one by now
    }
    refused @4 :Errors.Error;   # finally refused
  }
}

struct OutboxRecord {           # a consequence for another shard; target and number are in the key
  cause @0 :Cause;
  recipients @1 :List(Text);    # users of the target shard
  message @2 :MailboxRecord;    # one body for all of them; storedAtMs is set by the target
}

enum Cause {
  copyToSelf @0;                # the sender's own copy
}

struct OutboxHead {             # this shard's stream to one target shard
  next @0 :UInt64;              # the next number to give out
  confirmed @1 :UInt64;         # committed by the target up to here
}

struct InboundHead {            # the stream of one origin shard into this one
  epoch @0 :UInt64;             # the origin's epoch that the numbers belong to
  last @1 :UInt64;              # the last number taken
}

struct ShardHead {              # one per shard, written with every flush
  appliedIndex @0 :UInt64;
  appliedTerm @1 :UInt64;
  tickMs @2 :UInt64;            # the newest committed tick
  epoch @3 :UInt64;             # the shard's life; a restore begins a new one
  nextProducer @4 :UInt64;      # counter for producer ids
}
