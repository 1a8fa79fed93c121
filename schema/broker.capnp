@0xe1c04fd27a9b3355;
# What a client calls. The bootstrap capability of a connection is a Broker.
#
# Rules of evolution (docs/schema-evolution.md): fields and methods are only ever appended; a default value means "as
# before"; nothing is renumbered.
# Batches everywhere: one call carries many messages, since a call costs far more than a message.

using Cxx = import "/capnp/c++.capnp";
using Errors = import "errors.capnp";
$Cxx.namespace("earshot::schema");

const protocolMin :UInt16 = 1;   # the oldest and the newest protocol that this schema describes
const protocolMax :UInt16 = 1;

interface Broker {
  login @0 LoginRequest -> LoginAnswer;

  clusterStatus @1 (token :Text) -> ClusterStatusAnswer;
  # What this node knows of its cluster, for who watches it; with a token of the role service or operator, else
  # permissionDenied. It needs no session, since a login needs a shard that works, and this is asked above all when some
  # do not. Asked again on the same connection within clusterStatusPauseMs: overloaded.

  removeNode @2 (token :Text, node :UInt64) -> RemoveNodeAnswer;
  # Takes a node that is gone for good out of the cluster, with a token of the role operator; without a session, and as
  # often on a connection, as clusterStatus. The node that leads the meta group does it; asked again it does no harm.
}

struct LoginRequest {
  protocolMin @0 :UInt16;       # the range that the client speaks
  protocolMax @1 :UInt16;
  token @2 :Text;               # with auth "none": the user id itself
  device @3 :Text;
  producer @4 :UInt64;          # the producer id this device was given before, 0: none
  epoch @5 :UInt64;             # the mailbox epoch that lastReceived belongs to, 0: none
  lastReceived @6 :UInt64;      # LastReceivedSeqID: everything up to it is in the client's own database; 0: nothing
  startAt @7 :StartAt;          # where a device that is new to the mailbox begins
  agent @8 :Text;               # the client's name and version, for logs
  store @9 :UInt64;             # names the client's own database, drawn by chance when that was new; 0: logins have no order
  loginNumber @10 :UInt64;      # ascends with the logins of that database, over all runs of its program: one that arrives
                                #   after a greater one of the same database is refused, sessionReplaced
}

enum StartAt {
  oldest @0;                    # at the oldest kept message
  newest @1;                    # only what arrives from now on
}

struct LoginAnswer {
  union {
    ok :group {
      session @0 :Session;
      welcome @1 :Welcome;
    }
    error @2 :Errors.Error;
  }
}

struct Welcome {
  protocol @0 :UInt16;          # the protocol that is spoken from here on
  user @1 :Text;
  shardCount @2 :UInt16;        # a message's lane is xxh3(recipient) % shardCount
  producer @3 :UInt64;          # use this producer id …
  newProducer @4 :Bool;         # … and it is new: lanes start at 1; what was sent without answer is uncertain
  epoch @5 :UInt64;             # the mailbox's epoch; when it differs from the client's, lastReceived becomes the
  restoredUpTo @6 :UInt64;      #   smaller of itself and restoredUpTo
  cursor @7 :UInt64;            # everything up to it is acked by this device
  lastSequence @8 :UInt64;      # the newest message in the mailbox
  limits @9 :Limits;
  node @10 :UInt64;
  role @11 :Role;
  addresses @12 :List(Text);    # of the cluster's nodes, for clients: to be tried when those it has fail; host:port
}

enum Role {                     # what a token lets its holder do
  user @0;                      # acts as itself
  service @1;                   # a trusted backend: may also read about any user and the cluster, and change positions and layers
  operator @2;                  # may also remove devices, replay and drop what is parked, set policies, remove nodes
}

