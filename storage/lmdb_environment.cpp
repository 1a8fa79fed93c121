#include "storage/lmdb_environment.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_failures.hpp"
#include "storage/lmdb_meta.hpp"
#include "storage/lmdb_walk.hpp"
#include "storage/record_rules.hpp"

namespace earshot::storage {
namespace {

// ThreadSanitizer leaves a program no addresses for two maps of the usual size.
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t kAddressesMax = 64ull << 30;
#else
constexpr std::uint64_t kAddressesMax = UINT64_MAX;
#endif

// Read transactions kept for reuse: a shard reads one key at a time, and renewing one takes no lock of LMDB's and no
// memory.
constexpr std::size_t kIdleReadersMax = 64;
// A table beside the caller's, for advance().
constexpr const char* kAdvanceTable = "earshot.advance";

MDB_val value_of(std::string_view bytes) { return MDB_val{bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view view_of(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

// LMDB's environment, closed when dropped.
struct CloseEnv {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using EnvPointer = std::unique_ptr<MDB_env, CloseEnv>;

// `path` is a directory, or with MDB_NOSUBDIR a file.
Result<EnvPointer> open_env(const std::string& path, const LmdbOptions& options, unsigned flags) {
  const std::string what = "open the environment " + path;
  MDB_env* made = nullptr;
  if (int code = mdb_env_create(&made); code != 0) return fail(error_of(code, what));
  EnvPointer env(made);
  int code = mdb_env_set_mapsize(made, std::min(options.map_bytes, kAddressesMax));
  if (code == 0) code = mdb_env_set_maxdbs(made, static_cast<MDB_dbi>(options.tables.size() + 1));
  if (code == 0) code = mdb_env_set_maxreaders(made, options.readers_max);
  // Neither MDB_NOMETASYNC nor MDB_NOSYNC: what was committed is on the disk. MDB_NOTLS: actors change threads.
  if (code == 0) code = mdb_env_open(made, path.c_str(), MDB_NOTLS | flags, 0600);
  if (code == ENOMEM) {
    return fail(ErrorCode::kInternal, "",
                what + ": cannot reserve " + std::to_string(options.map_bytes) +
                    " bytes of address space (is there a limit on it, ulimit -v?)");
  }
  if (code == EACCES || code == EPERM || code == EROFS) {
    return fail(ErrorCode::kInternal, "",
                what + ": " + mdb_strerror(code) + " (the node must be allowed to read and write every file in it)");
  }
  if (code != 0) return fail(error_of(code, what));
  return env;
}

// At least what LMDB's lock file takes: a head, and a cache line for each reader.
constexpr std::uint64_t lock_file_bytes(std::uint32_t readers_max) {
  constexpr std::uint64_t kReaderBytes = 64;
  constexpr std::uint64_t kHeadBytes = 4096;
  return kHeadBytes + readers_max * kReaderBytes;
}

class LmdbEnvironment final : public Environment {
 public:
  static Result<std::unique_ptr<Environment>> open(const LmdbOptions& options);
  static Result<std::unique_ptr<Environment>> open_to_read(const LmdbOptions& options);
  ~LmdbEnvironment() override;

  Result<std::unique_ptr<ReadTransaction>> begin_read() override;
  Result<std::unique_ptr<WriteTransaction>> begin_write() override;
  DiskUsage usage() override;
  Status check_pages(const std::function<void()>& on_page, const std::function<void(PageFlaw)>& on_flaw) override {
    return walk_pages(data_file(), on_page, on_flaw);
  }

  [[nodiscard]] MDB_dbi table(Table table) const {
    EARSHOT_INVARIANT(table < tables_.size(), "a table is one of those the environment was opened with");
    return tables_[table];
  }
  // Every call of LMDB's that may write to the disk goes through this. A failure that leaves unknown what the disk
  // holds stops the process.
  LmdbFailures& failures() { return failures_; }

  // Of a transaction that may have changed something. `what` names it in the error.
  Status commit(MDB_txn* transaction, std::string_view what) {
    const int code = failures_.code_of([transaction] { return mdb_txn_commit(transaction); });
    if (code != 0) return fail(failures_.judge(code, what));
    if (note_) note_->write();
    return {};
  }
  // A transaction gives itself back when it ends.
  void end_read(MDB_txn* transaction);
  void end_write() { write_open_.store(false, std::memory_order_release); }
  // Commits next to nothing. LMDB reuses the pages that a transaction freed only from the second one after it on, so a
  // write that did not fit could never succeed by being tried again, however much the one before it freed.
  void advance();

 private:
  LmdbEnvironment(const LmdbOptions& options, std::optional<FileLock> lock)
      : path_(options.path), lock_(std::move(lock)), failures_(options.path, options.claims, clock_) {}
  [[nodiscard]] std::string data_file() const { return path_ + "/data.mdb"; }
  [[nodiscard]] std::string note_file() const { return path_ + "/meta.note"; }
  Status make_data_file(const LmdbOptions& options);
  Status open_environment(const LmdbOptions& options);
  Status open_tables(const std::vector<std::string>& names, unsigned flags);
  Result<MDB_txn*> take_reader();

  std::string path_;
  std::optional<FileLock> lock_;  // nothing: opened to read
  std::optional<MetaNote> note_;  // nothing: opened to read
  const SystemClock clock_{};
  LmdbFailures failures_;
  MDB_env* env_ = nullptr;
  std::vector<MDB_dbi> tables_;
  MDB_dbi advance_table_ = 0;
  std::mutex mutex_;
  std::vector<MDB_txn*> idle_readers_;  // reset, their reader slots kept; guarded by mutex_
  std::atomic<std::size_t> reads_open_{0};
  std::atomic<bool> write_open_{false};
};

// Closes before its transaction ends, as LMDB wants it.
class Cursor {
 public:
  static Result<Cursor> open(MDB_txn* transaction, MDB_dbi table) {
    MDB_cursor* cursor = nullptr;
    if (int code = mdb_cursor_open(transaction, table, &cursor); code != 0)
      return fail(error_of(code, "open a cursor"));
    return Cursor(cursor);
  }
  Cursor(Cursor&& other) noexcept : cursor_(std::exchange(other.cursor_, nullptr)) {}
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }

  // True when there is a record there; then key and value are views of it.
  Result<bool> move(MDB_cursor_op operation, std::string_view& key, std::string_view& value) {
    MDB_val k = value_of(key);
    MDB_val v{};
    const int code = mdb_cursor_get(cursor_, &k, &v, operation);
    if (code == MDB_NOTFOUND) return false;
    if (code != 0) return fail(error_of(code, "read"));
    key = view_of(k), value = view_of(v);
    return true;
  }

 private:
  explicit Cursor(MDB_cursor* cursor) : cursor_(cursor) {}
  MDB_cursor* cursor_;
};

Result<std::optional<std::string_view>> get_from(MDB_txn* transaction, MDB_dbi table, std::string_view key) {
  if (!is_key(key)) return std::optional<std::string_view>{};
  MDB_val k = value_of(key);
  MDB_val v{};
  const int code = mdb_get(transaction, table, &k, &v);
  if (code == MDB_NOTFOUND) return std::optional<std::string_view>{};
  if (code != 0) return fail(error_of(code, "read"));
  return std::optional(view_of(v));
}

Status scan_from(MDB_txn* transaction, MDB_dbi table, std::string_view from, std::string_view to,
                 const ReadTransaction::Visit& visit) {
  auto cursor = Cursor::open(transaction, table);
  if (!cursor) return fail(std::move(cursor.error()));
  std::string_view key = from;
  std::string_view value;
  auto found = cursor->move(from.empty() ? MDB_FIRST : MDB_SET_RANGE, key, value);
  while (found && *found && (to.empty() || key < to)) {
    if (!visit(key, value)) return {};
    found = cursor->move(MDB_NEXT, key, value);
  }
  if (!found) return fail(std::move(found.error()));
  return {};
}

Status scan_back_from(MDB_txn* transaction, MDB_dbi table, std::string_view from, std::string_view to,
                      const ReadTransaction::Visit& visit) {
  auto cursor = Cursor::open(transaction, table);
  if (!cursor) return fail(std::move(cursor.error()));
  std::string_view key = to;
  std::string_view value;
  // The greatest key below `to` stands before the first one that is not below it, or at the end when there is none
  // such.
  Result<bool> found = false;
  if (!to.empty()) found = cursor->move(MDB_SET_RANGE, key, value);
  if (found) found = cursor->move(*found ? MDB_PREV : MDB_LAST, key, value);
  while (found && *found && key >= from) {
    if (!visit(key, value)) return {};
    found = cursor->move(MDB_PREV, key, value);
  }
  if (!found) return fail(std::move(found.error()));
  return {};
}

Result<std::uint64_t> count_of(MDB_txn* transaction, MDB_dbi table) {
  MDB_stat statistics{};
  if (int code = mdb_stat(transaction, table, &statistics); code != 0) return fail(error_of(code, "count"));
  return statistics.ms_entries;
}

class LmdbRead final : public ReadTransaction {
 public:
  LmdbRead(LmdbEnvironment& environment, MDB_txn* transaction) : environment_(environment), transaction_(transaction) {}
  LmdbRead(const LmdbRead&) = delete;
  LmdbRead& operator=(const LmdbRead&) = delete;
  ~LmdbRead() override { environment_.end_read(transaction_); }

  Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
    return get_from(transaction_, environment_.table(table), key);
  }
  Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    return scan_from(transaction_, environment_.table(table), from, to, visit);
  }
  Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    return scan_back_from(transaction_, environment_.table(table), from, to, visit);
  }
  Result<std::uint64_t> count(Table table) override { return count_of(transaction_, environment_.table(table)); }

 private:
  LmdbEnvironment& environment_;
  MDB_txn* transaction_;
};

// After the first failure that spoils it the transaction answers with that failure only, commit() too.
class LmdbWrite final : public WriteTransaction {
 public:
  LmdbWrite(LmdbEnvironment& environment, MDB_txn* transaction)
      : environment_(environment), transaction_(transaction) {}
  LmdbWrite(const LmdbWrite&) = delete;
  LmdbWrite& operator=(const LmdbWrite&) = delete;
  ~LmdbWrite() override {
    check_thread();
    if (transaction_ != nullptr) abandon();
  }

  Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
    if (auto usable = check_usable(); !usable) return fail(std::move(usable.error()));
    return get_from(transaction_, environment_.table(table), key);
  }
  Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    if (auto usable = check_usable(); !usable) return usable;
    return scan_from(transaction_, environment_.table(table), from, to, visit);
  }
  Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    if (auto usable = check_usable(); !usable) return usable;
    return scan_back_from(transaction_, environment_.table(table), from, to, visit);
  }
  Result<std::uint64_t> count(Table table) override {
    if (auto usable = check_usable(); !usable) return fail(std::move(usable.error()));
    return count_of(transaction_, environment_.table(table));
  }

  Status put(Table table, std::string_view key, std::string_view value) override { return store(table, key, value, 0); }

  Status append(Table table, std::string_view key, std::string_view value) override {
    return store(table, key, value, MDB_APPEND);
  }

  Result<bool> erase(Table table, std::string_view key) override {
    if (auto usable = check_usable(); !usable) return fail(std::move(usable.error()));
    if (!is_key(key)) return false;
    MDB_val k = value_of(key);
    LmdbFailures& failures = environment_.failures();
    const int code = failures.code_of([&] { return mdb_del(transaction_, environment_.table(table), &k, nullptr); });
    if (code == MDB_NOTFOUND) return false;
    if (code != 0) return fail(spoil(failures.judge(code, "erase")));
    return true;
  }

  Status commit() override {
    if (auto usable = check_usable(); !usable) {
      abandon();
      return usable;
    }
    if (auto committed = environment_.commit(std::exchange(transaction_, nullptr), "commit"); !committed)
      spoil(std::move(committed.error()));
    finish();
    return spoiled_ ? Status(fail(*spoiled_)) : Status();
  }

 private:
  Status store(Table table, std::string_view key, std::string_view value, unsigned flags) {
    if (auto usable = check_usable(); !usable) return usable;
    if (auto fits = check_record(key, value); !fits) return fits;
    MDB_val k = value_of(key);
    MDB_val v = value_of(value);
    LmdbFailures& failures = environment_.failures();
    const int code = failures.code_of([&] { return mdb_put(transaction_, environment_.table(table), &k, &v, flags); });
    if (code == 0) return {};
    if (code == MDB_KEYEXIST) {
      return fail(ErrorCode::kInvalidArgument, "key", "must be greater than every key in the table");
    }
    return fail(spoil(failures.judge(code, "write")));
  }

  void abandon() {
    mdb_txn_abort(std::exchange(transaction_, nullptr));
    finish();
  }

  void finish() {
    if (spoiled_ && spoiled_->code == ErrorCode::kStorageFull) environment_.advance();
    environment_.end_write();
  }

  void check_thread() const {
    EARSHOT_INVARIANT(std::this_thread::get_id() == thread_, "a write transaction stays on the thread that began it");
  }

  Status check_usable() const {
    check_thread();
    EARSHOT_INVARIANT(transaction_ != nullptr, "a committed transaction is used no more");
    if (spoiled_) return fail(*spoiled_);
    return {};
  }

  Error spoil(Error error) {
    spoiled_ = error;
    return error;
  }

  LmdbEnvironment& environment_;
  MDB_txn* transaction_;
  std::thread::id thread_ = std::this_thread::get_id();
  std::optional<Error> spoiled_;
};

