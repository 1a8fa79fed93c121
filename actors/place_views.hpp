#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "geo/area.hpp"
#include "geo/gather.hpp"
#include "places/member_range.hpp"
#include "places/nearby.hpp"

namespace earshot::actors {

struct NearbyAnswer {
  std::vector<places::FoundMember> found;
  bool is_partial = false;  // the node started a moment ago, and does not know yet where everybody is
};
using Scores = std::vector<std::optional<double>>;  // none: that member is nowhere
struct LayerPopulation {
  LayerId layer;
  std::size_t members = 0;
  std::optional<LayerPrivacy> privacy = {};  // none: it has none of its own
};

// Each is answered once, on the thread that has the answer: that only passes it on.
struct NearbyQuestion {
  std::variant<geo::Point, std::string> centre;  // a point, or where a member of the layer is
  std::function<Result<geo::Area>(const geo::Point&)> area;
  geo::Pick pick = geo::Pick::kAll;
  std::size_t count_max = SIZE_MAX;
  bool with_distance = true;  // as in geo::Search
  bool in_order = true;
  std::shared_ptr<const geo::Lens> lens = nullptr;
  // kNotFound(member): that member is nowhere; kNotFound(layer): nor is anybody else.
  std::function<void(Result<NearbyAnswer>)> done;
};
struct ScoresQuestion {
  std::vector<std::string> members;
  std::function<void(Scores)> done;
  std::function<bool(const places::Member&)> sees = nullptr;  // others are told of as nowhere; none: everybody is seen
};
struct SizeQuestion {
  std::function<void(std::size_t)> done;
};
struct RangeQuestion {
  places::MemberRange range;
  std::function<void(std::vector<places::ScoredMember>)> done;
};

// Where everybody is, in memory, for whoever asks. Thread-safe, and nothing waits. What was answered to an update is
// seen by every question that is asked after the answer.
class PlaceViews {
 public:
  virtual ~PlaceViews() = default;

  virtual void ask(const LayerId& layer, NearbyQuestion question) = 0;
  virtual void ask(const LayerId& layer, ScoresQuestion question) = 0;
  virtual void ask(const LayerId& layer, SizeQuestion question) = 0;
  virtual void ask(const LayerId& layer, RangeQuestion question) = 0;
  // The layers that somebody is in, in any order.
  virtual void ask_layers(std::function<void(std::vector<LayerPopulation>)> done) = 0;

  // Whether every shard has told where all its members are.
  [[nodiscard]] virtual bool is_complete() const = 0;
  // Once that is so: at once, or later on the thread of the last one to do so. Never after the end of the node.
  virtual void when_complete(std::function<void()> then) = 0;
};

}  // namespace earshot::actors
