#ifndef EARSHOT_CLUSTER_RAFT_ENGINE_H
#define EARSHOT_CLUSTER_RAFT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * libraft's raft_step behind plain structs: events in, one update out. raft_engine.c and raft_engine_members.c are the
 * only files that see raft.h, which does not compile as C++.
 *
 * Debian builds libraft without its asserts, so a broken precondition would corrupt the engine silently. Every function
 * here checks its preconditions and stops the process with a text when one is broken; so does any result of raft_step
 * other than "not leader", "no space" and "can't change". What comes from other nodes is judged by
 * raft_engine_objection() first and dropped on an objection.
 *
 * Ownership: everything passed in stays the caller's and is not kept. Payloads of entries and snapshots never enter the
 * engine; only configurations are read. An update is valid until the next call that takes one.
 *
 * Threads: an engine belongs to one thread at a time; different engines share nothing.
 */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raft_engine raft_engine;

enum raft_engine_state { RAFT_ENGINE_FOLLOWER = 1, RAFT_ENGINE_CANDIDATE = 2, RAFT_ENGINE_LEADER = 3 };
enum raft_engine_role { RAFT_ENGINE_STANDBY = 0, RAFT_ENGINE_VOTER = 1, RAFT_ENGINE_SPARE = 2 };
enum raft_engine_entry_type { RAFT_ENGINE_COMMAND = 1, RAFT_ENGINE_BARRIER = 2, RAFT_ENGINE_CHANGE = 3 };

typedef struct raft_engine_options {
  uint64_t id;
  const char* address;
  unsigned seed;
  unsigned election_timeout_ms;
  unsigned heartbeat_ms;
  unsigned install_timeout_ms;
  unsigned entries_in_flight_max;
} raft_engine_options;

typedef struct raft_engine_entry {
  uint64_t term;
  int type;         /* raft_engine_entry_type */
  const void* data; /* read for RAFT_ENGINE_CHANGE only: an encoded configuration */
  size_t size;
} raft_engine_entry;

typedef struct raft_engine_snapshot {
  uint64_t index;
  uint64_t term;
  uint64_t configuration_index;
  const void* configuration; /* encoded */
  size_t configuration_size;
} raft_engine_snapshot;

enum raft_engine_message_type {
  RAFT_ENGINE_APPEND_ENTRIES = 1,
  RAFT_ENGINE_APPEND_ENTRIES_RESULT,
  RAFT_ENGINE_REQUEST_VOTE,
  RAFT_ENGINE_REQUEST_VOTE_RESULT,
  RAFT_ENGINE_INSTALL_SNAPSHOT,
  RAFT_ENGINE_TIMEOUT_NOW
};

typedef struct raft_engine_vote {
  uint64_t last_index, last_term; /* the candidate's last entry */
  bool disrupt_leader, pre_vote;
} raft_engine_vote;

typedef struct raft_engine_vote_result {
  bool granted, pre_vote;
  uint16_t features, capacity;
} raft_engine_vote_result;

typedef struct raft_engine_append {
  uint64_t previous_index, previous_term, leader_commit;
  const raft_engine_entry* entries; /* NULL in one to send: the caller fills them from its log */
  unsigned entries_n;
} raft_engine_append;

typedef struct raft_engine_append_result {
  uint64_t rejected, last_index;
  uint16_t features, capacity;
} raft_engine_append_result;

typedef struct raft_engine_position {
  uint64_t last_index, last_term;
} raft_engine_position;

/* A message without its payload. `peer` is the sender of a received one and the receiver of one to send. */
typedef struct raft_engine_message {
  int type; /* raft_engine_message_type */
  uint64_t peer;
  uint64_t term;
  union {
    raft_engine_vote request_vote;
    raft_engine_vote_result request_vote_result;
    raft_engine_append append_entries;
    raft_engine_append_result append_entries_result;
    raft_engine_snapshot install_snapshot; /* without configuration in one to send */
    raft_engine_position timeout_now;
  };
} raft_engine_message;

