@0xe3c3d7202aa5cbc5;
# How a connection between two nodes begins: the one that dials says hello, the other one welcomes or refuses it, and
# behind the dialler's start only frames follow (peers/frame.hpp). Who has no identity yet asks one question instead.
#
# Rules of evolution: as broker.capnp; and protocolMin and protocolMax stay where they are for ever.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("earshot::schema");

struct LinkGreeting {
  union {
    unknown @0 :Void;
    hello @1 :LinkHello;          # the dialler's first word
    welcome @2 :LinkHello;        # the answer of who was dialled
    start @3 :Void;               # the dialler takes it: frames follow, both ways
    refused @4 :LinkRefusal;      # instead of welcome or start; the connection ends
    request @5 :Data;             # a joiner's, behind the welcome
    answer @6 :Data;              # to it; the connection ends
  }
}

struct LinkHello {
  protocolMin @0 :UInt16;         # what it can speak
  protocolMax @1 :UInt16;
  purpose @2 :Purpose;
  clusterId @3 :UInt64;           # 0: a joiner's, that has none yet
  node @4 :UInt64;                # the same
  boot @5 :UInt64;                # random, of this start of the process
  windows @6 :List(UInt64);       # bytes that it takes in advance, of each class of frames (peers/frame.hpp)

  enum Purpose {
    unknown @0;
    node @1;
    joiner @2;
  }
}

struct LinkRefusal {
  reason @0 :Reason;
  detail @1 :Text;                # one sentence for a log

  enum Reason {
    unknown @0;
    protocol @1;                  # ranges that do not overlap
    cluster @2;                   # of another cluster
    unknownNode @3;               # no such node in this cluster
    ownIdentity @4;               # it says to be the node that it speaks to
    twin @5;                      # another process with its identity is connected, and answers
    duplicate @6;                 # there is another connection between the two, or one on its way
    certificate @7;               # does not name this node
    busy @8;
    otherNode @9;                 # another node than the one that was dialled
    malformed @10;
    removed @11;                  # the cluster has removed this node, for good
  }
}
