#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "places/layer.hpp"
#include "storage/keys.hpp"
#include "tests/support/shard_world.hpp"
#include "tests/unit/places/places_world.hpp"

namespace earshot::actors {
namespace {

using cluster::ClearedLayer;
using cluster::Move;
using enum cluster::PositionOutcome;
using testing::ElementsAre;
using testing::IsEmpty;
using tests::kShardCount;
using tests::ShardWorld;

const LayerId kPeople = LayerId::trusted("people");

class ShardPositionsTest : public testing::Test {
 protected:
  struct Asked {
    std::optional<Result<PositionsAnswer>> answer;
    std::size_t moves_told = 0;  // by the time of the answer
  };
  template <class SomeCommand>
  std::shared_ptr<Asked> ask(SomeCommand command) {
    auto asked = std::make_shared<Asked>();
    world->handle(ShardPositions{std::move(command), [this, asked](Result<PositionsAnswer> answer) {
                                   asked->answer = std::move(answer);
                                   asked->moves_told = world.moves.size() + world.cleared_layers.size();
                                 }});
    return asked;
  }
  using Where = std::shared_ptr<std::optional<Result<WhereAnswer>>>;
  Where where(std::vector<std::string> members) {
    auto asked = std::make_shared<std::optional<Result<WhereAnswer>>>();
    world->handle(ShardWhere{kPeople, std::move(members), [asked](Result<WhereAnswer> answer) { *asked = answer; }});
    return asked;
  }
  static SetPositionsCommand set(std::vector<SetPositionsCommand::Item> items) {
    return {kPeople, PositionCondition::kAlways, std::move(items)};
  }
  // The n-th member (from 0) whose position is the shard's.
  static std::string member(std::size_t n) {
    for (std::size_t i = 0;; ++i) {
      std::string name = "member-" + std::to_string(i);
      if (shard_of(kPeople, name, kShardCount) == ShardWorld::kShard && n-- == 0) return name;
    }
  }

