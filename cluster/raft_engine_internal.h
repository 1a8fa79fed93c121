#ifndef EARSHOT_CLUSTER_RAFT_ENGINE_INTERNAL_H
#define EARSHOT_CLUSTER_RAFT_ENGINE_INTERNAL_H

#include <raft.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/raft_engine.h"

/* What raft_engine.c and raft_engine_members.c share, and nobody else may see. */

struct raft_engine {
  struct raft raft;
  uint64_t now_ms;
  unsigned short capacity;
  bool started;
  bool stands;
  struct raft_entry* entries; /* scratch: entries of the event under way */
  size_t entries_capacity;
  raft_engine_message* messages; /* scratch: messages of the last update */
  size_t messages_capacity;
};

_Noreturn static inline void stop(const char* what, const char* why) {
  fprintf(stderr, "earshot: raft engine: %s: %s\n", what, why);
  fflush(stderr);
  abort();
}

static inline void require(bool holds, const char* what) {
  if (!holds) stop("broken precondition", what);
}

static inline void* enough(void* memory) {
  if (memory == NULL) stop("out of memory", "cannot go on");
  return memory;
}

/* A configuration in libraft's own form, to be closed or given away. */
struct raft_configuration raft_engine_decoded(const void* bytes, size_t size);

/* One raft_step. The event's time and capacity are filled in here. */
enum raft_engine_result raft_engine_step(raft_engine* engine, uint64_t now_ms, struct raft_event* event,
                                         raft_engine_update* update);

#endif