Result<std::unique_ptr<Environment>> LmdbEnvironment::open(const LmdbOptions& options) {
  if (options.tables.empty()) return fail(ErrorCode::kInvalidArgument, "tables", "must not be empty");
  if (options.read_only) return open_to_read(options);
  if (auto made = make_directories(options.path); !made) return fail(std::move(made.error()));
  // LMDB itself lets an environment be opened twice in a process, and then breaks its own locks: ours comes first.
  auto lock = FileLock::acquire(options.path + "/open.lock");
  if (!lock) return fail(std::move(lock.error()));
  std::unique_ptr<LmdbEnvironment> environment(new LmdbEnvironment(options, std::move(*lock)));
  if (auto made = environment->make_data_file(options); !made) return fail(std::move(made.error()));
  if (auto sound = check_meta_pages(environment->data_file(), environment->note_file()); !sound)
    return fail(std::move(sound.error()));
  if (auto opened = environment->open_environment(options); !opened) return fail(std::move(opened.error()));
  if (auto opened = environment->open_tables(options.tables, 0); !opened) return fail(std::move(opened.error()));
  // The names of the files that LMDB made.
  if (auto synced = sync_directory(options.path); !synced) return fail(std::move(synced.error()));
  return std::unique_ptr<Environment>(std::move(environment));
}

