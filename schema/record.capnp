@0xb5d7c2a9f0e61843;
# What a shard keeps on disk: the values of the state tables (storage/keys.hpp lists their keys).
#
# Rules of evolution: as broker.capnp. Every stored value is preceded by a checksum that also covers its key.

using Cxx = import "/capnp/c++.capnp";
using Errors = import "errors.capnp";
using Broker = import "broker.capnp";
$Cxx.namespace("earshot::schema");

struct MailboxRecord {          # one message in one mailbox; the sequence is in the key
  sender @0 :Text;
  senderDevice @1 :Text;
  idHigh @2 :UInt64;
  idLow @3 :UInt64;
  body @4 :Data;
  checksum @5 :UInt64;          # of body, made by the sender
  sentAtMs @6 :UInt64;          # the sender's clock
  storedAtMs @7 :UInt64;        # the shard's time
  copyOf @8 :Text;
  expiresAtMs @9 :UInt64;       # 0: never
  replayOf @10 :UInt64;
  ended @11 :Broker.LostReason; # not `unknown`: the message is gone, its body with it, and this is why
  endedAtMs @12 :UInt64;
}

struct MailboxHead {            # one mailbox
  first @0 :UInt64;             # the oldest kept sequence; last + 1 when nothing is kept
  last @1 :UInt64;              # the newest sequence given out
  devices @2 :UInt32;           # how many cursors it has
  goneReason @3 :Broker.LostReason; # why everything below `first` is gone: `expired` if that is all of it, else `trimmed`
}

struct CursorRecord {           # one device's place in its user's mailbox
  upTo @0 :UInt64;              # everything up to here is acked
  above @1 :List(UInt64);       # acked beyond it (unordered mode), ascending
  producer @2 :UInt64;          # the device's producer id
  lastSeenMs @3 :UInt64;        # the shard's time at its last login, ack or touch
  attempts @4 :List(Attempt);   # fruitless deliveries of unacked messages, ascending, bounded
  marks @5 :List(AckMark);      # when the cursor got where, oldest first, thinned: for explain
  parked @6 :UInt32;            # how many ParkedRecords the device has
  store @7 :UInt64;             # of its last login, as in Broker.LoginRequest
  loginNumber @8 :UInt64;

  struct Attempt {
    sequence @0 :UInt64;
    count @1 :UInt32;
  }
  struct AckMark {
    upTo @0 :UInt64;
    atMs @1 :UInt64;
  }
}

struct ParkedRecord {           # a message that was given up on for a device; user, device and sequence are in the key
  deliveries @0 :UInt32;
  parkedAtMs @1 :UInt64;
}

struct ForgottenProducer {      # a producer that is used no more; it is in the key
  sinceMs @0 :UInt64;
}

struct PolicyRecord {           # of one mailbox, or the default of the shard
  policy @0 :Broker.Policy;
}

struct SweepHead {              # the round through all mailboxes, cursors and producers that ends what is too old
  position @0 :Data;            # the key to go on from; empty: no round is under way
  startedMs @1 :UInt64;         # tick
  intervalMs @2 :UInt64;        # from there to the next round; while one is under way: as far as is known
  sparesUntilMs @3 :UInt64;     # tick before which no device and no producer ends: time has leapt
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
  producers @3 :List(UInt64);   # forgetProducers: their lanes are dropped
}

enum Cause {
  copyToSelf @0;                # the sender's own copy
  forgetProducers @1;           # these producer ids will never be used again
  lost @2;                      # never stored: stands for a record that its shard found damaged
}

struct OutboxHead {             # this shard's stream to one target shard
  next @0 :UInt64;              # the next number to give out
  confirmed @1 :UInt64;         # committed by the target up to here
}

struct InboundHead {            # the stream of one origin shard into this one
  epoch @0 :UInt64;             # the origin's epoch that the numbers belong to
  last @1 :UInt64;              # the last number taken
}

struct PositionRecord {         # where a member of a layer is; both are in the key
  score @0 :Float64;            # a geohash of 52 bits; or any number, which is no place on Earth
  version @1 :UInt64;           # ascends with every change that the shard makes to any position; never used again
  expiresAtMs @2 :UInt64;       # 0: never
  hidden @3 :Bool;              # from every user but the member itself
}

struct LayerHead {              # this shard's part of a layer
  members @0 :UInt64;           # who are in it
  dead @1 :UInt64;              # records that stand there still though the layer was cleared after them
  clearedThrough @2 :UInt64;    # the version from which backwards they are dead
  sweptThrough @3 :Data;        # the member up to which the dead are gone
}

struct LastLogin {              # of a device, for a while; user and device are in the key
  login @0 :UInt64;             # the greatest of a session that has changed anything here; 0: none has
  store @1 :UInt64;             # of the last login before the device was removed, as the next; 0: it was not
  loginNumber @2 :UInt64;
  untilMs @3 :UInt64;
}

struct LayerPrivacyRecord {     # of a layer whose name belongs to the shard
  privacy @0 :Broker.LayerPrivacy;
}

struct ShardHead {              # one per shard, written with every flush
  appliedIndex @0 :UInt64;
  appliedTerm @1 :UInt64;
  tickMs @2 :UInt64;            # the newest committed tick
  epoch @3 :UInt64;             # the shard's life; a restore begins a new one
  nextProducer @4 :UInt64;      # counter for producer ids
  nowMs @5 :UInt64;             # the newest time that an entry told, with a tick or without
  positionVersion @6 :UInt64;   # the newest that was given to a position
  obsoleteLogins @7 :UInt64;    # so many had been; they are numbered by their places in the log now
}

struct ShardSums {              # what a shard has on disk, counted; written with every flush
  kinds @0 :List(KindSum);      # strictly ascending by kind; kinds without records are left out

  struct KindSum {
    kind @0 :UInt8;             # the first letter of the records' keys
    count @1 :UInt64;
    digest @2 :UInt64;          # sum of the checksums that stand before the records' values, modulo 2^64
  }
}

struct SeedHead {               # stands while a shard's state is being fetched: what there is of it meanwhile is no state
  seed @0 :UInt64;              # which fetch; 0: no part of any was taken yet
  source @1 :UInt64;            # the node that it comes from
  part @2 :UInt64;              # the number of the part that is wanted next
  position @3 :Data;            # records before this key are as the parts so far say
  isThrough @4 :Bool;           # … and there are none behind it: only what changed meanwhile is still to come
  sums @5 :ShardSums;           # of those records
}
