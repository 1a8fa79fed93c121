#pragma once

#include <cstddef>
#include <cstdint>

// Every limit that a client, an application or an operator can meet, with its unit last in the name and its reason
// beside it. Docs and tests of each: docs/limits.md.
namespace earshot::limits {

// ---- names and messages
inline constexpr std::size_t kNameBytesMax = 128;        // user and device ids; two of them fit an LMDB key (511)
inline constexpr std::size_t kBodyBytesMax = 1 << 20;    // one message body; larger content belongs in an object store
inline constexpr std::size_t kErrorTextBytesMax = 1024;  // an error's field or detail taken over from a peer; cut there
inline constexpr std::size_t kTokenBytesMax = 8 << 10;   // a login token
inline constexpr std::uint16_t kShardsMax = 1024;        // shards of one cluster; the shard id takes two bytes of a key
inline constexpr std::uint16_t kShardsDefault = 64;      // enough to spread over tens of nodes

// ---- client calls
inline constexpr std::size_t kBatchMessagesMax = 1024;  // messages in one send or deliver call
inline constexpr std::size_t kBatchBytesMax = 4 << 20;  // bytes in one send or deliver call; also bounds a raft entry
// 8-byte words that decoding one call may visit: the bodies of a batch are visited twice, once to add up their bytes
inline constexpr std::size_t kCallWordsMax = (1 << 20) + kBatchBytesMax / 8;
inline constexpr int kCallNestingMax = 16;              // pointer depth of one message, as far as it is read
inline constexpr std::size_t kFetchMessagesMax = 1024;  // messages in one fetch or history answer
inline constexpr std::size_t kLostRangesMax = 1024;     // ranges of lost messages in one batch, which then ends early
inline constexpr std::size_t kConnectionsMax = 50'000;  // client connections of one node
inline constexpr std::size_t kCallsInFlightMax = 256;   // unanswered calls of one connection
inline constexpr std::size_t kCallBytesInFlightMax = 16 << 20;  // request bytes of unanswered calls of one connection
inline constexpr std::size_t kNodeAddressesMax = 64;            // addresses of nodes that a client is told at once
inline constexpr std::size_t kAddressBytesMax = 261;            // a host's name (255), a colon and a port
inline constexpr std::uint64_t kLoginTimeoutMs = 10'000;        // a connection that has not logged in by then is closed
inline constexpr std::uint64_t kRequestTimeoutMs = 10'000;      // default deadline of a request inside the node

// ---- sessions
inline constexpr std::uint32_t kWindowMessagesDefault = 256;  // outstanding messages of one session
inline constexpr std::uint32_t kWindowMessagesMax = 4096;     //
inline constexpr std::size_t kWindowBytesMax = 8 << 20;       // outstanding bytes of one session
inline constexpr std::size_t kWindowsBytesMax = 1 << 30;      // of all sessions of a node; from half of it on …
inline constexpr std::size_t kWindowBytesPressed = 16 << 10;  // … windows grow to this; when full, larger messages wait
inline constexpr std::uint64_t kWindowPressedMs = 30'000;     // … and who holds more for so long makes room
inline constexpr std::size_t kSelectiveAcksMax = 4096;        // sequences acked above the cursor (unordered mode)
inline constexpr std::uint64_t kRetransmitFirstMs = 2'000;    // first retransmit; doubles with jitter
inline constexpr std::uint64_t kRetransmitMaxMs = 60'000;     //
inline constexpr std::uint64_t kNackDelayMsMax = 3'600'000;  // longest delay a nack may ask for
inline constexpr std::size_t kSendsInFlightMax = 8192;       // messages a session has under way to shards
inline constexpr std::size_t kDevicesPerUserMax = 64;        // cursors of one mailbox
inline constexpr std::uint32_t kRetryAfterMs = 100;          // advice given with kOverloaded
// A session asks again what a shard left without an outcome because its leader changed: first after this …
inline constexpr std::uint32_t kAskAgainFirstMs = 10;
inline constexpr std::uint32_t kAskAgainMaxMs = 500;  // … doubling to this, until the request's own deadline

// ---- the life of a message
inline constexpr std::uint64_t kTtlMsMax = 366ull * 24 * 3600 * 1000;  // longest time to live a message may ask for
inline constexpr std::uint64_t kDeviceIdleMsDefault = 90ull * 24 * 3600 * 1000;  // a device away for longer is removed
inline constexpr std::size_t kParkedPerDeviceMax = 10'000;  // parked messages of one device: then none is parked
inline constexpr std::size_t kParkedPageMax = 256;          // parked messages in one answer, replay or drop
inline constexpr std::size_t kAttemptsKeptMax = 64;         // unacked messages of a device whose deliveries are counted
inline constexpr std::size_t kAckMarksMax = 16;             // times kept of where a device's cursor got when
inline constexpr std::size_t kExplainMessagesMax = 100'000;             // messages looked at to find one by its id
inline constexpr std::size_t kExpiriesPerEntryMax = 256;                // messages that one entry's tick may end
inline constexpr std::size_t kSweepRecordsPerEntryMax = 256;            // records that one entry's tick may look at
inline constexpr std::uint64_t kSweepIntervalMs = 3'600'000;            // a round through all records begins this often
inline constexpr std::uint64_t kTouchIntervalMs = 12ull * 3600 * 1000;  // connected devices are noted this often
inline constexpr std::size_t kTouchDevicesMax = 1024;                   // devices noted by one command
inline constexpr std::uint64_t kTickIntervalMs = 1'000;  // what is due ends that late at most, when nothing else ticks
// A wall clock that is further from the monotonic clock, or behind the committed time, is in doubt.
inline constexpr std::uint64_t kClockDisagreementMsMax = 60'000;
// So is one that is further from those of most other nodes, as they told within the other time here.
inline constexpr std::uint64_t kClocksApartMsMax = 10'000;
inline constexpr std::uint64_t kClockToldMsMax = 5'000;
inline constexpr std::uint64_t kExplainWaitMs = 1'000;  // an explanation waits so long for what sessions know
inline constexpr std::uint64_t kDeviceIdleMsMin =
    2 * kTouchIntervalMs;                              // shorter would take connected devices for idle
inline constexpr std::size_t kTrimsPerAppendMax = 16;  // messages that one more may push out of its mailbox at once
inline constexpr std::uint64_t kSweepIntervalMsMin = 1'000;  // rounds follow each other no faster than this
inline constexpr std::size_t kExplainBytesMax = 64 << 20;    // bytes of messages looked at to find one by its id

// ---- lanes and outboxes
inline constexpr std::size_t kLaneWindowMax = 4096;    // unanswered messages of one producer in one shard
inline constexpr std::size_t kOutboxWindowMax = 1024;  // records a shard has under way to one target shard
inline constexpr std::size_t kTransferBytesMax =
    1 << 20;  // body bytes of one transfer between shards; at least one record goes
inline constexpr std::size_t kOutboxRecordsMax = 1 << 20;  // undrained records of one shard: then kOverloaded
// What a forgotten producer has sent is remembered for this long, since a session that lives on another node may hear
// late that its device was removed, and sends once more what has no answer.
inline constexpr std::uint64_t kForgottenProducerMs = 120'000;
// A shard knows for this long that a session of a device has made changes, or that a device was removed: what an
// earlier session asked waits for a leader for seconds, and in a link for seconds.
inline constexpr std::uint64_t kLastLoginMs = 600'000;
inline constexpr std::uint64_t kProducerIdleMsMax = 30ull * 24 * 3600 * 1000;  // a producer idle longer is forgotten
inline constexpr std::size_t kClientOutboxMessagesMax = 1 << 20;               // unanswered messages a client keeps
inline constexpr std::size_t kClientOutboxBytesMax = 256 << 20;  // their bodies, which it keeps in memory too
inline constexpr std::size_t kClientCallsMax = 4096;             // calls of an application that wait for their answer
inline constexpr std::uint64_t kConnectTimeoutMs = 5'000;        // for one address to take a connection
inline constexpr std::size_t kClientDeliveriesMax = 16;          // batches of a server that a client has not taken in

// ---- positions
inline constexpr std::size_t kMemberBytesMax = 256;           // any bytes; with a layer's name they fit an LMDB key
inline constexpr std::size_t kPositionsPageMax = 4096;        // positions that a shard reads in one step of a scan
inline constexpr std::size_t kPositionsPerCommandMax = 1024;  // positions that one command to a shard sets or clears
inline constexpr std::size_t kPositionsBatchMax = 4096;       // positions that one call of a session sets or clears
inline constexpr std::size_t kNearbyMembersMax = 1'000'000;   // members that one query may find
inline constexpr std::size_t kNearbyAnswerMax = 10'000;       // members in one answer to a session
inline constexpr std::uint32_t kNearbyDeadlineMsDefault = 1'000;  // a question waits so long for a node that starts …
inline constexpr std::uint32_t kNearbyDeadlineMsMax = 10'000;  // … or as long as it says, which is no longer than this
inline constexpr std::size_t kLayersPageMax = 4096;            // layers in one answer to a session
inline constexpr std::size_t kLayersMax = 65'536;              // layers that one shard has members of: then kOverloaded
inline constexpr std::size_t kNodeLayersMax = 65'536;          // layers of a node: each is two actors, about 8 KB
inline constexpr std::size_t kLayersPerCommandMax = 1024;      // layers that one command to a shard clears
inline constexpr std::size_t kLayerChangesWaitingMax = 262'144;  // told to a layer and not taken in: then kOverloaded
inline constexpr std::size_t kStoreStepMax = 65'536;             // members that GEOSEARCHSTORE sets or clears at a time
inline constexpr std::uint32_t kPrecisionMMax = 100'000;       // of a layer's privacy: farther shows a region, no place
inline constexpr std::uint32_t kDistanceStepMMax = 100'000;    // the same for the steps of its distances
inline constexpr std::uint32_t kQueriesPerMinuteMax = 10'000;  // of one user; what shall be no limit is said by 0
inline constexpr std::size_t kQueryBudgetsMax = 65'536;        // users whose questions are counted; the idlest go first

// ---- shards
inline constexpr std::size_t kEntryBytesMax = 8 << 20;           // one raft entry (a command batch)
inline constexpr std::size_t kEntryCommandsMax = 4096;           // commands in one raft entry
inline constexpr std::size_t kShardPendingBytesMax = 64 << 20;   // commands waiting for submission: then kOverloaded
inline constexpr std::size_t kShardPendingCommandsMax = 65'536;  //
inline constexpr std::uint32_t kEntriesInFlightMax = 4;          // submitted, not yet committed entries of one shard
inline constexpr std::size_t kOverlayBytesMax = 256 << 20;  // applied but unflushed state of one node: then kOverloaded
inline constexpr std::size_t kOverlayFlushBytes = 32 << 20;       // unflushed bytes that start a flush
inline constexpr std::uint64_t kFlushIntervalMs = 5'000;          // unflushed state is flushed at least this often
inline constexpr std::uint64_t kMailboxMessagesMax = 10'000'000;  // kept messages of one mailbox: then kMailboxFull
inline constexpr std::size_t kStateCacheBytesMax = 2 << 20;       // decoded, unchanged records of one kind in one shard
inline constexpr std::size_t kReadsBytesMax = 128 << 20;          // read answers between shards and sessions of a node
inline constexpr std::size_t kRegistrationsMax = 1'000'000;       // live sessions of one shard's users

// ---- between nodes
inline constexpr std::size_t kCallBytesMax = 8 << 20;  // one request for a shard of another node, or what goes back

// ---- log and disk
inline constexpr std::size_t kLogQueueBytesMax = 256 << 20;       // log writes queued for one disk
inline constexpr std::size_t kLogTransactionBytesMax = 16 << 20;  // one group commit
inline constexpr std::size_t kStateTransactionBytesMax = 64
                                                         << 20;  // one state transaction, well under LMDB's dirty pages
inline constexpr std::uint64_t kLogTrailingEntries = 1024;   // entries kept behind a snapshot for followers that lag
inline constexpr std::uint64_t kLogTrailingBytes = 2 << 20;  // … and no more than about so much of them
inline constexpr std::uint64_t kLogBytesMax = 1ull << 30;    // one shard's log; beyond it trailing entries are given up
inline constexpr std::uint64_t kMapBytes = 1ull << 40;       // LMDB's sparse map
inline constexpr std::uint64_t kNodeLogBytesMax = 512ull << 20;  // all logs of a node: then every shard flushes, to cut
inline constexpr std::uint64_t kNodeLogPartOfDisk = 4;           // … and on a small disk at this part of it
inline constexpr std::uint64_t kBallastBytes = 64ull << 20;      // given up when the disk is full, to flush and to cut
// Free space below which no more is let in: what is under way must still fit. Two of the largest transactions of the
// log and of the state, each doubled since LMDB copies the pages that it changes, and the ballast.
inline constexpr std::uint64_t kDiskReserveBytesDefault =
    2ull * 2 * (kLogTransactionBytesMax + kStateTransactionBytesMax) + kBallastBytes;
inline constexpr std::uint64_t kDiskReserveBytesMin = 1 << 20;  // less leaves no room to cut a log in
inline constexpr std::uint64_t kDiskLookMs = 1'000;             // an idle node looks at its disk this often

// ---- verification
inline constexpr std::size_t kFindingsPerKindMax = 100;       // told one by one; the rest is counted
inline constexpr std::size_t kVerifyCrashesMax = 200;         // processes that may die of damaged pages in one run
inline constexpr std::uint64_t kVerifySilenceMsMax = 20'000;  // no record in so long: the process is taken for caught

// ---- consensus
inline constexpr std::uint32_t kElectionTimeoutMs =
    500;                                            // a follower stands after one to two of these without a leader
inline constexpr std::uint32_t kHeartbeatMs = 150;  //
inline constexpr std::uint64_t kBeatMs = 50;        // shards of a node in a cluster are woken at multiples of this
// Where nothing happens, a leader sends every third heartbeat itself, the others its node: with the longest heartbeat
// that is within an election timeout.
inline constexpr std::uint32_t kRestBeats = 3;
inline constexpr std::uint32_t kElectionTimeoutMsMin = 30;      // settings that are taken …
inline constexpr std::uint32_t kElectionTimeoutMsMax = 60'000;  //
inline constexpr std::uint32_t kHeartbeatMsMin = 10;            // …
inline constexpr std::uint32_t kInstallTimeoutMs = 600'000;     // a snapshot install that makes no progress is given up
inline constexpr std::uint32_t kRaftEntriesInFlightMax = 256;   // optimistic appends to one peer
inline constexpr std::size_t kRaftBytesInFlightMax = 16 << 20;  // and their bytes; the last message may go beyond
inline constexpr std::size_t kRaftTailBytesMax = 4 << 20;       // applied entries of a group in memory, for followers
inline constexpr std::size_t kRaftReadBytesMax = 4 << 20;       // entries read back from the log at once
inline constexpr std::size_t kGroupMembersMax = 64;             // members of one Raft group, standbys among them
inline constexpr std::size_t kMemberAddressBytesMax = 255;      // of one of them

// ---- fetching a shard's state from another node
inline constexpr std::size_t kSeedPartBytesMax = 1 << 20;     // one part; a record that is larger goes alone
inline constexpr std::size_t kSeedRecordBytesMax = 12 << 20;  // that one: a lane with long refusals is the largest
inline constexpr std::size_t kSeedDirtyBytesMax = 8 << 20;    // keys remembered to be sent again; then it starts over
inline constexpr std::size_t kSeedOverlayBytesMax = 4 << 20;  // what a part changes is written in steps of this size
inline constexpr std::size_t kSeedsPerShardMax = 4;           // replicas that a leader feeds at a time
inline constexpr std::uint64_t kSeedIdleMs = 30'000;          // one that asks for nothing in so long is forgotten
inline constexpr std::uint64_t kSeedAskAgainMs = 2'000;       // an answer that has not come by then is lost
inline constexpr std::uint32_t kSeedTriesMax = 8;             // so often for the same part; then from the beginning
inline constexpr std::uint32_t kSeedBusyMs = 20;              // for the last part, while a flush is under way
inline constexpr std::uint64_t kSeedRefusedMs = 1'000;        // who cannot give any is asked again after this

// ---- between nodes
inline constexpr std::uint64_t kNodeGoneMs = 10'000;  // a node without a link for so long has no sessions any more
inline constexpr std::uint64_t kCutOffMs = 2'000;  // one that is cut off from most for so long sends its clients away …
inline constexpr std::uint64_t kCutOffLeaveMs = 4'000;   // … who have this long, …
inline constexpr std::uint64_t kCutOffAgainMs = 10'000;  // … and those who come meanwhile after this
inline constexpr std::uint64_t kFollowedMs = 2'500;      // who follows a leader was heard to do so within this
inline constexpr std::size_t kOpenCallsMax = 262'144;    // calls of a node to others that are not answered yet
inline constexpr std::size_t kRecentCallsMax = 4096;     // calls of one node to be done once, by their numbers
inline constexpr std::size_t kRouteHeldMax = 16'384;     // requests that wait on a node for a leader of one shard …
inline constexpr std::size_t kRouteHeldBytesMax = 16 << 20;  // … and what they take: then kOverloaded

// ---- feeds of positions between nodes
inline constexpr std::size_t kFeedItemsMax = 4096;             // of one kind in one frame, which is a page of a scan
inline constexpr std::size_t kFeedFrameBytesMax = 8 << 20;     // one frame: such a page with the longest names fits
inline constexpr std::size_t kFeedUnackedFramesMax = 4096;     // of one feed; a node that is further behind …
inline constexpr std::size_t kFeedUnackedBytesMax = 16 << 20;  // … is fed no longer, and has to begin anew
inline constexpr std::size_t kFeedHeldAnswersMax = 65'536;     // of one shard, until nodes have been told
inline constexpr std::uint64_t kFeedLeaseMs = 1'000;           // a node may say so long that its answers are exact …
inline constexpr std::uint64_t kFeedLeaseMarginMs = 100;       // … by its clock, and the leader takes it for longer
inline constexpr std::uint64_t kFeedLeaseRenewMs = 300;        // it asks for a new one this often …
inline constexpr std::uint64_t kFeedLeaseIdleMs = 3'000;       // … until nobody has asked it anything for so long
inline constexpr std::uint64_t kFeedResendMs = 300;            // what is not acked by then is sent again
inline constexpr std::uint64_t kFeedAskAgainMs = 500;          // a node that waits for its feed to go on says so again
inline constexpr std::uint64_t kFeedAliveMs = 3'000;           // one that is fed whole says so this often …
inline constexpr std::uint64_t kFeedSilenceMs = 15'000;        // … or is fed no longer
inline constexpr std::uint64_t kFeedViewMs = 500;              // a node that is not linked for so long has no regions
inline constexpr std::uint64_t kLingerMs = 2'600;     // who leaves a node's regions is followed there so long …
inline constexpr std::size_t kLingerersMax = 65'536;  // … and so many of one layer; then the first no longer

// ---- questions about members that several nodes have
inline constexpr std::size_t kQuestionRegionsMax =
    64;  // regions that an area is cut into: where it has more, all are asked
inline constexpr std::size_t kQuestionSpareMembers = 16;  // each node tells so many more: movers are told of by two
inline constexpr std::size_t kNodeMembersMax = kNearbyMembersMax + 64;  // that one node tells of for one question
inline constexpr std::size_t kNodePageMembersMax = 4096;                // of them in one frame, or page of a range
inline constexpr std::size_t kNodeAnswerPartsMax = 256;                 // frames of one answer
inline constexpr std::size_t kOpenQuestionsMax = 16'384;                // of a node to others: then kOverloaded
inline constexpr std::size_t kQuestionsServedMax = 16'384;   // of others that wait on a node; more are dropped
inline constexpr std::size_t kQuestionBytesMax = 256 << 20;  // what a node holds of answers that are not whole yet
inline constexpr std::uint64_t kQuestionAgainMs = 500;       // a node that has not answered by then is asked again …
inline constexpr std::uint64_t kQuestionRefusedMs = 50;      // … and so is one that cannot answer, or has no link
inline constexpr std::uint32_t kWhereTriesMax = 3;           // of a question to a shard whose leader goes

// ---- links between nodes
inline constexpr std::size_t kPeerFrameBytesMax = 17 << 20;    // one frame: the entries of one append, and around them
inline constexpr std::size_t kPeerQueueBytesMax = 64 << 20;    // frames of one class that wait for one node …
inline constexpr std::size_t kPeerQueueFramesMax = 65'536;     // … and how many: then they do not go
inline constexpr std::uint64_t kPeerHeartbeatMs = 500;         // who has nothing to say says so this often
inline constexpr std::uint64_t kPeerSilenceMs = 2'000;         // a node that is not heard for so long is gone
inline constexpr std::uint64_t kPeerStallMs = 10'000;          // … and so is one that takes in nothing
inline constexpr std::uint64_t kPeerHandshakeMs = 5'000;       // a connection that is no link by then is closed
inline constexpr std::size_t kPeerStrangersMax = 64;           // such connections; then the oldest makes room
inline constexpr std::uint32_t kPeerDialFirstMs = 50;          // a lost link is dialled again after this, doubling …
inline constexpr std::uint32_t kPeerDialMaxMs = 2'000;         // … up to this
inline constexpr std::size_t kPeerRequestBytesMax = 64 << 10;  // the question of a joiner, and the answer
inline constexpr std::size_t kPeerRequestsMax = 16;            // such questions that are being answered: then kBusy
inline constexpr std::uint64_t kPeerRequestMs = 30'000;        // one that is not answered by then fails

// ---- the nodes of a cluster
inline constexpr std::size_t kClusterNodesMax = 64;     // all of them follow the meta group, where each is a member
inline constexpr std::size_t kMetaVotersMax = 5;        // of them vote there: two may fail, and more would slow it down
inline constexpr std::size_t kReplicasDefault = 3;      // of each shard: one may fail
inline constexpr std::size_t kReplicasMax = 5;          // … or two
inline constexpr std::size_t kAddressesPerNodeMax = 4;  // of one node for peers, and as many for clients
inline constexpr std::size_t kShardMembersTold =
    2 * kReplicasMax;                                        // of a shard's group, to who watches: while it moves
inline constexpr std::uint32_t kClusterStatusPauseMs = 100;  // between two questions of one connection for it

// ---- settings of a node
inline constexpr std::uint32_t kSchedulerThreadsMax = 1024;      // threads that sessions and shards run on
inline constexpr std::uint64_t kRetransmitMsMax = 3'600'000;     // either time of retransmission; longer would be never
inline constexpr std::uint64_t kFlushIntervalMsMax = 60'000;     // a crash leaves at most so much to be applied again
inline constexpr std::uint64_t kOverlayBytesMin = 1 << 20;       // one message of the largest size
inline constexpr std::uint64_t kOverlayFlushBytesMin = 1 << 16;  // less makes a transaction of every few messages
inline constexpr std::uint64_t kSettingBytesMax = 1ull << 40;    // of any setting in bytes; more is a slip

// ---- the bridge between KJ threads and actors
inline constexpr std::size_t kBridgeQueueItemsMax = 65'536;  // events waiting for one KJ thread

// ---- client connections
inline constexpr std::uint32_t kGatewayThreadsMax = 256;    // threads that speak with clients
inline constexpr int kListenBacklog = 4096;                 // connections the kernel completes ahead of accept
inline constexpr std::uint64_t kAcceptRetryMs = 100;        // out of file descriptors: accept again after this
inline constexpr std::size_t kFetchesInFlightMax = 4;       // fetch and history calls of a connection: large answers
inline constexpr std::size_t kAnswersBytesMax = 256 << 20;  // fetch and history answers of a node, until written out
inline constexpr std::size_t kReadingBytesMax = 512 << 20;  // messages of clients that a node has half read
inline constexpr std::uint64_t kWritePressedMs = 10'000;    // when one of them is full, slower clients are cut off
inline constexpr std::size_t kLoginMessageBytesMax = 32 << 10;  // a message of a connection that has not logged in
inline constexpr std::size_t kRefusedCallsMax = 1024;           // of a client that calls on in spite of kOverloaded
inline constexpr std::size_t kConnectionQueueBytesMax =
    1 << 20;                                               // what is unwritten, beyond which a connection is not read
inline constexpr std::size_t kUnfinishedCallsMax = 4096;   // calls of a connection that its client has not finished
inline constexpr std::size_t kMessageCapabilitiesMax = 2;  // capabilities in one message of a peer: a login has one
inline constexpr std::size_t kCallsAheadStepsMax = 1;      // steps into an answer at which a call ahead aims …
inline constexpr std::size_t kCallsAheadFieldsMax = 4;  // … and the pointer fields it may go by: the schema has one
inline constexpr std::uint64_t kWriteTimeoutMs =
    60'000;  // a connection that gets on with nothing for so long is closed
inline constexpr std::uint64_t kCallTimeoutMs =
    2 * kRequestTimeoutMs;                              // a call that its session lost is answered by then
inline constexpr std::uint64_t kCloseLingerMs = 1'000;  // for a closing connection to take its last answers
inline constexpr int kKeepaliveIdleS = 60;              // a silent connection is probed after this …
inline constexpr int kKeepaliveIntervalS = 15;          // … this often …
inline constexpr int kKeepaliveProbes = 4;              // … and given up after so many without an answer

// ---- Redis's protocol
inline constexpr std::size_t kRespArgumentsMax = 64 << 10;      // of one request
inline constexpr std::size_t kRespArgumentBytesMax = 64 << 10;  // of one argument
inline constexpr std::size_t kRespRequestBytesMax = 8 << 20;    // all arguments of one request
inline constexpr std::size_t kRespPatternBytesMax = 1 << 10;    // one pattern: every name is tried against it
inline constexpr std::size_t kRespNamesMax = 256;               // of commands or settings that one request asks about
inline constexpr std::size_t kRespStrangerArgumentsMax = 10;    // of a request before the login, as in Redis …
inline constexpr std::size_t kRespStrangerBytesMax = 16 << 10;  // … and of all of them
inline constexpr std::size_t kRespCommandsInFlightMax = 1024;   // pipelined commands of a connection that are under way
inline constexpr std::size_t kRespReplyBytesMax = 64 << 20;     // one reply; a longer one becomes an error
inline constexpr std::size_t kRespSmallRequestBytes = 32
                                                      << 10;  // what a connection has half read without asking for room

// ---- the http port: metrics and health
inline constexpr std::size_t kHttpConnectionsMax = 64;          // of its own, so that it takes none from clients
inline constexpr std::size_t kHttpRequestBytesMax = 16 << 10;   // one request: its line, its headers, and no body
inline constexpr std::uint64_t kHttpRequestTimeoutMs = 10'000;  // a request that has not come whole by then is given up
inline constexpr std::uint64_t kHttpIdleMs = 90'000;          // between requests; scrapers come every minute or sooner
inline constexpr std::uint64_t kHttpWriteTimeoutMs = 10'000;  // an answer that has not been taken by then is given up
inline constexpr std::uint64_t kMetricsReuseMs = 100;         // metrics are gathered at most this often
inline constexpr std::uint64_t kHealthTimeoutMs = 2'000;      // actors that run nothing for so long are not healthy
inline constexpr std::uint64_t kSlowCallMs = 1'000;           // a call that took longer gets a line in the log

// ---- who may
// exp and nbf of a token, in seconds of the wall clock: the last of the year 9999.
inline constexpr std::uint64_t kTokenTimeSMax = 253'402'300'799;
inline constexpr std::size_t kKeyFileBytesMax = 1 << 20;  // a file of token keys, a certificate chain or its key
inline constexpr std::size_t kTokenKeysMax = 256;         // keys in such a file
inline constexpr std::uint64_t kKeyFileLookMs = 1'000;    // logins look this often whether the file has changed
inline constexpr std::size_t kTokenSecretBytesMin = 32;   // of HS256; a shorter one is weaker than its hash (RFC 7518)
inline constexpr int kTokenRsaBitsMin = 2048;             // of RS256 (RFC 7518)
inline constexpr std::uint32_t kJwtLeewaySDefault = 60;   // how far the clocks of issuer and node may be apart
inline constexpr std::uint32_t kJwtLeewaySMax = 600;      //
inline constexpr std::uint64_t kSessionCheckMs = 1'000;   // a session ends at most this long after its token
inline constexpr std::uint32_t kLoginFailuresFree = 5;    // failed logins of one origin that cost it nothing
inline constexpr std::uint32_t kLoginFailuresMax = 20;    // remembered of one origin, so that it recovers in minutes
inline constexpr std::uint64_t kLoginDelayFirstMs = 200;  // then its logins are judged this far apart, doubling …
inline constexpr std::uint64_t kLoginDelayMaxMs = 4'000;  // … up to this
inline constexpr std::uint64_t kLoginWaitMaxMs = 8'000;   // a login that would wait longer is refused at once
inline constexpr std::uint64_t kLoginForgetMs = 15'000;   // one failure is forgotten after so long
inline constexpr std::size_t kLoginOriginsMax = 65'536;   // origins remembered; the longest silent goes first
inline constexpr std::size_t kLoginExemptMax = 64;        // addresses and prefixes that are exempt from all that

}  // namespace earshot::limits
