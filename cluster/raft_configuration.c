#include <string.h>

#include "cluster/raft_engine.h"

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
