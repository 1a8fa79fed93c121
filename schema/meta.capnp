@0xc3f1d6a85e2b7049;
# Who the nodes of a cluster are and where its shards live: what the meta group keeps, what stands in its log, and what
# nodes and those who want to become one say about it.
#
# Rules of evolution: as command.capnp for what stands in the log, as peer.capnp for the rest.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("earshot::schema");

struct NodeAddresses {          # "host:port", in the order in which to try them
  peers @0 :List(Text);
  clients @1 :List(Text);
}

enum NodeState {
  joining @0;                   # has its id, and does not follow the meta group yet
  up @1;                        # may have replicas
  removed @2;                   # for good
}

struct MetaNode {
  id @0 :UInt64;
  addresses @1 :NodeAddresses;
  state @2 :NodeState;
  nonceHigh @3 :UInt64;         # that it joined with; 0, 0: it was the first
  nonceLow @4 :UInt64;
}

struct MetaState {
  clusterId @0 :UInt64;         # 0: there is no cluster yet
  shardCount @1 :UInt16;
  replicas @2 :UInt8;           # of each shard, if there are as many nodes
  version @3 :UInt64;           # grows by 1 with every change
  nextNode @4 :UInt64;          # the next id to give out
  nodes @5 :List(MetaNode);     # ascending by id
  placement @6 :List(List(UInt64)); # the nodes that should have a replica, of each shard; first: who should lead it
}

struct MetaRecord {             # what a node has on its disk of it (key N of storage/keys.hpp)
  appliedIndex @0 :UInt64;
  appliedTerm @1 :UInt64;
  state @2 :MetaState;
}

struct MetaCommand {            # one entry of the meta group's log
  union {
    createCluster @0 :CreateCluster;
    addNode @1 :AddNode;
    setAddresses @2 :SetAddresses;
    setNodeState @3 :SetNodeState;
    setPlacement @4 :SetPlacement;
  }

  struct CreateCluster {
    clusterId @0 :UInt64;
    shardCount @1 :UInt16;
    replicas @2 :UInt8;
    node @3 :UInt64;            # the first one; it has all shards
    addresses @4 :NodeAddresses;
  }
  struct AddNode {
    nonceHigh @0 :UInt64;
    nonceLow @1 :UInt64;
    addresses @2 :NodeAddresses;
  }
  struct SetAddresses {
    node @0 :UInt64;
    addresses @1 :NodeAddresses;
  }
  struct SetNodeState {
    node @0 :UInt64;
    state @1 :NodeState;
  }
  struct SetPlacement {
    version @0 :UInt64;         # of the state that it was planned from
    placement @1 :List(List(UInt64));
  }
}

struct JoinRequest {            # of a process that has no identity yet
  protocolMin @0 :UInt16;       # that it speaks between nodes
  protocolMax @1 :UInt16;
  version @2 :Text;             # of the program, for people
  nonceHigh @3 :UInt64;
  nonceLow @4 :UInt64;
  addresses @5 :NodeAddresses;
}

struct JoinAnswer {
  union {
    accepted @0 :Accepted;
    redirect @1 :List(Text);    # peer addresses of the node to ask
    refused @2 :Refused;
  }

  struct Accepted {
    clusterId @0 :UInt64;
    node @1 :UInt64;
    shardCount @2 :UInt16;
    nodes @3 :List(Node);       # some of the cluster; first: who leads the meta group
  }
  struct Node {
    id @0 :UInt64;
    peers @1 :List(Text);
  }
  struct Refused {
    reason @0 :Text;
    final @1 :Bool;             # else the same may be asked again, a little later
  }
}

struct ClusterMessage {         # between nodes
  union {
    tellAddresses @0 :NodeAddresses;  # to the leader of the meta group: where the sender is now
    askMetaState @1 :UInt64;    # to it as well: its state, whole; the number comes back
    metaState @2 :MetaStateAnswer;
  }

  struct MetaStateAnswer {
    ask @0 :UInt64;
    record @1 :MetaRecord;
  }
}
