#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/joining.hpp"
#include "cluster/placement_plan.hpp"
#include "tests/support/meta_world.hpp"
#include "tests/support/seed.hpp"

// Clusters that grow while their nodes crash, are cut off and come back, on a network that loses frames.
namespace earshot::tests {
namespace {

class GrowingCluster {
 public:
  explicit GrowingCluster(std::uint64_t seed) : world_(seed), random_(seed + 1) {}

  void run() {
    world_.found();
    const std::uint64_t size = 2 + random_.below(6);
    world_.losses = random_.below(3) * 0.05;
    world_.disk_ms_max = 1 + random_.below(100);
    for (std::uint64_t number = 2; number <= size; ++number)
      joiners_.try_emplace(number, Joiner(number, random_.next()));
    for (int round = 0; round < 60; ++round) {
      world_.run(random_.below(2'000));
      disturb();
      for (auto& [number, joiner] : joiners_) {
        if (!joiner.id && random_.chance(0.4)) ask(joiner);
      }
    }
    end_faults();
    for (int round = 0; round < 100 && !has_everybody(); ++round) {
      for (auto& [number, joiner] : joiners_) {
        if (!joiner.id) ask(joiner);
      }
      world_.run(1'000);
    }
    ASSERT_TRUE(has_everybody()) << describe();
    ASSERT_TRUE(world_.run_until([this] { return is_settled(); }, 600'000)) << "it does not come to rest";
    check_ids();
  }

 private:
  struct Joiner {
    Joiner(std::uint64_t number, std::uint64_t random)
        : number(number), dialogue({addresses_of(1).peers.front(), addresses_of(2).peers.front()}, random) {}
    std::uint64_t number;
    cluster::Joining dialogue;
    std::optional<NodeId> id;
  };

  void disturb() {
    const auto picked = std::next(world_.nodes().begin(), static_cast<long>(random_.below(world_.nodes().size())));
    const std::uint64_t id = picked->first.value;
    switch (random_.below(8)) {
      case 0:
        if (picked->second->is_running()) world_.crash(id);
        break;
      case 1:
      case 2:
        if (!picked->second->is_running()) world_.start(id);
        break;
      case 3: world_.isolate(id); break;
      case 4: world_.cut(id, 1 + random_.below(8)); break;
      case 5: world_.heal(); break;
      default: break;
    }
  }
  void end_faults() {
    world_.heal();
    world_.losses = 0;
    for (const auto& [id, node] : world_.nodes()) {
      if (!node->is_running()) world_.start(id.value);
    }
  }

  // One question and its answer, as far as it gets; the process of the joiner may crash and begin anew with its nonce.
  void ask(Joiner& joiner) {
    if (random_.chance(0.2)) joiner = Joiner(joiner.number, random_.next());
    const auto next = joiner.dialogue.next();
    const auto* asks = std::get_if<cluster::Joining::Ask>(&next);
    ASSERT_NE(asks, nullptr);
    const auto asked = std::ranges::find_if(world_.nodes(), [&](const auto& one) {
      return one.second->is_running() && one.second->addresses.peers.front() == asks->address;
    });
    if (asked == world_.nodes().end()) return joiner.dialogue.unanswered("nobody is there");
    const auto answer = std::make_shared<std::optional<std::string>>();
    asked->second->operator->()->join(encode(MetaWorld::request_of(joiner.number, addresses_of(100 + joiner.number))),
                                      [answer](std::string bytes) { *answer = std::move(bytes); });
    world_.run_until([&answer] { return answer->has_value(); }, 2'000);
    if (!*answer || random_.chance(0.1)) return joiner.dialogue.unanswered("no answer came");
    joiner.dialogue.answered(**answer);
    const auto outcome = joiner.dialogue.next();
    ASSERT_FALSE(std::holds_alternative<JoinRefused>(outcome)) << std::get<JoinRefused>(outcome).reason;
    if (const auto* accepted = std::get_if<JoinAccepted>(&outcome)) {
      joiner.id = accepted->node;
      auto& node = world_.add(accepted->node);
      node.addresses = addresses_of(100 + joiner.number);
      ASSERT_TRUE(node.start());
    }
  }

  [[nodiscard]] bool has_everybody() const {
    return std::ranges::all_of(joiners_, [](const auto& one) { return one.second.id.has_value(); });
  }
  bool is_settled() {
    const NodeId leader = world_.leader();
    if (leader == NodeId()) return false;
    const MetaState& state = world_.node(leader.value)->state();
    std::vector<NodeId> nodes;
    for (const MetaNode& node : state.nodes) nodes.push_back(node.id);
    for (const auto& [id, node] : world_.nodes()) {
      if (!node->told || *node->told != state || !world_.is_up_everywhere(id)) return false;
    }
    return nodes.size() == joiners_.size() + 1 &&
           world_.voters() == std::min<std::size_t>(nodes.size(), limits::kMetaVotersMax) &&
           cluster::plan_placement(nodes, MetaWorld::kShards, 3, state.placement) == state.placement;
  }
  [[nodiscard]] std::string describe() const {
    std::string text;
    for (const auto& [number, joiner] : joiners_) {
      if (!joiner.id) text += "joiner " + std::to_string(number) + ": " + joiner.dialogue.last_trouble() + "\n";
    }
    for (const auto& [id, node] : world_.nodes()) {
      const auto status = (*node)->status();
      text += "node " + std::to_string(id.value) + ": leader " + std::to_string(status.leader.value) + ", term " +
              std::to_string(status.term.value) + ", commit " + std::to_string(status.commit.value) + ", applied " +
              std::to_string(status.applied.value) + (status.has_state ? "" : ", no state") + ", members";
      for (const auto& member : status.members)
        text += " " + std::to_string(member.node.value) + (member.voter ? "" : "s");
      text += "\n";
    }
    return text;
  }
  void check_ids() {
    const MetaState& state = *world_.node(1).told;
    EXPECT_EQ(state.nodes.size(), joiners_.size() + 1) << "somebody was given two ids";
    for (const auto& [number, joiner] : joiners_) {
      const MetaNode* node = state.node(*joiner.id);
      ASSERT_NE(node, nullptr);
      EXPECT_EQ(node->nonce, (JoinNonce{5, number}));
    }
  }

  MetaWorld world_;
  Random random_;
  std::map<std::uint64_t, Joiner> joiners_;
};

TEST(MetaGroupRandom, EverybodyJoinsOnceAndAllAgreeWhateverHappened) {
  const std::uint64_t seed = seed_of_test();
  const char* rounds = std::getenv("EARSHOT_SEEDS");
  const int count = rounds != nullptr ? std::atoi(rounds) : 40;
  for (int round = 0; round < count; ++round) {
    SCOPED_TRACE("EARSHOT_SEED=" + std::to_string(seed + round));
    GrowingCluster cluster(seed + round);
    cluster.run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace earshot::tests
