#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "storage/keys.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/cluster/shard_machine_life_fixture.hpp"

namespace earshot::cluster {
namespace {

using enum PositionOutcome;

const LayerId kPeople = LayerId::trusted("people");
const LayerId kCars = LayerId::trusted("cars");

// The n-th member (from 0) of the layer whose position belongs to the test shard.
std::string member_in_shard(const LayerId& layer, std::size_t n) {
  for (std::size_t i = 0;; ++i) {
    std::string member = "member-" + std::to_string(i);
    if (shard_of(layer, member, kTestShards) == kTestShard && n-- == 0) return member;
  }
}

class ShardMachinePositions : public ShardMachineLife {
 protected:
  Result<std::vector<PositionOutcome>> set(std::vector<SetPositionsCommand::Item> items,
                                           PositionCondition condition = PositionCondition::kAlways,
                                           const LayerId& layer = kPeople) {
    last_ = replica().apply(SetPositionsCommand{layer, condition, std::move(items)});
    return std::get<PositionsResult>(last_.results.at(0)).outcomes;
  }
  std::uint64_t clear(std::vector<std::string> members, const LayerId& layer = kPeople) {
    last_ = replica().apply(ClearPositionsCommand{layer, std::move(members)});
    return std::get<ClearedResult>(last_.results.at(0)).members.value();
  }
  std::uint64_t clear_layer(const LayerId& layer = kPeople) {
    last_ = replica().apply(ClearLayersCommand{{layer}});
    return std::get<LayersClearedResult>(last_.results.at(0)).members.value().at(0);
  }
  std::optional<double> score(const std::string& member, const LayerId& layer = kPeople) {
    const auto position = replica()->position(layer, member).value();
    return position ? std::optional(position->score) : std::nullopt;
  }
  std::vector<Position> walk(std::size_t limit = 3) {
    std::vector<Position> all;
    std::string from;
    do {
      PositionPage page = replica()->positions(from, limit).value();
      all.insert(all.end(), page.positions.begin(), page.positions.end());
      from = page.next;
    } while (!from.empty());
    return all;
  }
  std::vector<LayerSize> layers() { return replica()->layers({}, 100).value(); }

