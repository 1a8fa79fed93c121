#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "places/layer.hpp"
#include "tests/unit/places/places_world.hpp"

// Moves that were told before their shard committed them.
namespace earshot::places {
namespace {

const ShardId kShard(0);
constexpr const char* kAda = "ada";

class AheadTest : public testing::Test {
 protected:
  void ahead(std::optional<double> score) { layer.take(kShard, {{kAda, score, 0, false, true, false, ++told}}); }
  // The first one that is not.
  void settled(std::optional<double> score, std::uint64_t version) { settled(++settled_through, score, version); }
  void settled(std::uint64_t number, std::optional<double> score, std::uint64_t version) {
    layer.take(kShard, {{kAda, score, version, false, false, true, number}});
  }
  void committed(std::optional<double> score, std::uint64_t version) { layer.take(kShard, {{kAda, score, version}}); }
  std::optional<double> seen() { return layer.score(kShard, kAda); }

  tests::CellsWorld world{1};
  Layer layer{CellLimits{}, 1, world.maker()};
  std::uint64_t told = 0;
  std::uint64_t settled_through = 0;
};

TEST_F(AheadTest, AMoveIsSeenBeforeItHasAVersion) {
  ahead(1);
  EXPECT_EQ(seen(), 1);
  settled(1, 1);
  EXPECT_EQ(seen(), 1);
  committed(2, 2);
  EXPECT_EQ(seen(), 2) << "nothing is ahead any more";
}

TEST_F(AheadTest, WhatIsOlderThanAMoveAheadIsNotSeenAgain) {
  ahead(1);
  ahead(2);
  settled(1, 1);
  EXPECT_EQ(seen(), 2) << "the first of two is settled";
  settled(2, 2);
  EXPECT_EQ(seen(), 2);
}

TEST_F(AheadTest, AChangeCommittedInBetweenIsOlder) {
  committed(1, 1);
  ahead(3);
  committed(2, 2);  // asked for before
  EXPECT_EQ(seen(), 3);
  committed(std::nullopt, 3);  // as that
  EXPECT_EQ(seen(), 3);
  EXPECT_EQ(layer.size(), 1u);
  settled(3, 4);
  EXPECT_EQ(seen(), 3);
  committed(std::nullopt, 5);
  EXPECT_EQ(seen(), std::nullopt);
}

TEST_F(AheadTest, WhoIsAheadStaysWhenTheLayerIsCleared) {
  committed(1, 1);
  ahead(2);
  layer.cleared(kShard, 2);
  EXPECT_EQ(seen(), 2);
  settled(2, 3);
  layer.cleared(kShard, 3);
  EXPECT_EQ(seen(), std::nullopt);
}

TEST_F(AheadTest, WhatIsTakenBackIsWhereTheShardSays) {
  committed(1, 1);
  ahead(2);
  settled(1, 1);  // its shard has refused it
  EXPECT_EQ(seen(), 1);
  ahead(3);
  settled(std::nullopt, 1);
  EXPECT_EQ(seen(), std::nullopt);
}

// After a start the log is applied again, and nothing was told ahead.
TEST_F(AheadTest, ASettledMoveIsAMove) {
  settled(1, 1);
  EXPECT_EQ(seen(), 1);
}

TEST_F(AheadTest, AnotherLeadersScanTakesTheirPlace) {
  committed(1, 4);
  ahead(2);
  layer.scan_begins(kShard);
  committed(1, 4);
  layer.scan_ends(kShard);
  EXPECT_EQ(seen(), 1) << "the leader that told it ahead is gone, and it with it";
  settled(3, 5);
  EXPECT_EQ(seen(), 3);
}

// The scan was of the same leader, and the first of the two is settled by what the node has forgotten.
TEST_F(AheadTest, WhatWasToldAheadBeforeAScanSettlesNothingThatWasToldSince) {
  ahead(1);
  layer.scan_begins(kShard);
  ahead(2);
  settled(1, 1, 1);
  EXPECT_EQ(seen(), 2);
  settled(0, 1, 1);  // of another leader
  EXPECT_EQ(seen(), 2);
  settled(2, 2, 2);
  EXPECT_EQ(seen(), 2);
  committed(3, 3);
  EXPECT_EQ(seen(), 3);
}

TEST_F(AheadTest, ALayerMayGoWhenNobodyIsInItAndNothingIsAhead) {
  EXPECT_TRUE(layer.may_go());
  ahead(std::nullopt);
  EXPECT_FALSE(layer.may_go()) << "it must not be seen where it was before";
  settled(std::nullopt, 1);
  EXPECT_TRUE(layer.may_go());
  ahead(1);
  settled(1, 2);
  EXPECT_FALSE(layer.may_go());
}

// As a node outside of whose regions it is.
TEST_F(AheadTest, AMoveAheadOfWhoeverIsNotHereChangesNothing) {
  ahead(std::nullopt);
  committed(2, 1);  // asked for before
  EXPECT_EQ(seen(), std::nullopt);
  settled(std::nullopt, 2);
  committed(3, 3);
  EXPECT_EQ(seen(), 3);
}

}  // namespace
}  // namespace earshot::places
