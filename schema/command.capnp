@0x9a6e13f4d8c7b052;
# What stands in a shard's Raft log: one CommandBatch per entry.
#
# Rules of evolution: as broker.capnp, and stricter: every replica must compute the same state from the same entry, so a
# new meaning gets a new command, and a state machine that meets an unknown command stops its node.

using Cxx = import "/capnp/c++.capnp";
using Errors = import "errors.capnp";
using Record = import "record.capnp";
using Broker = import "broker.capnp";
$Cxx.namespace("earshot::schema");

struct CommandBatch {
  tickMs @0 :UInt64;            # the leader's wall clock; 0: no tick. Time in a state machine never goes back
  commands @1 :List(Command);
  nowMs @2 :UInt64;             # the leader's time, also while it is not sure enough of it for a tick: stamps, ends nothing
}

struct Command {
  union {
    send @0 :Send;
    login @1 :Login;
    ack @2 :Ack;
    transfer @3 :Transfer;
    confirm @4 :Confirm;
    touch @5 :Touch;
    attempts @6 :Attempts;
    removeDevice @7 :RemoveDevice;
    replay @8 :ParkedChange;
    dropParked @9 :ParkedChange;
    setPolicy @10 :SetPolicy;
    setPositions @11 :SetPositions;
    clearPositions @12 :ClearPositions;
    obsoleteClearLayer @13 :Text; # as clearLayers of one
    setLayerPrivacy @14 :SetLayerPrivacy;
    clearLayers @15 :List(Text);  # this shard's parts of them
  }
  mover @16 :Mover;             # of what changes positions, layers and policies; none: of nobody who could come again
}

struct Mover {                  # the session that a change comes from
  user @0 :Text;
  device @1 :Text;
  login @2 :UInt64;             # a later session of the device has a greater one
}

struct Send {                   # messages of one producer to users of this shard, in lane order
  producer @0 :UInt64;
  user @1 :Text;
  device @2 :Text;
  items @3 :List(SendItem);
}

struct SendItem {
  message @0 :Broker.Outgoing;
  refusal @1 :Errors.Error;     # set when the message broke a rule at the door: uses up the number, stores nothing
}

struct Login {                  # a device of a user of this shard appears
  user @0 :Text;
  device @1 :Text;
  producer @2 :UInt64;
  epoch @3 :UInt64;
  lastReceived @4 :UInt64;
  startAt @5 :Broker.StartAt;
  store @6 :UInt64;             # as in Broker.LoginRequest
  number @7 :UInt64;
}

struct Ack {
  user @0 :Text;
  device @1 :Text;
  upTo @2 :UInt64;
  above @3 :List(UInt64);
}

struct Transfer {               # outbox records of another shard, numbered first, first + 1, …
  origin @0 :UInt16;
  epoch @1 :UInt64;
  first @2 :UInt64;
  records @3 :List(Record.OutboxRecord);
}

struct Confirm {                # the target shard has committed our outbox records up to here
  target @0 :UInt16;
  upTo @1 :UInt64;
}

struct Touch {                  # these devices are connected: they are not idle
  devices @0 :List(DeviceName);
}

struct DeviceName {
  user @0 :Text;
  device @1 :Text;
}

struct Attempts {               # deliveries to a device that brought no ack
  user @0 :Text;
  device @1 :Text;
  notes @2 :List(Note);

  struct Note {                 # each message of first..last was delivered so often in vain
    first @0 :UInt64;
    last @1 :UInt64;
    count @2 :UInt32;
  }
}

struct RemoveDevice {
  user @0 :Text;
  device @1 :Text;
}

struct ParkedChange {           # parked messages of a device, to be put into the mailbox again or dropped
  user @0 :Text;
  device @1 :Text;
  sequences @2 :List(UInt64);
}

struct SetPolicy {
  user @0 :Text;                # "": the default of every mailbox of the shard
  policy @1 :Broker.Policy;
  inherit @2 :Bool;             # the mailbox follows the default again
}

struct SetPositions {           # of members of this shard
  layer @0 :Text;
  condition @1 :PositionCondition;
  items @2 :List(Item);
  accepted @3 :Bool;            # answered before it was committed: views know of it, and wait for its place in the log

  struct Item {
    member @0 :Data;
    score @1 :Float64;          # as in PositionRecord
    ttlMs @2 :UInt64;           # 0: it stays
    hidden @3 :Bool;
  }
}

enum PositionCondition {
  always @0;
  ifNew @1;                     # only who has none in the layer
  ifExists @2;                  # only who has one
}

struct ClearPositions {
  layer @0 :Text;
  members @1 :List(Data);
}

struct SetLayerPrivacy {        # in the shard that the layer's name belongs to
  layer @0 :Text;
  privacy @1 :Broker.LayerPrivacy;
  inherit @2 :Bool;             # as layers are by default again
}
