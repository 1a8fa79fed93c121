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
  const geo::Point& centre = people_[random_.below(people_.size())];
  RespRequest request(out, 8 + options.size());
  request.word("GEOSEARCH").word(key_).word("FROMLONLAT").degrees(centre.longitude).degrees(centre.latitude);
  request.word("BYRADIUS").word(radius_km).word("km");
  for (const std::string_view option : options) request.word(option);
}

void Crowd::move_a_step(std::string& out) {
  const std::size_t member = random_.below(people_.size());
  move(out, member, step_from(people_[member], random_));
}

void Crowd::move(std::string& out, std::size_t member, const geo::Point& to) {
  people_[member] = to;
  RespRequest(out, 5).word("GEOADD").word(key_).degrees(to.longitude).degrees(to.latitude).member(member);
}

const std::vector<Case>& cases() {
  static const std::vector<std::string_view> kNearest20{"ASC", "COUNT", "20"};
  static const std::vector<std::string_view> kAny20{"COUNT", "20", "ANY"};
  constexpr auto kNear20At1Km = [](Crowd& crowd, std::string& out) { crowd.search(out, "1", kNearest20); };
  constexpr auto kMoveAnywhere = [](Crowd& crowd, std::string& out) { crowd.move_anywhere(out); };
  static const std::vector<Case> kCases{
      {"near20_1km_uniform", Spread::kUniform, 1, false, kNear20At1Km},
      {"near20_5km_uniform", Spread::kUniform, 1, false,
       [](Crowd& crowd, std::string& out) { crowd.search(out, "5", kNearest20); }},
      {"near20_1km_clustered", Spread::kClustered, 1, false, kNear20At1Km},
      {"all_1km_uniform", Spread::kUniform, 1, false,
       [](Crowd& crowd, std::string& out) { crowd.search(out, "1", {}); }},
      {"any20_1km_uniform", Spread::kUniform, 1, false,
       [](Crowd& crowd, std::string& out) { crowd.search(out, "1", kAny20); }},
      {"geoadd_p1", Spread::kUniform, 1, true, kMoveAnywhere},
      {"geoadd_p16", Spread::kUniform, 16, true, kMoveAnywhere},
      {"mixed_clustered", Spread::kClustered, 1, true,
       [](Crowd& crowd, std::string& out) {
         if (crowd.chance(0.8)) {
           crowd.move_a_step(out);
         } else {
           crowd.search(out, "1", kNearest20);
         }
       }},
  };
  return kCases;
}

}  // namespace earshot::bench
