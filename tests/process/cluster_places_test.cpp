// Where everybody is, in a cluster whose nodes die: each node keeps some regions, and walkers go from one to another.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <vector>

#include "tests/support/cluster_test.hpp"

namespace earshot {
namespace {

class ClusterPlaces : public tests::ClusterTest {
 protected:
  // A dead node's cells serve again within so long. Where others are at work, too, a single round may take twice that,
  // and in the short form only has to end: what it took is printed.
  static constexpr std::uint64_t kServesAgainMsMax = 3'000;
  static constexpr std::uint64_t kExactAgainMsMax = 30'000;
  static constexpr std::uint64_t kLookAfterMs = 4'000;

  void SetUp() override {
    start_cluster();
    start_places({});
  }
  void expect_exact_again(const std::string& what, Clock::time_point since, std::uint64_t* took_ms = nullptr) {
    const std::uint64_t ms = places_->ms_until_exact(since, kLookAfterMs, kExactAgainMsMax);
    ASSERT_NE(ms, UINT64_MAX) << "not exact again after " << what << "\n" << cluster_->logs();
    std::cout << what << ": all circles are exact again after " << ms << " ms" << std::endl;
    if (took_ms != nullptr) *took_ms = ms;
  }
  static void expect_soon(std::vector<std::uint64_t> rounds_ms) {
    std::ranges::sort(rounds_ms);
    const std::uint64_t median_ms = rounds_ms.at(rounds_ms.size() / 2);
    std::cout << "a dead node's cells serve again: median " << median_ms << " ms, longest " << rounds_ms.back() << " ms"
              << std::endl;
    if (!is_long()) return;
    EXPECT_LE(median_ms, kServesAgainMsMax);
    EXPECT_LE(rounds_ms.back(), 2 * kServesAgainMsMax);
  }
  void judge() {
    judge_places();
    EXPECT_TRUE(cluster_->stop()) << "a node did not end in order";
    if (HasFailure()) std::cout << cluster_->logs() << std::endl;
  }
};

TEST_F(ClusterPlaces, ANodeIsKilledAndItsRegionsAreServedByTheOthersAndNoCircleIsWrong) {
  std::vector<std::uint64_t> rounds_ms;
  for (int round = 1; round <= rounds(); ++round) {
    const std::size_t node = 1 + random_.below(tests::ClusterProcess::kNodes);
    const auto killed_at = Clock::now();
    cluster_->kill({node});
    ASSERT_NO_FATAL_FAILURE(
        expect_exact_again("kill -9 of node " + std::to_string(node), killed_at, &rounds_ms.emplace_back()));
    const auto since = Clock::now();
    cluster_->start({node});
    ASSERT_EQ(cluster_->wait_whole(), "") << cluster_->logs();
    expect_exact_again("its return", since);
  }
  expect_soon(rounds_ms);
  judge();
}

TEST_F(ClusterPlaces, ANodeIsSuspendedAndNoCircleIsWrong) {
  for (int round = 1; round <= rounds(); ++round) {
    const std::size_t node = cluster_->view().leads_most();
    const auto since = Clock::now();
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
