#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "geo/geohash.hpp"
#include "geo/point.hpp"
#include "schema/commands.hpp"
#include "schema/manage.hpp"

// Where the members of layers are: what a session may say and ask (broker.capnp). In a request an empty layer means
// kDefaultLayer, and an empty member the session's own user.
namespace earshot {

inline constexpr const char* kDefaultLayer = "people";

struct PositionItem {
  std::string member;
  geo::Point point;
  std::uint64_t ttl_ms = 0;  // 0: never
  bool hidden = false;       // from every user but the member itself
  bool operator==(const PositionItem&) const = default;
};
struct SetPositionsRequest {
  LayerId layer;
  std::vector<PositionItem> items;  // at most positions_batch_max
  PositionCondition condition = PositionCondition::kAlways;
  bool accepted = false;  // answered before they are committed; with kAlways only
  bool operator==(const SetPositionsRequest&) const = default;
};
struct ClearPositionsRequest {
  LayerId layer;
  std::vector<std::string> members;  // at most positions_batch_max
  bool operator==(const ClearPositionsRequest&) const = default;
};
struct ClearLayerRequest {
  LayerId layer;
  bool operator==(const ClearLayerRequest&) const = default;
};

struct Circle {
  double radius_m = 0;
  bool operator==(const Circle&) const = default;
};
struct Box {
  double width_m = 0;
  double height_m = 0;
  bool operator==(const Box&) const = default;
};
enum class NearbyOrder : std::uint16_t { kNone = 0, kNearestFirst = 1, kFarthestFirst = 2 };
struct NearbyRequest {
  LayerId layer;
  std::variant<geo::Point, std::string> centre;  // a point, or where a member is
  std::variant<Circle, Box> area;
  std::uint32_t count = 0;  // at most nearby_answer_max, which 0 stands for
  bool any = false;         // any of them when there are more, else the nearest, or with kFarthestFirst the farthest
  NearbyOrder order = NearbyOrder::kNone;
  bool with_distance = false;
  bool with_point = false;
  bool with_geohash = false;
  std::uint32_t deadline_ms = 0;  // at most nearby_deadline_ms_max; 0: nearby_deadline_ms_default
  bool operator==(const NearbyRequest&) const = default;
};
struct PositionsRequest {
  LayerId layer;
  std::vector<std::string> members;  // at most positions_batch_max
  bool operator==(const PositionsRequest&) const = default;
};
struct DistanceRequest {
  LayerId layer;
  std::string from;
  std::string to;
  bool operator==(const DistanceRequest&) const = default;
};
struct LayersRequest {
  std::string after;  // only those with a greater name
  bool operator==(const LayersRequest&) const = default;
};
struct LayerPrivacyRequest {
  LayerId layer;
  bool operator==(const LayerPrivacyRequest&) const = default;
};
struct SetLayerPrivacyRequest {
  LayerId layer;
  std::optional<LayerPrivacy> privacy;  // none: as layers are by default
  bool operator==(const SetLayerPrivacyRequest&) const = default;
};
using PlacesRequest =
    std::variant<SetPositionsRequest, ClearPositionsRequest, ClearLayerRequest, NearbyRequest, PositionsRequest,
                 DistanceRequest, LayersRequest, LayerPrivacyRequest, SetLayerPrivacyRequest>;

enum class PositionOutcome : std::uint16_t {
  kAdded = 0,      // it had no position
  kChanged = 1,    // it is elsewhere now
  kUnchanged = 2,  // it was there already
  kSkipped = 3,    // the condition does not hold
  kAccepted = 4,   // it will be there: what that changes is not known yet
};
using PositionOutcomes = std::vector<PositionOutcome>;  // one per item, in order

struct PositionsCleared {
  std::uint64_t members = 0;  // so many had a position
  bool operator==(const PositionsCleared&) const = default;
};
struct LayerCleared {
  bool existed = false;
  bool operator==(const LayerCleared&) const = default;
};

enum class Completeness : std::uint16_t {
  kExact = 0,
  kTruncated = 1,  // there are more than the count, or nearby_answer_max, let through
  kPartial = 2,    // the node does not know yet where everybody is: there may be more
};
struct NearbyMember {
  std::string member;  // any bytes
  std::optional<double> distance_m;
  std::optional<geo::Point> point;
  std::optional<geo::Geohash> geohash;
  bool operator==(const NearbyMember&) const = default;
};
struct NearbyFound {
  std::vector<NearbyMember> members;
  Completeness completeness = Completeness::kExact;
  bool operator==(const NearbyFound&) const = default;
};

struct Position {
  geo::Point point;
  geo::Geohash geohash;
  bool operator==(const Position&) const = default;
};
struct Positions {
  std::vector<std::optional<Position>> members;  // one per member, in order; none: it is nowhere
  bool operator==(const Positions&) const = default;
};
struct Distance {
  std::optional<double> metres;  // none: one of them is nowhere
  bool operator==(const Distance&) const = default;
};

struct LayerPrivacyInfo {
  LayerPrivacy privacy;
  bool inherited = true;  // the layer has none of its own
  bool operator==(const LayerPrivacyInfo&) const = default;
};
struct LayerInfo {
  LayerId layer;
  std::uint64_t members = 0;
  LayerPrivacyInfo privacy = {};
  bool operator==(const LayerInfo&) const = default;
};
struct LayersPage {
  std::vector<LayerInfo> layers;  // in the order of their names
  bool more = false;              // there are layers after these
  bool operator==(const LayersPage&) const = default;
};
using PlacesReply = std::variant<PositionOutcomes, PositionsCleared, LayerCleared, NearbyFound, Positions, Distance,
                                 LayersPage, LayerPrivacyInfo, Done>;

}  // namespace earshot
