#include <string.h>

#include "cluster/raft_engine_internal.h"

/* libraft 0.22.1's private message.h. */
enum {
  VERSION_REQUEST_VOTE = 2,
  VERSION_REQUEST_VOTE_RESULT = 2,
  VERSION_APPEND_ENTRIES_RESULT = 2,
  VERSION_OTHER = 0
};

/* The configuration inside belongs to libraft once the event was taken. */
static struct raft_snapshot_metadata metadata_of(const raft_engine_snapshot* snapshot) {
  struct raft_snapshot_metadata metadata;
  require(raft_engine_is_snapshot(snapshot), "snapshot metadata is whole");
  metadata.index = snapshot->index;
  metadata.term = snapshot->term;
  metadata.configuration = raft_engine_decoded(snapshot->configuration, snapshot->configuration_size);
  metadata.configuration_index = snapshot->configuration_index;
  return metadata;
}

/* ---- life */

raft_engine* raft_engine_new(const raft_engine_options* options) {
  require(options->id != 0, "a member's id is not 0");
  /* libraft draws a timeout by a modulo of this. */
  require(options->election_timeout_ms > 0 && options->heartbeat_ms > 0, "timeouts are not 0");
  require(options->heartbeat_ms < options->election_timeout_ms, "heartbeats are more frequent than elections");
  require(options->entries_in_flight_max > 0, "some entries may be in flight");

  raft_engine* engine = enough(calloc(1, sizeof *engine));
  const int rv = raft_init(&engine->raft, NULL, NULL, options->id, options->address);
  if (rv != 0) stop("init", raft_strerror(rv));
  /* libraft formats every trace into one static buffer, traced or not: a data race between engines and most of a step's
   * time. */
  engine->raft.tracer = NULL;
  raft_seed(&engine->raft, options->seed);
  raft_set_election_timeout(&engine->raft, options->election_timeout_ms);
  raft_set_heartbeat_timeout(&engine->raft, options->heartbeat_ms);
  raft_set_install_snapshot_timeout(&engine->raft, options->install_timeout_ms);
  raft_set_max_inflight_entries(&engine->raft, options->entries_in_flight_max);
  raft_set_pre_vote(&engine->raft, true);
  engine->capacity = UINT16_MAX;
  engine->stands = true;
  return engine;
}

void raft_engine_free(raft_engine* engine) {
  if (engine == NULL) return;
  raft_close(&engine->raft, NULL);
  free(engine->entries);
  free(engine->messages);
  free(engine);
}

void raft_engine_set_capacity(raft_engine* engine, uint64_t kib) {
  engine->capacity = kib > UINT16_MAX ? UINT16_MAX : (unsigned short)kib;
}

void raft_engine_set_stands(raft_engine* engine, bool stands) {
  require(stands || engine->raft.state == RAFT_FOLLOWER, "only a follower can be kept from standing");
  engine->stands = stands;
}

/* ---- one step */

static struct raft_entry* scratch_entries(raft_engine* engine, size_t n) {
  if (n > engine->entries_capacity) {
    engine->entries = enough(realloc(engine->entries, n * sizeof *engine->entries));
    engine->entries_capacity = n;
  }
  return engine->entries;
}