/* What must be done after a step, in this order. */
typedef struct raft_engine_update {
  bool hard_state_changed; /* persist term and vote before any message of this or a later step leaves */
  uint64_t entries_index;  /* 0: none. Truncate the log here if it reaches so far, then append ... */
  size_t entries_offset;   /* ... entries_n of the entries given to this call, from this one on ... */
  unsigned entries_n;      /* ... or one barrier of the current term */
  bool barrier;
  bool install_snapshot; /* the snapshot just received replaces log and state */
  const raft_engine_message* messages;
  unsigned messages_n;
} raft_engine_update;

enum raft_engine_result { RAFT_ENGINE_OK = 0, RAFT_ENGINE_NOT_LEADER, RAFT_ENGINE_NO_SPACE, RAFT_ENGINE_CANT_CHANGE };

raft_engine* raft_engine_new(const raft_engine_options* options);
void raft_engine_free(raft_engine* engine);

/* Free disk space as told to the leader, in KiB; clamped to what the protocol carries (16 bits). */
void raft_engine_set_capacity(raft_engine* engine, uint64_t kib);

/* Whether it may stand for election, as it may at first. One that may not stores and votes like any other, takes no
 * leadership that is handed to it, and its timer only makes it forget a leader that fell silent. A leader or candidate
 * has to step down first. */
void raft_engine_set_stands(raft_engine* engine, bool stands);

/* First of all, once. Term 0 means nothing stored; `first_index` is that of entries[0], or snapshot index + 1 without
 * entries. */
void raft_engine_start(raft_engine* engine, uint64_t now_ms, uint64_t term, uint64_t voted_for,
                       const raft_engine_snapshot* snapshot, uint64_t first_index, const raft_engine_entry* entries,
                       unsigned entries_n, raft_engine_update* update);

/* NULL when the message may be received now, else why it must be dropped. */
const char* raft_engine_objection(const raft_engine* engine, const raft_engine_message* message);
/* A configuration may stand only first among the entries of a message (see raft_engine_checks.c). */
void raft_engine_receive(raft_engine* engine, uint64_t now_ms, const raft_engine_message* message,
                         raft_engine_update* update);
/* The log is synced through `index`, which is more than was reported since the last truncation. */
void raft_engine_persisted_entries(raft_engine* engine, uint64_t now_ms, uint64_t index, raft_engine_update* update);
/* The snapshot of the last update with install_snapshot is in place. */
void raft_engine_persisted_snapshot(raft_engine* engine, uint64_t now_ms, const raft_engine_snapshot* snapshot,
                                    raft_engine_update* update);
/* The configuration entry at `index` is committed; the commit index may not say so yet. */
void raft_engine_configuration_committed(raft_engine* engine, uint64_t now_ms, uint64_t index,
                                         const void* configuration, size_t size, raft_engine_update* update);
/* The log was cut through `cut_through` below a new snapshot (equal to the present cut: nothing was cut). */
void raft_engine_snapshot_taken(raft_engine* engine, uint64_t now_ms, const raft_engine_snapshot* snapshot,
                                uint64_t cut_through, raft_engine_update* update);
/* Not before raft_engine_timeout(). A follower whose time has come and that does not stand forgets its leader. */
void raft_engine_tick(raft_engine* engine, uint64_t now_ms, raft_engine_update* update);
/* A follower that knows its leader has heard of it at that time, by no message. */
void raft_engine_heard_leader(raft_engine* engine, uint64_t heard_ms);
/* Appends commands in the current term. */
enum raft_engine_result raft_engine_submit(raft_engine* engine, uint64_t now_ms, unsigned commands_n,
                                           raft_engine_update* update);
/* The same with one entry that only marks the term. */
enum raft_engine_result raft_engine_submit_barrier(raft_engine* engine, uint64_t now_ms, raft_engine_update* update);
/* The same with one configuration, which differs by one member from the present one (thesis, section 4.1). That one is
 * committed, and so is an entry of the leader's term: libraft looks at the former only. */
enum raft_engine_result raft_engine_submit_configuration(raft_engine* engine, uint64_t now_ms,
                                                         const void* configuration, size_t size,
                                                         raft_engine_update* update);

