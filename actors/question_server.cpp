#include "actors/question_server.hpp"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "actors/gathering.hpp"
#include "actors/region_lens.hpp"
#include "base/limits.hpp"
#include "places/layer.hpp"

namespace earshot::actors {
namespace {

using Regions = std::shared_ptr<const AnsweredRegions>;

const LayerId& layer_of(const QuestionPart& part) {
  static const LayerId none;
  return std::visit(
      [](const auto& one) -> const LayerId& {
        if constexpr (requires { one.layer; })
          return one.layer;
        else
          return none;
      },
      part);
}

std::function<bool(std::uint16_t)> counted(const Regions& regions) {
  return [regions](std::uint16_t region) { return regions->hold(cluster::Region(region)); };
}

// What is asked of this node's own views, and how it is told.
struct Asking {
  std::shared_ptr<PlaceViews> views;
  Regions regions;
  std::function<Regions(const LayerId&)> regions_of;
  std::shared_ptr<const places::PlaceVisibility> visibility;
  std::optional<std::vector<bool>> exact_shards;  // of whose members it is known where they are; none: of all
  std::function<void(Told told, bool more, bool is_partial)> tell;

  [[nodiscard]] static bool knows(const std::optional<std::vector<bool>>& exact, const LayerId& layer,
                                  std::string_view member) {
    return !exact || exact->at(shard_of(layer, member, static_cast<std::uint16_t>(exact->size())).value);
  }

