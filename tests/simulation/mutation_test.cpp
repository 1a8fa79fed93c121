#include <cstdint>
#include <iostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/simulation.hpp"

// A checker that never finds anything proves nothing: each of these bugs, planted on purpose, must be seen; and it must
// be the bug that is seen, so the same seed without it is clean.
namespace earshot::simulation {
namespace {

constexpr std::uint64_t kSeedsMax = 200;

// What a run has beside its faults.
enum class Load {
  kUsual,
  kWalkers,  // members walk about in every run
  // Nobody walks, nothing ends, every device reads its mailbox all the time, and nodes lead on while others are
  // elected: what is read is stale only in the moment between the new leader's first answer and the old one's
  // awakening.
  kReaders,
};

struct Planted {
  const char* name;
  void (*plant)(PlantedBugs& bugs);
  std::uint32_t nodes = 1;
  Load load = Load::kUsual;
};

class MutationTest : public testing::TestWithParam<Planted> {};

TEST_P(MutationTest, ThePlantedBugIsSeen) {
  spdlog::set_level(spdlog::level::off);
  for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.nodes = GetParam().nodes;
    options.walkers = GetParam().load == Load::kWalkers;
    if (GetParam().load == Load::kReaders) {
      options.readers = options.plain = true;
      options.faults = {Fault::kNodeSleeps, Fault::kPartition, Fault::kOneWayPartition};
    }
    GetParam().plant(options.bugs);
    const SimulationOutcome outcome = simulate(options);
    if (outcome.violations.empty()) continue;
    std::cout << "seen with seed " << seed << ": " << outcome.violations.front() << std::endl;
    options.bugs = {};
    EXPECT_THAT(simulate(options).violations, testing::IsEmpty()) << "without the bug";
    return;
  }
  FAIL() << "not seen within " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(
    All, MutationTest,
    testing::Values(
        Planted{"NoSyncBeforeTheAnswer", [](PlantedBugs& bugs) { bugs.answers_before_sync = true; }},
        Planted{"NoLaneCheck", [](PlantedBugs& bugs) { bugs.node.machine.takes_any_number = true; }},
        Planted{"CursorMovedBeforeCommit", [](PlantedBugs& bugs) { bugs.acks_before_commit = true; }},
        Planted{"OverlayDroppedEarly", [](PlantedBugs& bugs) { bugs.node.state.drops_overlay_early = true; }},
        Planted{"DueMessageStillShown", [](PlantedBugs& bugs) { bugs.node.machine.shows_what_is_due = true; }},
        Planted{"TrimsOneTooMany", [](PlantedBugs& bugs) { bugs.node.machine.trims_one_too_many = true; }},
        Planted{"ParkedWithoutCount", [](PlantedBugs& bugs) { bugs.node.machine.parks_without_count = true; }},
        Planted{"LateLoginWins", [](PlantedBugs& bugs) { bugs.node.takes_late_logins = true; }},
        Planted{"MovesToldLate", [](PlantedBugs& bugs) { bugs.node.tells_moves_late = true; }},
        Planted{"ChecksumNotTested", [](PlantedBugs& bugs) { bugs.node.takes_altered_bodies = true; }},
        Planted{"RegistrationsNotRenewed", [](PlantedBugs& bugs) { bugs.node.keeps_new_leaders_quiet = true; }, 3},
        Planted{"NoWaitForTermAndVote", [](PlantedBugs& bugs) { bugs.node.replica.send_before_hard_state = true; }, 3},
        Planted{"ReadsWithoutLeaderCheck", [](PlantedBugs& bugs) { bugs.node.replica.reads_without_check = true; }, 3},
        // Where nobody walks, only what a mailbox is told to end at tells of it.
        Planted{"ReceiptsReadWithoutLeaderCheck",
                [](PlantedBugs& bugs) { bugs.node.replica.reads_without_check = true; }, 3, Load::kReaders},
        Planted{"NoLaneCheckOnThreeNodes", [](PlantedBugs& bugs) { bugs.node.machine.takes_any_number = true; }, 3},
        // States are compared there. On one node nobody sees it: what is applied again finds its answers given, so that
        // 1 500 seeds showed nothing.
        Planted{"AppliedIndexNotGuarded", [](PlantedBugs& bugs) { bugs.node.machine.applies_again = true; }, 3},
        Planted{"NoContiguityOfOutboxes", [](PlantedBugs& bugs) { bugs.node.machine.takes_any_transfer = true; }, 3},
        Planted{"NoSyncBeforeTheAnswerOnThreeNodes", [](PlantedBugs& bugs) { bugs.answers_before_sync = true; }, 3},
        Planted{"ChangesAnsweredUntold", [](PlantedBugs& bugs) { bugs.node.feeds.answers_untold = true; }, 3,
                Load::kWalkers},
        Planted{"LeasesKept", [](PlantedBugs& bugs) { bugs.node.feeds.keeps_leases = true; }, 3, Load::kWalkers},
        Planted{"PagesToldLate", [](PlantedBugs& bugs) { bugs.node.feeds.tells_pages_late = true; }, 3, Load::kWalkers},
        Planted{"DeparturesForgotten", [](PlantedBugs& bugs) { bugs.node.feeds.forgets_departures = true; }, 3,
                Load::kWalkers},
        // Every answer is partial, and so breaks no other rule.
        Planted{"ScansLeftOpen", [](PlantedBugs& bugs) { bugs.node.feeds.leaves_scans_open = true; }, 3,
                Load::kWalkers}),
    [](const testing::TestParamInfo<Planted>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace earshot::simulation
