#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/redis_client.hpp"

// What a search has to find, by looking at every member: the judge where two servers do not agree.
namespace earshot::tests {

struct Spot {
  double longitude = 0;
  double latitude = 0;
};
using Spots = std::map<std::string, Spot>;  // by member, as GEOPOS tells them

// Along the great circle by the haversine formula, on Redis's Earth.
double haversine_m(const Spot& from, const Spot& to);

struct SearchArea {
  Spot centre;                        // of the member, if it is one
  std::optional<std::string> member;  // that the search starts from
  bool is_box = false;
  double radius_m = 0;
  double width_m = 0;
  double height_m = 0;

  // Nothing within is farther from the centre.
  [[nodiscard]] double reach_m() const { return is_box ? (width_m + height_m) / 2 : radius_m; }
  // Away from the poles and from 180 degrees, and less than 5 000 km to either side: there Redis makes no mistakes.
  [[nodiscard]] bool is_ordinary() const;
};

enum class Place { kInside, kAtTheEdge, kOutside };  // the edge: as near to it as rounding is to be feared
Place place_in(const SearchArea& area, const Spot& spot);

struct Hit {
  std::string member;
  double distance = 0;  // in the unit of the search, four digits after the point
  bool operator==(const Hit&) const = default;
};
// Of replies with WITHDIST, whatever else they hold.
std::vector<Hit> hits_of(const Reply& reply);

// What is wrong with what a search without COUNT has found, the unit being `unit_m`; nothing when it is right.
std::optional<std::string> error_in(const std::vector<Hit>& hits, const SearchArea& area, double unit_m,
                                    const Spots& spots);

enum class HitOrder { kNone, kNearestFirst, kFarthestFirst };
struct Selection {
  HitOrder order = HitOrder::kNone;
  std::optional<std::size_t> count;
  bool any = false;
};
// What is wrong with a selection from all hits. Among those equally far from the centre any may have been selected, in
// any order.
std::optional<std::string> error_in(const std::vector<Hit>& selected, const Selection& selection,
                                    const std::vector<Hit>& all);

}  // namespace earshot::tests