struct Limits {
  bodyBytesMax @0 :UInt32;
  batchMessagesMax @1 :UInt32;
  batchBytesMax @2 :UInt32;
  fetchMessagesMax @3 :UInt32;
  windowMessagesMax @4 :UInt32;
  laneWindowMax @5 :UInt32;
  callsInFlightMax @6 :UInt32;
  callBytesInFlightMax @7 :UInt32;
}

interface Session {
  send @0 (messages :List(Outgoing)) -> (answers :List(SendAnswer));
  # Stores messages in their recipients' mailboxes. One answer per message, in order; each is given only when the
  # message is committed and synced. Messages of one lane must stand in the order of their numbers.

  subscribe @1 (receiver :Receiver, mode :Mode, windowMessages :UInt32) -> StatusAnswer;
  # Starts delivery from the device's cursor, once per session.

  ack @2 (upTo :UInt64, above :List(UInt64)) -> AckAnswer;
  # Everything up to `upTo`, and in `unordered` mode also `above` (ascending), is in the client's database. Stops
  # retransmission when received; answers when the cursor is committed. In `sequenceOnly` mode: the client's report of
  # LastReceivedSeqID.

  nack @3 (sequences :List(UInt64), delayMs :UInt32) -> StatusAnswer;
  # Not taken (ascending, at least one): deliver again after the delay. In `ordered` mode delivery resumes from the first
  # of them.

  fetch @4 (after :UInt64, limit :UInt32, cause :FetchCause) -> FetchAnswer;
  # The messages that follow `after`, without holes, at most `limit`. What is gone is said in `lost`.

  history @5 (before :UInt64, limit :UInt32) -> FetchAnswer;
  # The newest `limit` messages below `before` (0: from the end), in ascending order, whatever the cursor.

  logout @6 () -> ();
  # Ends the session in order; the cursor stays.

  # Below: looking after mailboxes. `user` "" is the session's own user; another one needs the role that Role tells.
  # permissionDenied otherwise.

  devices @7 (user :Text) -> DevicesAnswer;
  # Every device that has a cursor on the mailbox.

  removeDevice @8 (user :Text, device :Text) -> StatusAnswer;
  # Forgets a device with its cursor and what is parked for it; a session of it is ended. It may log in again as a new one.

  parked @9 (user :Text, device :Text, after :UInt64, limit :UInt32) -> ParkedAnswer;
  # What was given up on after deliveriesMax deliveries, with sequence > after, ascending; device "": of every device, without bodies.

  replay @10 (user :Text, device :Text, sequences :List(UInt64)) -> ReplayAnswer;
  # Puts parked messages into the mailbox again, as new ones with the same id (Incoming.replayOf), and takes them off the list.

  dropParked @11 (user :Text, device :Text, sequences :List(UInt64)) -> StatusAnswer;
  # Takes parked messages off the list for good.

  explain @12 (user :Text, sequence :UInt64, idHigh :UInt64, idLow :UInt64) -> ExplainAnswer;
  # The life of one message of a mailbox: by sequence or, when that is 0, by id (the newest explainMessagesMax are looked at).

  policy @13 (user :Text, all :Bool) -> PolicyAnswer;
  # What ends the messages of a mailbox; with `all` the default of all mailboxes.

  setPolicy @14 (user :Text, all :Bool, policy :Policy, inherit :Bool) -> StatusAnswer;
  # Operators only. With `all`: the default of all mailboxes. With `inherit`: the mailbox follows the default again.

  # Below: where the members of a layer are. `layer` "" is the layer "people"; a member "" is the session's own user. A user
  # may set and clear its own position, and ask nearby, positions and distance: it is shown itself as it is, and others as
  # the layer's privacy has it, so often in a minute, else overloaded(queries). All else needs the role service or
  # operator, permissionDenied otherwise. What was answered to a change is seen by every question that is asked after the
  # answer, on any connection.

