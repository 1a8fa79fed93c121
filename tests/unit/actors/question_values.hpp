#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "actors/node_question.hpp"
#include "base/limits.hpp"
#include "tests/unit/schema/random_values.hpp"

namespace earshot::tests {

// Random questions and answers of every kind that keep every rule.
class QuestionValues {
 public:
  explicit QuestionValues(std::uint64_t seed) : values(seed) {}

  RandomValues values;

  std::vector<actors::NodeQuestion> questions() {
    using namespace actors;
    const geo::Point centre{static_cast<double>(values.random.below(360)) - 180.0,
                            static_cast<double>(values.random.below(170)) - 85.0};
    const geo::Area circle = geo::Area::circle(centre, static_cast<double>(values.random.below(1'000'000)), "").value();
    const geo::Area box = geo::Area::box(centre, 100.5, static_cast<double>(values.random.below(9'999)), "").value();
    places::MemberBounds bounds;
    bounds.score_min = values.score();
    bounds.score_max_exclusive = values.coin();
    if (values.coin()) bounds.name_min = values.bytes(300);
    if (values.coin()) bounds.name_max = "";
    bounds.name_min_exclusive = values.coin();
    bounds.is_empty = values.coin();
    std::vector<QuestionPart> parts{
        SizePart{values.layer()},
        NearbyPart{values.layer(), circle, geo::Pick(values.random.below(4)), 7},
        NearbyPart{values.layer(), box, geo::Pick(values.random.below(4)), limits::kNodeMembersMax,
                   ViewerSight{values.user(), 200, values.number()}},
        RangePart{values.layer(), {}, values.coin(), {}, 1},
        RangePart{values.layer(), bounds, values.coin(), MemberSpot{values.score(), name()},
                  limits::kNodePageMembersMax},
        LayersPart{},
        LayersPart{values.layer().text()},
        ScanPart{values.number(), 9},
    };
    std::vector<NodeQuestion> all;
    for (QuestionPart& part : parts) {
      NodeQuestion question{values.positive(), 500, {NodeId(1), NodeId(5), NodeId(UINT64_MAX)}, {}, std::move(part)};
      if (values.coin()) question.regions = {cluster::Region(0), cluster::Region(77), cluster::Region(32'767)};
      all.push_back(std::move(question));
    }
    return all;
  }

  std::vector<actors::NodeAnswer> answers() {
    using namespace actors;
    ToldMembers members;
    ToldLayers layers;
    ToldScan scan{{}, values.number()};
    for (std::uint64_t i = values.random.below(6); i > 0; --i) {
      members.push_back({name(), values.score(), values.number(), 1.5, values.coin()});
      scan.names.push_back(values.layer().text());
      layers.layers.push_back({"layer" + std::string(9 - i, 'x'), values.number()});
    }
    std::vector<NodeAnswer> all;
    for (Told told : {Told(members), Told(ToldSize{values.number()}), Told(layers), Told(scan)})
      all.push_back({values.positive(), values.number(), 2, 5, values.coin(), values.coin(), values.coin(),
                     std::move(told), 2'600});
    return all;
  }

  std::string name() { return "\xff" + values.bytes(limits::kMemberBytesMax - 1); }
};

}  // namespace earshot::tests