static raft_engine_message copy_message(const struct raft_message* from) {
  raft_engine_message to;
  memset(&to, 0, sizeof to);
  to.peer = from->server_id;
  switch (from->type) {
    case RAFT_APPEND_ENTRIES: {
      const struct raft_append_entries* append = &from->append_entries;
      to.type = RAFT_ENGINE_APPEND_ENTRIES;
      to.term = append->term;
      to.append_entries = (raft_engine_append){append->prev_log_index, append->prev_log_term, append->leader_commit,
                                               NULL, append->n_entries};
      return to;
    }
    case RAFT_APPEND_ENTRIES_RESULT: {
      const struct raft_append_entries_result* result = &from->append_entries_result;
      to.type = RAFT_ENGINE_APPEND_ENTRIES_RESULT;
      to.term = result->term;
      /* libraft leaves last_log_index unset, hence anything, when it refuses an old term; the receiver looks at the
       * term only. */
      to.append_entries_result = (raft_engine_append_result){
          result->rejected, result->last_log_index <= RAFT_ENGINE_INDEX_MAX ? result->last_log_index : 0,
          result->features, result->capacity};
      return to;
    }
    case RAFT_REQUEST_VOTE: {
      const struct raft_request_vote* vote = &from->request_vote;
      to.type = RAFT_ENGINE_REQUEST_VOTE;
      to.term = vote->term;
      to.request_vote =
          (raft_engine_vote){vote->last_log_index, vote->last_log_term, vote->disrupt_leader, vote->pre_vote};
      return to;
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const struct raft_request_vote_result* result = &from->request_vote_result;
      to.type = RAFT_ENGINE_REQUEST_VOTE_RESULT;
      to.term = result->term;
      to.request_vote_result =
          (raft_engine_vote_result){result->vote_granted, result->pre_vote, result->features, result->capacity};
      return to;
    }
    case RAFT_INSTALL_SNAPSHOT:
      to.type = RAFT_ENGINE_INSTALL_SNAPSHOT;
      to.term = from->install_snapshot.term;
      to.install_snapshot.index = from->install_snapshot.last_index;
      to.install_snapshot.term = from->install_snapshot.last_term;
      to.install_snapshot.configuration_index = from->install_snapshot.conf_index;
      return to;
    case RAFT_TIMEOUT_NOW:
      to.type = RAFT_ENGINE_TIMEOUT_NOW;
      to.term = from->timeout_now.term;
      to.timeout_now = (raft_engine_position){from->timeout_now.last_log_index, from->timeout_now.last_log_term};
      return to;
  }
  stop("message", "unknown type");
}

/* libraft sends TimeoutNow at the first answer of the one who shall lead, though it may have more to store; it ignores
 * that, and is not told again. Let it be told at its last answer instead. */
static bool is_handed_over_early(raft_engine* engine, const struct raft_message* message) {
  if (message->type != RAFT_TIMEOUT_NOW) return false;
  if (raft_engine_match_index(engine, message->server_id) >= raft_last_index(&engine->raft)) return false;
  engine->raft.leader_state.transferring = false;
  return true;
}

/* A candidate asks in advance with the term that it would have, and libraft repeats that in its answer, also where it
 * refuses since it is in a later one. A libraft candidate that was refused asks in earnest the next time and moves on;
 * ours asks in advance each time (raft_engine_tick), so it has to be told. Else one with the longer log but an earlier
 * term, and one with a later term but the shorter log, refuse each other for ever. */
static void tell_term_in_refusal(const raft_engine* engine, raft_engine_message* message) {
  if (message->type != RAFT_ENGINE_REQUEST_VOTE_RESULT) return;
  const raft_engine_vote_result* result = &message->request_vote_result;
  const uint64_t term = raft_engine_term(engine);
  if (result->pre_vote && !result->granted && message->term < term) message->term = term;
}

static void copy_messages(raft_engine* engine, const struct raft_update* from, raft_engine_update* to) {
  const unsigned n = from->messages.n;
  if (n > engine->messages_capacity) {
    engine->messages = enough(realloc(engine->messages, n * sizeof *engine->messages));
    engine->messages_capacity = n;
  }
  to->messages = engine->messages;
  for (unsigned i = 0; i < n; ++i) {
    if (is_handed_over_early(engine, &from->messages.batch[i])) continue;
    raft_engine_message* copied = &engine->messages[to->messages_n++];
    *copied = copy_message(&from->messages.batch[i]);
    tell_term_in_refusal(engine, copied);
  }
}

static void copy_entries(raft_engine* engine, const struct raft_update* from, raft_engine_update* to) {
  require(from->entries.index > 0 && from->entries.n > 0, "entries to store have an index");
  to->entries_index = from->entries.index;
  to->entries_n = from->entries.n;
  if (from->entries.batch == &engine->raft.barrier) {
    /* Made by libraft at the start of a term (thesis, section 6.4); its buffer is ours. */
    require(from->entries.n == 1, "a barrier comes alone");
    to->barrier = true;
    raft_free(engine->raft.barrier.buf.base);
    engine->raft.barrier.buf.base = NULL;
    return;
  }
  require(from->entries.batch >= engine->entries, "entries to store are those of the event");
  to->entries_offset = (size_t)(from->entries.batch - engine->entries);
  require(to->entries_offset + to->entries_n <= engine->entries_capacity, "entries to store are those of the event");
}