  setPositions @15 (layer :Text, items :List(PositionItem), condition :SetCondition, accepted :Bool)
      -> SetPositionsAnswer;
  # Answers when all are committed and synced, and every later question sees them. Nothing is set when a field breaks a
  # rule. Another error may leave some of them set: to set them again is safe. With `accepted` (and no condition) it
  # answers at once: every later question sees them too, but a node that dies before they are synced forgets them.

  clearPositions @16 (layer :Text, members :List(Text)) -> ClearPositionsAnswer;

  clearLayer @17 (layer :Text) -> ClearLayerAnswer;
  # Takes everybody's position in it away.

  nearby @18 (request :NearbyRequest) -> NearbyAnswer;
  # The members within an area.

  positions @19 (layer :Text, members :List(Text)) -> PositionsAnswer;
  # Where these are. A node that has just started, and does not know yet where everybody is, waits for a second, then
  # answers unavailable; so it does with the next two calls.

  distance @20 (layer :Text, from :Text, to :Text) -> DistanceAnswer;

  layers @21 (after :Text) -> LayersAnswer;
  # The layers that somebody is in, in the order of their names: the first layersPageMax with a name greater than `after`.

  layerPrivacy @22 (layer :Text) -> LayerPrivacyAnswer;
  # How users are shown others in it. This one and the next need the role service or operator.

  setLayerPrivacy @23 (layer :Text, privacy :LayerPrivacy, inherit :Bool) -> StatusAnswer;
  # With `inherit`: as layers are by default again. Every later question is answered by it.
}

enum Mode {
  ordered @0;       # strictly in sequence, cumulative acks
  unordered @1;     # selective acks, delayed nacks
  sequenceOnly @2;  # no acks: the client checks contiguity and refetches; the cursor follows its reports
}

enum FetchCause {   # counted and shown, since frequent refetches cost more than acks and their cause is hard to find
  unspecified @0;
  gap @1;           # a delivered batch did not follow LastReceivedSeqID
  checksum @2;      # a delivered body failed its checksum
  reconnect @3;     # catching up after a new connection
  catchUp @4;       # reading on demand (sequence-only clients, tools)
}

struct Outgoing {
  recipient @0 :Text;
  number @1 :UInt64;         # place in the lane of the recipient's shard
  answeredBelow @2 :UInt64;  # the client has the answers of all lower numbers of this lane
  idHigh @3 :UInt64;
  idLow @4 :UInt64;
  body @5 :Data;
  checksum @6 :UInt64;       # xxh3-64 of body, made by the sender
  sentAtMs @7 :UInt64;       # the sender's clock, shown to the recipient, used for nothing
  copyToSelf @8 :Bool;       # also put a copy into the sender's own mailbox, for its other devices
  ttlMs @9 :UInt64;          # it ends so long after it was stored; 0: never
  expired @10 :Bool;         # its time passed in the sender's outbox: uses up the number, stores nothing, is refused with `expired`
}

struct SendAnswer {
  union {
    stored @0 :Stored;
    refused @1 :Errors.Error; # final: the number is used up
    held @2 :Errors.Error;    # temporary: send this and the lane's later messages again
  }
  repeat @3 :Bool;            # this number was answered before: here is its first answer again
}

struct Stored {
  sequence @0 :UInt64;
  epoch @1 :UInt64;
}

struct StatusAnswer {
  union {
    ok @0 :Void;
    error @1 :Errors.Error;
  }
}

struct AckAnswer {
  union {
    cursor @0 :UInt64;        # everything up to here is acked and committed
    error @1 :Errors.Error;
  }
}

interface Receiver {
  deliver @0 (batch :Batch) -> ();
  # Returns when the client has taken the batch in; that is flow control, not an ack.

  closed @1 (reason :Errors.Error) -> ();
  # The session is over; the connection closes after it.

  goAway @2 (addresses :List(Text), withinMs :UInt32) -> ();
  # The node asks the client to log in elsewhere: at one of these addresses (host:port; none: any other that it knows).
  # The session goes on, and ends as unavailable when withinMs has passed. A client that cannot be told, because it
  # has no Receiver or does not know this call, finds its session ended at once; nothing is lost by either.
}

