@0xdfdbd67352501b6e;
# What sessions, shards and the place desk say to each other when they are on different nodes: requests for a shard's
# leader, and what goes back.
#
# Rules of evolution: as broker.capnp. A kind of request that a node does not know is refused, unsupportedVersion, and
# whoever asked is told so; a kind of answer that it does not know is dropped, as if it had got lost.

using Cxx = import "/capnp/c++.capnp";
using Errors = import "errors.capnp";
using Broker = import "broker.capnp";
using Command = import "command.capnp";
$Cxx.namespace("earshot::schema");

struct PortAddress {            # a port cannot cross: this stands for it
  node @0 :UInt64;
  call @1 :UInt64;              # of that node: the answer goes there; 0: nobody waits
  session @2 :UInt64;           # of that node; 0: none
}

struct Call {
  from @0 :PortAddress;
  hops @1 :UInt8;               # how often it was passed on
  request @2 :UInt64;           # of the session that asks; comes back with the answer
  union {
    command @3 :Command.Command;  # send, login, ack, attempts, transfer, or one about positions
    fetch @4 :MailboxRead;        # messages that follow `at`
    history @5 :MailboxRead;      # the newest below `at`
    manage @6 :Manage;
    register @7 :Registration;
    unregister @8 :Registration;  # session, user and device only
    transferred @9 :Transferred;
    where @10 :Where;
  }
  clientCall @11 :UInt64;       # of the session's client, which this is for: log lines of both nodes name it; 0: of none
  client @12 :UInt64;           # of what has no session in `from`, as the next: session or connection, 0: nobody
  door @13 :UInt8;              # by which that came in, as base/request_tag.hpp has them
}

struct MailboxRead {
  user @0 :Text;
  at @1 :UInt64;
  limit @2 :UInt32;
  bytesMax @3 :UInt64;
}

struct Manage {                 # the parameters of the method of Broker.Session that has the same name
  union {
    devices @0 :AnyPointer;
    removeDevice @1 :AnyPointer;
    parked @2 :AnyPointer;
    replay @3 :AnyPointer;
    dropParked @4 :AnyPointer;
    explain @5 :AnyPointer;
    policy @6 :AnyPointer;
    setPolicy @7 :AnyPointer;
  }
  mover @8 :Command.Mover;      # the session that asks; none: of nobody who could come again
}

struct Registration {
  session @0 :UInt64;
  user @1 :Text;
  device @2 :Text;
  push @3 :Bool;
  store @4 :UInt64;             # of its login, as the next two
  loginNumber @5 :UInt64;
  producer @6 :UInt64;          # 0: not known
}

struct Transferred {            # the target has committed everything up to `last` of this epoch; or wants last + 1 next
  target @0 :UInt16;
  epoch @1 :UInt64;
  last @2 :UInt64;
}

struct Where {                  # where members of the shard are
  layer @0 :Text;
  members @1 :List(Data);
}

struct Answer {
  to @0 :PortAddress;
  request @1 :UInt64;           # what it answers, of the session that asked
  union {
    sends @2 :List(Broker.SendAnswer);
    login @3 :LoginResult;
    ack @4 :Broker.AckAnswer;
    read @5 :Broker.FetchAnswer;
    manage @6 :ManageResult;
    attempts @7 :Broker.StatusAnswer;
    positions @8 :PositionsResult;
    refused @9 :Errors.Error;   # the node did not take the call: it changed nothing, and no other answer follows

    # to sessions that did not ask
    push @10 :List(Broker.Incoming);      # newly committed, ascending
    ended @11 :List(Broker.LostRange);
    parkingRule @12 :UInt32;              # unacked after so many deliveries: parked; 0: never
    explain @13 :Explain;
    explained @14 :Broker.DeviceFate;
    evicted @15 :Errors.Error;
    leader @16 :LeaderAnnounced;
    where @18 :WhereResult;
    followed @20 :LeaderFollowed;         # between nodes
  }
  mark @17 :PushMark;           # of what goes to sessions that did not ask
  mailboxEnd @19 :UInt64;       # beside parkingRule: the last sequence of the mailbox; 0: not told
}

struct PushMark {               # a leader numbers its pushes to a node 1, 2, 3 … within its term: what is missing, is seen
  shard @0 :UInt16;
  term @1 :UInt64;
  number @2 :UInt64;            # 0: not numbered
}

struct WallClock {              # a node's, as it sends this
  unixMs @0 :UInt64;
}

struct Registrations {          # of a node's sessions with one shard, to be compared with what its leader holds
  count @0 :UInt64;
  sum @1 :UInt64;
}

struct LoginResult {
  union {
    outcome :group {            # as in Broker.Welcome
      producer @0 :UInt64;
      newProducer @1 :Bool;
      epoch @2 :UInt64;
      restoredUpTo @3 :UInt64;
      cursor @4 :UInt64;
      lastSequence @5 :UInt64;
      ackedAbove @6 :List(UInt64);  # beyond the cursor, ascending
      parked @7 :List(UInt64);      # likewise
      number @9 :UInt64;            # ascends with the logins of the device
    }
    error @8 :Errors.Error;
  }
}

struct ManageResult {
  live @0 :UInt32;              # so many sessions were asked to add what they know
  union {
    done @1 :Void;
    devices @2 :Broker.DevicesAnswer;
    parked @3 :Broker.ParkedAnswer;
    replayed @4 :Broker.ReplayAnswer;
    explanation @5 :Broker.ExplainAnswer;
    policy @6 :Broker.PolicyAnswer;
    error @7 :Errors.Error;
  }
}

struct PositionsResult {
  union {
    done :group {
      outcomes @0 :List(Broker.PositionOutcome);  # of setPositions, one per item
      members @1 :UInt64;                         # of clearPositions: how many had a position
      ofLayers @2 :List(UInt64);                  # of clearLayers: how many were in each
    }
    error @3 :Errors.Error;
  }
}

struct WhereResult {
  union {
    members @0 :List(Whereabouts);  # one per member that was asked about
    error @1 :Errors.Error;
  }
}

struct Whereabouts {
  isSomewhere @0 :Bool;         # else nothing else counts
  hidden @1 :Bool;
  score @2 :Float64;
  version @3 :UInt64;
}

struct Explain {                # what has the session done with the message? Answered to `from`, with the request's number
  from @0 :PortAddress;
  sequence @1 :UInt64;
}

struct LeaderAnnounced {        # registrations with earlier terms are gone: register again
  shard @0 :UInt16;
  term @1 :UInt64;
  again @2 :Bool;               # those of this very term do not agree
  pushes @3 :UInt64;            # the number of the last push to the node that is told
}

struct LeaderFollowed {         # to a node that asks who leads, and may not reach it
  shard @0 :UInt16;
  term @1 :UInt64;
  leader @2 :UInt64;
}