/* libraft remembers a leader until it stands for election itself, and refuses votes to others for so long. */
static void forget_leader(raft_engine* engine) {
  raft_free(engine->raft.follower_state.current_leader.address);
  engine->raft.follower_state.current_leader.address = NULL;
  engine->raft.follower_state.current_leader.id = 0;
}

enum raft_engine_result raft_engine_step(raft_engine* engine, uint64_t now_ms, struct raft_event* event,
                                         raft_engine_update* update) {
  struct raft_update result;
  memset(&result, 0, sizeof result);
  memset(update, 0, sizeof *update);
  require(engine->started || event->type == RAFT_START, "the engine was started");
  require(now_ms >= engine->now_ms, "time never goes back");
  engine->now_ms = now_ms;
  event->time = now_ms;
  event->capacity = engine->capacity;

  const bool followed = engine->started && engine->raft.state == RAFT_FOLLOWER;
  const raft_index committed = engine->raft.commit_index;
  const int rv = raft_step(&engine->raft, event, &result);
  /* A late AppendEntries with a newer leader_commit makes a follower's commit index min(leader_commit, its last entry),
   * although it knew of more: the thesis' figure 3.1 never lets it go back, nor do we. */
  if (engine->raft.commit_index < committed) engine->raft.commit_index = committed;
  switch (rv) {
    case 0: break;
    case RAFT_NOTLEADER: return RAFT_ENGINE_NOT_LEADER;
    case RAFT_NOSPACE: return RAFT_ENGINE_NO_SPACE;
    case RAFT_CANTCHANGE: return RAFT_ENGINE_CANT_CHANGE;
    default: stop(raft_strerror(rv), raft_errmsg(&engine->raft));
  }
  update->hard_state_changed = (result.flags & (RAFT_UPDATE_CURRENT_TERM)) || (result.flags & (RAFT_UPDATE_VOTED_FOR));
  if (followed && engine->raft.state == RAFT_LEADER) {
    /* The only voter, which libraft makes leader of the present term without any election; and that may have had
     * another leader, who left. Nothing of the step speaks of a term yet. */
    engine->raft.current_term += 1;
    engine->raft.voted_for = engine->raft.id;
    update->hard_state_changed = true;
  }
  update->install_snapshot = (result.flags & (RAFT_UPDATE_SNAPSHOT)) != 0;
  if (result.flags & (RAFT_UPDATE_ENTRIES)) copy_entries(engine, &result, update);
  if (result.flags & (RAFT_UPDATE_MESSAGES)) copy_messages(engine, &result, update);
  return RAFT_ENGINE_OK;
}

static void must_step(raft_engine* engine, uint64_t now_ms, struct raft_event* event, raft_engine_update* update) {
  require(raft_engine_step(engine, now_ms, event, update) == RAFT_ENGINE_OK, "only a submission may be refused");
}

/* ---- entries */

/* libraft wants a batch for every array of entries and frees it or gives it back; the payloads stay with the caller, so
 * it is a byte. Configurations are read during the step only. */
static void fill_entries(struct raft_entry* to, const raft_engine_entry* from, unsigned n, void* batch) {
  for (unsigned i = 0; i < n; ++i) {
    to[i].term = from[i].term;
    to[i].type = (enum raft_entry_type)from[i].type;
    to[i].buf.base = from[i].type == RAFT_ENGINE_CHANGE ? (void*)from[i].data : NULL;
    to[i].buf.len = from[i].type == RAFT_ENGINE_CHANGE ? from[i].size : 0;
    to[i].batch = batch;
  }
}