  const std::string ada = member_in_shard(kPeople, 0);
  const std::string bea = member_in_shard(kPeople, 1);
  const std::string cy = member_in_shard(kPeople, 2);
};

TEST_F(ShardMachinePositions, AreSetChangedAndClearedAndOutliveARestart) {
  EXPECT_THAT(*set({{ada, 1}, {bea, 2}}), ElementsAre(kAdded, kAdded));
  EXPECT_THAT(*set({{ada, 1}, {bea, 3}, {cy, 4}}), ElementsAre(kUnchanged, kChanged, kAdded));
  EXPECT_THAT(last_.moves, ElementsAre(Move{kPeople, bea, 3, 3}, Move{kPeople, cy, 4, 4}))
      << "who did not move is not told of";
  for (const bool is_flushed : {false, true}) {
    is_flushed ? replica().flush_and_reopen() : replica().reopen();
    EXPECT_EQ(score(ada), 1);
    EXPECT_EQ(score(bea), 3);
    EXPECT_THAT(layers(), ElementsAre(LayerSize{kPeople, 3}));
  }
  EXPECT_EQ(clear({ada, ada, "nobody-here"}), 1u);
  EXPECT_THAT(last_.moves, ElementsAre(Move{kPeople, ada, std::nullopt, 5}));
  EXPECT_EQ(score(ada), std::nullopt);
  EXPECT_EQ(clear({bea, cy}), 2u);
  EXPECT_THAT(layers(), IsEmpty());
  replica().flush_and_reopen();
  EXPECT_THAT(walk(), IsEmpty());
  set({{ada, 9}});
  EXPECT_EQ(last_.moves.at(0).version, 8u) << "no version is given twice";
}

TEST_F(ShardMachinePositions, WhoIsHiddenIsSoUntilItIsSetAgainAndAcrossARestart) {
  EXPECT_THAT(*set({{ada, 1, 0, true}, {bea, 2}}), ElementsAre(kAdded, kAdded));
  EXPECT_THAT(last_.moves, ElementsAre(Move{kPeople, ada, 1, 1, true}, Move{kPeople, bea, 2, 2, false}));
  EXPECT_THAT(*set({{ada, 1, 0, true}}), ElementsAre(kUnchanged));
  EXPECT_THAT(last_.moves, IsEmpty());
  replica().flush_and_reopen();
  EXPECT_THAT(walk(),
              testing::UnorderedElementsAre(Position{kPeople, ada, 1, 1, true}, Position{kPeople, bea, 2, 2, false}));
  EXPECT_TRUE(replica()->position(kPeople, ada).value()->hidden);
  EXPECT_THAT(*set({{ada, 1}, {bea, 3, 0, true}}), ElementsAre(kUnchanged, kChanged)) << "it is where it was";
  EXPECT_THAT(last_.moves, ElementsAre(Move{kPeople, ada, 1, 3, false}, Move{kPeople, bea, 3, 4, true}))
      << "and whoever looks hears that it is seen";
}

// The n-th layer (from 0) whose name belongs to the test shard.
LayerId layer_in_shard(std::size_t n) {
  for (std::size_t i = 0;; ++i) {
    const std::string name = "layer-" + std::to_string(i);
    if (shard_of(name, kTestShards) == kTestShard && n-- == 0) return LayerId::trusted(name);
  }
}

TEST_F(ShardMachinePositions, ThePrivaciesOfLayersAreKeptAndTold) {
  const LayerId first = layer_in_shard(0), second = layer_in_shard(1);
  const auto set_privacy = [this](const LayerId& layer, std::optional<LayerPrivacy> privacy) {
    last_ = replica().apply(SetLayerPrivacyCommand{layer, privacy});
    return std::get<StatusResult>(last_.results.at(0)).status;
  };
  EXPECT_THAT(replica()->privacies(), IsEmpty());
  EXPECT_TRUE(set_privacy(first, LayerPrivacy{1, 2, 3}));
  EXPECT_THAT(last_.privacies, ElementsAre(PrivacyChange{first, LayerPrivacy{1, 2, 3}}));
  EXPECT_TRUE(set_privacy(second, LayerPrivacy{0, 0, 0}));
  EXPECT_TRUE(set_privacy(first, LayerPrivacy{4, 5, 6}));
  for (const bool is_flushed : {false, true}) {
    is_flushed ? replica().flush_and_reopen() : replica().reopen();
    EXPECT_THAT(replica()->privacies(), testing::UnorderedElementsAre(PrivacyChange{first, LayerPrivacy{4, 5, 6}},
                                                                      PrivacyChange{second, LayerPrivacy{0, 0, 0}}));
  }
  EXPECT_TRUE(set_privacy(first, std::nullopt));
  EXPECT_THAT(last_.privacies, ElementsAre(PrivacyChange{first, std::nullopt}));
  EXPECT_TRUE(set_privacy(first, std::nullopt)) << "which it is already";
  replica().flush_and_reopen();
  EXPECT_THAT(replica()->privacies(), ElementsAre(PrivacyChange{second, LayerPrivacy{0, 0, 0}}));

  std::string other = "x";
  while (shard_of(other, kTestShards) == kTestShard) other += "x";
  EXPECT_EQ(set_privacy(LayerId::trusted(other), LayerPrivacy{}).error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(last_.privacies, IsEmpty());
}

TEST_F(ShardMachinePositions, PrivaciesAreBounded) {
  limits.layers_max = 2;
  const auto set_privacy = [this](std::size_t n, std::optional<LayerPrivacy> privacy) {
    last_ = replica().apply(SetLayerPrivacyCommand{layer_in_shard(n), privacy});
    return std::get<StatusResult>(last_.results.at(0)).status;
  };
  EXPECT_TRUE(set_privacy(0, LayerPrivacy{}) && set_privacy(1, LayerPrivacy{}));
  EXPECT_EQ(set_privacy(2, LayerPrivacy{}).error().code, ErrorCode::kOverloaded);
  EXPECT_TRUE(set_privacy(1, LayerPrivacy{1, 1, 1})) << "those that are there go on";
  EXPECT_TRUE(set_privacy(1, std::nullopt));
  EXPECT_TRUE(set_privacy(2, LayerPrivacy{}));
}

TEST_F(ShardMachinePositions, OnlyIfNewAndOnlyIfExists) {
  set({{ada, 1}});
  EXPECT_THAT(*set({{ada, 2}, {bea, 3}}, PositionCondition::kIfNew), ElementsAre(kSkipped, kAdded));
  EXPECT_THAT(*set({{ada, 4}, {cy, 5}}, PositionCondition::kIfExists), ElementsAre(kChanged, kSkipped));
  EXPECT_EQ(score(ada), 4);
  EXPECT_EQ(score(cy), std::nullopt);
  EXPECT_THAT(*set({{cy, 1}, {cy, 2}}, PositionCondition::kIfNew), ElementsAre(kAdded, kSkipped));
}

TEST_F(ShardMachinePositions, AnotherShardsMemberIsRefusedAndNothingIsDone) {
  std::string other = "x";
  while (shard_of(kPeople, other, kTestShards) == kTestShard) other += "x";
  const auto outcomes = set({{ada, 1}, {other, 2}});
  ASSERT_FALSE(outcomes);
  EXPECT_EQ(outcomes.error().field, "shard");
  EXPECT_EQ(score(ada), std::nullopt);
  EXPECT_THAT(last_.moves, IsEmpty());
}

TEST_F(ShardMachinePositions, EndAtTheirTimeForReadersAtOnce) {
  limits.expiries_per_entry_max = 1;
  doubt(kStart, SetPositionsCommand{kPeople, PositionCondition::kAlways, {{ada, 1, 100}, {bea, 2, 100}, {cy, 3}}});
  EXPECT_EQ(replica()->next_due_ms(), kStart + 100);
  tick(kStart + 99);
  EXPECT_EQ(score(ada), 1);
  const Effects ended = tick(kStart + 100);
  EXPECT_EQ(ended.moves.size(), 1u);
  EXPECT_EQ(score(ada), std::nullopt);
  EXPECT_EQ(score(bea), std::nullopt);
  EXPECT_EQ(walk().size(), 1u);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 100) << "one waits still";
  EXPECT_THAT(*set({{bea, 5}}), ElementsAre(kAdded));
  EXPECT_THAT(tick(kStart + 101).moves, IsEmpty()) << "its mark is gone";
  EXPECT_EQ(score(bea), 5);
  EXPECT_THAT(layers(), ElementsAre(LayerSize{kPeople, 2}));
}

TEST_F(ShardMachinePositions, ANewTimeReplacesTheOldOne) {
  set({{ada, 1, 100}});
  set({{ada, 1}});
  tick(kStart + 200);
  EXPECT_EQ(score(ada), 1) << "without a time it stays";
  set({{ada, 1, 100}}), set({{ada, 2, UINT64_MAX}});
  tick(kStart + 400);
  EXPECT_EQ(score(ada), 2);
}

TEST_F(ShardMachinePositions, TimeToLiveWaitsUntilTheTimeIsKnown) {
  TestReplica fresh([this] { return disk.open(); });
  const Effects effects = fresh.apply(SetPositionsCommand{kPeople, PositionCondition::kAlways, {{ada, 1, 100}}});
  const auto& outcomes = std::get<PositionsResult>(effects.results.at(0)).outcomes;
  EXPECT_EQ(outcomes.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(outcomes.error().field, "ttlMs");
}

TEST_F(ShardMachinePositions, ALayerIsClearedAtOnceAndSweptLittleByLittle) {
  limits.sweep_records_per_entry_max = 4;
  for (std::size_t n = 0; n < 20; ++n) set({{member_in_shard(kPeople, n), 1.0 * n, n % 2 == 0 ? 50u : 0u}});
  set({{member_in_shard(kCars, 0), 7}}, PositionCondition::kAlways, kCars);
  EXPECT_EQ(clear_layer(), 20u);
  ASSERT_EQ(last_.cleared_layers.size(), 1u);
  EXPECT_THAT(last_.moves, IsEmpty());
  EXPECT_EQ(walk().size(), 1u);
  EXPECT_THAT(layers(), ElementsAre(LayerSize{kCars, 1}));
  EXPECT_THAT(*set({{ada, 99}}), ElementsAre(kAdded));
  EXPECT_EQ(clear_layer(LayerId::trusted("nothing")), 0u);
  replica().flush_and_reopen();

  std::size_t moved = 0;
  for (const Effects& effects : let_pass(kStart + 100)) moved += effects.moves.size();
  EXPECT_EQ(moved, 0u) << "who was cleared does not leave once more";
  EXPECT_EQ(score(ada), 99);
  EXPECT_THAT(layers(), ElementsAre(LayerSize{kCars, 1}, LayerSize{kPeople, 1}));
  EXPECT_GT(replica()->next_due_ms(), kStart + 100) << "nothing is left to sweep";
  std::size_t records = 0;
  ASSERT_TRUE(replica().state().scan("G", "H", [&](auto, auto) { return ++records, true; }));
  EXPECT_EQ(records, 2u);
}

TEST_F(ShardMachinePositions, LayersAreBounded) {
  limits.layers_max = 2;
  const auto in_layer = [](const LayerId& layer) { return member_in_shard(layer, 0); };
  set({{ada, 1}}), set({{in_layer(kCars), 1}}, PositionCondition::kAlways, kCars);
  const LayerId third = LayerId::trusted("third");
  const auto refused = set({{in_layer(third), 1}}, PositionCondition::kAlways, third);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().field, "layer");
  EXPECT_TRUE(set({{bea, 1}})) << "the layers that are there go on";
  replica().flush_and_reopen();
  EXPECT_FALSE(set({{in_layer(third), 1}}, PositionCondition::kAlways, third));
  clear({in_layer(kCars)}, kCars);
  EXPECT_TRUE(set({{in_layer(third), 1}}, PositionCondition::kAlways, third));
}

// What a map would hold, under random commands, flushes and restarts.
TEST_F(ShardMachinePositions, AreWhatAMapHolds) {
  struct At {
    double score = 0;
    std::uint64_t until_ms = UINT64_MAX;
  };
  Random random(tests::seed_of_test());
  limits.sweep_records_per_entry_max = 7;
  limits.expiries_per_entry_max = 5;
  const std::vector<LayerId> all_layers = {kPeople, kCars};
  std::map<std::pair<std::string, std::string>, At> right;
  std::uint64_t now = kStart;
  const auto end_due = [&] { std::erase_if(right, [&](const auto& one) { return one.second.until_ms <= now; }); };
  std::uint64_t last_version = 0;
  for (int step = 0; step < 3'000; ++step) {
    const LayerId& layer = all_layers[random.below(2)];
    const auto any_member = [&] { return member_in_shard(layer, random.below(30)); };
    const auto pick = random.below(100);
    Effects effects;
    if (pick < 55) {
      SetPositionsCommand command{layer, PositionCondition(random.below(3)), {}};
      std::vector<PositionOutcome> outcomes;
      for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
        const SetPositionsCommand::Item item{any_member(), 1.0 * random.below(5),
                                             random.chance(0.3) ? 1 + random.below(200) : 0};
        command.items.push_back(item);
        const auto key = std::pair(layer.text(), item.member);
        const bool is_there = right.contains(key);
        if ((command.condition == PositionCondition::kIfNew && is_there) ||
            (command.condition == PositionCondition::kIfExists && !is_there)) {
          outcomes.push_back(kSkipped);
          continue;
        }
        outcomes.push_back(!is_there ? kAdded : right[key].score == item.score ? kUnchanged : kChanged);
        right[key] = {item.score, item.ttl_ms == 0 ? UINT64_MAX : now + item.ttl_ms};
      }
      effects = replica().apply(command);
      ASSERT_EQ(*std::get<PositionsResult>(effects.results.at(0)).outcomes, outcomes) << "step " << step;
    } else if (pick < 70) {
      ClearPositionsCommand command{layer, {any_member(), any_member()}};
      std::uint64_t cleared = 0;
      for (const std::string& member : command.members) cleared += right.erase({layer.text(), member});
      effects = replica().apply(command);
      ASSERT_EQ(*std::get<ClearedResult>(effects.results.at(0)).members, cleared);
    } else if (pick < 72) {
      std::erase_if(right, [&](const auto& one) { return one.first.first == layer.text(); });
      effects = replica().apply(ClearLayersCommand{{layer}});
    } else if (pick < 90) {
      now += random.below(60);
      effects = tick(now);
      end_due();
    } else if (pick < 95) {
      replica().flush();
    } else {
      random.chance(0.5) ? replica().reopen() : replica().flush_and_reopen();
    }
    for (const Move& move : effects.moves) {
      ASSERT_GT(move.version, last_version);
      last_version = move.version;
    }
    if (step % 10 != 0) continue;
    std::map<std::pair<std::string, std::string>, double> wanted;
    for (const auto& [key, at] : right) wanted[key] = at.score;
    std::map<std::pair<std::string, std::string>, double> found;
    for (const Position& position : walk(1 + random.below(20)))
      found[{position.layer.text(), position.member}] = position.score;
    ASSERT_EQ(found, wanted) << "step " << step;
  }
  now += 1'000;
  let_pass(now);
  end_due();
  std::map<std::string, std::uint64_t> counts;
  for (const auto& one : right) ++counts[one.first.first];
  for (const auto& [layer, members] : layers()) EXPECT_EQ(members, counts[layer.text()]);
  std::size_t records = 0;
  ASSERT_TRUE(replica().state().scan("G", "H", [&](auto, auto) { return ++records, true; }));
  EXPECT_EQ(records, right.size()) << "no dead one is left";
  std::size_t marks = 0;
  ASSERT_TRUE(replica().state().scan("X", "Y", [&](auto, auto) { return ++marks, true; }));
  EXPECT_EQ(marks, std::ranges::count_if(right, [](const auto& one) { return one.second.until_ms != UINT64_MAX; }));
}

}  // namespace
}  // namespace earshot::cluster
