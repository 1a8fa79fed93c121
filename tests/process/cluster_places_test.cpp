// Where everybody is, in a cluster whose nodes die: each node keeps some regions, and walkers go from one to another.
#include <chrono>
#include <csignal>

#include "tests/support/cluster_test.hpp"

namespace earshot {
namespace {

class ClusterPlaces : public tests::ClusterTest {
 protected:
  // What it takes on a machine with nothing else to do is 3 s at most; here others may be at work.
  static constexpr std::uint64_t kExactAgainMsMax = 30'000;
  static constexpr std::uint64_t kLookAfterMs = 4'000;

  void SetUp() override {
    start_cluster();
    start_places({});
  }
  void expect_exact_again(const std::string& what, std::chrono::steady_clock::time_point since) {
    const std::uint64_t ms = places_->ms_until_exact(since, kLookAfterMs, kExactAgainMsMax);
    ASSERT_NE(ms, UINT64_MAX) << "not exact again after " << what << "\n" << cluster_->logs();
    std::cout << what << ": all circles are exact again after " << ms << " ms" << std::endl;
  }
  void judge() {
    judge_places();
    EXPECT_TRUE(cluster_->stop()) << "a node did not end in order";
    if (HasFailure()) std::cout << cluster_->logs() << std::endl;
  }
};

TEST_F(ClusterPlaces, ANodeIsKilledAndItsRegionsAreServedByTheOthersAndNoCircleIsWrong) {
  for (int round = 1; round <= rounds(); ++round) {
    const std::size_t node = 1 + random_.below(tests::ClusterProcess::kNodes);
    cluster_->kill({node});
    expect_exact_again("kill -9 of node " + std::to_string(node), std::chrono::steady_clock::now());
    const auto since = std::chrono::steady_clock::now();
    cluster_->start({node});
    ASSERT_EQ(cluster_->wait_whole(), "") << cluster_->logs();
    expect_exact_again("its return", since);
  }
  judge();
}

TEST_F(ClusterPlaces, ANodeIsSuspendedAndNoCircleIsWrong) {
  for (int round = 1; round <= rounds(); ++round) {
    const std::size_t node = cluster_->view().leads_most();
    const auto since = std::chrono::steady_clock::now();
    cluster_->node(node).signal(SIGSTOP);
    sleep_s(4);
    cluster_->node(node).signal(SIGCONT);
    ASSERT_EQ(cluster_->wait_whole(), "") << cluster_->logs();
    expect_exact_again("SIGSTOP and SIGCONT of node " + std::to_string(node), since + std::chrono::seconds(4));
  }
  judge();
}

}  // namespace
}  // namespace earshot
