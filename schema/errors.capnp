@0xd0b7a5f1c3e94a21;
# The one table of errors. Rules: a code keeps its number and its meaning for ever; new ones are appended;
# a reader that meets an unknown code treats it as `internal`.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("earshot::schema");

enum ErrorCode {
  internal @0;            # a bug or a failed library call that the caller cannot mend
  invalidArgument @1;     # a field breaks a rule or a limit; the call changed nothing
  unauthenticated @2;     # no valid login
  permissionDenied @3;    # logged in, but not allowed
  notFound @4;
  tooLarge @5;            # a size limit; `field` names it
  overloaded @6;          # a queue is full: try again after retryAfterMs
  unavailable @7;         # no leader, shutting down, connection lost: try again
  deadlineExceeded @8;    # not answered in time; the outcome is unknown
  outOfOrder @9;          # a stream expects another number: resend from `expected`
  producerReset @10;      # the lane is unknown: take a new producer id
  checksumMismatch @11;   # the body arrived altered: send it again
  sessionReplaced @12;    # the same device logged in again, the newer session wins
  storageFull @13;        # the disk reserve is reached: try again later
  corrupt @14;            # a stored record fails its checksum and is not served
  unsupportedVersion @15; # the peer's protocol range does not overlap with ours
  mailboxFull @16;        # the recipient keeps as many messages as a mailbox may
  closed @17;             # closed by its owner
  conflict @18;           # exists already with other content
  expired @19;            # the message's time to live had passed before it reached its mailbox
}

struct Error {
  code @0 :ErrorCode;
  field @1 :Text;          # the field or setting at fault, "" where none is
  detail @2 :Text;         # for people; names the limit where one was broken
  retryAfterMs @3 :UInt32; # 0: the same request will not succeed later
  expected @4 :UInt64;     # with outOfOrder: the number that the stream wants next
}
