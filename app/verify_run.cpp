#include "app/verify_run.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::app {
namespace {

using storage::Finding;
using storage::Section;

constexpr int kLookEveryMs = 100;
constexpr int kDone = 0;

class SharedMemory {
 public:
  static Result<SharedMemory> make() {
    void* memory = ::mmap(nullptr, sizeof(VerifyShared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail(ErrorCode::kInternal, "", std::string("mmap: ") + std::strerror(errno));
    return SharedMemory(new (memory) VerifyShared);
  }
  VerifyShared& operator*() const { return *shared_; }
  VerifyShared* operator->() const { return shared_.get(); }

 private:
  struct Unmap {
    void operator()(VerifyShared* shared) const { ::munmap(shared, sizeof(VerifyShared)); }
  };
  explicit SharedMemory(VerifyShared* shared) : shared_(shared) {}
  std::unique_ptr<VerifyShared, Unmap> shared_;
};

std::string cause_of(int status, bool was_stuck) {
  if (was_stuck) return "reading went on without end";
  if (WIFSIGNALED(status)) return std::string("reading crashed (") + ::strsignal(WTERMSIG(status)) + ")";
  return "reading ended with code " + std::to_string(WEXITSTATUS(status));
}

class Supervisor {
 public:
  Supervisor(const std::vector<Section>& sections, const VerifyRun::Worker& work, const Clock& clock,
             SharedMemory shared, VerifyRun::OnProgress progress)
      : sections_(sections), work_(work), clock_(clock), shared_(std::move(shared)), progress_(std::move(progress)) {}

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
      PipeWitness witness(*shared_, ends[1]);
      work_(start_, *shared_, witness);
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
      if (auto finding = finding_of_line(std::string_view(buffer).substr(begin, end - begin)))
        report_.add(std::move(*finding));
    }
    buffer.erase(0, begin);
  }

  // The next worker begins where this one could not read: just behind the last record, and, if that does not help,
  // behind all keys that share less and less of its key.
  void go_on_behind(const std::string& cause, bool went_on) {
    if (shared_->stage != VerifyShared::kSections) return leave_out_environment(cause);
    if (!pending_ || went_on || pending_->section != shared_->section) {
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
    const bool is_state = shared_->stage == VerifyShared::kOpenState;
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

  const std::vector<Section>& sections_;
  const VerifyRun::Worker& work_;
  const Clock& clock_;
  SharedMemory shared_;
  VerifyRun::OnProgress progress_;
  VerifyReport report_;
  VerifyStart start_;
  std::optional<Pending> pending_;
  std::size_t cut_bytes_ = 0;
};

}  // namespace

void VerifyReport::add(Finding finding) {
  if (++counts[finding.kind] <= limits::kFindingsPerKindMax) findings.push_back(std::move(finding));
}

Result<VerifyReport> VerifyRun::run(const std::string& path, const storage::NodeIdentity& identity,
                                    OnProgress progress) {
  const std::vector<Section> sections = storage::sections_of(identity.shard_count, identity.format > 1);
  const Worker work = [&](const VerifyStart& start, VerifyShared& shared, storage::Witness& witness) {
    verify_sections(path, identity.shard_count, sections, start, shared, witness);
  };
  return run_with(sections, work, SystemClock(), std::move(progress));
}

Result<VerifyReport> VerifyRun::run_with(const std::vector<Section>& sections, const Worker& work, const Clock& clock,
                                         OnProgress progress) {
  auto shared = SharedMemory::make();
  if (!shared) return fail(std::move(shared.error()));
  return Supervisor(sections, work, clock, std::move(*shared), std::move(progress)).run();
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
