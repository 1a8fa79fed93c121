#include <string.h>

#include "cluster/raft_engine_internal.h"

/* Configurations, and what changes who leads. */

/* ---- configurations */

void raft_engine_configuration_encode(const raft_engine_member* members, unsigned members_n, void** bytes,
                                      size_t* size) {
  struct raft_configuration configuration;
  struct raft_buffer buffer;
  require(members_n > 0 && members_n <= RAFT_ENGINE_MEMBERS_MAX, "a configuration has 1 to 64 members");
  raft_configuration_init(&configuration);
  for (unsigned i = 0; i < members_n; ++i) {
    require(members[i].id != 0, "a member's id is not 0");
    const int rv = raft_configuration_add(&configuration, members[i].id, members[i].address, members[i].role);
    if (rv != 0) stop("configuration", raft_strerror(rv));
  }
  const int rv = raft_configuration_encode(&configuration, &buffer);
  raft_configuration_close(&configuration);
  if (rv != 0) stop("configuration", raft_strerror(rv));
  *bytes = buffer.base;
  *size = buffer.len;
}

void raft_engine_release(void* bytes) { raft_free(bytes); }

struct raft_configuration raft_engine_decoded(const void* bytes, size_t size) {
  struct raft_configuration configuration;
  const struct raft_buffer buffer = {(void*)bytes, size};
  require(raft_engine_is_configuration(bytes, size), "a configuration is well-formed");
  const int rv = raft_configuration_decode(&buffer, &configuration);
  if (rv != 0) stop("configuration", raft_strerror(rv));
  return configuration;
}

/* ---- catching up */

static const struct raft_server* member_of(const raft_engine* engine, uint64_t id) {
  const struct raft_configuration* configuration = &engine->raft.configuration;
  for (unsigned i = 0; i < configuration->n; ++i) {
    if (configuration->servers[i].id == id) return &configuration->servers[i];
  }
  return NULL;
}

void raft_engine_catch_up(raft_engine* engine, uint64_t now_ms, uint64_t standby, raft_engine_update* update) {
  struct raft_event event;
  const struct raft_server* server = member_of(engine, standby);
  memset(&event, 0, sizeof event);
  require(engine->raft.state == RAFT_LEADER && engine->raft.leader_state.promotee_id == 0, "a leader begins it once");
  require(server != NULL && server->role != RAFT_VOTER, "a standby catches up");
  event.type = RAFT_CATCH_UP;
  event.catch_up.server_id = standby;
  require(raft_engine_step(engine, now_ms, &event, update) == RAFT_ENGINE_OK, "catching up begins");
}

enum raft_engine_catch_up_state raft_engine_catch_up_state_of(const raft_engine* engine, uint64_t member) {
  int status = RAFT_CATCH_UP_NONE;
  if (raft_catch_up(&engine->raft, member, &status) != 0) return RAFT_ENGINE_CATCH_UP_NONE;
  switch (status) {
    case RAFT_CATCH_UP_RUNNING: return RAFT_ENGINE_CATCH_UP_RUNNING;
    case RAFT_CATCH_UP_ABORTED: return RAFT_ENGINE_CATCH_UP_ABORTED;
    case RAFT_CATCH_UP_FINISHED: return RAFT_ENGINE_CATCH_UP_FINISHED;
    default: return RAFT_ENGINE_CATCH_UP_NONE;
  }
}

/* ---- handing over */

enum raft_engine_result raft_engine_transfer(raft_engine* engine, uint64_t now_ms, uint64_t voter,
                                             raft_engine_update* update) {
  struct raft_event event;
  const struct raft_server* server = member_of(engine, voter);
  memset(&event, 0, sizeof event);
  require(server != NULL && server->role == RAFT_VOTER && voter != engine->raft.id, "another voter shall lead");
  event.type = RAFT_TRANSFER;
  event.transfer.server_id = voter;
  return raft_engine_step(engine, now_ms, &event, update);
}

uint64_t raft_engine_transferee(const raft_engine* engine) { return raft_transferee(&engine->raft); }

/* As if a member that is in the next term asked for a vote that it does not deserve. */
void raft_engine_step_down(raft_engine* engine, uint64_t now_ms, raft_engine_update* update) {
  raft_engine_message nobody;
  memset(&nobody, 0, sizeof nobody);
  require(engine->raft.state != RAFT_FOLLOWER, "a leader or candidate steps down");
  require(raft_last_index(&engine->raft) > 0, "who leads or stands has entries");
  nobody.type = RAFT_ENGINE_REQUEST_VOTE;
  nobody.peer = engine->raft.id == UINT64_MAX ? 1 : UINT64_MAX;
  nobody.term = engine->raft.current_term + 1;
  nobody.request_vote.disrupt_leader = true;
  raft_engine_receive(engine, now_ms, &nobody, update);
  require(engine->raft.state == RAFT_FOLLOWER && engine->raft.voted_for == 0, "it stepped down");
  update->messages_n = 0;
}