struct Batch {
  epoch @0 :UInt64;
  messages @1 :List(Incoming);
  lost @2 :List(LostRange);
  lastSequence @3 :UInt64;    # the newest message in the mailbox
}

struct Incoming {
  sequence @0 :UInt64;
  sender @1 :Text;
  senderDevice @2 :Text;
  idHigh @3 :UInt64;
  idLow @4 :UInt64;
  body @5 :Data;
  checksum @6 :UInt64;
  sentAtMs @7 :UInt64;
  storedAtMs @8 :UInt64;
  attempt @9 :UInt32;         # 1 on the first delivery of this session
  copyOf @10 :Text;           # "" or, on the sender's own copy of a sent message, its recipient
  expiresAtMs @11 :UInt64;    # by the shard's committed time; 0: never
  replayOf @12 :UInt64;       # 0 or the sequence of the parked message that this is a copy of
}

struct LostRange {
  first @0 :UInt64;
  last @1 :UInt64;
  reason @2 :LostReason;
}

enum LostReason {
  unknown @0;
  corrupt @1;                 # stored records fail their checksum
  trimmed @2;                 # the retention policy ended them
  expired @3;                 # their time to live has passed
  parked @4;                  # given up on for this device: see Session.parked
}

struct FetchAnswer {
  union {
    batch @0 :Batch;
    error @1 :Errors.Error;
  }
}

struct Policy {                 # what ends messages and devices
  retentionAgeMs @0 :UInt64;    # messages older than this are trimmed; 0: never
  retentionMessages @1 :UInt64; # more messages than this in one mailbox: the oldest are trimmed; 0: no such limit
  deviceIdleMs @2 :UInt64;      # a device not connected for so long is removed; 0: never
  deliveriesMax @3 :UInt32;     # a message unacked after so many deliveries to one device is parked; 0: never
}

struct PolicyAnswer {
  union {
    policy @0 :Policy;
    error @1 :Errors.Error;
  }
  inherited @2 :Bool;           # the mailbox has none of its own
}

struct Device {
  device @0 :Text;
  upTo @1 :UInt64;              # everything up to it is acked
  unacked @2 :UInt64;           # messages of the mailbox that it has not acked
  parked @3 :UInt64;
  lastSeenMs @4 :UInt64;        # committed time of its last login, or of the last sign that it was connected
  connected @5 :Bool;
}

struct DevicesAnswer {
  union {
    devices @0 :List(Device);
    error @1 :Errors.Error;
  }
}

struct ParkedMessage {
  device @0 :Text;
  sequence @1 :UInt64;
  deliveries @2 :UInt32;
  parkedAtMs @3 :UInt64;
  kept @4 :Bool;                # the message itself is still in the mailbox …
  message @5 :Incoming;         # … and this is it
}

struct ParkedAnswer {
  union {
    messages @0 :List(ParkedMessage);
    error @1 :Errors.Error;
  }
}

struct ReplayAnswer {
  union {
    replayed @0 :List(UInt64);  # the new sequences, in the order asked for; 0: not parked, or no longer in the mailbox
    error @1 :Errors.Error;
  }
}

struct Explanation {            # the life of one message in one mailbox
  user @0 :Text;
  sequence @1 :UInt64;
  epoch @2 :UInt64;
  shard @3 :UInt16;
  node @4 :UInt64;
  kept @5 :Bool;                # false: it ended (or is lost), and why
  endedReason @6 :LostReason;
  endedAtMs @7 :UInt64;         # 0: not known
  message @8 :Incoming;         # without its body; all empty when nothing of it is left
  bodyBytes @9 :UInt32;
  devices @10 :List(DeviceFate);
}

