@0x8866eafa9af6b046;
# What the nodes of a cluster say to each other: Raft messages, whole, with the entries they carry. A snapshot is told by
# its metadata only: the state itself is fetched.
#
# Rules of evolution: as broker.capnp. A message that a node does not know is dropped, which Raft takes for a lossy network.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("earshot::schema");

struct RaftMessage {
  term @0 :UInt64;                # the sender's current term (in a pre-vote: the term it would stand for)
  union {
    requestVote @1 :RequestVote;
    requestVoteResult @2 :RequestVoteResult;
    appendEntries @3 :AppendEntries;
    appendEntriesResult @4 :AppendEntriesResult;
    installSnapshot @5 :InstallSnapshot;
    timeoutNow @6 :TimeoutNow;
    leaderCheck @7 :UInt64;       # the number of a check: does the sender still lead in its term?
    leaderCheckResult @8 :UInt64; # yes, as of the check with this number
  }
}

struct RequestVote {
  lastIndex @0 :UInt64;           # the candidate's last entry
  lastTerm @1 :UInt64;
  disruptLeader @2 :Bool;         # the leader itself asked for this election
  preVote @3 :Bool;
}

struct RequestVoteResult {
  granted @0 :Bool;
  preVote @1 :Bool;
  features @2 :UInt16;            # bits of libraft
  capacity @3 :UInt16;            # KiB of disk reserved for entries
}

struct AppendEntries {
  previousIndex @0 :UInt64;       # the entry before the first one here
  previousTerm @1 :UInt64;
  leaderCommit @2 :UInt64;
  entries @3 :List(RaftEntry);    # previousIndex + 1, …
}

struct RaftEntry {
  term @0 :UInt64;
  type @1 :Type;
  data @2 :Data;

  enum Type {
    unknown @0;
    command @1;
    barrier @2;
    configuration @3;
  }
}

struct AppendEntriesResult {
  rejected @0 :UInt64;            # 0: accepted; else the previousIndex that did not fit
  lastIndex @1 :UInt64;           # accepted: synced up to here; rejected: where the leader may try next
  features @2 :UInt16;
  capacity @3 :UInt16;
}

struct InstallSnapshot {
  index @0 :UInt64;               # the last entry in the snapshot
  snapshotTerm @1 :UInt64;        # its term
  configuration @2 :Data;         # the members as of it, encoded by libraft
  configurationIndex @3 :UInt64;
}

struct TimeoutNow {               # stand for election at once: the leader hands over
  lastIndex @0 :UInt64;
  lastTerm @1 :UInt64;
}

# Of groups in which nothing happens, all in one: that whoever sends this leads them still, or that it follows there.
struct Pulse {
  isAnswer @0 :Bool;
  beats @1 :List(GroupBeat);
}

struct GroupBeat {
  group @0 :UInt16;
  term @1 :UInt64;
  last @2 :UInt64;                # the last entry of the log, of both
}
