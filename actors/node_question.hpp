#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/request_tag.hpp"
#include "cluster/cell_map.hpp"
#include "geo/area.hpp"
#include "geo/gather.hpp"
#include "places/member_range.hpp"

// What nodes ask each other about the members that they have in their cells, and what they say. Each tells of the
// regions that are its own, by the view of the node that asks; what lies with several is put together there.
namespace earshot::actors {

// ---- questions

// Where a user is shown members (places::Sight). Who may see whom the node that is asked knows itself.
struct ViewerSight {
  UserId viewer;
  std::uint32_t precision_m = 0;
  std::uint64_t secret = 0;
  bool operator==(const ViewerSight&) const = default;
};

struct NearbyPart {
  LayerId layer;
  geo::Area area;
  geo::Pick pick = geo::Pick::kAll;
  std::uint32_t count_max = 0;  // at most kNodeMembersMax
  std::optional<ViewerSight> sight = {};
};
struct SizePart {
  LayerId layer;
};
struct MemberSpot {
  double score = 0;
  std::string name;
};
struct RangePart {
  LayerId layer;
  std::optional<places::MemberBounds> bounds;
  bool descending = false;
  std::optional<MemberSpot> after;  // none: from the first
  std::uint32_t count_max = 0;      // at most kNodePageMembersMax
};
struct LayersPart {
  std::string after;
};
struct ScanPart {
  std::uint64_t from = 0;
  std::uint32_t count_max = 0;  // about so many, at most kLayersPageMax
};
using QuestionPart = std::variant<SizePart, NearbyPart, RangePart, LayersPart, ScanPart>;

struct NodeQuestion {
  std::uint64_t id = 0;                  // of the node that asks, which never gives it to another
  std::uint32_t left_ms = 0;             // from when it was sent
  std::vector<NodeId> view;              // ascending
  std::vector<cluster::Region> regions;  // ascending, at most kQuestionRegionsMax; none: all that are the node's own
  QuestionPart part;
  RequestTag tag = {};  // of the call that it is asked for, for log lines
};

// ---- answers

struct ToldMember {
  std::string name;
  double score = 0;  // of nearby: the place where it is shown
  std::uint64_t version = 0;
  double distance_m = 0;
  bool is_hidden = false;
  bool operator==(const ToldMember&) const = default;
};
using ToldMembers = std::vector<ToldMember>;
struct ToldSize {
  std::uint64_t members = 0;
};
struct ToldLayers {
  struct Layer {
    std::string name;
    std::uint64_t members = 0;
    bool operator==(const Layer&) const = default;
  };
  std::vector<Layer> layers;  // by name, ascending
};
struct ToldScan {
  std::vector<std::string> names;
  std::uint64_t next = 0;  // 0: that was all
};
using Told = std::variant<ToldMembers, ToldSize, ToldLayers, ToldScan>;

struct NodeAnswer {
  std::uint64_t id = 0;
  std::uint64_t serving = 0;  // of the node that answers: the parts of one answer have the same
  std::uint16_t part = 0;
  std::uint16_t parts = 1;
  bool is_partial = false;     // it does not know of all of them now
  bool is_other_view = false;  // some that it was asked for are not its own, as it sees it
  bool more = false;           // of a range or of layers: there are others behind these
  Told told = {};
  // Whoever has left the node's regions within this time before the answer is told of, too, wherever it is in the area.
  std::uint32_t follows_ms = 0;
};

// Whether an answer is of the kind that was asked for.
inline bool fits(const QuestionPart& part, const Told& told) {
  if (std::holds_alternative<SizePart>(part)) return std::holds_alternative<ToldSize>(told);
  if (std::holds_alternative<LayersPart>(part)) return std::holds_alternative<ToldLayers>(told);
  if (std::holds_alternative<ScanPart>(part)) return std::holds_alternative<ToldScan>(told);
  return std::holds_alternative<ToldMembers>(told);
}

// About what it takes in memory.
std::size_t bytes_of(const Told& told);

}  // namespace earshot::actors
