#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/completion.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "base/limits.hpp"
#include "geo/area.hpp"
#include "geo/gather.hpp"
#include "places/member_range.hpp"
#include "places/nearby.hpp"
#include "places/sight.hpp"

namespace earshot::actors {

struct NearbyAnswer {
  std::vector<places::FoundMember> found;
  bool is_partial = false;  // the node started a moment ago, and does not know yet where everybody is
};
// For whoever needs all.
inline Error answer_is_partial() {
  return Error{ErrorCode::kUnavailable, "", "not every node that has members there has answered in time",
               limits::kRetryAfterMs};
}
using Scores = std::vector<std::optional<double>>;  // none: that member is nowhere
struct LayerPopulation {
  LayerId layer;
  std::size_t members = 0;
  std::optional<LayerPrivacy> privacy = {};  // none: it has none of its own
};

// Why there is no answer: members that it needs are on nodes that did not give theirs in time. A node that is alone
// always has one. None: nobody is told, and nothing follows.
using QuestionFailed = std::function<void(Error)>;

// Each is answered once, on the thread that has the answer: that only passes it on.
struct NearbyQuestion {
  std::variant<geo::Point, std::string> centre;  // a point, or where a member of the layer is
  std::function<Result<geo::Area>(const geo::Point&)> area;
  geo::Pick pick = geo::Pick::kAll;
  std::size_t count_max = SIZE_MAX;
  bool with_distance = true;  // as in geo::Search
  bool in_order = true;
  std::shared_ptr<const places::Sight> lens = nullptr;
  std::shared_ptr<const geo::Lens> within = nullptr;  // of the node's own members: instead of `lens`, which it goes by
  std::uint32_t deadline_ms =
      limits::kNearbyDeadlineMsDefault;  // other nodes are waited for so long: then it is partial
  // kNotFound(member): that member is nowhere; kNotFound(layer): nor is anybody else.
  std::function<void(Result<NearbyAnswer>)> done;
};
struct ScoresQuestion {
  std::vector<std::string> members;
  std::function<void(Scores)> done;
  std::function<bool(const places::Member&)> sees = nullptr;  // others are told of as nowhere; none: everybody is seen
  QuestionFailed failed = nullptr;
};
struct SizeQuestion {
  std::function<void(std::size_t)> done;
  std::function<bool(std::uint16_t region)> counts =
      nullptr;  // of the node's own layer: only who is in those; none: all
  QuestionFailed failed = nullptr;
};
struct RangeQuestion {
  places::MemberRange range;
  std::function<void(std::vector<places::ScoredMember>)> done;
  QuestionFailed failed = nullptr;
};

// The layers that somebody is in, in the order of their names.
struct FoundLayers {
  std::vector<LayerPopulation> layers;
  bool more = false;  // there are others behind them
};
struct LayersQuestion {
  std::string after;  // only those with greater names
  std::size_t count_max = SIZE_MAX;
  std::function<bool(std::string_view name)> wants = nullptr;  // none: all
  std::function<void(FoundLayers)> done = nullptr;
  QuestionFailed failed = nullptr;
};
// A walk through them that asks for a few at a time, in an order in which a layer that is there all the time is met
// whatever comes and goes meanwhile.
struct ScannedLayers {
  std::vector<LayerId> layers;
  std::uint64_t next = 0;  // where to go on; 0: that was all
};
struct LayersScan {
  std::uint64_t from = 0;     // a `next`; 0: the beginning
  std::size_t count_max = 0;  // about so many
  std::function<void(ScannedLayers)> done = nullptr;
  QuestionFailed failed = nullptr;
};
// A layer's place in that order: never 0, and of 52 bits, since clients may keep it as a double.
inline std::uint64_t scan_place_of(std::string_view layer) {
  return std::max<std::uint64_t>(checksum_of(layer) >> 12, 1);
}

struct LayerPermit {
  std::shared_ptr<const void> place = {};  // of a layer that was not there: kept until the change is answered
  // The layer is behind: the change is answered when it has taken in what it was told until then, so that whoever waits
  // for answers does not get too far ahead of it.
  bool is_busy = false;
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
  virtual void ask_layers(LayersQuestion question) = 0;
  virtual void scan_layers(LayersScan scan) = 0;
  // In how many layers somebody is; as far as is known, if not all nodes tell in time.
  virtual void count_layers(std::function<void(std::size_t)> done) = 0;
  // Whether somebody is in the layer, or may be as far as is known, or it has a privacy of its own.
  [[nodiscard]] virtual bool has_layer(const LayerId& layer) const = 0;
  // Whether that is all there are. Else others may be on other nodes: who has to know asks for the layer's size.
  [[nodiscard]] virtual bool knows_all_layers() const { return true; }
  // When the layer has taken in what this node was told of it until now.
  virtual void when_shown(const LayerId& layer, std::function<void()> then) {
    ask(layer, SizeQuestion{[then = std::move(then)](std::size_t) { then(); }});
  }

  // Says whether this node knows what the layer shows, as every change of that which was answered by now has it; at
  // once, or on another thread when it does, within `deadline_ms`. Never after the end of the node.
  virtual void when_privacy_is_known(const LayerId& /*layer*/, std::uint32_t /*deadline_ms*/,
                                     std::function<void(bool)> then) {
    then(is_complete());
  }
  // Before members are set in a layer. kOverloaded(layer): it has as much to do as it may, or would be one too many.
  [[nodiscard]] virtual Result<LayerPermit> permit_setting(const LayerId& layer) = 0;

  // Whether every shard has told where all its members are.
  [[nodiscard]] virtual bool is_complete() const = 0;
  // Once that is so: at once, or later on the thread of the last one to do so; not if what this returns is let go
  // before. Never after the end of the node.
  using Waiting = Completion::Waiting;
  [[nodiscard]] virtual Waiting when_complete(std::function<void()> then) = 0;
};

}  // namespace earshot::actors
