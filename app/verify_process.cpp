#include "app/verify_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.hpp"

namespace earshot::app {
namespace {

constexpr int kLookEveryMs = 100;
constexpr int kDone = 0;

tl::unexpected<Error> failed(const char* call) {
  return fail(ErrorCode::kInternal, "", std::string(call) + ": " + std::strerror(errno));
}

std::string cause_of(int status, bool was_stuck) {
  if (was_stuck) return "reading went on without end";
  if (WIFSIGNALED(status)) return std::string("reading crashed (") + ::strsignal(WTERMSIG(status)) + ")";
  return "reading ended with code " + std::to_string(WEXITSTATUS(status));
}

// Takes the whole lines out of `buffer`.
void take_lines(std::string& buffer, const Supervision& supervision) {
  std::size_t begin = 0;
  for (std::size_t end; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (auto finding = finding_of_line(std::string_view(buffer).substr(begin, end - begin)))
      supervision.found(std::move(*finding));
  }
  buffer.erase(0, begin);
}

// Takes what the worker says until it ends. False: it reached nothing for too long.
bool listen(int pipe, const VerifyShared& shared, const Clock& clock, const Supervision& supervision) {
  std::string buffer;
  std::uint64_t heard_ms = clock.monotonic_ms();
  std::uint64_t heard_steps = shared.steps();
  for (;;) {
    pollfd waiting{pipe, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, kLookEveryMs);
    const std::uint64_t now_ms = clock.monotonic_ms();
    supervision.looked();
    const bool commits = shared.stage == VerifyShared::kCommit;
    if (const std::uint64_t steps = shared.steps(); ready > 0 || commits || steps != heard_steps) {
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
    take_lines(buffer, supervision);
  }
}

}  // namespace

Result<SharedVerify> SharedVerify::make() {
  void* memory = ::mmap(nullptr, sizeof(VerifyShared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return failed("mmap");
  return SharedVerify(new (memory) VerifyShared);
}

Result<std::string> run_supervised(VerifyShared& shared, const Clock& clock,
                                   const std::function<void(storage::Witness&)>& work, const Supervision& supervision) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("pipe");
  const pid_t child = ::fork();
  if (child < 0) {
    auto error = failed("fork");
    ::close(ends[0]);
    ::close(ends[1]);
    return error;
  }
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Its death is expected: no core file of a sparse terabyte.
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::close(ends[0]);
    PipeWitness witness(shared, ends[1]);
    [&]() noexcept { work(witness); }();  // nothing may go on as if it were the parent
    ::_exit(kDone);
  }
  ::close(ends[1]);
  const bool was_stuck = !listen(ends[0], shared, clock, supervision);
  ::close(ends[0]);
  if (was_stuck) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == kDone ? std::string() : cause_of(status, was_stuck);
}

}  // namespace earshot::app
