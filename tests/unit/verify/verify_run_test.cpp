#include "app/verify_run.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.hpp"

namespace earshot::app {
namespace {

using storage::Finding;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

auto is_unreadable(const std::string& lost) {
  return AllOf(Field(&Finding::kind, Finding::Kind::kUnreadable), Field(&Finding::lost, HasSubstr(lost)));
}

// How many workers there were: they are processes, so that only shared memory can tell.
class Count {
 public:
  Count()
      : count_(new (::mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<std::size_t>(0)) {}
  ~Count() { ::munmap(count_, sizeof *count_); }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;
  std::size_t add() const { return ++*count_; }
  [[nodiscard]] std::size_t get() const { return *count_; }

 private:
  std::atomic<std::size_t>* count_;
};

// From one process to another.
class Signal {
 public:
  Signal() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Signal() { ::close(ends_[0]), ::close(ends_[1]); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  [[nodiscard]] bool give() const { return ::write(ends_[1], "", 1) == 1; }
  // Waits for it; false when it does not come.
  [[nodiscard]] bool take() const {
    constexpr int kPatienceMs = 60'000;
    pollfd waiting{ends_[0], POLLIN, 0};
    char byte = 0;
    return ::poll(&waiting, 1, kPatienceMs) == 1 && ::read(ends_[0], &byte, 1) == 1;
  }

 private:
  std::array<int, 2> ends_{};
};

// Workers that die and hang in real processes; time passes only when a test says so.
class VerifyRunTest : public testing::Test {
 protected:
  VerifyReport run(const VerifyRun::Worker& work) {
    const auto counted = [&](const VerifyStart& start, VerifyShared& shared, storage::Witness& witness) {
      workers.add();
      work(start, shared, witness);
    };
    auto report = VerifyRun::run_with(sections, counted, clock, [this](auto, auto) { on_look(); });
    EXPECT_TRUE(report) << report.error().to_string();
    return report ? std::move(*report) : VerifyReport{};
  }
  // As a worker that has come so far, and reads a page there that kills it.
  [[noreturn]] static void die_at(std::size_t section, VerifyShared& shared) {
    shared.stage = VerifyShared::kSections;
    shared.section = section;
    shared.key_bytes = 0;
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer has it
    ::raise(SIGSEGV);
    ::_exit(1);
  }
  Status accept(const Recount& recount) {
    return accept_loss_with(recount, clock, [this](auto, auto) { on_look(); });
  }
  [[noreturn]] static void hang() {
    for (;;) ::pause();
  }

