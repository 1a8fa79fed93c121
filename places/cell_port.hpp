#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "geo/geohash.hpp"
#include "geo/place_leaf.hpp"
#include "places/member.hpp"
#include "places/nearby.hpp"

// What a cell takes, and the port that it takes it through. A cell's layer is the only one that tells it of members and
// asks it; other cells only hand their members over to it.
namespace earshot::places {

class CellPort;

// Let go of by whoever has taken in what it comes with: the last to do so lets its sender go on.
using UntilTaken = std::shared_ptr<const void>;

// A member that comes (no `from`), goes (no `to`) or moves within the cell. One that goes may be nowhere else any more:
// this share in it keeps it alive until the cell has forgotten it.
struct CellChange {
  MemberPtr member;
  std::optional<geo::Geohash> from;
  std::optional<geo::Geohash> to;
};
struct CellChanges {
  std::vector<CellChange> changes;
  UntilTaken until_taken = {};
};
struct CellSearch {
  std::shared_ptr<Nearby> nearby;
};
// The cell is too crowded: the four children of a cell, it or one within it that holds everybody, take its members
// over, in the order of geo::Cell::child().
struct CellSplit {
  geo::Cell parent;
  std::array<std::shared_ptr<CellPort>, 4> children;
};
// The cell's parent takes its members over.
struct CellMerge {
  std::shared_ptr<CellPort> parent;
};
// Members of another cell, in their order. They live: whoever of them goes, goes in a CellChanges that comes later.
struct CellFill {
  std::vector<geo::PlaceKey> members;
};
// What a cell has taken over when all fills have come: so many members, between these places if there are any.
struct CellFilled {
  std::size_t members = 0;
  std::optional<geo::GeohashRange> within = {};
};
// Nobody is in it any more; or the whole layer ends, and whoever earlier queries find lives as long as this does.
struct CellEnd {
  std::shared_ptr<const void> members = {};
};

// Every post() is thread-safe, never blocks and never fails; what one thread posts is taken in its order.
class CellPort {
 public:
  virtual ~CellPort() = default;
  virtual void post(CellChanges message) = 0;
  virtual void post(CellSearch message) = 0;
  virtual void post(CellSplit message) = 0;
  virtual void post(CellMerge message) = 0;
  virtual void post(CellFill message) = 0;
  virtual void post(CellEnd message) = 0;
};

}  // namespace earshot::places