void raft_engine_start(raft_engine* engine, uint64_t now_ms, uint64_t term, uint64_t voted_for,
                       const raft_engine_snapshot* snapshot, uint64_t first_index, const raft_engine_entry* entries,
                       unsigned entries_n, raft_engine_update* update) {
  struct raft_event event;
  struct raft_snapshot_metadata metadata;
  memset(&event, 0, sizeof event);
  require(!engine->started, "an engine starts once");
  require(term > 0 || (voted_for == 0 && snapshot == NULL && entries_n == 0), "without a term nothing is stored");
  require(first_index > 0 && first_index <= RAFT_ENGINE_INDEX_MAX, "the log begins somewhere");
  if (snapshot != NULL) {
    require(raft_engine_is_snapshot(snapshot) && snapshot->term <= term, "the snapshot is whole");
    require(first_index <= snapshot->index + 1, "no hole between snapshot and log");
    require(first_index + entries_n > snapshot->index, "the log reaches the snapshot");
    metadata = metadata_of(snapshot);
  } else {
    require(first_index == 1, "a log without snapshot begins at 1");
    require(entries_n == 0 || entries[0].type == RAFT_ENGINE_CHANGE, "entry 1 is a configuration");
  }
  const char* objection = raft_engine_entries_objection(entries, entries_n, 0, term);
  require(objection == NULL, objection == NULL ? "" : objection);

  event.type = RAFT_START;
  event.start.term = term;
  event.start.voted_for = voted_for;
  event.start.metadata = snapshot != NULL ? &metadata : NULL;
  event.start.start_index = first_index;
  event.start.n_entries = entries_n;
  if (entries_n > 0) {
    /* On an error libraft would free array and batch; an error stops the process, so that neither is ever its to free.
     */
    static char batch;
    event.start.entries = scratch_entries(engine, entries_n);
    fill_entries(event.start.entries, entries, entries_n, &batch);
  }
  must_step(engine, now_ms, &event, update);
  engine->started = true;
}

/* ---- messages from other nodes */

/* The batch is freed by libraft unless it wants the entries stored. */
static void receive_entries(raft_engine* engine, uint64_t now_ms, const raft_engine_message* from,
                            struct raft_message* message, struct raft_event* event, raft_engine_update* update) {
  struct raft_append_entries* to = &message->append_entries;
  const unsigned n = from->append_entries.entries_n;
  void* batch = NULL;
  to->version = VERSION_OTHER;
  to->term = from->term;
  to->prev_log_index = from->append_entries.previous_index;
  to->prev_log_term = from->append_entries.previous_term;
  to->leader_commit = from->append_entries.leader_commit;
  to->n_entries = n;
  if (n > 0) {
    batch = enough(raft_malloc(1));
    to->entries = scratch_entries(engine, n);
    fill_entries(to->entries, from->append_entries.entries, n, batch);
  }
  must_step(engine, now_ms, event, update);
  if (update->entries_n > 0 && !update->barrier) raft_free(batch);
}

/* The configuration is freed by libraft unless it wants the snapshot installed. The data never enters. */
static void receive_snapshot(raft_engine* engine, uint64_t now_ms, const raft_engine_message* from,
                             struct raft_message* message, struct raft_event* event, raft_engine_update* update) {
  struct raft_install_snapshot* to = &message->install_snapshot;
  to->version = VERSION_OTHER;
  to->term = from->term;
  to->last_index = from->install_snapshot.index;
  to->last_term = from->install_snapshot.term;
  to->conf = raft_engine_decoded(from->install_snapshot.configuration, from->install_snapshot.configuration_size);
  to->conf_index = from->install_snapshot.configuration_index;
  to->data.base = NULL;
  to->data.len = 0;
  must_step(engine, now_ms, event, update);
  if (update->install_snapshot) raft_configuration_close(&to->conf);
}

static struct raft_append_entries_result append_result(const raft_engine* engine, const raft_engine_message* from) {
  const raft_engine_append_result* result = &from->append_entries_result;
  uint64_t last_index = result->last_index;
  if (result->rejected > 0) {
    /* The hint is not below what the member is known to have, for the reason given at "an old rejection". */
    const uint64_t match = raft_engine_match_index(engine, from->peer);
    if (last_index < match) last_index = match;
    if (last_index >= result->rejected) last_index = result->rejected - 1;
  }
  return (struct raft_append_entries_result){
      VERSION_APPEND_ENTRIES_RESULT, from->term, result->rejected, last_index, result->features, result->capacity};
}

