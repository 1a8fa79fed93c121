#include "app/verify_run.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::app {
namespace {

using storage::Finding;
using storage::Section;

constexpr std::size_t kKeyBytesMax = 511;
constexpr int kLookEveryMs = 100;
constexpr int kDone = 0;

// What the worker is at. Read by the parent, while the worker runs as mere progress, after its death to the letter.
struct Shared {
  enum Stage : std::uint32_t { kOpenState, kOpenLog, kSections };

  std::atomic<std::uint32_t> stage{kOpenState};
  std::atomic<std::uint64_t> section{0};
  std::atomic<std::uint64_t> records{0};  // of all workers
  std::atomic<std::uint64_t> bytes{0};    //
  std::atomic<std::uint64_t> pages{0};    // looked at by themselves
  std::atomic<std::uint64_t> total{0};    // records there are
  std::atomic<std::size_t> key_bytes{0};  // of the record reached last in this section; 0: none
  std::array<char, kKeyBytesMax> key{};
  std::array<std::atomic<std::uint64_t>, limits::kShardsMax> applied_plus_1{};  // 0: not known

  [[nodiscard]] std::uint64_t steps() const { return records + pages; }
  [[nodiscard]] std::string reached_key() const { return {key.data(), std::min(key_bytes.load(), key.size())}; }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "processes share no lock");

class SharedMemory {
 public:
  static Result<SharedMemory> make() {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail(ErrorCode::kInternal, "", std::string("mmap: ") + std::strerror(errno));
    return SharedMemory(new (memory) Shared);
  }
  Shared& operator*() const { return *shared_; }
  Shared* operator->() const { return shared_.get(); }

 private:
  struct Unmap {
    void operator()(Shared* shared) const { ::munmap(shared, sizeof(Shared)); }
  };
  explicit SharedMemory(Shared* shared) : shared_(shared) {}
  std::unique_ptr<Shared, Unmap> shared_;
};

std::string to_line(const Finding& finding) {
  const nlohmann::json json{{"kind", static_cast<int>(finding.kind)},
                            {"file", finding.file},
                            {"table", finding.table},
                            {"where", finding.where},
                            {"lost", finding.lost}};
  // Names come from keys that may be damaged.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<Finding> from_line(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  Finding finding;
  finding.kind = static_cast<Finding::Kind>(json.value("kind", 0));
  finding.file = json.value("file", "");
  finding.table = json.value("table", "");
  finding.where = json.value("where", "");
  finding.lost = json.value("lost", "");
  return finding;
}

// ---- the worker

class PipeWitness final : public storage::Witness {
 public:
  PipeWitness(Shared& shared, int pipe) : shared_(shared), pipe_(pipe) {}

