// One machine of a cluster fails under load: its disk is full, its clock is wrong.
#include <cstdint>

#include "tests/support/client_eventually.hpp"
#include "tests/support/clock_shift.hpp"
#include "tests/support/cluster_test.hpp"
#include "tests/support/small_disk.hpp"

namespace earshot {
namespace {

// The first node leads all shards at first.
constexpr std::size_t kWrongClock = 1;
constexpr std::size_t kFullDisk = 1;

class ClusterMachine : public tests::ClusterTest {
 protected:
  // Slower than others: what a small disk holds must last for all rounds.
  static tests::MailboxLoad::Shape slow_load() {
    auto shape = usual_load();
    shape.messages_per_s = 500;
    return shape;
  }
};

TEST_F(ClusterMachine, ADiskThatIsFullStopsItsNodeOnlyAndRoomMendsIt) {
  constexpr unsigned kDiskMebibytes = 512;
  tests::SmallDisk disk(directory_ / ("node-" + std::to_string(kFullDisk)), kDiskMebibytes);
  if (!disk.is_there()) GTEST_SKIP() << "this system does not let the test mount a small file system (root may)";
  tests::ClusterOptions options;
  options.wrapper = [&](std::size_t node) { return node == kFullDisk ? disk.wrapper() : std::vector<std::string>{}; };
  options.more_of = [&](std::size_t node) {
    return node == kFullDisk ? std::vector<std::string>{"--disk-reserve-bytes", std::to_string(8 << 20)}
                             : std::vector<std::string>{};
  };
  start_cluster(std::move(options));
  start_load(slow_load());
  in_rounds("disk full on one node", [&] {
    disk.take();
    sleep_s(3);
    disk.take();  // and the ballast, if it was given up
    EXPECT_GT(answered_within(is_long() ? 15'000 : 3'000), 0u) << "two of three have room";
    disk.free();
  });
  judge();
}

TEST_F(ClusterMachine, AClockThatIsWrongOnOneNodeMovesNothing) {
  constexpr std::int64_t kHourMs = 3'600'000;
  tests::ClockShift shift(directory_ / "shift");
  tests::ClusterOptions options;
  options.wrapper = [&](std::size_t node) {
    return node == kWrongClock ? shift.wrapper() : std::vector<std::string>{};
  };
  start_cluster(std::move(options));
  auto load = usual_load();
  load.ttl_ms = kHourMs / 2;  // longer than this takes: none may end
  start_load(load);
  in_rounds("clock shifted on one node", [&] {
    const auto hours = static_cast<std::int64_t>(random_.between(1, 1'000));
    shift.set(random_.chance(0.5) ? hours * kHourMs : -hours * kHourMs);
    EXPECT_GT(answered_within(2'000), 0u);
    // Started again with it: then it knows of no other time.
    if (random_.chance(0.5)) {
      cluster_->kill({kWrongClock});
      cluster_->start({kWrongClock});
      EXPECT_GT(answered_within(2'000), 0u);
    }
    shift.set(0);
  });
  judge();
}

}  // namespace
}  // namespace earshot