Result<std::unique_ptr<Environment>> LmdbEnvironment::open_to_read(const LmdbOptions& options) {
  std::unique_ptr<LmdbEnvironment> environment(new LmdbEnvironment(options, std::nullopt));
  if (auto sound = check_meta_pages(environment->data_file(), environment->note_file()); !sound)
    return fail(std::move(sound.error()));
  auto env = open_env(options.path, options, MDB_RDONLY | MDB_NOLOCK);
  if (!env) return fail(std::move(env.error()));
  environment->env_ = env->release();
  if (auto opened = environment->open_tables(options.tables, MDB_RDONLY); !opened)
    return fail(std::move(opened.error()));
  return std::unique_ptr<Environment>(std::move(environment));
}

// A power cut while LMDB makes its file leaves one that it refuses for ever. So it is made beside its place, and gets
// its name once it is whole and synced.
Status LmdbEnvironment::make_data_file(const LmdbOptions& options) {
  const std::string beside = data_file() + ".new";
  std::error_code error;
  if (std::filesystem::exists(data_file(), error)) return {};
  std::filesystem::remove(beside, error);
  if (error) return fail(file_error(error.value(), "remove", beside));
  {
    auto env = open_env(beside, options, MDB_NOSUBDIR | MDB_NOLOCK);
    if (!env) return fail(std::move(env.error()));
    MDB_txn* transaction = nullptr;
    int code = mdb_txn_begin(env->get(), nullptr, 0, &transaction);
    if (code != 0) return fail(error_of(code, "begin to write"));
    MDB_dbi table = 0;
    code = mdb_dbi_open(transaction, kAdvanceTable, MDB_CREATE, &table);
    if (code != 0) {
      mdb_txn_abort(transaction);
      return fail(failures_.judge(code, "make " + beside));
    }
    if (auto made = commit(transaction, "make " + beside); !made) return made;
  }
  std::filesystem::rename(beside, data_file(), error);
  if (error) return fail(file_error(error.value(), "rename", beside));
  return sync_directory(path_);
}