static struct raft_request_vote vote(const raft_engine_message* from) {
  const raft_engine_vote* asked = &from->request_vote;
  return (struct raft_request_vote){VERSION_REQUEST_VOTE, from->term,       from->peer,
                                    asked->last_index,    asked->last_term, asked->disrupt_leader,
                                    asked->pre_vote};
}

static void receive_vote_request(raft_engine* engine, uint64_t now_ms, const raft_engine_message* from,
                                 struct raft_message* message, struct raft_event* event, raft_engine_update* update) {
  struct raft* raft = &engine->raft;
  const raft_term term = raft->current_term;
  const bool installing = raft->snapshot.installing;
  const struct raft_configuration configuration = raft->configuration;
  struct raft_server self = {raft->id, raft->address, RAFT_VOTER};
  message->request_vote = vote(from);
  /* A vote is counted by the members that the candidate knows (thesis, section 4.1); libraft gives it only to one that
   * has this node for a voter in its own. The first one ever promoted may not know yet that it was, and then nobody
   * could lead. A follower looks at its configuration for nothing else here. */
  if (raft->state == RAFT_FOLLOWER) raft->configuration = (struct raft_configuration){&self, 1};
  /* libraft refuses every vote during an install, which takes minutes here. Its log ends at the snapshot by now, in
   * which everything is committed: whoever may be elected has that much, and more than what is still on this disk. */
  raft->snapshot.installing = false;
  must_step(engine, now_ms, event, update);
  raft->configuration = configuration;
  raft->snapshot.installing = installing;
  /* A new term has no known leader. */
  if (raft->current_term > term && raft->state == RAFT_FOLLOWER) forget_leader(engine);
}

static struct raft_request_vote_result vote_result(const raft_engine_message* from) {
  const raft_engine_vote_result* result = &from->request_vote_result;
  return (struct raft_request_vote_result){
      VERSION_REQUEST_VOTE_RESULT, from->term, result->granted, result->pre_vote, result->features, result->capacity};
}

void raft_engine_receive(raft_engine* engine, uint64_t now_ms, const raft_engine_message* from,
                         raft_engine_update* update) {
  struct raft_message message;
  struct raft_event event;
  memset(&message, 0, sizeof message);
  memset(&event, 0, sizeof event);
  const char* objection = raft_engine_objection(engine, from);
  require(objection == NULL, objection == NULL ? "" : objection);

  message.server_id = from->peer;
  message.server_address = ""; /* members are found by id; libraft wants an address that is not NULL */
  event.type = RAFT_RECEIVE;
  event.receive.message = &message;
  switch (from->type) {
    case RAFT_ENGINE_APPEND_ENTRIES:
      message.type = RAFT_APPEND_ENTRIES;
      receive_entries(engine, now_ms, from, &message, &event, update);
      return;
    case RAFT_ENGINE_INSTALL_SNAPSHOT:
      message.type = RAFT_INSTALL_SNAPSHOT;
      receive_snapshot(engine, now_ms, from, &message, &event, update);
      return;
    case RAFT_ENGINE_APPEND_ENTRIES_RESULT:
      message.type = RAFT_APPEND_ENTRIES_RESULT;
      message.append_entries_result = append_result(engine, from);
      break;
    case RAFT_ENGINE_REQUEST_VOTE:
      message.type = RAFT_REQUEST_VOTE;
      receive_vote_request(engine, now_ms, from, &message, &event, update);
      return;
    case RAFT_ENGINE_REQUEST_VOTE_RESULT:
      message.type = RAFT_REQUEST_VOTE_RESULT;
      message.request_vote_result = vote_result(from);
      break;
    default:
      message.type = RAFT_TIMEOUT_NOW;
      message.timeout_now = (struct raft_timeout_now){VERSION_OTHER, from->term, from->timeout_now.last_index,
                                                      from->timeout_now.last_term};
  }
  must_step(engine, now_ms, &event, update);
}

/* ---- other events */

void raft_engine_persisted_entries(raft_engine* engine, uint64_t now_ms, uint64_t index, raft_engine_update* update) {
  struct raft_event event;
  memset(&event, 0, sizeof event);
  require(engine->raft.state != RAFT_CANDIDATE, "nothing is being stored during an election");
  require(!engine->raft.snapshot.installing, "no entries are stored while a snapshot is installed");
  require(index > engine->raft.last_stored, "more is stored than before");
  require(index <= raft_last_index(&engine->raft), "only entries of the log are stored");
  event.type = RAFT_PERSISTED_ENTRIES;
  event.persisted_entries.index = index;
  must_step(engine, now_ms, &event, update);
}

