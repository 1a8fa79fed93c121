#include "actors/cluster_views.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>
#include <variant>

#include "actors/gathering.hpp"
#include "actors/layer_actor.hpp"
#include "actors/question_merge.hpp"
#include "actors/shard_refusals.hpp"
#include "base/call_scope.hpp"
#include "base/limits.hpp"
#include "cluster/area_regions.hpp"
#include "places/layer.hpp"
#include "places/privacy_table.hpp"

namespace earshot::actors {
namespace {

void say(const QuestionFailed& failed, Error error) {
  if (failed) failed(std::move(error));
}

places::MemberPtr made_of(const ToldMember& told) {
  auto member = places::Member::make(told.name, told.is_hidden);
  member->score = told.score;
  member->set_version(told.version);
  return member;
}

// What several nodes told, all of it; else why there is no answer.
Result<std::vector<NodeTold>> whole_of(Result<NodesAnswer> answer) {
  if (!answer) return fail(std::move(answer.error()));
  if (!answer->is_whole) return fail(answer_is_partial());
  return std::move(answer->told);
}

NodesQuestion of_all(LayerId layer, QuestionPart part) {
  return {std::move(layer), {}, std::move(part), limits::kNearbyDeadlineMsDefault, nullptr};
}

}  // namespace

// ---- single members

void ClusterViews::where(ShardId shard, ShardWhere question, std::uint32_t tries_left) const {
  if (tries_left > 1)
    question.done = [self = shared_from_this(), shard, tries_left, layer = question.layer, members = question.members,
                     tag = question.tag, done = std::move(question.done)](Result<WhereAnswer> answer) {
      if (answer || !refusals::is_leader_change(answer.error())) return done(std::move(answer));
      self->where(shard, ShardWhere{layer, members, done, tag}, tries_left - 1);
    };
  router_->shard(shard).post(std::move(question));
}

void ClusterViews::where(const LayerId& layer, const std::vector<std::string>& members, Where done) const {
  struct Part {
    ShardWhere question;
    std::vector<std::size_t> places;
  };
  std::vector<std::pair<ShardId, Part>> parts;
  std::map<ShardId, std::size_t> open;
  for (std::size_t place = 0; place < members.size(); ++place) {
    // What cannot be a member's name has no position, and where a layer has no name nobody is.
    if (layer.empty() || members[place].empty() || members[place].size() > limits::kMemberBytesMax) continue;
    const ShardId shard = shard_of(layer, members[place], router_->shard_count());
    const auto found = open.find(shard);
    if (found == open.end() || parts[found->second].second.places.size() >= limits::kPositionsPerCommandMax) {
      open[shard] = parts.size();
      parts.push_back({shard, Part{{layer, {}, nullptr}, {}}});
    }
    Part& part = parts[open[shard]].second;
    part.question.members.push_back(members[place]);
    part.places.push_back(place);
  }
  if (parts.empty()) return done(WhereAnswer(members.size()));
  const auto gathering =
      std::make_shared<Gathering<WhereAnswer>>(parts.size(), WhereAnswer(members.size()), std::move(done));
  for (auto& [shard, part] : parts) {
    part.question.done = [gathering, places = std::move(part.places)](Result<WhereAnswer> answer) {
      if (answer && answer->size() != places.size())
        answer = fail(ErrorCode::kInternal, "positions", "the shard has answered for another number of them");
      gathering->add(std::move(answer), [&](WhereAnswer& whole, const WhereAnswer& given) {
        for (std::size_t i = 0; i < places.size(); ++i) whole[places[i]] = given[i];
      });
    };
    where(shard, std::move(part.question), limits::kWhereTriesMax);
  }
}

void ClusterViews::ask(const LayerId& layer, ScoresQuestion question) {
  auto members = std::make_shared<const std::vector<std::string>>(std::move(question.members));
  where(layer, *members, [members, question = std::move(question)](Result<WhereAnswer> answer) {
    if (!answer) return say(question.failed, std::move(answer.error()));
    Scores scores(members->size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto& found = (*answer)[i];
      if (!found) continue;
      if (!question.sees || question.sees(*places::Member::make((*members)[i], found->is_hidden)))
        scores[i] = found->score;
    }
    question.done(std::move(scores));
  });
}

// ---- what layers show

// Whoever has changed it is answered when this node has heard of it, if it holds a lease of that shard. Asking keeps
// it.
void ClusterViews::when_privacy_is_known(const LayerId& layer, std::uint32_t deadline_ms,
                                         std::function<void(bool)> then) {
  const ShardId shard = shard_of(layer.text(), router_->shard_count());
  if (feeds_->is_exact_now(shard)) return then(true);
  nodes_->when_exact(shard, deadline_ms, [tag = CallScope::current(), then = std::move(then)](bool is_known) {
    const CallScope named(tag);
    then(is_known);
  });
}

// ---- nearby

void ClusterViews::ask(const LayerId& layer, NearbyQuestion question) {
  if (layer.empty()) return own_->ask(layer, std::move(question));
  if (const auto* point = std::get_if<geo::Point>(&question.centre)) return search(layer, *point, std::move(question));
  const std::vector<std::string> member{std::get<std::string>(question.centre)};
  where(layer, member,
        [self = shared_from_this(), layer, question = std::move(question)](Result<WhereAnswer> answer) mutable {
          if (!answer) return question.done(fail(std::move(answer.error())));
          const auto& found = answer->front();
          const auto place = found ? places::place_of(found->score) : std::nullopt;
          if (!place) return self->say_who_is_nowhere(layer, std::move(question));
          self->search(layer, geo::decode(*place), std::move(question));
        });
}

void ClusterViews::say_who_is_nowhere(const LayerId& layer, NearbyQuestion question) {
  const auto done = std::make_shared<const std::function<void(Result<NearbyAnswer>)>>(std::move(question.done));
  ask(layer, SizeQuestion{
                 [done](std::size_t members) { (*done)(fail(members == 0 ? nobody_is_there() : member_is_nowhere())); },
                 nullptr, [done](Error error) { (*done)(fail(std::move(error))); }});
}

void ClusterViews::search(const LayerId& layer, const geo::Point& centre, NearbyQuestion question) const {
  auto area = question.area(centre);
  if (!area) return question.done(fail(std::move(area.error())));
  const std::size_t count_max = std::min(question.count_max, limits::kNodeMembersMax);
  const std::size_t asked_max = std::min(count_max + limits::kQuestionSpareMembers, limits::kNodeMembersMax);
  NearbyPart part{layer, *area, question.pick, static_cast<std::uint32_t>(asked_max)};
  if (count_max == 0) part.count_max = 0;
  geo::Area around = *area;
  if (question.lens) {
    part.sight = ViewerSight{question.lens->viewer(), question.lens->privacy().precision_m, question.lens->secret()};
    around = area->widened(question.lens->shift_m_max());
  }
  auto regions = cluster::regions_within(around, limits::kQuestionRegionsMax);
  NodesQuestion asked{layer, std::move(regions).value_or(std::vector<cluster::Region>()), std::move(part),
                      question.deadline_ms, nullptr};
  asked.done = [question = std::move(question), count_max, asked_max](Result<NodesAnswer> nodes) {
    if (!nodes) return question.done(fail(std::move(nodes.error())));
    MergedNearby merged = merge_nearby(std::move(nodes->told), question.pick, count_max, asked_max);
    NearbyAnswer answer;
    answer.is_partial = !nodes->is_whole || merged.may_lack_some;
    answer.found.reserve(merged.members.size());
    for (const ToldMember& one : merged.members) {
      const auto place = places::place_of(one.score);
      if (!place) continue;  // a place is what it was asked for
      auto member = made_of(one);
      // What this node knows of who may see whom holds here.
      if (question.lens && !question.lens->sees(*member)) continue;
      answer.found.push_back({std::move(member), *place, one.distance_m});
    }
    question.done(std::move(answer));
  };
  nodes_->ask(std::move(asked));
}

// ---- sizes and ranges

void ClusterViews::ask(const LayerId& layer, SizeQuestion question) {
  if (layer.empty()) return question.done(0);
  NodesQuestion asked = of_all(layer, SizePart{layer});
  asked.done = [question = std::move(question)](Result<NodesAnswer> answer) {
    auto told = whole_of(std::move(answer));
    if (!told) return say(question.failed, std::move(told.error()));
    question.done(static_cast<std::size_t>(sum_of_sizes(*told)));
  };
  nodes_->ask(std::move(asked));
}

// Nodes tell page by page, in the order of the range or against it, from whichever end it lies nearer to; enough of
// them make the range, which is cut out of those as a node alone cuts it out of all.
struct ClusterViews::RangeWalk {
  LayerId layer;
  RangeQuestion question;
  bool is_backward = false;
  std::size_t needed = 0;  // so many that are wanted, from that end, have the range in them
  std::optional<MemberSpot> after;
  std::vector<places::MemberPtr> members;
  std::unordered_map<std::string_view, std::size_t> by_name;  // of the names of `members`

