#ifndef EARSHOT_TESTS_SUPPORT_DISK_TRACE_H
#define EARSHOT_TESTS_SUPPORT_DISK_TRACE_H

/* What disk_shim.c and the tests that preload it say to each other: a page of shared memory, and the file of records.
   Plain C, so that both sides see one layout. */

#include <stdint.h>

/* In a file named by EARSHOT_DISK_CONTROL, mapped by both. Every field is read and written atomically. */
struct disk_control {
  uint64_t records;       /* in the trace so far; told by the shim */
  uint64_t syncs;         /* begun so far; told by the shim */
  uint64_t sync_delay_ms; /* every sync takes so much longer; lowering it ends waits under way */
  uint64_t write_errno;   /* what writes of data pages fail with … */
  uint64_t write_faults;  /* … so many more of them; counted down by the shim */
  uint64_t sync_errno;    /* what syncs fail with … */
  uint64_t sync_faults;   /* … so many more of them; counted down by the shim */
  uint64_t lying;         /* syncs are answered and not done: the trace shows none */
  uint64_t quota;         /* a quota is used up: writes of data pages are cut short, nothing is allocated any more */
  uint64_t cuts;          /* so many more of them are cut short; counted down by the shim */
};

enum disk_record_kind {
  DISK_WRITE = 1,          /* bytes at `offset` of a file */
  DISK_SYNCED_WRITE = 2,   /* the write that is record `upto` is on the disk (O_DSYNC) */
  DISK_SYNC = 3,           /* what was written to the file before record `upto` is on the disk */
  DISK_TRUNCATE = 4,       /* the file ends at `offset` */
  DISK_MAKE = 5,           /* payload: the path of a new file */
  DISK_MAKE_DIRECTORY = 6, /* payload: its path */
  DISK_RENAME = 7,         /* payload: two paths with a 0 between */
  DISK_REMOVE = 8,         /* payload: a path */
  DISK_SYNC_DIRECTORY = 9  /* payload: its path; its names as of record `upto` are on the disk */
};

/* Followed by `bytes` of payload. Records are numbered from 0 in the order in which things happened; what is synced is
   recorded when the sync has returned, before anybody can have learned of it. Paths are below EARSHOT_DISK_DIRECTORY.
 */
struct disk_record {
  uint64_t kind;
  uint64_t file; /* its inode, which a DISK_MAKE may give to a new file again */
  uint64_t offset;
  uint64_t upto;
  uint64_t bytes;
};

#endif