  ShardWorld world;
  const std::string ada = member(0);
  const std::string bea = member(1);
};

TEST_F(ShardPositionsTest, AMoveIsStoredThenToldThenAnswered) {
  world.settle();
  const auto asked = ask(set({{ada, 1}, {bea, 2}}));
  world.gather();
  EXPECT_FALSE(asked->answer) << "nothing is synced";
  EXPECT_THAT(world.moves, IsEmpty());
  world.settle();
  ASSERT_TRUE(asked->answer && *asked->answer);
  EXPECT_THAT((*asked->answer)->outcomes, ElementsAre(kAdded, kAdded));
  EXPECT_EQ(asked->moves_told, 2u);
  EXPECT_THAT(world.moves, ElementsAre(Move{kPeople, ada, 1, 1}, Move{kPeople, bea, 2, 2}));
}

TEST_F(ShardPositionsTest, AnAcceptedMoveIsToldAndAnsweredBeforeItIsStored) {
  world.settle();
  SetPositionsCommand command = set({{ada, 1}, {bea, 2}});
  command.accepted = true;
  const auto asked = ask(command);
  ASSERT_TRUE(asked->answer && *asked->answer);
  EXPECT_THAT((*asked->answer)->outcomes, ElementsAre(kAccepted, kAccepted));
  EXPECT_EQ(asked->moves_told, 2u);
  EXPECT_THAT(world.moves, ElementsAre(Move{kPeople, ada, 1, 0, false, true, false, false, 1},
                                       Move{kPeople, bea, 2, 0, false, true, false, false, 1}));
  world.moves.clear();
  world.settle();
  EXPECT_THAT(world.moves, ElementsAre(Move{kPeople, ada, 1, 1, false, false, true, false, 1},
                                       Move{kPeople, bea, 2, 2, false, false, true, false, 1}))
      << "each settles what was told ahead of it";
}

// Or it would be ahead for ever.
TEST_F(ShardPositionsTest, AnAcceptedMoveThatChangesNothingIsSettled) {
  ask(set({{ada, 1}}));
  world.settle();
  SetPositionsCommand command = set({{ada, 1}});
  command.accepted = true;
  ask(command);
  world.settle();
  EXPECT_EQ(world.moves.back(), (Move{kPeople, ada, 1, 1, false, false, true, false, 1}));
}

// One write of the log holds the refusal of a move, a second move of the same member, and its end.
TEST_F(ShardPositionsTest, WhoIsTakenBackIsWhereEverythingUntilThenHasLed) {
  world.settle();
  const auto fill_the_entry = [&] {
    for (std::size_t i = 1; i < limits::kEntryCommandsMax; ++i) ask(ClearPositionsCommand{kPeople, {bea}});
  };
  std::string elsewhere = "elsewhere";
  while (shard_of(kPeople, elsewhere, kShardCount) == ShardWorld::kShard) elsewhere += "e";
  SetPositionsCommand refused = set({{ada, 1}, {elsewhere, 1}});
  SetPositionsCommand stored = set({{ada, 2}});
  refused.accepted = stored.accepted = true;
  ask(refused);
  fill_the_entry();
  ask(stored);
  fill_the_entry();
  ask(ClearPositionsCommand{kPeople, {ada}});
  ask(set({{bea, 3}}));
  world.gather();
  ASSERT_EQ(world.last_write().entries.size(), 3u);
  world.settle();

  tests::CellsWorld cells{1};
  places::Layer layer{places::CellLimits{}, kShardCount, cells.maker()};
  for (const Move& move : world.moves)
    layer.take(ShardWorld::kShard,
               {{move.member, move.score, move.version, move.hidden, move.ahead, move.settles, move.ahead_number}});
  EXPECT_EQ(layer.score(ShardWorld::kShard, ada), std::nullopt);
  EXPECT_EQ(layer.size(), 1u) << "bea";
}

TEST_F(ShardPositionsTest, AnAcceptedMoveIsStoredThoughTheShardStops) {
  world.settle();
  SetPositionsCommand command = set({{ada, 1}});
  command.accepted = true;
  ask(command);
  const auto waits = ask(set({{bea, 2}}));
  world->stop();
  EXPECT_EQ(waits->answer->error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(world->drained());
  world.settle();
  EXPECT_EQ(world.moves.back(), (Move{kPeople, ada, 1, 1, false, false, true, false, 1}));
}

TEST_F(ShardPositionsTest, AnAcceptedMoveThatIsRefusedIsNotTold) {
  world.settle();
  SetPositionsCommand command = set({{ada, 1}});
  command.accepted = true;
  world->stop();
  const auto asked = ask(command);
  ASSERT_TRUE(asked->answer);
  EXPECT_EQ(asked->answer->error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(world.moves, IsEmpty());
}

TEST_F(ShardPositionsTest, ClearingIsToldAndCounted) {
  ask(set({{ada, 1}, {bea, 2}}));
  world.settle();
  const auto cleared = ask(ClearPositionsCommand{kPeople, {ada}});
  world.settle();
  EXPECT_EQ((*cleared->answer)->members, 1u);
  EXPECT_EQ(world.moves.back(), (Move{kPeople, ada, std::nullopt, 3}));
  const auto layer = ask(ClearLayersCommand{{kPeople, LayerId::trusted("nobody")}});
  world.settle();
  EXPECT_THAT((*layer->answer)->of_layers, ElementsAre(1, 0));
  EXPECT_THAT(world.cleared_layers, ElementsAre(ClearedLayer{kPeople, 4}));
  EXPECT_EQ(layer->moves_told, 4u);
}

TEST_F(ShardPositionsTest, AllPositionsAreToldAfterAStart) {
  world.scan();
  EXPECT_TRUE(world.all_told) << "there are none";
  for (std::size_t n = 0; n < 20; ++n) ask(set({{member(n), 1.0 * n}}));
  world.settle();
  world.restart();
  EXPECT_FALSE(world.all_told);
  world.moves.clear();  // of the log, applied again
  world.scan();
  EXPECT_TRUE(world.all_told);
  EXPECT_EQ(world.moves.size(), 20u);
}

TEST_F(ShardPositionsTest, TheNextPageIsReadWhenTheOneBeforeItIsTakenIn) {
  const std::size_t count = limits::kPositionsPageMax + 1;
  std::vector<SetPositionsCommand::Item> items;
  for (std::size_t n = 0; n < count; ++n) items.push_back({member(n), 1.0 * n});
  ask(set(items));
  world.settle();
  world.restart();
  world.moves.clear();
  world.scan_page();
  EXPECT_EQ(world.moves.size(), limits::kPositionsPageMax);
  world.settle();
  EXPECT_FALSE(world.all_told);
  world.scan();
  EXPECT_EQ(world.moves.size(), count);
  EXPECT_TRUE(world.all_told);
}

// Their last tick may be long ago.
TEST_F(ShardPositionsTest, WhatEndedWhileTheNodeWasOffIsGoneWhenAllIsTold) {
  const std::size_t count = 2 * limits::kExpiriesPerEntryMax + 1;
  world.settle();
  ask(set({{ada, 1}}));
  std::vector<SetPositionsCommand::Item> passing;
  for (std::size_t n = 1; n <= count; ++n) passing.push_back({member(n), 1.0 * n, 60'000});
  ask(set(passing));
  world.settle();
  world.crash();
  world.clock.advance(60'000);
  world.start();
  world.scan();
  EXPECT_FALSE(world.all_told);
  std::set<std::string> seen;
  while (!world.all_told) {
    ASSERT_TRUE(world.gather() || world.sync_one());
    seen.clear();
    for (const Move& move : world.moves) move.score ? void(seen.insert(move.member)) : void(seen.erase(move.member));
  }
  EXPECT_THAT(seen, ElementsAre(ada));
}

TEST_F(ShardPositionsTest, WhereNoTicksComeAllIsToldWithoutThem) {
  world.settle();
  ask(set({{ada, 1, 60'000}}));
  world.settle();
  world.crash();
  world.clock.advance(60'000);
  world.start();
  world.clock.jump_wall(2 * static_cast<std::int64_t>(limits::kClockDisagreementMsMax));
  world.scan();
  EXPECT_TRUE(world.all_told) << "nothing ends while the clock is in doubt";
}

TEST_F(ShardPositionsTest, APageThatCannotBeReadIsTriedAgainAndAgain) {
  for (std::size_t n = 0; n < 20; ++n) ask(set({{member(n), 1.0 * n}}));
  world.settle();
  world.restart();
  world.moves.clear();
  world.state_flaws.reading = Error{ErrorCode::kInternal, "", "no descriptor is left"};
  world.scan();
  for (int tries = 0; tries < 3; ++tries) {
    EXPECT_FALSE(world.all_told);
    ASSERT_NE(world.wake_at_ms, 0u);
    EXPECT_GT(world.wake_at_ms, world.clock.monotonic_ms());
    world.advance(world.wake_at_ms - world.clock.monotonic_ms());
  }
  world.state_flaws.reading.reset();
  world.advance(10'000);
  world.scan();
  EXPECT_TRUE(world.all_told);
  EXPECT_EQ(world.moves.size(), 20u);
}

TEST_F(ShardPositionsTest, WhatIsDamagedIsPassedOverAndTheRestIsTold) {
  for (std::size_t n = 0; n < 20; ++n) ask(set({{member(n), 1.0 * n}}));
  world.settle();
  world.advance(limits::kFlushIntervalMs);
  ASSERT_TRUE(world.write_overlay());
  world.restart();
  world.moves.clear();
  const auto key = [](const std::string& name) {
    return storage::state_key(ShardWorld::kShard, storage::keys::position(kPeople, name));
  };
  world.state_flaws.damaged_from = key("member-10");
  world.state_flaws.damaged_to = key("member-20");
  world.scan();
  EXPECT_TRUE(world.all_told);
  EXPECT_GT(world.moves.size(), 5u);
  for (const Move& move : world.moves) EXPECT_FALSE(move.member >= "member-10" && move.member < "member-20");
  EXPECT_THAT(world.moves, testing::Contains(testing::Field(&Move::member, testing::Gt("member-20"))));
}

TEST_F(ShardPositionsTest, APrivacyIsStoredThenToldThenAnsweredAndToldAgainAfterAStart) {
  std::string name = "layer";
  while (shard_of(name, kShardCount) != ShardWorld::kShard) name += "r";
  const LayerId layer = LayerId::trusted(name);
  const cluster::PrivacyChange change{layer, LayerPrivacy{1, 2, 3}};
  world.settle();
  world.privacies.clear();
  const auto asked = ask(SetLayerPrivacyCommand{layer, change.privacy});
  world.gather();
  EXPECT_THAT(world.privacies, IsEmpty()) << "nothing is synced";
  world.settle();
  ASSERT_TRUE(asked->answer && *asked->answer);
  EXPECT_THAT(world.privacies, ElementsAre(change));
  world.restart();
  world.privacies.clear();
  world.scan();
  EXPECT_THAT(world.privacies, ElementsAre(change));
  const auto elsewhere = ask(SetLayerPrivacyCommand{LayerId::trusted(name + "-"), change.privacy});
  world.settle();
  const bool is_ours = shard_of(name + "-", kShardCount) == ShardWorld::kShard;
  EXPECT_EQ(elsewhere->answer->has_value(), is_ours);
}

TEST_F(ShardPositionsTest, WhoIsHiddenIsToldToBeAlsoAfterAStart) {
  ask(set({{ada, 1, 0, true}, {bea, 2}}));
  world.settle();
  EXPECT_THAT(world.moves, ElementsAre(Move{kPeople, ada, 1, 1, true}, Move{kPeople, bea, 2, 2, false}));
  world.restart();
  world.moves.clear();
  world.scan();
  EXPECT_THAT(world.moves,
              testing::UnorderedElementsAre(Move{kPeople, ada, 1, 1, true}, Move{kPeople, bea, 2, 2, false}));
}

TEST_F(ShardPositionsTest, NewPositionsAreRefusedWhenTheDiskIsNearlyFullAndClearingIsNot) {
  ask(set({{ada, 1}}));
  world.settle();
  world.budgets->disk.set_tight(true);
  const auto refused = ask(set({{bea, 1}}));
  ASSERT_TRUE(refused->answer);
  EXPECT_EQ(refused->answer->error().code, ErrorCode::kStorageFull);
  const auto cleared = ask(ClearPositionsCommand{kPeople, {ada}});
  world.settle();
  EXPECT_EQ((*cleared->answer)->members, 1u);
}

// ---- where members are

TEST_F(ShardPositionsTest, WhereMembersAreIsAnsweredFromWhatIsCommitted) {
  ask(set({{ada, 1, 0, true}}));
  world.settle();
  ask(set({{ada, 5}}));  // on its way
  const auto asked = where({ada, bea});
  ASSERT_TRUE(asked->has_value() && (*asked)->has_value());
  EXPECT_EQ(**asked, Result<WhereAnswer>(WhereAnswer{Whereabouts{1, 1, true}, std::nullopt}));
}

// Its move was answered, and is seen by whoever asks the views.
TEST_F(ShardPositionsTest, WhereMembersAreShowsWhatWasAcceptedBefore) {
  ask(set({{ada, 1}}));
  world.settle();
  SetPositionsCommand command = set({{ada, 2}});
  command.accepted = true;
  ask(command);
  const auto asked = where({ada});
  EXPECT_FALSE(asked->has_value()) << "nothing is stored";
  world.settle();
  ASSERT_TRUE(asked->has_value() && (*asked)->has_value());
  EXPECT_EQ((**asked)->at(0)->score, 2);
  EXPECT_TRUE(where({ada})->has_value()) << "nothing is ahead any more";
}

TEST_F(ShardPositionsTest, WhereMembersAreIsToldAlsoWhenWhatWasAcceptedDoesNotGetIn) {
  ask(set({{ada, 1}}));
  world.settle();
  SetPositionsCommand command = set({{ada, 2}});
  command.accepted = true;
  ask(command);
  const auto asked = where({ada});
  world->stop();
  world.settle();
  ASSERT_TRUE(asked->has_value());
}

}  // namespace
}  // namespace earshot::actors