  void reached(std::string_view full_key, std::size_t bytes) override {
    const std::size_t size = std::min(full_key.size(), shared_.key.size());
    std::memcpy(shared_.key.data(), full_key.data(), size);
    shared_.key_bytes.store(size, std::memory_order_relaxed);
    shared_.records.fetch_add(1, std::memory_order_relaxed);
    shared_.bytes.fetch_add(full_key.size() + bytes, std::memory_order_relaxed);
  }
  void looked_at_page() override { shared_.pages.fetch_add(1, std::memory_order_relaxed); }
  void found(Finding finding) override {
    const std::string line = to_line(finding);
    for (std::string_view left = line; !left.empty();) {
      const ssize_t written = ::write(pipe_, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) ::_exit(1);  // nobody listens any more
      left.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void stands(ShardId shard, LogIndex applied) override {
    if (shard.value < shared_.applied_plus_1.size()) shared_.applied_plus_1[shard.value] = applied.value + 1;
  }

 private:
  Shared& shared_;
  int pipe_;
};

// Where a worker begins, and what it leaves out because an earlier one died of it.
struct Start {
  std::size_t section = 0;
  std::string key;
  bool opens_state = true;
  bool opens_log = true;
};

std::unique_ptr<storage::Environment> open_to_read(const std::string& path, std::vector<std::string> tables,
                                                   const char* file, PipeWitness& witness, bool tells) {
  storage::LmdbOptions options;
  options.path = path;
  options.tables = std::move(tables);
  options.read_only = true;
  auto environment = storage::open_lmdb(options);
  if (environment) return std::move(*environment);
  if (tells) {
    witness.found(Finding{Finding::Kind::kUnreadable, file, "all tables", "the whole file",
                          environment.error().to_string() + ": the node refuses to start"});
  }
  return nullptr;
}

void count_total(storage::Environment* environment, std::size_t tables, Shared& shared) {
  if (environment == nullptr) return;
  auto transaction = environment->begin_read();
  for (storage::Table table = 0; transaction && table < tables; ++table) {
    if (const auto count = (*transaction)->count(table)) shared.total += *count;
  }
}

void work(const std::string& path, std::uint16_t shard_count, const std::vector<Section>& sections, const Start& start,
          Shared& shared, int pipe) {
  PipeWitness witness(shared, pipe);
  const bool is_first = start.section == 0 && start.key.empty() && start.opens_state && start.opens_log;
  shared.stage = Shared::kOpenState;
  std::unique_ptr<storage::Environment> state;
  if (start.opens_state) {
    state = open_to_read(path + "/state", storage::state_tables(), "state/data.mdb", witness, is_first);
  }
  shared.stage = Shared::kOpenLog;
  std::unique_ptr<storage::Environment> log;
  if (start.opens_log) {
    log = open_to_read(path + "/log", storage::LogStore::tables(), "log/data.mdb", witness,
                       start.section == 0 && start.key.empty());
  }
  if (is_first) {
    count_total(state.get(), storage::state_tables().size(), shared);
    count_total(log.get(), storage::LogStore::tables().size(), shared);
  }
  shared.stage = Shared::kSections;
  const storage::Applied applied = [&shared](ShardId shard) -> std::optional<LogIndex> {
    const std::uint64_t known = shard.value < limits::kShardsMax ? shared.applied_plus_1[shard.value].load() : 0;
    return known == 0 ? std::nullopt : std::optional(LogIndex(known - 1));
  };
  for (std::size_t i = start.section; i < sections.size(); ++i) {
    shared.section = i;
    shared.key_bytes = 0;
    const std::string from = i == start.section ? start.key : std::string();
    storage::Environment* environment = sections[i].is_of_state() ? state.get() : log.get();
    if (environment == nullptr) continue;
    if (sections[i].is_of_pages()) {
      storage::verify_pages(*environment, sections[i], witness);
    } else if (sections[i].is_of_state()) {
      storage::verify_state(*environment, sections[i], from, witness);
    } else {
      storage::verify_log(*environment, sections[i], from, shard_count, applied, witness);
    }
  }
}

// ---- the parent

std::string cause_of(int status, bool was_stuck) {
  if (was_stuck) return "reading went on without end";
  if (WIFSIGNALED(status)) return std::string("reading crashed (") + ::strsignal(WTERMSIG(status)) + ")";
  return "reading ended with code " + std::to_string(WEXITSTATUS(status));
}

class Supervisor {
 public:
  Supervisor(const std::string& path, const storage::NodeIdentity& identity, SharedMemory shared,
             VerifyRun::OnProgress progress)
      : path_(path),
        shard_count_(identity.shard_count),
        sections_(storage::sections_of(identity.shard_count, identity.format > 1)),
        shared_(std::move(shared)),
        progress_(std::move(progress)) {}

  Result<VerifyReport> run() {
    for (std::size_t crashes = 0; start_.section < sections_.size(); ++crashes) {
      if (crashes == limits::kVerifyCrashesMax) {
        const Section& section = sections_[start_.section];
        report_.add(Finding{Finding::Kind::kUnreadable, section.file(), section.table(), "from here on",
                            "too much of it is damaged: the rest was not looked at"});
        break;
      }
      const std::uint64_t before = shared_->records;
      auto ended = run_worker();
      if (!ended) return fail(std::move(ended.error()));
      if (ended->empty()) break;
      go_on_behind(*ended, shared_->records > before);
    }
    say_pending();
    report_.records = shared_->records;
    report_.bytes = shared_->bytes;
    return std::move(report_);
  }

 private:
  // Why the worker did not finish; "" when it did.
  Result<std::string> run_worker() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return fail(ErrorCode::kInternal, "", std::string("pipe: ") + std::strerror(errno));
    }
    const pid_t child = ::fork();
    if (child < 0) return fail(ErrorCode::kInternal, "", std::string("fork: ") + std::strerror(errno));
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      // Its death is expected: no core file of a sparse terabyte.
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      ::close(ends[0]);
      work(path_, shard_count_, sections_, start_, *shared_, ends[1]);
      ::_exit(kDone);
    }
    ::close(ends[1]);
    const bool was_stuck = !listen(ends[0]);
    ::close(ends[0]);
    if (was_stuck) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == kDone ? std::string() : cause_of(status, was_stuck);
  }

