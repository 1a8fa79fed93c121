// Preloaded into a node: records what it does to the files below EARSHOT_DISK_DIRECTORY into the file named by
// EARSHOT_DISK_TRACE, and makes its disk slow, full or broken as EARSHOT_DISK_CONTROL says (disk_trace.h). It sees what
// goes through the C library: writes through a map (LMDB's lock file) it does not.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "disk_trace.h"

enum { kDescriptors = 4096, kVectors = 1024, kSliceMs = 5, kPageBytes = 4096, kDataOffset = 2 * kPageBytes };

// Of a descriptor of a watched file.
struct watched {
  bool is_watched;
  bool is_directory;
  bool is_synchronous;  // O_DSYNC: a write is on the disk when it returns
  uint64_t inode;
  char* path;  // of a directory
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  // what is done and its record are one step
static struct watched watched[kDescriptors];
static struct disk_control* control;
static const char* directory;
static int trace = -1;
static uint64_t records;  // guarded by mutex

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)

REAL(int, open, const char*, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void*, size_t);
REAL(ssize_t, writev, int, const struct iovec*, int);
REAL(ssize_t, pwrite, int, const void*, size_t, off_t);
REAL(ssize_t, pwritev, int, const struct iovec*, int, off_t);
REAL(ssize_t, pwritev2, int, const struct iovec*, int, off_t, int);
REAL(int, ftruncate, int, off_t);
REAL(int, posix_fallocate, int, off_t, off_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, rename, const char*, const char*);
REAL(int, unlink, const char*);
REAL(int, remove, const char*);
REAL(int, rmdir, const char*);
REAL(int, mkdir, const char*, mode_t);

#define FIND(name) *(void**)&real_##name = dlsym(RTLD_NEXT, #name)

static void find_real(void) {
  FIND(open), FIND(close), FIND(write), FIND(writev), FIND(pwrite), FIND(pwritev), FIND(pwritev2);
  FIND(ftruncate);
  FIND(posix_fallocate), FIND(fsync), FIND(fdatasync), FIND(rename), FIND(unlink), FIND(remove), FIND(rmdir);
  FIND(mkdir);
}

__attribute__((constructor)) static void begin(void) {
  find_real();
  const char* where = getenv("EARSHOT_DISK_DIRECTORY");
  const char* control_path = getenv("EARSHOT_DISK_CONTROL");
  const char* trace_path = getenv("EARSHOT_DISK_TRACE");
  if (where == NULL || control_path == NULL) return;
  const int file = real_open(control_path, O_RDWR | O_CLOEXEC);
  if (file < 0) abort();
  void* page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  real_close(file);
  if (page == MAP_FAILED) abort();
  control = page;
  if (trace_path != NULL) {
    trace = real_open(trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace < 0) abort();
  }
  directory = where;
}

static uint64_t told(const uint64_t* field) { return __atomic_load_n(field, __ATOMIC_ACQUIRE); }

