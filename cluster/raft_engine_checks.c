#include <string.h>

#include "cluster/raft_engine.h"

/* What may be given to libraft at all: the rules that it only asserts, or not even that. */

/* ---- configurations */

static uint64_t get_u64(const unsigned char* from) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | from[i];
  return value;
}

/* libraft's own decoder trusts its input and reads past the end of short bytes; so nothing reaches it that this has not
 * passed: a version byte 1, the number of members, then for each its id, its address with a closing zero, and its role;
 * zeros up to a multiple of 8 bytes. */
int raft_engine_configuration_decode(const void* bytes, size_t size,
                                     raft_engine_member members[RAFT_ENGINE_MEMBERS_MAX]) {
  const unsigned char* cursor = bytes;
  if (size < 9 || size % 8 != 0 || cursor[0] != 1) return -1;
  const unsigned char* const end = cursor + size;
  const uint64_t n = get_u64(cursor + 1);
  if (n == 0 || n > RAFT_ENGINE_MEMBERS_MAX) return -1;
  cursor += 9;
  for (uint64_t i = 0; i < n; ++i) {
    if ((size_t)(end - cursor) < 8) return -1;
    members[i].id = get_u64(cursor);
    cursor += 8;
    const unsigned char* zero = memchr(cursor, 0, (size_t)(end - cursor));
    if (zero == NULL || zero + 1 == end) return -1;
    members[i].address = (const char*)cursor;
    members[i].role = zero[1];
    cursor = zero + 2;
    if (members[i].id == 0 || members[i].role > RAFT_ENGINE_SPARE) return -1;
    for (uint64_t j = 0; j < i; ++j) {
      if (members[j].id == members[i].id || strcmp(members[j].address, members[i].address) == 0) return -1;
    }
  }
  if (end - cursor >= 8) return -1;
  for (; cursor != end; ++cursor) {
    if (*cursor != 0) return -1;
  }
  return (int)n;
}

bool raft_engine_is_configuration(const void* bytes, size_t size) {
  raft_engine_member members[RAFT_ENGINE_MEMBERS_MAX];
  return bytes != NULL && raft_engine_configuration_decode(bytes, size, members) > 0;
}

/* ---- snapshots and entries */

bool raft_engine_is_snapshot(const raft_engine_snapshot* snapshot) {
  return snapshot->index > 0 && snapshot->index <= RAFT_ENGINE_INDEX_MAX && snapshot->term > 0 &&
         snapshot->configuration_index > 0 && snapshot->configuration_index <= snapshot->index &&
         raft_engine_is_configuration(snapshot->configuration, snapshot->configuration_size);
}

const char* raft_engine_entries_objection(const raft_engine_entry* entries, unsigned n, uint64_t previous_term,
                                          uint64_t term) {
  for (unsigned i = 0; i < n; ++i) {
    if (entries[i].term == 0 || entries[i].term > term) return "an entry's term is out of bounds";
    if (entries[i].term < previous_term) return "terms of entries go back";
    previous_term = entries[i].term;
    switch (entries[i].type) {
      case RAFT_ENGINE_COMMAND:
      case RAFT_ENGINE_BARRIER: break;
      case RAFT_ENGINE_CHANGE:
        if (!raft_engine_is_configuration(entries[i].data, entries[i].size)) return "a configuration is damaged";
        break;
      default: return "an entry's type is unknown";
    }
  }
  return NULL;
}

/* ---- messages from other nodes */

static bool pair_is_whole(uint64_t index, uint64_t pair_term, uint64_t term) {
  return (index == 0) == (pair_term == 0) && index <= RAFT_ENGINE_INDEX_MAX && pair_term <= term;
}

static const char* append_objection(const raft_engine* engine, const raft_engine_message* message) {
  const uint64_t previous = message->append_entries.previous_index;
  const unsigned n = message->append_entries.entries_n;
  if (!pair_is_whole(previous, message->append_entries.previous_term, message->term))
    return "the previous entry is out of bounds";
  if (previous == 0 && n > 0) {
    if (message->append_entries.entries[0].type != RAFT_ENGINE_CHANGE) return "entry 1 is a configuration";
    /* A late message of the beginning. libraft knows no terms below the cut, takes these entries for new ones and puts
     * them at the log's end. */
    if (raft_engine_cut(engine) > 0) return "the log was cut beyond these entries";
  }
  for (unsigned i = 1; i < n; ++i) {
    /* libraft takes a configuration among new entries for one at the index of the first of them: it would neither see
     * it committed nor roll it back. */
    if (message->append_entries.entries[i].type == RAFT_ENGINE_CHANGE) return "a configuration may only stand first";
  }
  return raft_engine_entries_objection(message->append_entries.entries, n, message->append_entries.previous_term,
                                       message->term);
}

const char* raft_engine_objection(const raft_engine* engine, const raft_engine_message* message) {
  if (message->peer == 0 || message->peer == raft_engine_id(engine)) return "it comes from no other member";
  if (message->term == 0) return "its term is 0";
  if (message->term > RAFT_ENGINE_INDEX_MAX) return "its term is out of bounds";
  const bool from_rival =
      raft_engine_state_of(engine) == RAFT_ENGINE_LEADER && message->term == raft_engine_term(engine);
  switch (message->type) {
    case RAFT_ENGINE_APPEND_ENTRIES:
      if (from_rival) return "another leader in this term";
      return append_objection(engine, message);
    case RAFT_ENGINE_APPEND_ENTRIES_RESULT:
      if (message->append_entries_result.rejected > RAFT_ENGINE_INDEX_MAX) return "an index is out of bounds";
      /* A rejection of what this member stored since is old. libraft sees that only while it streams to the member;
       * while it probes, it would step behind the known match and send nothing but heartbeats for ever. */
      if (from_rival && message->append_entries_result.rejected > 0 &&
          message->append_entries_result.rejected <= raft_engine_match_index(engine, message->peer)) {
        return "an old rejection";
      }
      return NULL;
    case RAFT_ENGINE_REQUEST_VOTE:
      if (!pair_is_whole(message->request_vote.last_index, message->request_vote.last_term, message->term)) {
        return "the last entry is out of bounds";
      }
      return NULL;
    case RAFT_ENGINE_REQUEST_VOTE_RESULT:
      /* libraft reads the candidate's part of a union before it asks whether this is a candidate. */
      if (raft_engine_state_of(engine) != RAFT_ENGINE_CANDIDATE) return "not a candidate";
      /* A member that grants a pre-vote answers with the term it was asked for, never with a later one. */
      if (message->request_vote_result.granted && message->term > raft_engine_term(engine) + 1)
        return "a vote for a later term";
      return NULL;
    case RAFT_ENGINE_INSTALL_SNAPSHOT:
      if (from_rival) return "another leader in this term";
      /* libraft would take it and leak it. */
      if (raft_engine_installing(engine)) return "a snapshot is being installed";
      if (!raft_engine_is_snapshot(&message->install_snapshot)) return "snapshot metadata is damaged";
      if (message->install_snapshot.term > message->term) return "the snapshot is out of bounds";
      return NULL;
    case RAFT_ENGINE_TIMEOUT_NOW:
      if (!raft_engine_stands(engine)) return "it may not lead";
      if (!pair_is_whole(message->timeout_now.last_index, message->timeout_now.last_term, message->term)) {
        return "the last entry is out of bounds";
      }
      return NULL;
    default: return "its type is unknown";
  }
}
