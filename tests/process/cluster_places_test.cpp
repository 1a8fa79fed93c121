// Where everybody is, in a cluster whose nodes die: each node keeps some regions, and walkers go from one to another.
#include <chrono>
#include <csignal>
#include <optional>

#include "tests/support/cluster_test.hpp"
#include "tests/support/place_load.hpp"

namespace earshot {
namespace {

class ClusterPlaces : public tests::ClusterTest {
 protected:
  // What it takes on a machine with nothing else to do is 3 s at most; here others may be at work.
  static constexpr std::uint64_t kExactAgainMsMax = 30'000;
  static constexpr std::uint64_t kLookAfterMs = 4'000;

  void SetUp() override {
    start_cluster();
    places_.emplace(tests::PlaceLoad::Shape{}, random_.next());
    const auto addresses = cluster_->addresses();
    places_->start(
        [addresses](std::uint32_t n) {
          auto turned = addresses;
          std::rotate(turned.begin(), turned.begin() + n % turned.size(), turned.end());
          return turned;
        },
        runtime_);
    ASSERT_NE(places_->ms_until_exact(std::chrono::steady_clock::now(), 0, tests::kPatienceMs), UINT64_MAX)
        << cluster_->logs();
  }
  void expect_exact_again(const std::string& what, std::chrono::steady_clock::time_point since) {
    const std::uint64_t ms = places_->ms_until_exact(since, kLookAfterMs, kExactAgainMsMax);
    ASSERT_NE(ms, UINT64_MAX) << "not exact again after " << what << "\n" << cluster_->logs();
    std::cout << what << ": all circles are exact again after " << ms << " ms" << std::endl;
  }
  void judge_places() {
    places_->end();
    EXPECT_THAT(places_->wrong(), testing::IsEmpty());
    EXPECT_GT(places_->steps(), 0u);
    std::cout << places_->steps() << " steps, " << places_->circles() << " circles, of which "
              << places_->circles() - places_->exact() << " were partial" << std::endl;
    EXPECT_TRUE(cluster_->stop()) << "a node did not end in order";
    if (HasFailure()) std::cout << cluster_->logs() << std::endl;
  }

  std::optional<tests::PlaceLoad> places_;
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
  judge_places();
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
  judge_places();
}

}  // namespace
}  // namespace earshot