/* As leader: starts to bring a standby up to the log's end, round by round (thesis, section 4.2.1). Nothing else
 * changes the members meanwhile. It ends at an answer that moves the standby forward, or with libraft's patience: one
 * that has everything already never ends it. */
void raft_engine_catch_up(raft_engine* engine, uint64_t now_ms, uint64_t standby, raft_engine_update* update);
enum raft_engine_catch_up_state {
  RAFT_ENGINE_CATCH_UP_NONE = 0,
  RAFT_ENGINE_CATCH_UP_RUNNING,
  RAFT_ENGINE_CATCH_UP_ABORTED,
  RAFT_ENGINE_CATCH_UP_FINISHED
};
enum raft_engine_catch_up_state raft_engine_catch_up_state_of(const raft_engine* engine, uint64_t member);

/* Hands leadership to another voter: to be sent TimeoutNow as soon as it has everything, for one election timeout;
 * meanwhile nothing can be submitted. RAFT_ENGINE_NOT_LEADER also when leadership is being handed over already. */
enum raft_engine_result raft_engine_transfer(raft_engine* engine, uint64_t now_ms, uint64_t voter,
                                             raft_engine_update* update);
uint64_t raft_engine_transferee(const raft_engine* engine); /* 0: none */
/* Ends a candidacy or leadership, in a new term that nobody leads. */
void raft_engine_step_down(raft_engine* engine, uint64_t now_ms, raft_engine_update* update);

enum raft_engine_state raft_engine_state_of(const raft_engine* engine);
uint64_t raft_engine_id(const raft_engine* engine);
uint64_t raft_engine_term(const raft_engine* engine);
uint64_t raft_engine_voted_for(const raft_engine* engine);
uint64_t raft_engine_leader(const raft_engine* engine); /* 0: unknown */
uint64_t raft_engine_commit_index(const raft_engine* engine);
uint64_t raft_engine_last_index(const raft_engine* engine);
uint64_t raft_engine_last_stored(const raft_engine* engine);
uint64_t raft_engine_cut(const raft_engine* engine); /* terms are known above it */
bool raft_engine_installing(const raft_engine* engine);
bool raft_engine_stands(const raft_engine* engine);
uint64_t raft_engine_timeout(const raft_engine* engine);
uint64_t raft_engine_now(const raft_engine* engine); /* of its last step */
/* As leader: the highest index known to be stored by a member; 0 when unknown, or when this is no leader. */
uint64_t raft_engine_match_index(const raft_engine* engine, uint64_t member);

/* ---- configurations in libraft's encoding */

typedef struct raft_engine_member {
  uint64_t id;
  const char* address;
  int role; /* raft_engine_role */
} raft_engine_member;

#define RAFT_ENGINE_MEMBERS_MAX 64

/* Writes the encoding into *bytes (free with raft_engine_release). Ids and addresses must be distinct. */
void raft_engine_configuration_encode(const raft_engine_member* members, unsigned members_n, void** bytes,
                                      size_t* size);
void raft_engine_release(void* bytes);
/* Number of members, or -1 when the bytes are no valid configuration. Addresses point into the bytes. */
int raft_engine_configuration_decode(const void* bytes, size_t size,
                                     raft_engine_member members[RAFT_ENGINE_MEMBERS_MAX]);

bool raft_engine_is_configuration(const void* bytes, size_t size);

/* ---- rules of raft_engine_checks.c that hold for own data too */

/* Indexes beyond this come from no honest log; below it, sums of an index and a count cannot overflow. */
#define RAFT_ENGINE_INDEX_MAX (UINT64_MAX / 4)

bool raft_engine_is_snapshot(const raft_engine_snapshot* snapshot);
/* NULL when the entries may follow one of previous_term in a log of this term. */
const char* raft_engine_entries_objection(const raft_engine_entry* entries, unsigned entries_n, uint64_t previous_term,
                                          uint64_t term);

#ifdef __cplusplus
}
#endif

#endif