struct DeviceFate {             # what became of it at one device
  device @0 :Text;
  state @1 :State;
  ackedAfterMs @2 :UInt64;      # acked: between these two committed times
  ackedByMs @3 :UInt64;
  deliveries @4 :UInt32;        # fruitless ones that were counted
  parkedAtMs @5 :UInt64;
  connected @6 :Bool;           # below: of the session that lives now
  attempts @7 :UInt32;
  firstDeliveredMs @8 :UInt64;
  lastDeliveredMs @9 :UInt64;

  enum State {
    waiting @0;                 # in the mailbox, not acked
    delivered @1;               # with the client now, not acked
    acked @2;
    parked @3;
  }
}

struct ExplainAnswer {
  union {
    explanation @0 :Explanation;
    error @1 :Errors.Error;
  }
}

struct Point {                  # in degrees; what can be told is the square of the web's Mercator projection
  longitude @0 :Float64;        # -180 to 180
  latitude @1 :Float64;         # -85.05112878 to 85.05112878
}

struct Geohash {
  value @0 :UInt64;             # 52 bits
  text @1 :Text;                # the standard text of 11 characters
}

struct PositionItem {
  member @0 :Text;              # of 1 to memberBytesMax bytes; "": the session's own user
  point @1 :Point;              # kept as a geohash of 52 bits: to about 0.6 m at the equator
  ttlMs @2 :UInt64;             # the position ends so long after it was set; 0: never
  hidden @3 :Bool;              # from every user but the member itself, until it is set without this
}

enum SetCondition {             # which of the items are set
  always @0;
  ifNew @1;                     # of members that have no position
  ifExists @2;                  # of members that have one
}

enum PositionOutcome {
  added @0;                     # it had no position
  changed @1;                   # it is elsewhere now
  unchanged @2;                 # it was there already
  skipped @3;                   # the condition does not hold
  accepted @4;                  # it will be there: what that changes is not known yet
}

struct SetPositionsAnswer {
  union {
    outcomes @0 :List(PositionOutcome);  # one per item, in order
    error @1 :Errors.Error;
  }
}

struct ClearPositionsAnswer {
  union {
    cleared @0 :UInt64;         # so many of the members had a position
    error @1 :Errors.Error;
  }
}

struct ClearLayerAnswer {
  union {
    existed @0 :Bool;           # somebody was in it
    error @1 :Errors.Error;
  }
}

struct NearbyRequest {
  layer @0 :Text;
  centre :union {
    point @1 :Point;
    member @2 :Text;            # where this one is; notFound(member) when that is nowhere
  }
  area :union {
    radiusM @3 :Float64;        # everybody within this distance, the edge included
    box :group {                # as wide as told at every latitude, with the centre in the middle
      widthM @4 :Float64;
      heightM @5 :Float64;
    }
  }
  count @6 :UInt32;             # so many at most, and no more than nearbyAnswerMax; 0: nearbyAnswerMax
  any @7 :Bool;                 # any of them when there are more; else the nearest, or with farthestFirst the farthest
  order @8 :NearbyOrder;
  withDistance @9 :Bool;
  withPoint @10 :Bool;
  withGeohash @11 :Bool;
  deadlineMs @12 :UInt32;       # a node that does not know yet where everybody is waits so long, then answers in part;
                                #   0: nearbyDeadlineMsDefault
}

enum NearbyOrder {
  none @0;
  nearestFirst @1;
  farthestFirst @2;
}

struct NearbyMember {
  member @0 :Text;
  memberBytes @1 :Data;         # instead, when it is not valid UTF-8: over Redis's protocol a member may be any bytes
  distanceM @2 :Float64 = nan;  # from the centre, in metres, as are the next two only when asked for
  point @3 :Point;              # the middle of the geohash
  geohash @4 :Geohash;
}

enum Completeness {
  exact @0;                     # every member within the area, and none outside
  truncated @1;                 # there are more than count or nearbyAnswerMax let through
  partial @2;                   # the node does not know yet where everybody is: there may be more
}

