@0xb7d1f2c09a6e4513;
# What nodes say to each other about where members are: the leader of a shard feeds each node that keeps cells with the
# places of that shard's members (docs/decisions/2026-11-29-how-places-cross-nodes.md).
#
# Rules of evolution: as broker.capnp. A message that a node does not know is dropped, which is taken for a lossy network.

using Cxx = import "/capnp/c++.capnp";
using Broker = import "broker.capnp";
$Cxx.namespace("earshot::schema");

struct FeedMessage {
  term @0 :UInt64;                # of the leader that feeds
  subscription @1 :UInt64;        # chosen by the node that is fed, another one each time that it begins anew
  union {
    subscribe @2 :FeedSubscribe;  # node → leader
    ack @3 :FeedAck;              # node → leader; also says that it is still there
    askLease @4 :FeedAskLease;    # node → leader
    items @5 :FeedItems;          # leader → node
    grant @6 :FeedGrant;          # leader → node
    gone @7 :Void;                # leader → node: it feeds no such subscription
  }
}

struct FeedSubscribe {
  view @0 :List(UInt64);          # the nodes that it takes for live, ascending: they share the regions
}

struct FeedAck {
  number @0 :UInt64;              # everything up to this one is taken in
  pages @1 :UInt64;               # of the scan: so many have come to the cells too
}

struct FeedAskLease {
  ask @0 :UInt64;
}

struct FeedGrant {
  ask @0 :UInt64;
  through @1 :UInt64;             # the lease is live once everything up to this number is taken in
}

struct FeedItems {
  number @0 :UInt64;              # 1, 2, 3 …
  scan @1 :Scan;
  layers @2 :List(Text);          # that are spoken of
  moves @3 :List(FeedMove);       # by ascending version, but for those of a page
  cleared @4 :List(FeedCleared);  # the same; both together are one order
  privacies @5 :List(FeedPrivacy);
  tellsLate @6 :Bool;             # with begins: whoever has moved of late is told of, wherever that was

  enum Scan {
    none @0;                      # a change
    begins @1;                    # whoever is not told of from here to the end is not there any more
    page @2;
    ends @3;
  }
}

struct FeedMove {
  layer @0 :UInt16;               # which of the layers
  hasScore @1 :Bool;              # false: it is nowhere
  hidden @2 :Bool;
  ahead @3 :Bool;
  settles @4 :Bool;
  score @5 :Float64;
  version @6 :UInt64;
  member @7 :Data;
  elsewhere @8 :Bool;             # in none of the node's regions
  aheadNumber @9 :UInt64;         # with ahead or settles: of all that the leader has told ahead; 0: none of its own
}

struct FeedCleared {
  layer @0 :UInt16;
  version @1 :UInt64;
}

struct FeedPrivacy {
  layer @0 :UInt16;
  privacy @1 :Broker.LayerPrivacy;  # null: it has none of its own
}