// Takes one of those that are left.
static bool take_one(uint64_t* field) {
  uint64_t left = told(field);
  while (left > 0) {
    if (__atomic_compare_exchange_n(field, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return true;
  }
  return false;
}

static bool is_below(const char* path) { return directory != NULL && strncmp(path, directory, strlen(directory)) == 0; }
static const char* below(const char* path) {
  path += strlen(directory);
  return *path == '/' ? path + 1 : path;
}
static struct watched* find(int descriptor) {
  if (directory == NULL || descriptor < 0 || descriptor >= kDescriptors) return NULL;
  return watched[descriptor].is_watched ? &watched[descriptor] : NULL;
}

// With the mutex held. The number of the record.
static uint64_t record(struct disk_record head, const struct iovec* payload, int count) {
  if (trace < 0) return 0;
  struct iovec parts[kVectors + 1];
  size_t left = head.bytes;
  if (count > kVectors) abort();
  parts[0] = (struct iovec){&head, sizeof head};
  for (int i = 0; i < count; ++i) {
    parts[i + 1] = payload[i];
    if (parts[i + 1].iov_len > left) parts[i + 1].iov_len = left;  // a write that was cut short
    left -= parts[i + 1].iov_len;
  }
  if (real_writev(trace, parts, count + 1) != (ssize_t)(sizeof head + head.bytes)) abort();
  __atomic_store_n(&control->records, records + 1, __ATOMIC_RELEASE);
  return records++;
}
static void record_path(uint64_t kind, uint64_t file, uint64_t upto, const char* path, size_t bytes) {
  const struct iovec payload = {(void*)path, bytes};
  record((struct disk_record){kind, file, 0, upto, bytes}, &payload, 1);
}

// ---- files and their names

static int open_watched(const char* path, int flags, mode_t mode) {
  struct stat file;
  pthread_mutex_lock(&mutex);
  const bool is_new = stat(path, &file) != 0;
  const int descriptor = real_open(path, flags, mode);
  const int error = errno;
  if (descriptor >= kDescriptors) abort();
  if (descriptor >= 0 && fstat(descriptor, &file) == 0) {
    struct watched* entry = &watched[descriptor];
    *entry = (struct watched){true, S_ISDIR(file.st_mode), (flags & O_DSYNC) != 0, file.st_ino, NULL};
    if (entry->is_directory) entry->path = strdup(below(path));
    if (is_new) record_path(DISK_MAKE, file.st_ino, 0, below(path), strlen(below(path)));
    if (!is_new && (flags & O_TRUNC) != 0) record((struct disk_record){DISK_TRUNCATE, file.st_ino, 0, 0, 0}, NULL, 0);
  }
  pthread_mutex_unlock(&mutex);
  errno = error;
  return descriptor;
}

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (real_open == NULL) find_real();
  return is_below(path) ? open_watched(path, flags, mode) : real_open(path, flags, mode);
}
int open64(const char* path, int flags, ...) __attribute__((alias("open")));

int close(int descriptor) {
  struct watched* entry = find(descriptor);
  if (entry != NULL) {
    pthread_mutex_lock(&mutex);
    free(entry->path);
    *entry = (struct watched){0};
    pthread_mutex_unlock(&mutex);
  }
  return real_close(descriptor);
}

// Records the change of a name once it is made.
#define CHANGE_NAME(path, call, kind)                                           \
  do {                                                                          \
    if (!is_below(path)) return call;                                           \
    pthread_mutex_lock(&mutex);                                                 \
    const int status = call;                                                    \
    const int error = errno;                                                    \
    if (status == 0) record_path(kind, 0, 0, below(path), strlen(below(path))); \
    pthread_mutex_unlock(&mutex);                                               \
    errno = error;                                                              \
    return status;                                                              \
  } while (0)

int unlink(const char* path) { CHANGE_NAME(path, real_unlink(path), DISK_REMOVE); }
int remove(const char* path) { CHANGE_NAME(path, real_remove(path), DISK_REMOVE); }
int rmdir(const char* path) { CHANGE_NAME(path, real_rmdir(path), DISK_REMOVE); }
int mkdir(const char* path, mode_t mode) { CHANGE_NAME(path, real_mkdir(path, mode), DISK_MAKE_DIRECTORY); }

int rename(const char* from, const char* to) {
  if (!is_below(from)) return real_rename(from, to);
  char paths[8192];
  const int bytes = snprintf(paths, sizeof paths, "%s%c%s", below(from), 0, below(to));
  pthread_mutex_lock(&mutex);
  const int status = real_rename(from, to);
  const int error = errno;
  if (status == 0) record_path(DISK_RENAME, 0, 0, paths, (size_t)bytes);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return status;
}

// ---- syncs

// A disk that takes its time. Without the mutex: others go on meanwhile.
static void take_time(void) {
  __atomic_add_fetch(&control->syncs, 1, __ATOMIC_ACQ_REL);
  for (uint64_t waited_ms = 0; waited_ms < told(&control->sync_delay_ms); waited_ms += kSliceMs) {
    const struct timespec slice = {0, kSliceMs * 1000000};
    nanosleep(&slice, NULL);
  }
}

static int sync_watched(const struct watched* entry, int descriptor, int (*real_sync)(int)) {
  pthread_mutex_lock(&mutex);
  const uint64_t upto = records;
  pthread_mutex_unlock(&mutex);
  take_time();
  if (told(&control->lying) != 0) return 0;
  if (take_one(&control->sync_faults)) {
    errno = (int)told(&control->sync_errno);
    return -1;
  }
  if (real_sync(descriptor) != 0) return -1;
  pthread_mutex_lock(&mutex);
  if (entry->is_directory) {
    record_path(DISK_SYNC_DIRECTORY, 0, upto, entry->path, strlen(entry->path));
  } else {
    record((struct disk_record){DISK_SYNC, entry->inode, 0, upto, 0}, NULL, 0);
  }
  pthread_mutex_unlock(&mutex);
  return 0;
}

int fsync(int descriptor) {
  const struct watched* entry = find(descriptor);
  return entry == NULL ? real_fsync(descriptor) : sync_watched(entry, descriptor, real_fsync);
}
int fdatasync(int descriptor) {
  const struct watched* entry = find(descriptor);
  return entry == NULL ? real_fdatasync(descriptor) : sync_watched(entry, descriptor, real_fdatasync);
}

// ---- writes

static size_t bytes_of(const struct iovec* parts, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += parts[i].iov_len;
  return bytes;
}

// Something written to a file whose writes are on the disk when they return: recorded before, and as synced after.
static ssize_t write_synchronously(const struct watched* entry, int descriptor, const struct iovec* parts, int count,
                                   off_t offset) {
  pthread_mutex_lock(&mutex);
  const size_t bytes = bytes_of(parts, count);
  const uint64_t number =
      record((struct disk_record){DISK_WRITE, entry->inode, (uint64_t)offset, 0, bytes}, parts, count);
  pthread_mutex_unlock(&mutex);
  take_time();
  if (take_one(&control->sync_faults)) {
    errno = (int)told(&control->sync_errno);
    return -1;
  }
  const ssize_t written = real_pwritev(descriptor, parts, count, offset);
  if (written != (ssize_t)bytes || told(&control->lying) != 0) return written;
  pthread_mutex_lock(&mutex);
  record((struct disk_record){DISK_SYNCED_WRITE, entry->inode, 0, number, 0}, NULL, 0);
  pthread_mutex_unlock(&mutex);
  return written;
}

// `offset` < 0: where the descriptor stands, as LMDB writes several pages at once.
static ssize_t write_watched(const struct watched* entry, int descriptor, const struct iovec* parts, int count,
                             off_t offset) {
  // LMDB's two head pages, and the small files beside it, are overwritten in their places and have their room.
  const off_t at = offset >= 0 ? offset : lseek(descriptor, 0, SEEK_CUR);
  const bool is_of_data = at >= kDataOffset;
  if (is_of_data && take_one(&control->write_faults)) {
    errno = (int)told(&control->write_errno);
    return -1;
  }
  if (entry->is_synchronous && offset >= 0) return write_synchronously(entry, descriptor, parts, count, offset);
  if (entry->is_synchronous) abort();  // nobody here does that
  struct iovec fitting = {NULL, 0};
  const int has_quota = told(&control->quota) != 0;
  if (is_of_data && (has_quota || take_one(&control->cuts))) {
    if (has_quota && bytes_of(parts, count) <= kPageBytes) {
      errno = EDQUOT;
      return -1;
    }
    const size_t fits = bytes_of(parts, count) > kPageBytes ? kPageBytes : kPageBytes / 2;
    fitting = (struct iovec){parts[0].iov_base, parts[0].iov_len < fits ? parts[0].iov_len : fits};
    parts = &fitting;
    count = 1;
  }
  pthread_mutex_lock(&mutex);
  const ssize_t written =
      offset >= 0 ? real_pwritev(descriptor, parts, count, offset) : real_writev(descriptor, parts, count);
  const int failure = errno;
  if (written > 0)
    record((struct disk_record){DISK_WRITE, entry->inode, (uint64_t)at, 0, (uint64_t)written}, parts, count);
  pthread_mutex_unlock(&mutex);
  errno = failure;
  return written;
}

ssize_t pwritev(int descriptor, const struct iovec* parts, int count, off_t offset) {
  const struct watched* entry = find(descriptor);
  return entry == NULL ? real_pwritev(descriptor, parts, count, offset)
                       : write_watched(entry, descriptor, parts, count, offset);
}
ssize_t pwritev64(int, const struct iovec*, int, off_t) __attribute__((alias("pwritev")));

// Written, and synced after it.
ssize_t pwritev2(int descriptor, const struct iovec* parts, int count, off_t offset, int flags) {
  const struct watched* entry = find(descriptor);
  if (entry == NULL) return real_pwritev2(descriptor, parts, count, offset, flags);
  if (flags != 0 && flags != RWF_DSYNC) abort();  // nobody here does that
  const ssize_t written = write_watched(entry, descriptor, parts, count, offset);
  if (written <= 0 || flags == 0) return written;
  return sync_watched(entry, descriptor, real_fdatasync) == 0 ? written : -1;
}
ssize_t pwritev64v2(int, const struct iovec*, int, off_t, int) __attribute__((alias("pwritev2")));

ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  const struct watched* entry = find(descriptor);
  return entry == NULL ? real_writev(descriptor, parts, count) : write_watched(entry, descriptor, parts, count, -1);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  const struct watched* entry = find(descriptor);
  const struct iovec part = {(void*)bytes, count};
  return entry == NULL ? real_pwrite(descriptor, bytes, count, offset)
                       : write_watched(entry, descriptor, &part, 1, offset);
}
ssize_t pwrite64(int, const void*, size_t, off_t) __attribute__((alias("pwrite")));