  void operator()(const NearbyPart& part) const {
    std::shared_ptr<const places::Sight> sight;
    if (part.sight)
      sight = std::make_shared<const places::Sight>(
          part.sight->viewer, part.layer, LayerPrivacy{part.sight->precision_m, 0, 0}, part.sight->secret, visibility);
    NearbyQuestion question;
    question.centre = part.area.centre();
    question.area = [area = part.area](const geo::Point&) -> Result<geo::Area> { return area; };
    question.pick = part.pick;
    question.count_max = part.count_max;
    question.within = std::make_shared<const NodeLens>(std::move(sight));
    question.done = [tell = tell, exact = exact_shards, layer = part.layer](Result<NearbyAnswer> answer) {
      if (!answer) return tell(ToldMembers{}, false, true);
      ToldMembers told;
      told.reserve(answer->found.size());
      for (const places::FoundMember& one : answer->found) {
        if (!knows(exact, layer, one.member->name())) continue;
        told.push_back({std::string(one.member->name()), static_cast<double>(one.place.value), one.member->version(),
                        one.distance_m, one.member->is_hidden()});
      }
      tell(std::move(told), false, answer->is_partial);
    };
    views->ask(part.layer, std::move(question));
  }
  void operator()(const SizePart& part) const {
    views->ask(part.layer, SizeQuestion{[tell = tell](std::size_t members) { tell(ToldSize{members}, false, false); },
                                        counted(regions)});
  }
  void operator()(const RangePart& part) const;
  void operator()(const LayersPart& part) const;
  void operator()(const ScanPart& part) const {
    LayersScan scan;
    scan.from = part.from;
    scan.count_max = part.count_max;
    scan.done = [tell = tell](ScannedLayers scanned) {
      ToldScan told{{}, scanned.next};
      for (const LayerId& layer : scanned.layers) told.names.push_back(layer.text());
      tell(std::move(told), false, false);
    };
    views->scan_layers(std::move(scan));
  }
};

void Asking::operator()(const RangePart& part) const {
  RangeQuestion question;
  question.range.bounds = part.bounds;
  question.range.reversed = part.descending;
  question.range.count_max = std::size_t{part.count_max} + 1;
  question.range.wants = [after = part.after, descending = part.descending](double score, std::string_view name) {
    if (!after) return true;
    const auto spot = std::pair(score, name);
    const auto passed = std::pair(after->score, std::string_view(after->name));
    return descending ? spot < passed : spot > passed;
  };
  // On the layer's thread, as the range itself: what is read of its members is of the same moment.
  question.done = [tell = tell, count_max = part.count_max](std::vector<places::ScoredMember> members) {
    const bool more = members.size() > count_max;
    if (more) members.resize(count_max);
    ToldMembers told;
    told.reserve(members.size());
    for (const auto& one : members)
      told.push_back({std::string(one.member->name()), one.score, one.member->version(), 0, one.member->is_hidden()});
    tell(std::move(told), more, false);
  };
  views->ask(part.layer, std::move(question));
}

// A page of names, and then how many of each layer are here.
void Asking::operator()(const LayersPart& part) const {
  LayersQuestion question;
  question.after = part.after;
  question.count_max = limits::kLayersPageMax;
  question.done = [views = views, tell = tell, regions_of = regions_of](FoundLayers found) {
    ToldLayers told;
    for (const LayerPopulation& one : found.layers) told.layers.push_back({one.layer.text(), 0});
    if (told.layers.empty()) return tell(std::move(told), false, false);
    const std::size_t count = told.layers.size();
    const auto gathering = std::make_shared<Gathering<ToldLayers>>(count, std::move(told),
                                                                   [tell, more = found.more](Result<ToldLayers> whole) {
                                                                     if (whole) tell(std::move(*whole), more, false);
                                                                   });
    for (std::size_t i = 0; i < count; ++i) {
      const LayerId& layer = found.layers[i].layer;
      auto add = [gathering, i](std::size_t members) {
        gathering->add(Result<std::size_t>(members),
                       [i](ToldLayers& whole, std::size_t size) { whole.layers[i].members = size; });
      };
      views->ask(layer, SizeQuestion{std::move(add), counted(regions_of(layer))});
    }
  };
  views->ask_layers(std::move(question));
}

}  // namespace

void QuestionServer::serve(NodeId from, NodeQuestion question, Reply reply, std::uint64_t now_ms) {
  const auto own = setup_.feeds->cells();
  if (setup_.feeds->is_exact_now()) return answer(std::move(question), std::move(reply), own, true, now_ms);
  const Key key(from, question.id);
  if (waiting_.contains(key) || waiting_.size() >= setup_.waiting_max) return;
  const std::uint64_t deadline_ms = now_ms + question.left_ms;
  waiting_.emplace(key, Waiting{std::move(question), std::move(reply)});
  due_.emplace(deadline_ms, key);
  if (until_exact_ == nullptr) until_exact_ = setup_.feeds->when_exact(setup_.when_exact);
}

void QuestionServer::wake(std::uint64_t now_ms) {
  if (waiting_.empty()) return;
  const auto own = setup_.feeds->cells();
  const bool is_exact = setup_.feeds->is_exact_now();
  std::vector<Waiting> due;
  while (!due_.empty() && (is_exact || due_.begin()->first <= now_ms)) {
    due.push_back(std::move(waiting_.extract(due_.begin()->second).mapped()));
    due_.erase(due_.begin());
  }
  for (Waiting& one : due) answer(std::move(one.question), std::move(one.reply), own, is_exact, now_ms);
  until_exact_ = waiting_.empty() ? nullptr : setup_.feeds->when_exact(setup_.when_exact);
}

void QuestionServer::answer(NodeQuestion question, Reply reply, const Cells& own, bool is_exact, std::uint64_t now_ms) {
  const auto theirs = std::make_shared<const cluster::CellMap>(question.view);
  const auto regions_of = [self = setup_.self, regions = question.regions, theirs, own](const LayerId& layer) {
    return std::make_shared<const AnsweredRegions>(layer, self, regions, theirs, own);
  };
  const Regions regions = regions_of(layer_of(question.part));
  NodeAnswer head;
  head.id = question.id;
  head.serving = ++last_serving_;
  head.is_partial = !is_exact;
  head.is_other_view = regions->lacks_some();
  // What was found may be of later than it was looked whether all is known. If that is not so any more it is asked
  // again; and who is followed since then alone does not count as followed.
  auto tell = [head = std::move(head), reply = std::move(reply), feeds = setup_.feeds, own, now_ms](
                  Told told, bool more, bool is_partial) {
    NodeAnswer answer = head;
    answer.is_other_view |= feeds->cells() != own || (is_partial && !head.is_partial);
    const std::uint64_t since_ms = feeds->followed_since_ms();
    answer.follows_ms = static_cast<std::uint32_t>(std::min(now_ms - std::min(now_ms, since_ms), limits::kLingerMs));
    answer.more = more;
    answer.told = std::move(told);
    reply(std::move(answer));
  };
  std::optional<std::vector<bool>> exact_shards;
  if (!is_exact) exact_shards = setup_.feeds->exact_shards();
  std::visit(Asking{setup_.places, regions, regions_of, setup_.visibility, std::move(exact_shards), std::move(tell)},
             question.part);
}

}  // namespace earshot::actors