Status LmdbEnvironment::open_environment(const LmdbOptions& options) {
  // LMDB writes to its table of readers through a map, where a full disk would not be an error but a signal.
  if (auto taken = allocate_file(path_ + "/lock.mdb", lock_file_bytes(options.readers_max)); !taken) return taken;
  auto env = open_env(path_, options, 0);
  if (!env) return fail(std::move(env.error()));
  env_ = env->release();
  auto note = MetaNote::open(note_file(), data_file());
  if (!note) return fail(std::move(note.error()));
  note_ = std::move(*note);
  // Slots of readers that died with an earlier process pin its pages for ever.
  int dead = 0;
  if (int code = mdb_reader_check(env_, &dead); code != 0) return fail(error_of(code, "open the environment " + path_));
  return {};
}

// All tables are made by one transaction, the first one after that which made the file. A table that is not there later
// was lost.
Status LmdbEnvironment::open_tables(const std::vector<std::string>& names, unsigned flags) {
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(env_, nullptr, flags, &transaction);
  if (code != 0) return fail(error_of(code, "begin to open the tables"));
  tables_.resize(names.size());
  const bool may_make = flags == 0 && mdb_txn_id(transaction) <= 2;
  const unsigned make = may_make ? MDB_CREATE : 0;
  std::string name;
  for (std::size_t i = 0; i < names.size() && code == 0; ++i) {
    name = names[i];
    code = mdb_dbi_open(transaction, name.c_str(), make, &tables_[i]);
  }
  if (code == 0 && flags == 0) code = mdb_dbi_open(transaction, kAdvanceTable, MDB_CREATE, &advance_table_);
  if (code != 0) {
    mdb_txn_abort(transaction);
    if (code == MDB_NOTFOUND) return fail(ErrorCode::kCorrupt, "", path_ + " has lost its table \"" + name + "\"");
    return fail(error_of(code, "open the tables of " + path_));
  }
  return commit(transaction, "commit");
}

