#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/place_desk.hpp"
#include "geo/geohash.hpp"
#include "tests/simulation/sim_cluster.hpp"

// How long nobody knows who was in the cells of a node that died. On virtual time, so that it is the product's time and
// not that of a busy machine; tests/process/cluster_places_test.cpp looks at real processes.
namespace earshot::simulation {
namespace {

constexpr std::uint64_t kServedAgainMsMax = 3'000;
constexpr std::uint64_t kSeeds = 20;
constexpr std::uint64_t kAskedMsMax = 10'000;
constexpr std::uint64_t kPatienceMs = 20'000;
constexpr std::uint64_t kLeasesEndMs = 10'000;
constexpr std::size_t kMembers = 300;
constexpr std::uint64_t kLookMs = 5;
const LayerId kLayer = LayerId::trusted("people");

// Three nodes whose cells have members all over the Earth, each of them some.
class Earth {
 public:
  explicit Earth(std::uint64_t seed)
      : world_(seed, {}), random_(world_.fork()), cluster_(world_, 3, {}, [](const Error& error) {
          ADD_FAILURE() << "a node cannot start: " << error.to_string();
        }) {
    cluster_.start();
  }

  SimNode& node(std::size_t index) { return *cluster_.nodes()[index]; }
  // The process dies, and its sockets with it: the others hear of it soon. If its machine dies they may hear nothing.
  void kill(std::size_t index, bool with_machine) {
    node(index).crash();
    if (!with_machine) cluster_.network()->allow_all();  // looks at every link
  }
  void run_for(std::uint64_t ms) { world_.run_until(world_.now_ms() + ms); }

  // False: not in time.
  bool settle() {
    return run_until([this] { return cluster_.accepts(); }, kPatienceMs) && populate();
  }

  // How long it takes until this node tells exactly who is anywhere; nothing when it does not within `ms_max`, or says
  // that it cannot tell.
  std::optional<std::uint64_t> ms_until_exact(SimNode& asked, std::uint64_t ms_max) {
    const std::uint64_t since_ms = world_.now_ms();
    auto answer = std::make_shared<std::optional<Answered>>();
    ask(asked, ms_max, answer);
    run_until([&] { return answer->has_value(); }, ms_max + kLookMs);
    if (!*answer || !(*answer)->is_exact) return std::nullopt;
    EXPECT_EQ((*answer)->members, kMembers);
    return (*answer)->at_ms - since_ms;
  }

 private:
  struct Answered {
    bool is_exact = false;
    std::size_t members = 0;  // different ones
    std::uint64_t at_ms = 0;
  };

  template <class Is>
  bool run_until(Is is, std::uint64_t ms_max) {
    for (const std::uint64_t end_ms = world_.now_ms() + ms_max; !is();) {
      if (world_.now_ms() >= end_ms) return false;
      run_for(kLookMs);
    }
    return true;
  }

  bool populate() {
    SetPositionsCommand command{kLayer, PositionCondition::kAlways, {}};
    for (std::size_t i = 0; i < kMembers; ++i) {
      const geo::Point point{static_cast<double>(random_.between(0, 3'600)) / 10 - 180,
                             static_cast<double>(random_.between(0, 1'600)) / 10 - 80};
      command.items.push_back({"member-" + std::to_string(i), static_cast<double>(geo::encode(point).value), 0, false});
    }
    // Until the shards have leaders it is refused.
    return run_until([&] { return is_set(command); }, kPatienceMs);
  }

  bool is_set(const SetPositionsCommand& command) {
    auto outcome = std::make_shared<std::optional<bool>>();
    node(0).place_desk()->set(
        command, [outcome](const Result<actors::PlaceDesk::Outcomes>& outcomes) { *outcome = outcomes.has_value(); });
    return run_until([&] { return outcome->has_value(); }, kPatienceMs) && **outcome;
  }

  void ask(SimNode& asked, std::uint64_t deadline_ms, const std::shared_ptr<std::optional<Answered>>& answer) {
    actors::NearbyQuestion question;
    question.centre = geo::Point{0, 0};
    question.area = [](const geo::Point& centre) { return geo::Area::circle(centre, 20'100'000, "radius"); };
    question.deadline_ms = static_cast<std::uint32_t>(deadline_ms);
    question.done = [this, answer](const Result<actors::NearbyAnswer>& found) {
      std::set<std::string> names;
      if (found) {
        for (const auto& one : found->found) names.emplace(one.member->name());
      }
      *answer = Answered{found && !found->is_partial, names.size(), world_.now_ms()};
    };
    asked.place_desk()->views().ask(kLayer, std::move(question));
  }

  World world_;
  Random random_;
  SimCluster cluster_;
};

class DeadNode : public testing::Test {
 protected:
  DeadNode() { spdlog::set_level(spdlog::level::off); }
  ~DeadNode() override { spdlog::set_level(spdlog::level::info); }

  // Each node once with every seed; also when nobody has asked for long, so that the others hold no leases.
  static void expect_served_again(bool with_machine) {
    std::uint64_t longest_ms = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      for (std::size_t dies = 0; dies < 3; ++dies) {
        Earth earth(seed * 3 + dies);
        ASSERT_TRUE(earth.settle()) << "seed " << seed;
        for (std::size_t i = 0; i < 3; ++i)
          ASSERT_TRUE(earth.ms_until_exact(earth.node(i), kAskedMsMax)) << "node " << i + 1 << " before any died";
        if (seed % 2 == 0) earth.run_for(kLeasesEndMs);
        earth.kill(dies, with_machine);
        const auto ms = earth.ms_until_exact(earth.node((dies + 1 + seed / 2 % 2) % 3), kAskedMsMax);
        ASSERT_TRUE(ms) << "seed " << seed << ", node " << dies + 1 << " died: not exact within " << kAskedMsMax;
        EXPECT_LE(*ms, kServedAgainMsMax) << "seed " << seed << ", node " << dies + 1 << " died";
        longest_ms = std::max(longest_ms, *ms);
      }
    }
    std::cout << kSeeds * 3 << " nodes died; their cells served again after " << longest_ms << " ms at most"
              << std::endl;
  }
};

TEST_F(DeadNode, ItsCellsServeAgainWithinThreeSecondsOfAKill) { expect_served_again(false); }
// Nobody tells of a machine that dies: its links are given up when they have been silent for long enough.
TEST_F(DeadNode, ItsCellsServeAgainWithinThreeSecondsOfItsMachinesDeath) { expect_served_again(true); }

}  // namespace
}  // namespace earshot::simulation
