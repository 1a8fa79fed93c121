@0xbfa24b6a671bc5d8;
# A shard's state on its way from its leader to a replica that has none (docs/storage.md, "A state that is fetched").
#
# Rules of evolution: as broker.capnp. A message that a node does not know is dropped, which is taken for a lossy network.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("earshot::schema");

struct SeedMessage {
  ask @0 :UInt64;                 # chosen by who asks, another one for each part; an answer repeats it
  union {
    request @1 :SeedRequest;
    part @2 :SeedPart;
    refusal @3 :SeedRefusal;
  }
}

struct SeedRequest {
  seed @0 :UInt64;                # which fetch; 0: a new one
  number @1 :UInt64;              # of the part; 1 of a new one
  bytesMax @2 :UInt32;            # about so much, at least one record
}

struct SeedPart {
  seed @0 :UInt64;                # not as asked for: the source has begun anew, and this is part 1
  number @1 :UInt64;
  range @2 :SeedRange;            # null: none in this part
  records @3 :List(SeedRecord);   # all that there are in the range, ascending by key
  changed @4 :List(SeedChange);   # of ranges given before: what they are now, ascending by key
  end @5 :SeedEnd;                # null: more is to come
}

struct SeedRange {                # keys [from, to)
  from @0 :Data;
  to @1 :Data;                    # empty: to the end
}

struct SeedRecord {
  key @0 :Data;                   # without the shard
  value @1 :Data;                 # without its seal
}

struct SeedChange {
  key @0 :Data;
  union {
    value @1 :Data;
    gone @2 :Void;
  }
}

struct SeedEnd {                  # with this part the state is whole
  applied @0 :UInt64;             # the entry that it stands at
  term @1 :UInt64;                # and its term; both 0: no entry was ever applied
  sums @2 :Data;                  # as the source's disk has them: a ShardSums of record.capnp
}

struct SeedRefusal {
  reason @0 :Reason;
  retryAfterMs @1 :UInt32;

  enum Reason {
    unknown @0;
    notLeader @1;                 # ask whoever is
    busy @2;                      # ask again
    corrupt @3;                   # a record there is damaged: this node has no state to give
  }
}
