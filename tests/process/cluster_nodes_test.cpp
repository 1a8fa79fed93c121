// Nodes of a cluster that die, are suspended, or all lose their power at once, under load.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>

#include "tests/support/cluster_test.hpp"

namespace earshot {
namespace {

class ClusterNodes : public tests::ClusterTest {
 protected:
  void SetUp() override {
    start_cluster();
    start_load(usual_load());
  }
};

TEST_F(ClusterNodes, TheOneThatLeadsMostIsKilledAndUsersSeeAPauseOnly) {
  in_rounds("kill -9 of the leader of most shards", [&] {
    const std::size_t node = cluster_->view().leads_most();
    cluster_->kill({node});
    // Back before the others have missed it, or long after.
    if (random_.chance(0.7)) sleep_ms(random_.below(4'000));
    cluster_->start({node});
  });
  judge();
}

TEST_F(ClusterNodes, AllAreKilledAtOnceAndNothingThatWasAnsweredIsLost) {
  ASSERT_NO_FATAL_FAILURE(start_places(usual_places()));
  in_rounds("kill -9 of all nodes", [&] {
    cluster_->kill({1, 2, 3});
    cluster_->start({1, 2, 3});
  });
  judge();
}

TEST_F(ClusterNodes, TheOneThatLeadsMostIsSuspendedAndTheOthersServe) {
  ASSERT_NO_FATAL_FAILURE(start_places(usual_places()));
  in_rounds("SIGSTOP of the leader of most shards", [&] {
    const std::size_t node = cluster_->view().leads_most();
    cluster_->node(node).signal(SIGSTOP);
    sleep_s(3);
    EXPECT_GT(answered_within(is_long() ? 17'000 : 2'000), 0u) << "while one of three is suspended";
    cluster_->node(node).signal(SIGCONT);
  });
  judge();
}

TEST_F(ClusterNodes, LeadersAreSpreadEvenly) {
  const auto has_its_share = [this] {
    const tests::ClusterView view = cluster_->view();
    return std::ranges::all_of(std::array{1, 2, 3}, [&](std::size_t node) {
      const std::size_t led = view.led_by(node);
      return led == 21 || led == 22;  // of 64
    });
  };
  const auto deadline = Clock::now() + std::chrono::milliseconds(tests::kPatienceMs);
  while (!has_its_share() && Clock::now() < deadline) sleep_ms(100);
  EXPECT_TRUE(has_its_share()) << cluster_->logs();
  judge();
}

// Before the state of the cluster is on any disk only the logs, and what a node was told when it joined, say who there
// is.
class ClusterNodesYoung : public tests::ClusterTest {};

TEST_F(ClusterNodesYoung, ThoseThatAllDieAsSoonAsTheyAreTogetherFindEachOther) {
  for (int round = 0; round < (is_long() ? rounds() : 2); ++round) {
    tests::ClusterOptions options;
    options.die_young = {1, 2, 3};
    start_cluster(std::move(options), std::to_string(round));
    cluster_.reset();
  }
}

TEST_F(ClusterNodesYoung, OneThatDiesWhileTheyComeTogetherIsMissedByNobodyOnceItIsBack) {
  for (int round = 0; round < (is_long() ? rounds() : 2); ++round) {
    tests::ClusterOptions options;
    options.die_young = {1 + random_.below(tests::ClusterProcess::kNodes)};
    options.young_for_ms = random_.below(200);
    std::cout << "node " << options.die_young[0] << " dies after " << options.young_for_ms << " ms" << std::endl;
    start_cluster(std::move(options), "one-" + std::to_string(round));
    cluster_.reset();
  }
}

// What the others know of where replicas should be is older than where they are: nobody may act on that so that the
// dead one is needed.
TEST_F(ClusterNodesYoung, TheFirstDiesAsSoonAsTheyAreTogetherAndTheOthersGoOn) {
  for (int round = 0; round < (is_long() ? rounds() : 2); ++round) {
    start_cluster({}, "first-" + std::to_string(round));
    cluster_->kill({1});
    ASSERT_EQ(cluster_->wait_led_without(1), "") << "in round " << round << "\n" << cluster_->logs();
    sleep_s(2);  // within which a leader that cannot commit steps down
    ASSERT_EQ(cluster_->wait_led_without(1), "") << "in round " << round << "\n" << cluster_->logs();
    cluster_.reset();
  }
}

}  // namespace
}  // namespace earshot
