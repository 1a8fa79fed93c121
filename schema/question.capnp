@0xd1f4a7c05be83926;
# What nodes ask each other about the members that they have in their cells, and what they say. A question is asked of
# every node that may have some of its answer, and each tells of its own.
#
# Rules of evolution: as peer.capnp. A message that a node does not know is dropped, as if it had got lost.

using Cxx = import "/capnp/c++.capnp";
using Broker = import "broker.capnp";
$Cxx.namespace("earshot::schema");

struct QuestionMessage {
  union {
    question @0 :NodeQuestion;
    answer @1 :NodeAnswer;
  }
}

struct NodeQuestion {
  id @0 :UInt64;                  # of the node that asks: comes back with the answer
  leftMs @1 :UInt32;              # so long it waits for the answer, from when it sent this
  view @2 :List(UInt64);          # the nodes that it takes for live, ascending
  regions @3 :List(UInt16);       # ascending, of the node that is asked, by that view; none: all that are
  union {
    nearby @4 :NearbyPart;
    size @5 :Text;                # how many are in this layer
    range @6 :RangePart;
    layers @7 :Text;              # with greater names than this
    scan @8 :ScanPart;
  }
  client @9 :UInt64;              # whom this is for, as the next two: log lines of both nodes name it; all 0: nobody
  clientCall @10 :UInt64;
  door @11 :UInt8;                # by which the client came in, as base/request_tag.hpp has them
}

struct NearbyPart {
  layer @0 :Text;
  longitude @1 :Float64;          # of the centre
  latitude @2 :Float64;
  union {
    radiusM @3 :Float64;
    box :group {
      widthM @4 :Float64;
      heightM @5 :Float64;
    }
  }
  pick @6 :Pick;
  countMax @7 :UInt32;
  sight @8 :ViewerSight;          # none: where they are
}

enum Pick {
  all @0;
  any @1;
  nearest @2;
  farthest @3;
}

struct ViewerSight {              # where this user is shown them
  viewer @0 :Text;
  precisionM @1 :UInt32;
  secret @2 :UInt64;
}

struct RangePart {
  layer @0 :Text;
  bounds @1 :MemberBounds;        # none: everybody
  descending @2 :Bool;            # in the order of their scores, then of their names; else ascending
  after @3 :MemberSpot;           # none: from the first
  countMax @4 :UInt32;
}

struct MemberSpot {
  score @0 :Float64;
  name @1 :Data;
}

struct MemberBounds {
  scoreMin @0 :Float64;
  scoreMax @1 :Float64;
  scoreMinExclusive @2 :Bool;
  scoreMaxExclusive @3 :Bool;
  nameMin @4 :Data;               # none: from the first
  nameMax @5 :Data;
  nameMinExclusive @6 :Bool;
  nameMaxExclusive @7 :Bool;
  isEmpty @8 :Bool;
}

struct ScanPart {
  from @0 :UInt64;
  countMax @1 :UInt32;
}

struct NodeAnswer {
  id @0 :UInt64;
  serving @1 :UInt64;             # of the node that answers: the parts of one answer have the same, a later one's is greater
  part @2 :UInt16;                # from 0
  parts @3 :UInt16;
  isPartial @4 :Bool;             # it does not know of all of them now
  isOtherView @5 :Bool;           # some that it was asked for are not its own, as it sees it
  union {
    members @6 :List(ToldMember);
    size @7 :UInt64;
    layers @8 :ToldLayers;
    scan @9 :ToldScan;
  }
  more @10 :Bool;                 # there are others behind those
  followsMs @11 :UInt32;          # who has left the node's regions within this time is told of, too
}

struct ToldMember {
  name @0 :Data;
  score @1 :Float64;              # of nearby: the place where it is shown
  version @2 :UInt64;
  distanceM @3 :Float64;
  hidden @4 :Bool;
}

struct ToldLayers {
  names @0 :List(Text);           # ascending
  members @1 :List(UInt64);
}

struct ToldScan {
  names @0 :List(Text);
  next @1 :UInt64;                # 0: that was all
}