void LmdbEnvironment::advance() {
  MDB_txn* transaction = nullptr;
  if (int code = mdb_txn_begin(env_, nullptr, 0, &transaction); code != 0) {
    if (code == MDB_PANIC) stop_on_failed_sync(code, path_);
    return;
  }
  MDB_val record = value_of("turn");
  if (mdb_put(transaction, advance_table_, &record, &record, 0) != 0) {
    mdb_txn_abort(transaction);  // not even this fits: nothing is lost by not having done it
    return;
  }
  (void)commit(transaction, "commit");  // full is no news
}

LmdbEnvironment::~LmdbEnvironment() {
  EARSHOT_INVARIANT(reads_open_.load() == 0 && !write_open_.load(), "transactions end before their environment");
  for (MDB_txn* reader : idle_readers_) mdb_txn_abort(reader);
  if (env_ != nullptr) mdb_env_close(env_);
}

Result<MDB_txn*> LmdbEnvironment::take_reader() {
  MDB_txn* transaction = nullptr;
  {
    const std::lock_guard guard(mutex_);
    if (!idle_readers_.empty()) {
      transaction = idle_readers_.back();
      idle_readers_.pop_back();
    }
  }
  if (transaction == nullptr) {
    const int code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction);
    if (code == MDB_PANIC) stop_on_failed_sync(code, path_);
    if (code != 0) return fail(error_of(code, "begin to read"));
    return transaction;
  }
  if (int code = mdb_txn_renew(transaction); code != 0) {
    mdb_txn_abort(transaction);
    if (code == MDB_PANIC) stop_on_failed_sync(code, path_);
    return fail(error_of(code, "begin to read"));
  }
  return transaction;
}

