#include "nearby_cases.hpp"

#include <algorithm>

#include "resp_request.hpp"

namespace earshot::bench {

void Crowd::load_next(std::string& out) {
  const std::size_t end = std::min(loaded_ + kMembersPerLoad, people_.size());
  RespRequest request(out, 2 + 3 * (end - loaded_));
  request.word("GEOADD").word(key_);
  for (; loaded_ < end; ++loaded_)
    request.degrees(people_[loaded_].longitude).degrees(people_[loaded_].latitude).member(loaded_);
}

void Crowd::search(std::string& out, std::string_view radius_km, const std::vector<std::string_view>& options) {
  const geo::Point& centre = next_centre();
  RespRequest request(out, 8 + options.size());
  request.word("GEOSEARCH").word(key_).word("FROMLONLAT").degrees(centre.longitude).degrees(centre.latitude);
  request.word("BYRADIUS").word(radius_km).word("km");
  for (const std::string_view option : options) request.word(option);
}

NearbyRequest Crowd::search(double radius_m, NearbyOrder order, std::uint32_t count, bool any) {
  NearbyRequest request;
  request.layer = LayerId::parse(key_, "layer").value();
  request.centre = next_centre();
  request.area = Circle{radius_m};
  request.order = order;
  request.count = count;
  request.any = any;
  return request;
}

Crowd::Move Crowd::next_anywhere() {
  const std::size_t member = random_.below(people_.size());
  people_[member] = somewhere(random_);
  return {member, people_[member]};
}

Crowd::Move Crowd::next_step() {
  const std::size_t member = random_.below(people_.size());
  people_[member] = step_from(people_[member], random_);
  return {member, people_[member]};
}

void Crowd::append(std::string& out, const Move& move) const {
  RespRequest(out, 5)
      .word("GEOADD")
      .word(key_)
      .degrees(move.to.longitude)
      .degrees(move.to.latitude)
      .member(move.member);
}

SetPositionsRequest Crowd::request_of(const Move& move) const {
  SetPositionsRequest request;
  request.layer = LayerId::parse(key_, "layer").value();
  request.items.push_back({"member:" + std::to_string(move.member), move.to});
  return request;
}

const std::vector<Case>& cases() {
  static const std::vector<std::string_view> kNearest20{"ASC", "COUNT", "20"};
  static const std::vector<std::string_view> kAny20{"COUNT", "20", "ANY"};
  constexpr auto kAskNear20At1Km = [](Crowd& crowd, std::string& out) { crowd.search(out, "1", kNearest20); };
  constexpr auto kCallNear20At1Km = [](Crowd& crowd) -> PlacesRequest {
    return crowd.search(1'000, NearbyOrder::kNearestFirst, 20, false);
  };
  constexpr auto kMoveAnywhere = [](Crowd& crowd, std::string& out) { crowd.move_anywhere(out); };
  static const std::vector<Case> kCases{
      {"near20_1km_uniform", Spread::kUniform, 1, false, kAskNear20At1Km, kCallNear20At1Km},
      {"near20_5km_uniform", Spread::kUniform, 1, false,
       [](Crowd& crowd, std::string& out) { crowd.search(out, "5", kNearest20); },
       [](Crowd& crowd) -> PlacesRequest { return crowd.search(5'000, NearbyOrder::kNearestFirst, 20, false); }},
      {"near20_1km_clustered", Spread::kClustered, 1, false, kAskNear20At1Km, kCallNear20At1Km},
      {"all_1km_uniform", Spread::kUniform, 1, false,
       [](Crowd& crowd, std::string& out) { crowd.search(out, "1", {}); },
       [](Crowd& crowd) -> PlacesRequest { return crowd.search(1'000, NearbyOrder::kNone, 0, false); }},
      {"any20_1km_uniform", Spread::kUniform, 1, false,
       [](Crowd& crowd, std::string& out) { crowd.search(out, "1", kAny20); },
       [](Crowd& crowd) -> PlacesRequest { return crowd.search(1'000, NearbyOrder::kNone, 20, true); }},
      {"geoadd_p1", Spread::kUniform, 1, true, kMoveAnywhere,
       [](Crowd& crowd) -> PlacesRequest { return crowd.move_anywhere(); }},
      {"geoadd_p16", Spread::kUniform, 16, true, kMoveAnywhere},
      {"mixed_clustered", Spread::kClustered, 1, true,
       [](Crowd& crowd, std::string& out) {
         if (crowd.chance(0.8)) {
           crowd.move_a_step(out);
         } else {
           crowd.search(out, "1", kNearest20);
         }
       },
       [](Crowd& crowd) -> PlacesRequest {
         if (crowd.chance(0.8)) return crowd.move_a_step();
         return crowd.search(1'000, NearbyOrder::kNearestFirst, 20, false);
       }},
  };
  return kCases;
}

}  // namespace earshot::bench