void raft_engine_persisted_snapshot(raft_engine* engine, uint64_t now_ms, const raft_engine_snapshot* snapshot,
                                    raft_engine_update* update) {
  struct raft_event event;
  memset(&event, 0, sizeof event);
  require(engine->raft.state == RAFT_FOLLOWER && engine->raft.snapshot.installing, "a follower installs a snapshot");
  require(engine->raft.trail.snapshot.index == snapshot->index && engine->raft.trail.snapshot.term == snapshot->term,
          "the snapshot is the one that was to be installed");
  event.type = RAFT_PERSISTED_SNAPSHOT;
  event.persisted_snapshot.metadata = metadata_of(snapshot);
  event.persisted_snapshot.last = true;
  must_step(engine, now_ms, &event, update);
}

void raft_engine_configuration_committed(raft_engine* engine, uint64_t now_ms, uint64_t index,
                                         const void* configuration, size_t size, raft_engine_update* update) {
  struct raft_event event;
  memset(&event, 0, sizeof event);
  require(index > 0 && index <= raft_last_index(&engine->raft), "the configuration is in the log");
  event.type = RAFT_CONFIGURATION;
  event.configuration.index = index;
  event.configuration.conf = raft_engine_decoded(configuration, size);
  must_step(engine, now_ms, &event, update);
}

void raft_engine_snapshot_taken(raft_engine* engine, uint64_t now_ms, const raft_engine_snapshot* snapshot,
                                uint64_t cut_through, raft_engine_update* update) {
  struct raft_event event;
  const struct raft_trail* trail = &engine->raft.trail;
  const uint64_t cut_before = trail->offset;
  memset(&event, 0, sizeof event);
  require(!engine->raft.snapshot.installing, "no snapshot is being installed");
  require(snapshot->index > trail->snapshot.index && snapshot->index > trail->offset, "snapshots go forward");
  require(snapshot->index <= engine->raft.commit_index && snapshot->index <= raft_last_index(&engine->raft),
          "a snapshot holds committed entries of the log");
  require(cut_through >= cut_before && cut_through <= snapshot->index, "the log is cut below the snapshot");
  require(snapshot->index - cut_through < UINT32_MAX, "trailing entries are counted in 32 bits");
  event.type = RAFT_SNAPSHOT;
  event.snapshot.metadata = metadata_of(snapshot);
  event.snapshot.trailing = (unsigned)(snapshot->index - cut_through);
  /* libraft removes through index - trailing when it knows that entry's term, and it does not know that of the present
   * cut. */
  must_step(engine, now_ms, &event, update);
  require(trail->offset == cut_through, "the engine's log is cut where ours is");
}

void raft_engine_tick(raft_engine* engine, uint64_t now_ms, raft_engine_update* update) {
  struct raft_event event;
  memset(&event, 0, sizeof event);
  require(now_ms >= raft_engine_timeout(engine), "it is time");
  const bool followed = engine->raft.state == RAFT_FOLLOWER;
  if (followed && !engine->stands) {
    memset(update, 0, sizeof *update);
    engine->raft.election_timer_start = engine->now_ms = now_ms;
  } else {
    /* libraft asks for votes once only in advance, and lets a candidate that a leader told to stand disrupt every later
     * one: a member that was removed would never leave the group alone. */
    if (engine->raft.state == RAFT_CANDIDATE) {
      engine->raft.candidate_state.in_pre_vote = true;
      engine->raft.candidate_state.disrupt_leader = false;
    }
    event.type = RAFT_TIMEOUT;
    must_step(engine, now_ms, &event, update);
  }
  if (followed && engine->raft.state == RAFT_FOLLOWER) forget_leader(engine);
}

void raft_engine_heard_leader(raft_engine* engine, uint64_t heard_ms) {
  struct raft* raft = &engine->raft;
  require(raft->state == RAFT_FOLLOWER && raft_engine_leader(engine) != 0, "a follower hears of its leader");
  if (raft->election_timer_start < heard_ms) raft->election_timer_start = heard_ms;
}