  // Takes what the worker says until it ends. False: it reached nothing for too long.
  bool listen(int pipe) {
    std::string buffer;
    std::uint64_t heard_ms = clock_.monotonic_ms();
    std::uint64_t heard_steps = shared_->steps();
    for (;;) {
      pollfd waiting{pipe, POLLIN, 0};
      const int ready = ::poll(&waiting, 1, kLookEveryMs);
      const std::uint64_t now_ms = clock_.monotonic_ms();
      progress_(shared_->records, shared_->total);
      if (const std::uint64_t steps = shared_->steps(); ready > 0 || steps != heard_steps) {
        heard_steps = steps;
        heard_ms = now_ms;
      }
      if (now_ms - heard_ms > limits::kVerifySilenceMsMax) return false;
      if (ready <= 0) continue;
      std::array<char, 4096> chunk;
      const ssize_t count = ::read(pipe, chunk.data(), chunk.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return true;
      buffer.append(chunk.data(), static_cast<std::size_t>(count));
      take_lines(buffer);
    }
  }

  void take_lines(std::string& buffer) {
    std::size_t begin = 0;
    for (std::size_t end; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (auto finding = from_line(std::string_view(buffer).substr(begin, end - begin)))
        report_.add(std::move(*finding));
    }
    buffer.erase(0, begin);
  }

  // The next worker begins where this one could not read: just behind the last record, and, if that does not help,
  // behind all keys that share less and less of its key.
  void go_on_behind(const std::string& cause, bool went_on) {
    if (shared_->stage != Shared::kSections) return leave_out_environment(cause);
    if (!pending_ || went_on || start_.section != shared_->section) {
      say_pending();
      cut_bytes_ = 0;
      start_.section = shared_->section;
      start_.key = shared_->reached_key();
      pending_ = Pending{start_.section, start_.key, cause};
    } else {
      cut_bytes_ = std::max<std::size_t>(1, cut_bytes_ * 2);
    }
    const std::string& stuck = pending_->key;
    start_.key = stuck.empty() ? "" : storage::key_behind(sections_[start_.section], stuck, cut_bytes_);
    if (start_.key.empty()) ++start_.section;
  }

  void leave_out_environment(const std::string& cause) {
    const bool is_state = shared_->stage == Shared::kOpenState;
    (is_state ? start_.opens_state : start_.opens_log) = false;
    report_.add(Finding{Finding::Kind::kUnreadable, is_state ? "state/data.mdb" : "log/data.mdb", "all tables",
                        "the whole file", cause + " when it was opened: the node refuses to start, or dies"});
  }

  struct Pending {
    std::size_t section = 0;
    std::string key;  // the last that was read
    std::string cause;
  };

  void say_pending() {
    if (!pending_) return;
    const Section& section = sections_[pending_->section];
    std::string where = pending_->key.empty() ? "all of it" : "behind " + storage::describe_key(section, pending_->key);
    if (pending_->key.empty() && section.part == Section::Part::kState) {
      where = "shard " + std::to_string(section.shard.value);
    }
    if (start_.section == pending_->section && !start_.key.empty()) {
      where += " and before " + storage::describe_key(section, start_.key);
    }
    report_.add(Finding{Finding::Kind::kUnreadable, section.file(), section.table(), std::move(where),
                        pending_->cause + ": a node that comes there dies, and what is there is not served"});
    pending_.reset();
  }

  const std::string& path_;
  const std::uint16_t shard_count_;
  const std::vector<Section> sections_;
  SharedMemory shared_;
  VerifyRun::OnProgress progress_;
  SystemClock clock_;
  VerifyReport report_;
  Start start_;
  std::optional<Pending> pending_;
  std::size_t cut_bytes_ = 0;
};

}  // namespace

void VerifyReport::add(Finding finding) {
  if (++counts[finding.kind] <= limits::kFindingsPerKindMax) findings.push_back(std::move(finding));
}

Result<VerifyReport> VerifyRun::run(const std::string& path, const storage::NodeIdentity& identity,
                                    OnProgress progress) {
  auto shared = SharedMemory::make();
  if (!shared) return fail(std::move(shared.error()));
  return Supervisor(path, identity, std::move(*shared), std::move(progress)).run();
}

Status accept_loss(const std::string& path, const storage::NodeIdentity& identity) {
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kInternal, "", std::string("fork: ") + std::strerror(errno));
  if (child == 0) {
    storage::LmdbOptions options;
    options.path = path + "/state";
    options.tables = storage::state_tables();
    auto state = storage::open_lmdb(options);
    const bool done = state && storage::store_counted_sums(**state, identity.shard_count);
    ::_exit(done ? kDone : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kDone) return {};
  return fail(ErrorCode::kCorrupt, "state", "the records cannot be counted: " + cause_of(status, false));
}

}  // namespace earshot::app
