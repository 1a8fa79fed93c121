// The network between the nodes of a cluster fails under load: nodes are cut off, both ways or one way, packets get
// lost, the line is long. Clients reach their nodes all the same.
#include <array>

#include "tests/support/byte_relay.hpp"
#include "tests/support/cluster_test.hpp"
#include "tests/support/delay_relay.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/network_lab.hpp"

namespace earshot {
namespace {

using tests::ClusterProcess;

class ClusterNetwork : public tests::ClusterTest {
 protected:
  void SetUp() override {
    if (!lab_.problem().empty()) GTEST_SKIP() << lab_.problem();
    make_certificates();
    tests::ClusterOptions options;
    options.wrapper = [&](std::size_t node) { return lab_.wrapper(node); };
    options.inside = [&](std::size_t node, const std::function<void()>& what) { lab_.inside(node, what); };
    options.peer_ports = {kPeerPort, kPeerPort, kPeerPort};
    options.peer_address = [&](std::size_t node) { return lab_.address(node) + ":" + std::to_string(kPeerPort); };
    options.more_of = [&](std::size_t node) -> std::vector<std::string> {
      return {"--peer-address",         lab_.address(node),
              "--peer-tls-certificate", pki_ + "/node-" + std::to_string(node) + ".pem",
              "--peer-tls-key",         pki_ + "/node-" + std::to_string(node) + ".key",
              "--peer-tls-ca",          pki_ + "/ca.pem"};
    };
    start_cluster(std::move(options));
    for (std::size_t node = 1; node <= ClusterProcess::kNodes; ++node) {
      doors_.push_back(
          std::make_unique<tests::ByteRelay>(cluster_->node(node).port(), [this, node] { lab_.enter(node); }));
      addresses_.push_back(doors_.back()->address());
    }
    start_load(usual_load(), addresses_);
  }
  void TearDown() override {  // before the doors
    load_.reset();
    places_.reset();
  }

  static constexpr std::uint16_t kPeerPort = 7401;
  // How long a fault lasts.
  static std::uint64_t fault_ms() { return is_long() ? 20'000 : 5'000; }

  void make_certificates() {
    run_earshot({"cert", "ca", "--out", pki_});
    for (std::size_t node = 1; node <= ClusterProcess::kNodes; ++node)
      run_earshot({"cert", "node", "--ca", pki_, "--node", std::to_string(node), "--out", pki_});
  }
  static void run_earshot(std::vector<std::string> command) {
    command.insert(command.begin(), tests::earshot_path());
    tests::ChildProcess running(command);
    running.read_all();
    ASSERT_EQ(running.wait(), 0) << command[2];
  }
  // Of a fault that leaves a majority: it serves meanwhile, and after a moment for elections.
  void expect_service_for(std::uint64_t ms) {
    sleep_s(3);
    EXPECT_GT(answered_within(ms - 3'000), 0u);
  }

  const std::string pki_ = directory_ / "pki";
  tests::NetworkLab lab_{ClusterProcess::kNodes};
  std::vector<std::unique_ptr<tests::ByteRelay>> doors_;
  std::vector<std::string> addresses_;  // of the doors
};

TEST_F(ClusterNetwork, TheOneThatLeadsMostIsCutOffFromTheOthers) {
  ASSERT_NO_FATAL_FAILURE(start_places(usual_places(), addresses_));
  in_rounds("partition", [&] {
    lab_.cut(cluster_->view().leads_most());
    expect_service_for(fault_ms());
    lab_.heal_all();
  });
  judge();
}

TEST_F(ClusterNetwork, TheOneThatLeadsMostHearsNobodyOrIsNotHeard) {
  ASSERT_NO_FATAL_FAILURE(start_places(usual_places(), addresses_));
  bool hears = random_.chance(0.5);
  in_rounds("one-way partition", [&] {
    const std::size_t node = cluster_->view().leads_most();
    hears ? lab_.mute(node) : lab_.deafen(node);
    hears = !hears;
    expect_service_for(fault_ms());
    lab_.heal_all();
  });
  judge();
}

// A majority is there, and so is a leader of every shard; but what one of the two leads the other cannot ask. The third
// one serves everybody in the end.
TEST_F(ClusterNetwork, TheOneThatLeadsMostAndAnotherDoNotReachEachOther) {
  constexpr std::uint64_t kServedMs = 5'000;
  ASSERT_NO_FATAL_FAILURE(start_places(usual_places(), addresses_));
  in_rounds("one broken link", [&] {
    const std::size_t node = cluster_->view().leads_most();
    lab_.cut_between(node, node % ClusterProcess::kNodes + 1);
    sleep_s(15);
    load_->take_pauses();
    sleep_ms(kServedMs);
    EXPECT_LT(load_->take_pauses().message_ms, kServedMs) << "one that waits still";
    lab_.heal_all();
  });
  judge();
}

TEST_F(ClusterNetwork, OnePacketInTwentyIsLost) {
  in_rounds("5 % loss", [&] {
    for (std::size_t node = 1; node <= ClusterProcess::kNodes; ++node) lab_.lose(node, 5);
    EXPECT_GT(answered_within(fault_ms()), 0u);
    lab_.heal_all();
  });
  judge();
}

class ClusterOnLongLines : public tests::ClusterTest {
 protected:
  static constexpr std::chrono::milliseconds kDelay{50};

  void SetUp() override {
    tests::ClusterOptions options;
    for (std::size_t i = 0; i < ClusterProcess::kNodes; ++i) {
      options.peer_ports[i] = tests::free_port();
      relay_ports_[i] = tests::free_port();
      relays_.push_back(std::make_unique<tests::DelayRelay>(relay_ports_[i], options.peer_ports[i], kDelay));
    }
    options.peer_address = [&](std::size_t node) { return "127.0.0.1:" + std::to_string(relay_ports_[node - 1]); };
    start_cluster(std::move(options));
    start_load(usual_load());
  }
  void TearDown() override {
    load_.reset();
    cluster_.reset();
  }

  std::array<std::uint16_t, ClusterProcess::kNodes> relay_ports_{};
  std::vector<std::unique_ptr<tests::DelayRelay>> relays_;
};

TEST_F(ClusterOnLongLines, TheOneThatLeadsMostIsKilled) {
  in_rounds("kill -9 where nodes are 50 ms apart", [&] {
    EXPECT_GT(answered_within(2'000), 0u);
    const std::size_t node = cluster_->view().leads_most();
    cluster_->kill({node});
    sleep_ms(random_.below(4'000));
    cluster_->start({node});
  });
  judge();
}

}  // namespace
}  // namespace earshot