static char submitted; /* libraft wants a batch and never frees it: array and batch of a submission stay the caller's */

static enum raft_engine_result submit(raft_engine* engine, uint64_t now_ms, struct raft_entry* entries, unsigned n,
                                      raft_engine_update* update) {
  struct raft_event event;
  memset(&event, 0, sizeof event);
  for (unsigned i = 0; i < n; ++i) {
    entries[i].term = raft_current_term(&engine->raft);
    entries[i].batch = &submitted;
  }
  event.type = RAFT_SUBMIT;
  event.submit.entries = entries;
  event.submit.n = n;
  return raft_engine_step(engine, now_ms, &event, update);
}

enum raft_engine_result raft_engine_submit(raft_engine* engine, uint64_t now_ms, unsigned commands_n,
                                           raft_engine_update* update) {
  require(commands_n > 0, "a submission is not empty");
  struct raft_entry* entries = scratch_entries(engine, commands_n);
  memset(entries, 0, commands_n * sizeof *entries);
  for (unsigned i = 0; i < commands_n; ++i) entries[i].type = RAFT_COMMAND;
  return submit(engine, now_ms, entries, commands_n, update);
}

enum raft_engine_result raft_engine_submit_barrier(raft_engine* engine, uint64_t now_ms, raft_engine_update* update) {
  struct raft_entry* entry = scratch_entries(engine, 1);
  memset(entry, 0, sizeof *entry);
  entry->type = RAFT_BARRIER;
  return submit(engine, now_ms, entry, 1, update);
}

enum raft_engine_result raft_engine_submit_configuration(raft_engine* engine, uint64_t now_ms,
                                                         const void* configuration, size_t size,
                                                         raft_engine_update* update) {
  struct raft_entry* entry = scratch_entries(engine, 1);
  require(raft_engine_is_configuration(configuration, size), "a configuration is well-formed");
  memset(entry, 0, sizeof *entry);
  entry->type = RAFT_CHANGE;
  entry->buf.base = (void*)configuration;
  entry->buf.len = size;
  return submit(engine, now_ms, entry, 1, update);
}

/* ---- what it knows */

enum raft_engine_state raft_engine_state_of(const raft_engine* engine) {
  switch (engine->raft.state) {
    case RAFT_FOLLOWER: return RAFT_ENGINE_FOLLOWER;
    case RAFT_CANDIDATE: return RAFT_ENGINE_CANDIDATE;
    case RAFT_LEADER: return RAFT_ENGINE_LEADER;
    default: stop("state", "unknown");
  }
}

uint64_t raft_engine_id(const raft_engine* engine) { return engine->raft.id; }
uint64_t raft_engine_term(const raft_engine* engine) { return engine->raft.current_term; }
uint64_t raft_engine_voted_for(const raft_engine* engine) { return engine->raft.voted_for; }
uint64_t raft_engine_commit_index(const raft_engine* engine) { return engine->raft.commit_index; }
uint64_t raft_engine_last_stored(const raft_engine* engine) { return engine->raft.last_stored; }
uint64_t raft_engine_cut(const raft_engine* engine) { return engine->raft.trail.offset; }
bool raft_engine_installing(const raft_engine* engine) { return engine->raft.snapshot.installing; }
bool raft_engine_stands(const raft_engine* engine) { return engine->stands; }
uint64_t raft_engine_now(const raft_engine* engine) { return engine->now_ms; }
uint64_t raft_engine_timeout(const raft_engine* engine) { return raft_timeout(&engine->raft); }

/* libraft takes its object as non-const where it only reads. */
uint64_t raft_engine_last_index(const raft_engine* engine) { return raft_last_index((struct raft*)&engine->raft); }

uint64_t raft_engine_leader(const raft_engine* engine) {
  raft_id id = 0;
  const char* address = NULL;
  raft_leader((struct raft*)&engine->raft, &id, &address);
  return id;
}

uint64_t raft_engine_match_index(const raft_engine* engine, uint64_t member) {
  raft_index index = 0;
  return raft_match_index(&engine->raft, member, &index) == 0 ? index : 0;
}