Result<std::unique_ptr<ReadTransaction>> LmdbEnvironment::begin_read() {
  auto transaction = take_reader();
  if (!transaction) return fail(std::move(transaction.error()));
  reads_open_.fetch_add(1, std::memory_order_relaxed);
  return std::make_unique<LmdbRead>(*this, *transaction);
}

void LmdbEnvironment::end_read(MDB_txn* transaction) {
  mdb_txn_reset(transaction);
  {
    const std::lock_guard guard(mutex_);
    if (idle_readers_.size() < kIdleReadersMax) idle_readers_.push_back(std::exchange(transaction, nullptr));
  }
  if (transaction != nullptr) mdb_txn_abort(transaction);
  reads_open_.fetch_sub(1, std::memory_order_release);
}

Result<std::unique_ptr<WriteTransaction>> LmdbEnvironment::begin_write() {
  EARSHOT_INVARIANT(!write_open_.exchange(true), "an environment has one writer at a time");
  MDB_txn* transaction = nullptr;
  if (int code = mdb_txn_begin(env_, nullptr, 0, &transaction); code != 0) {
    end_write();
    if (code == MDB_PANIC) stop_on_failed_sync(code, path_);
    return fail(error_of(code, "begin to write"));
  }
  return std::make_unique<LmdbWrite>(*this, transaction);
}

DiskUsage LmdbEnvironment::usage() {
  DiskUsage usage;
  mdb_filehandle_t file = -1;
  struct stat attributes {};
  if (mdb_env_get_fd(env_, &file) == 0 && ::fstat(file, &attributes) == 0) {
    usage.file_bytes = static_cast<std::uint64_t>(attributes.st_size);
  }
  MDB_envinfo info{};
  MDB_stat statistics{};
  if (mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &statistics) != 0) return usage;
  std::uint64_t pages = info.me_last_pgno + 1;
  // Table 0 of LMDB's own lists the free pages: each value is a count and that many page numbers, all of LMDB's word
  // size.
  constexpr MDB_dbi kFreePages = 0;
  if (auto transaction = take_reader(); transaction) {
    reads_open_.fetch_add(1, std::memory_order_relaxed);
    const auto subtract = [&pages](std::string_view, std::string_view value) {
      std::size_t free_pages = 0;
      if (value.size() >= sizeof free_pages) std::memcpy(&free_pages, value.data(), sizeof free_pages);
      pages -= std::min<std::uint64_t>(pages, free_pages);
      return true;
    };
    if (auto scanned = scan_from(*transaction, kFreePages, {}, {}, subtract); !scanned) pages = info.me_last_pgno + 1;
    end_read(*transaction);
  }
  usage.used_bytes = pages * statistics.ms_psize;
  return usage;
}

}  // namespace

Result<std::unique_ptr<Environment>> open_lmdb(const LmdbOptions& options) { return LmdbEnvironment::open(options); }

}  // namespace earshot::storage