  // So many that each may kill a worker of its own.
  const std::vector<storage::Section> sections = storage::sections_of(64, true);
  ManualClock clock;
  std::function<void()> on_look = [] {};
  Count workers;
};

TEST_F(VerifyRunTest, SoundDataTakesOneWorker) {
  const auto report = run([](const VerifyStart&, VerifyShared&, storage::Witness& witness) {
    witness.reached("key", 7);
    witness.looked_at_page();
  });
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(report.records, 1u);
  EXPECT_EQ(report.bytes, 10u);
  EXPECT_EQ(workers.get(), 1u);
}

TEST_F(VerifyRunTest, NextWorkerGoesOnBehindWhereOneDied) {
  const auto report = run([](const VerifyStart& start, VerifyShared& shared, storage::Witness& witness) {
    if (start.section < 3) die_at(start.section, shared);
    witness.found(Finding{Finding::Kind::kMissing, "file", "table", "where", "what the last one saw"});
  });
  EXPECT_EQ(workers.get(), 4u);
  EXPECT_THAT(report.findings, SizeIs(4));
  EXPECT_EQ(report.counts.at(Finding::Kind::kUnreadable), 3u);
  EXPECT_THAT(report.findings.front(), is_unreadable("reading crashed"));
  EXPECT_EQ(report.findings[1].table, sections[1].table()) << "each place is told, also where nothing was read between";
}

TEST_F(VerifyRunTest, RunEndsWhenItHasCostTooManyProcesses) {
  const auto report =
      run([](const VerifyStart& start, VerifyShared& shared, storage::Witness&) { die_at(start.section, shared); });
  EXPECT_EQ(workers.get(), limits::kVerifyCrashesMax);
  EXPECT_EQ(report.counts.at(Finding::Kind::kUnreadable), limits::kVerifyCrashesMax + 1)
      << "one for each, and one for what was not looked at";
}

TEST_F(VerifyRunTest, RunThatCostsOneProcessLessGoesToItsEnd) {
  const auto report = run([](const VerifyStart& start, VerifyShared& shared, storage::Witness&) {
    if (start.section + 1 < limits::kVerifyCrashesMax) die_at(start.section, shared);
  });
  EXPECT_EQ(workers.get(), limits::kVerifyCrashesMax);
  EXPECT_EQ(report.counts.at(Finding::Kind::kUnreadable), limits::kVerifyCrashesMax - 1);
}

TEST_F(VerifyRunTest, WorkerThatReachesNothingForTooLongIsEnded) {
  on_look = [this] { clock.advance(limits::kVerifySilenceMsMax / 2 + 1); };
  const auto report = run([](const VerifyStart& start, VerifyShared& shared, storage::Witness&) {
    shared.stage = VerifyShared::kSections;
    shared.section = start.section;
    if (start.section == 0) hang();
  });
  EXPECT_THAT(report.findings, ElementsAre(is_unreadable("reading went on without end")));
}

TEST_F(VerifyRunTest, WorkerThatHangsWhereOneDiedBeforeDoesNotEndTheRun) {
  on_look = [this] { clock.advance(limits::kVerifySilenceMsMax + 1); };
  const auto report = run([](const VerifyStart& start, VerifyShared& shared, storage::Witness&) {
    if (start.section == 0) die_at(0, shared);
    shared.stage = VerifyShared::kSections;
    shared.section = start.section;
    if (start.section < 3) hang();
  });
  EXPECT_EQ(workers.get(), 4u);
  EXPECT_THAT(report.findings, ElementsAre(is_unreadable("reading crashed"), is_unreadable("went on without end"),
                                           is_unreadable("went on without end")));
}

// A slow disk is no damage: each step is waited for, and takes almost as long as a worker may be silent.
TEST_F(VerifyRunTest, SlowWorkerIsNotTakenForOneThatHangs) {
  constexpr int kSteps = 10;
  const Signal go;
  const Signal done;
  int steps = 0;
  on_look = [&] {
    if (steps == kSteps) return;
    clock.advance(limits::kVerifySilenceMsMax * 9 / 10);
    ASSERT_TRUE(go.give() && done.take()) << "the worker is gone";
    ++steps;
  };
  const auto report = run([&](const VerifyStart&, VerifyShared& shared, storage::Witness& witness) {
    shared.stage = VerifyShared::kSections;
    for (int i = 0; i < kSteps; ++i) {
      if (!go.take()) ::_exit(1);
      i % 2 == 0 ? witness.reached("key", 0) : witness.looked_at_page();
      if (!done.give()) ::_exit(1);
    }
  });
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(steps, kSteps);
}

TEST_F(VerifyRunTest, ShardsThatAreBeingFetchedAreNamedAndNothingIsWrongWithThem) {
  const auto report = run([](const VerifyStart&, VerifyShared& shared, storage::Witness& witness) {
    shared.stage = VerifyShared::kSections;
    for (const ShardId shard : {ShardId(7), ShardId(3), ShardId(limits::kShardsMax)}) witness.is_fetching(shard);
  });
  EXPECT_TRUE(report.is_sound());
  EXPECT_THAT(report.fetching, ElementsAre(ShardId(3), ShardId(7)));
}

TEST_F(VerifyRunTest, EnvironmentThatCannotBeOpenedIsLeftOut) {
  const auto report = run([](const VerifyStart& start, VerifyShared& shared, storage::Witness&) {
    shared.stage = VerifyShared::kOpenState;
    if (start.opens_state) ::_exit(9);
    shared.stage = VerifyShared::kOpenLog;
    if (start.opens_log) ::_exit(10);
  });
  EXPECT_EQ(workers.get(), 3u);
  EXPECT_THAT(report.findings, ElementsAre(is_unreadable("ended with code 9 when it was opened"),
                                           is_unreadable("ended with code 10 when it was opened")));
  EXPECT_EQ(report.findings[0].file, "state/data.mdb");
  EXPECT_EQ(report.findings[1].file, "log");
}

TEST_F(VerifyRunTest, LossThatCannotBeCountedIsNotAccepted) {
  EXPECT_TRUE(accept([](VerifyShared&, storage::Witness& witness) {
    witness.reached("key", 7);
    return Status();
  }));
  const auto refused =
      accept([](VerifyShared&, storage::Witness&) -> Status { return fail(ErrorCode::kCorrupt, "state", "astray"); });
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("astray"));
  const auto died = accept([](VerifyShared&, storage::Witness&) -> Status { ::_exit(9); });
  ASSERT_FALSE(died);
  EXPECT_THAT(died.error().detail, HasSubstr("ended with code 9"));
  on_look = [this] { clock.advance(limits::kVerifySilenceMsMax + 1); };
  const auto hung = accept([](VerifyShared&, storage::Witness&) -> Status { hang(); });
  ASSERT_FALSE(hung);
  EXPECT_THAT(hung.error().detail, AllOf(HasSubstr("went on without end"), HasSubstr("nothing was changed")));
}

// Gigabytes may be synced there, and whoever is ended meanwhile may have changed everything all the same.
TEST_F(VerifyRunTest, CommitOfAnAcceptedLossIsWaitedFor) {
  constexpr int kLooks = 4;
  const Signal begun;
  const Signal done;
  int looks = 0;
  on_look = [&] {
    ASSERT_TRUE(looks > 0 || begun.take()) << "the process is gone";
    clock.advance(limits::kVerifySilenceMsMax + 1);
    ASSERT_TRUE(++looks != kLooks || done.give());
  };
  EXPECT_TRUE(accept([&](VerifyShared& shared, storage::Witness&) -> Status {
    shared.stage = VerifyShared::kCommit;
    if (!begun.give() || !done.take()) ::_exit(1);
    return {};
  }));
  EXPECT_GE(looks, kLooks);
}

TEST_F(VerifyRunTest, ProcessThatDiesInItsCommitMayHaveChangedEverything) {
  const auto died = accept([](VerifyShared& shared, storage::Witness&) -> Status {
    shared.stage = VerifyShared::kCommit;
    ::_exit(9);
  });
  ASSERT_FALSE(died);
  EXPECT_THAT(died.error().detail, AllOf(HasSubstr("it is not known whether"), HasSubstr("ended with code 9"),
                                         testing::Not(HasSubstr("nothing was changed"))));
  const auto refused = accept([](VerifyShared& shared, storage::Witness&) -> Status {
    shared.stage = VerifyShared::kCommit;
    return fail(ErrorCode::kStorageFull, "", "no room");
  });
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, AllOf(HasSubstr("nothing was changed"), HasSubstr("no room")));
}

TEST_F(VerifyRunTest, FindingsBeyondTheLimitAreCountedAndNotKept) {
  const auto report = run([](const VerifyStart&, VerifyShared&, storage::Witness& witness) {
    for (std::size_t i = 0; i <= limits::kFindingsPerKindMax; ++i)
      witness.found(Finding{Finding::Kind::kDamaged, "file", "table", std::to_string(i), "lost"});
  });
  EXPECT_THAT(report.findings,
              AllOf(SizeIs(limits::kFindingsPerKindMax), Each(Field(&Finding::kind, Finding::Kind::kDamaged))));
  EXPECT_EQ(report.counts.at(Finding::Kind::kDamaged), limits::kFindingsPerKindMax + 1);
}

}  // namespace
}  // namespace earshot::app
