#include "tests/support/search_oracle.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <set>
#include <stdexcept>

namespace earshot::tests {
namespace {

constexpr double kEarthRadiusM = 6372797.560856;
constexpr double kDegree = std::numbers::pi / 180;
constexpr double kEdge = 1e-6;  // of the length
constexpr double kOrdinaryReachM = 5e6;
constexpr double kOrdinaryLatitude = 80;
constexpr double kDigit = 1e-4;  // of the last digit of a distance

double square_of_sine(double degrees) { return std::pow(std::sin(degrees * kDegree / 2), 2); }

Place place_of(double length_m, double limit_m) {
  if (std::fabs(length_m - limit_m) <= kEdge * std::max(limit_m, 1.0)) return Place::kAtTheEdge;
  return length_m < limit_m ? Place::kInside : Place::kOutside;
}

bool are_sorted(const std::vector<Hit>& hits, HitOrder order) {
  if (order == HitOrder::kNone) return true;
  return std::ranges::is_sorted(hits, [&](const Hit& one, const Hit& other) {
    return order == HitOrder::kNearestFirst ? one.distance < other.distance : one.distance > other.distance;
  });
}

std::vector<double> distances_of(const std::vector<Hit>& hits, bool farthest_first) {
  std::vector<double> distances;
  distances.reserve(hits.size());
  for (const auto& hit : hits) distances.push_back(hit.distance);
  std::ranges::sort(distances);
  if (farthest_first) std::ranges::reverse(distances);
  return distances;
}

}  // namespace

double haversine_m(const Spot& from, const Spot& to) {
  const double a = square_of_sine(to.latitude - from.latitude) + std::cos(from.latitude * kDegree) *
                                                                     std::cos(to.latitude * kDegree) *
                                                                     square_of_sine(to.longitude - from.longitude);
  return 2 * kEarthRadiusM * std::asin(std::sqrt(std::min(a, 1.0)));
}

bool SearchArea::is_ordinary() const {
  const double angle = reach_m() / kEarthRadiusM;
  if (reach_m() >= kOrdinaryReachM || std::fabs(centre.latitude) + angle / kDegree >= kOrdinaryLatitude) return false;
  const double across = std::asin(std::sin(angle) / std::cos(centre.latitude * kDegree)) / kDegree;
  return std::fabs(centre.longitude) + across < 180;
}

Place place_in(const SearchArea& area, const Spot& spot) {
  if (!area.is_box) return place_of(haversine_m(area.centre, spot), area.radius_m);
  const Spot beside{area.centre.longitude, spot.latitude};
  return std::max(
      place_of(std::fabs(spot.latitude - area.centre.latitude) * kDegree * kEarthRadiusM, area.height_m / 2),
      place_of(haversine_m(beside, spot), area.width_m / 2),
      [](Place one, Place other) { return static_cast<int>(one) < static_cast<int>(other); });
}

std::vector<Hit> hits_of(const Reply& reply) {
  std::vector<Hit> hits;
  for (const auto& entry : reply.elements) {
    if (entry.elements.size() < 2) throw std::runtime_error("a hit without a distance: " + to_string(entry));
    hits.push_back({entry.elements[0].text, std::strtod(entry.elements[1].text.c_str(), nullptr)});
  }
  return hits;
}

std::optional<std::string> error_in(const std::vector<Hit>& hits, const SearchArea& area, double unit_m,
                                    const Spots& spots) {
  std::set<std::string> found;
  for (const auto& hit : hits) {
    if (!found.insert(hit.member).second) return hit.member + " is found twice";
    const auto spot = spots.find(hit.member);
    if (spot == spots.end()) return hit.member + " is found and is not there";
    if (place_in(area, spot->second) == Place::kOutside) return hit.member + " is found and is not within";
    const double distance = haversine_m(area.centre, spot->second) / unit_m;
    if (std::fabs(distance - hit.distance) > kDigit + 1e-9 * distance)
      return hit.member + " is " + std::to_string(distance) + " away, not " + std::to_string(hit.distance);
  }
  for (const auto& [member, spot] : spots) {
    if (!found.contains(member) && place_in(area, spot) == Place::kInside) return member + " is within and not found";
  }
  return std::nullopt;
}

std::optional<std::string> error_in(const std::vector<Hit>& selected, const Selection& selection,
                                    const std::vector<Hit>& all) {
  const std::size_t wanted = std::min(selection.count.value_or(all.size()), all.size());
  if (selected.size() != wanted)
    return std::to_string(selected.size()) + " instead of " + std::to_string(wanted) + " of " +
           std::to_string(all.size());
  std::map<std::string, double> known;
  for (const auto& hit : all) known.emplace(hit.member, hit.distance);
  for (const auto& hit : selected) {
    const auto place = known.find(hit.member);
    if (place == known.end()) return hit.member + " is not among all hits, or selected twice";
    if (place->second != hit.distance) return hit.member + " is at another distance";
    known.erase(place);
  }
  // Redis sorts what it counts, unless told that any will do.
  const bool chooses = selection.count.has_value() && !selection.any;
  const HitOrder order = selection.order == HitOrder::kNone && chooses ? HitOrder::kNearestFirst : selection.order;
  if (!are_sorted(selected, order)) return "the hits are not in order";
  if (!chooses) return std::nullopt;
  const bool farthest = order == HitOrder::kFarthestFirst;
  auto best = distances_of(all, farthest);
  best.resize(wanted);
  if (best != distances_of(selected, farthest)) return "others are to be preferred";
  return std::nullopt;
}

}  // namespace earshot::tests
