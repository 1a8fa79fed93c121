#include "cluster/cell_map.hpp"

#include <map>

#include <gtest/gtest.h>

#include "geo/point.hpp"

namespace earshot::cluster {
namespace {

const LayerId kPeople = LayerId::trusted("people");

std::vector<NodeId> nodes(std::initializer_list<std::uint64_t> ids) {
  std::vector<NodeId> view;
  for (const std::uint64_t id : ids) view.emplace_back(id);
  return view;
}

TEST(CellMap, OwnersAreTheSameWhateverTheOrderOfTheView) {
  const CellMap one(nodes({1, 2, 7}));
  const CellMap other(nodes({7, 1, 2, 1}));
  EXPECT_EQ(one, other);
  EXPECT_EQ(other.view(), nodes({1, 2, 7}));
  for (std::uint32_t region = 0; region < kRegions; region += 7)
    EXPECT_EQ(one.owner(kPeople, Region(region)), other.owner(kPeople, Region(region)));
}

// Nodes of two versions of the program would answer for different regions if this changed.
TEST(CellMap, OwnersNeverChangeWithTheProgram) {
  const CellMap map(nodes({1, 2, 3}));
  std::uint64_t digest = 0;
  for (std::uint32_t region = 0; region < 64; ++region)
    digest = digest * 3 + map.owner(kPeople, Region(region)).value - 1;
  EXPECT_EQ(digest, 9033990850382225411u);
}

TEST(CellMap, EveryNodeHasAboutItsShare) {
  for (const std::uint64_t count : {2, 3, 5, 64}) {
    std::vector<NodeId> view;
    for (std::uint64_t id = 1; id <= count; ++id) view.emplace_back(id);
    const CellMap map(view);
    std::map<NodeId, std::uint32_t> shares;
    for (std::uint32_t region = 0; region < kRegions; ++region) ++shares[map.owner(kPeople, Region(region))];
    ASSERT_EQ(shares.size(), count);
    const double mean = static_cast<double>(kRegions) / static_cast<double>(count);
    for (const auto& [node, share] : shares) EXPECT_NEAR(share, mean, 0.2 * mean) << "node " << node.value;
  }
}

// A layer of one city lies in few regions: these must not all be one node's, nor every layer's the same.
TEST(CellMap, LayersOfOneRegionAreSpread) {
  const CellMap map(nodes({1, 2, 3}));
  std::map<NodeId, int> shares;
  for (int layer = 0; layer < 3'000; ++layer)
    ++shares[map.owner(LayerId::trusted("layer " + std::to_string(layer)), Region(4711))];
  for (const auto& [node, share] : shares) EXPECT_NEAR(share, 1'000, 150) << "node " << node.value;
}

TEST(CellMap, OnlyRegionsOfALostNodeMove) {
  const CellMap before(nodes({1, 2, 3, 4}));
  const CellMap after(nodes({1, 2, 4}));
  for (std::uint32_t region = 0; region < kRegions; ++region) {
    const NodeId owner = before.owner(kPeople, Region(region));
    if (owner == NodeId(3)) {
      EXPECT_NE(after.owner(kPeople, Region(region)), NodeId(3));
    } else {
      EXPECT_EQ(after.owner(kPeople, Region(region)), owner);
    }
  }
}

TEST(CellMap, AloneANodeOwnsAllAndNobodyOwnsNothing) {
  EXPECT_EQ(CellMap(nodes({9})).owner(kPeople, Region(12'345)), NodeId(9));
  EXPECT_EQ(CellMap({}).owner(kPeople, Region(12'345)), NodeId(0));
}

TEST(CellMap, ARegionIsAPrefixOfTheGeohash) {
  EXPECT_EQ(region_of(geo::Geohash(0)), Region(0));
  EXPECT_EQ(region_of(geo::Geohash((1ull << 52) - 1)), Region(kRegions - 1));
  EXPECT_EQ(region_of(geo::Geohash((1ull << 37) - 1)), Region(0));
  EXPECT_EQ(region_of(geo::Geohash(1ull << 37)), Region(1));
  EXPECT_EQ(region_of(geo::encode({13.4, 52.5})), region_of(geo::encode({13.41, 52.51})));
  EXPECT_NE(region_of(geo::encode({13.4, 52.5})), region_of(geo::encode({15.0, 52.5})));
}

}  // namespace
}  // namespace earshot::cluster