struct NearbyAnswer {
  union {
    found :group {
      members @0 :List(NearbyMember);
      completeness @1 :Completeness;
    }
    error @2 :Errors.Error;
  }
}

struct Position {
  point @0 :Point;              # null: it has none
  geohash @1 :Geohash;
}

struct PositionsAnswer {
  union {
    positions @0 :List(Position);  # one per member, in order
    error @1 :Errors.Error;
  }
}

struct DistanceAnswer {
  union {
    metres @0 :Float64;
    none @1 :Void;              # one of them is nowhere
    error @2 :Errors.Error;
  }
}

struct LayerInfo {
  name @0 :Text;
  members @1 :UInt64;
  privacy @2 :LayerPrivacy;
  privacyInherited @3 :Bool;    # it has none of its own
}

struct LayerPrivacy {           # how users are shown others; service and operator are shown everything as it is
  precisionM @0 :UInt32;        # about so far off, and at the same place for as long as they stay about there; 0: exactly
  distanceStepM @1 :UInt32;     # distances are rounded up to multiples of it; 0: they are not
  queriesPerMinute @2 :UInt32;  # questions of one user about others; 0: no limit
}

struct LayerPrivacyAnswer {
  union {
    privacy @0 :LayerPrivacy;
    error @1 :Errors.Error;
  }
  inherited @2 :Bool;           # the layer has none of its own
}

struct LayersAnswer {
  union {
    found :group {
      layers @0 :List(LayerInfo);
      more @1 :Bool;            # there are layers after these
    }
    error @2 :Errors.Error;
  }
}

struct ClusterStatusAnswer {
  union {
    status @0 :ClusterStatus;
    error @1 :Errors.Error;
  }
}

struct RemoveNodeAnswer {
  union {
    removed @0 :NodeRemoved;
    askLeader @1 :List(Text);   # where clients find the node that leads the meta group, which is the one to ask
    error @2 :Errors.Error;     # notFound(node); conflict(node): it is there, or the only one; conflict(shards, meta): a
                                #   group would have no majority of its voters; unavailable(leader): ask again
  }
}

struct NodeRemoved {
  wasBefore @0 :Bool;           # it had been removed already
}

struct ClusterStatus {          # as one node knows it: what several know is put together by who asks them
  node @0 :UInt64;              # that tells it
  clusterId @1 :UInt64;         # 0: it is in no cluster, or does not know of it yet
  epoch @2 :UInt64;             # of the map of the cluster: grows with every change of nodes and of where shards should be
  metaLeader @3 :UInt64;        # who leads the group that keeps that map; 0: none that it knows
  replicas @4 :UInt8;           # that each shard should have
  nodes @5 :List(ClusterNode);  # ascending by id
  shards @6 :List(ShardStatus); # ascending by id
  cellNodes @7 :List(UInt64);   # that have the cells of where members are, as it takes them for live, ascending
  sessions @8 :UInt64;          # of clients, here
}

struct ClusterNode {
  id @0 :UInt64;
  state @1 :State;
  clientAddresses @2 :List(Text);  # host:port
  peerAddresses @3 :List(Text);
  linked @4 :Bool;              # the node that tells this has a link to it, or is it

  enum State {
    joining @0;
    up @1;
    removed @2;
  }
}

struct ShardStatus {            # as the replica here knows its group
  shard @0 :UInt16;
  leader @1 :UInt64;            # 0: none that it knows
  term @2 :UInt64;
  committed @3 :UInt64;         # log index, as far as this replica has heard
  applied @4 :UInt64;           # by this replica
  fetching @5 :Bool;            # its state is not here yet, it comes from another node
  members @6 :List(ReplicaStatus);
  wanted @7 :List(UInt64);      # nodes that should have a replica; first: that should lead
}

struct ReplicaStatus {
  node @0 :UInt64;
  voter @1 :Bool;
  stored @2 :UInt64;            # log index, as the leader knows; 0: not known, or this replica does not lead
}