  [[nodiscard]] bool descending() const { return question.range.reversed != is_backward; }
  void plan();
  void take(ToldMembers told);
  void finish();
};

void ClusterViews::RangeWalk::plan() {
  const auto& range = question.range;
  const auto sum = [](std::size_t one, std::size_t other) { return one > SIZE_MAX - other ? SIZE_MAX : one + other; };
  const auto from_end = [](std::int64_t index) { return std::size_t{0} - static_cast<std::size_t>(index); };
  is_backward = range.first < 0 && range.last < 0;
  if (is_backward) {
    needed = from_end(range.first);
  } else if (range.first < 0) {
    needed = SIZE_MAX;
  } else {
    const auto first = static_cast<std::size_t>(range.first);
    needed = sum(first, range.count_max);
    needed = range.last < 0 ? sum(needed, from_end(range.last) - 1)
                            : std::min(needed, sum(static_cast<std::size_t>(range.last), 1));
  }
}

// A member that moves may be told of on two pages: where the newer tiding has it.
void ClusterViews::RangeWalk::take(ToldMembers told) {
  for (const ToldMember& one : told) {
    if (question.range.wants && !question.range.wants(one.score, one.name)) continue;
    auto member = made_of(one);
    const auto [known, is_new] = by_name.try_emplace(member->name(), members.size());
    if (is_new) {
      members.push_back(std::move(member));
    } else if (members[known->second]->version() < one.version) {
      const std::size_t index = known->second;
      by_name.erase(known);
      members[index] = std::move(member);
      by_name.emplace(members[index]->name(), index);
    }
  }
}

void ClusterViews::RangeWalk::finish() {
  places::RangeCut cut(question.range, members.size());
  for (const auto& member : members) cut.look(*member);
  question.done(cut.finish());
}

void ClusterViews::ask(const LayerId& layer, RangeQuestion question) {
  if (layer.empty()) return question.done({});
  const auto begun = std::make_shared<RangeWalk>();
  begun->layer = layer;
  begun->question = std::move(question);
  begun->plan();
  walk(begun);
}

void ClusterViews::walk(std::shared_ptr<RangeWalk> walk) const {
  const auto wanted = std::clamp<std::size_t>(walk->needed - std::min(walk->needed, walk->members.size()), 1,
                                              limits::kNodePageMembersMax);
  NodesQuestion asked = of_all(walk->layer, RangePart{walk->layer, walk->question.range.bounds, walk->descending(),
                                                      walk->after, static_cast<std::uint32_t>(wanted)});
  asked.done = [self = shared_from_this(), walk](Result<NodesAnswer> answer) {
    auto told = whole_of(std::move(answer));
    if (!told) return say(walk->question.failed, std::move(told.error()));
    MergedPage page = merge_range(std::move(*told), walk->descending());
    walk->take(std::move(page.members));
    if (!page.next || walk->members.size() >= walk->needed) return walk->finish();
    if (walk->members.size() > limits::kNodeMembersMax)
      return say(walk->question.failed,
                 Error{ErrorCode::kTooLarge, "range", "has more members before it than nodes tell each other"});
    walk->after = std::move(page.next);
    self->walk(walk);
  };
  nodes_->ask(std::move(asked));
}

// ---- layers

void ClusterViews::look_on(LayersQuestion question, FoundLayers found) const {
  NodesQuestion asked = of_all({}, LayersPart{question.after});
  asked.done = [self = shared_from_this(), question = std::move(question),
                found = std::move(found)](Result<NodesAnswer> answer) mutable {
    auto told = whole_of(std::move(answer));
    if (!told) return say(question.failed, std::move(told.error()));
    MergedLayers merged = merge_layers(std::move(*told));
    for (const auto& one : merged.layers) {
      if (question.wants && !question.wants(one.name)) continue;
      found.more = found.layers.size() == question.count_max;
      if (found.more) break;
      LayerPopulation layer{LayerId::trusted(one.name), static_cast<std::size_t>(one.members), {}};
      layer.privacy = self->privacies_->own(layer.layer);
      found.layers.push_back(std::move(layer));
    }
    if (found.more || !merged.next) return question.done(std::move(found));
    question.after = std::move(*merged.next);
    self->look_on(std::move(question), std::move(found));
  };
  nodes_->ask(std::move(asked));
}

void ClusterViews::scan_layers(LayersScan scan) {
  const std::size_t count_max = std::clamp<std::size_t>(scan.count_max, 1, limits::kLayersPageMax);
  NodesQuestion asked = of_all({}, ScanPart{scan.from, static_cast<std::uint32_t>(count_max)});
  asked.done = [scan = std::move(scan)](Result<NodesAnswer> answer) {
    auto told = whole_of(std::move(answer));
    if (!told) return say(scan.failed, std::move(told.error()));
    const ToldScan merged = merge_scans(std::move(*told));
    ScannedLayers scanned{{}, merged.next};
    for (const std::string& name : merged.names) scanned.layers.push_back(LayerId::trusted(name));
    scan.done(std::move(scanned));
  };
  nodes_->ask(std::move(asked));
}

void ClusterViews::count_layers(std::function<void(std::size_t)> done) {
  LayersQuestion question;
  question.failed = [own = own_, done](const Error&) { own->count_layers(done); };
  question.done = [done](const FoundLayers& found) { done(found.layers.size()); };
  ask_layers(std::move(question));
}

}  // namespace earshot::actors