ssize_t write(int descriptor, const void* bytes, size_t count) {
  const struct watched* entry = find(descriptor);
  const struct iovec part = {(void*)bytes, count};
  return entry == NULL ? real_write(descriptor, bytes, count) : write_watched(entry, descriptor, &part, 1, -1);
}

// ---- sizes

static void record_size(const struct watched* entry, int descriptor) {
  struct stat file;
  if (fstat(descriptor, &file) == 0)
    record((struct disk_record){DISK_TRUNCATE, entry->inode, (uint64_t)file.st_size, 0, 0}, NULL, 0);
}

int ftruncate(int descriptor, off_t bytes) {
  const struct watched* entry = find(descriptor);
  if (entry == NULL) return real_ftruncate(descriptor, bytes);
  pthread_mutex_lock(&mutex);
  const int status = real_ftruncate(descriptor, bytes);
  const int error = errno;
  if (status == 0) record_size(entry, descriptor);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return status;
}
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

int posix_fallocate(int descriptor, off_t offset, off_t bytes) {
  const struct watched* entry = find(descriptor);
  if (entry == NULL) return real_posix_fallocate(descriptor, offset, bytes);
  if (told(&control->quota) != 0) return EDQUOT;
  pthread_mutex_lock(&mutex);
  const int status = real_posix_fallocate(descriptor, offset, bytes);
  if (status == 0) record_size(entry, descriptor);
  pthread_mutex_unlock(&mutex);
  return status;
}
int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));
