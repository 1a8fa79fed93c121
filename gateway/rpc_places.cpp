#include "gateway/rpc_places.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/call_scope.hpp"
#include "base/limits.hpp"
#include "geo/distance.hpp"
#include "places/layer.hpp"

namespace earshot::gateway {
namespace {

constexpr std::size_t kSmallCount = 128;  // members that a small answer may tell of

Error denied(std::string field, std::string why) {
  return Error{ErrorCode::kPermissionDenied, std::move(field), std::move(why)};
}

Error new_layer_denied() {
  return denied("layer",
                "nobody is in it: a user sets its position in layers that there are, with members or a privacy of "
                "their own, and a new one needs a token with the role service or operator");
}

std::uint32_t count_max(const NearbyRequest& request) {
  return request.count == 0 ? std::uint32_t{limits::kNearbyAnswerMax} : request.count;
}

actors::NearbyQuestion question_of(const NearbyRequest& request) {
  actors::NearbyQuestion question;
  question.centre = request.centre;
  question.area = [shape = request.area](const geo::Point& centre) -> Result<geo::Area> {
    if (const auto* circle = std::get_if<Circle>(&shape))
      return geo::Area::circle(centre, circle->radius_m, "area.radiusM");
    const auto& box = std::get<Box>(shape);
    return geo::Area::box(centre, box.width_m, box.height_m, "area.box");
  };
  const bool farthest = request.order == NearbyOrder::kFarthestFirst;
  question.pick = request.any ? geo::Pick::kAny : farthest ? geo::Pick::kFarthest : geo::Pick::kNearest;
  if (request.deadline_ms > 0) question.deadline_ms = request.deadline_ms;
  question.count_max = std::size_t{count_max(request)} + 1;  // one more tells whether there are more
  question.with_distance = request.with_distance;
  // The one too many is the last.
  question.in_order = !request.any || request.order != NearbyOrder::kNone;
  return question;
}

struct MayAsk {
  const UserId& user;

  Status own(const std::string& member, std::string field) const {
    if (member.empty() || member == user.text()) return {};
    return fail(denied(std::move(field),
                       "a user sets and clears its own position only: that of others needs a token "
                       "with the role service or operator"));
  }
  Status operator()(const SetPositionsRequest& request) const {
    for (std::size_t i = 0; i < request.items.size(); ++i)
      if (auto allowed = own(request.items[i].member, "items[" + std::to_string(i) + "].member"); !allowed)
        return allowed;
    return {};
  }
  Status operator()(const ClearPositionsRequest& request) const {
    for (const std::string& member : request.members)
      if (auto allowed = own(member, "members"); !allowed) return allowed;
    return {};
  }
  Status operator()(const NearbyRequest&) const { return {}; }
  Status operator()(const PositionsRequest&) const { return {}; }
  Status operator()(const DistanceRequest&) const { return {}; }
  template <class AboutLayers>
  Status operator()(const AboutLayers&) const {
    return fail(denied("role", "this needs a token with the role service or operator"));
  }
};

struct NameSelf {
  const UserId& user;

  void name(std::string& member) const {
    if (member.empty()) member = user.text();
  }
  void operator()(SetPositionsRequest& request) const {
    for (PositionItem& item : request.items) name(item.member);
  }
  void operator()(ClearPositionsRequest& request) const {
    std::ranges::for_each(request.members, [&](auto& m) { name(m); });
  }
  void operator()(PositionsRequest& request) const {
    std::ranges::for_each(request.members, [&](auto& m) { name(m); });
  }
  void operator()(NearbyRequest& request) const {
    if (auto* member = std::get_if<std::string>(&request.centre)) name(*member);
  }
  void operator()(DistanceRequest& request) const { name(request.from), name(request.to); }
  void operator()(ClearLayerRequest&) const {}
  void operator()(LayersRequest&) const {}
  void operator()(LayerPrivacyRequest&) const {}
  void operator()(SetLayerPrivacyRequest&) const {}
};

struct Ask {
  const actors::PlaceDesk& desk;
  const Mover& session;
  const UserId* viewer;  // null: everything is shown
  std::function<void(PlacesAnswer)> answered;

  actors::QuestionFailed failed() const {
    return [answered = answered](Error error) { answered(std::move(error)); };
  }
  void scores(const LayerId& layer, std::vector<std::string> members) {
    auto fails = failed();
    desk.views().ask(layer, actors::ScoresQuestion{std::move(members), std::move(answered), nullptr, std::move(fails)});
  }
  // Layers that a user may set its position in are looked for on other nodes too, where this one does not know of all.
  void set(SetPositionsCommand command) {
    actors::PlaceViews& views = desk.views();
    const bool may_be_new = viewer != nullptr && command.layer.text() != kDefaultLayer && !views.knows_all_layers() &&
                            !views.has_layer(command.layer);
    if (!may_be_new) return desk.set(std::move(command), std::move(answered));
    actors::SizeQuestion question;
    question.failed = failed();
    const LayerId layer = command.layer;
    question.done = [desk = desk, command = std::move(command), answered = std::move(answered),
                     tag = CallScope::current()](std::size_t members) {
      const CallScope named(tag);
      if (members == 0) return answered(Result<actors::PlaceDesk::Outcomes>(fail(new_layer_denied())));
      desk.set(command, answered);
    };
    views.ask(layer, std::move(question));
  }
  void operator()(SetPositionsRequest& request) {
    SetPositionsCommand command{std::move(request.layer), request.condition, {}, request.accepted, session};
    command.items.reserve(request.items.size());
    for (PositionItem& item : request.items)
      command.items.push_back(
          {std::move(item.member), static_cast<double>(geo::encode(item.point).value), item.ttl_ms, item.hidden});
    set(std::move(command));
  }
  void operator()(ClearPositionsRequest& request) {
    desk.clear({std::move(request.layer), std::move(request.members), session}, std::move(answered));
  }
  void operator()(const ClearLayerRequest& request) {
    desk.clear_layers({request.layer}, std::move(answered), session);
  }
  void operator()(const NearbyRequest& request) {
    auto question = question_of(request);
    question.done = std::move(answered);
    if (viewer != nullptr) return desk.private_views().nearby(*viewer, request.layer, std::move(question));
    desk.views().ask(request.layer, std::move(question));
  }
  void operator()(PositionsRequest& request) {
    if (viewer == nullptr) return scores(request.layer, std::move(request.members));
    desk.private_views().positions(*viewer, request.layer, std::move(request.members), std::move(answered));
  }
  void operator()(DistanceRequest& request) {
    if (viewer == nullptr) return scores(request.layer, {std::move(request.from), std::move(request.to)});
    desk.private_views().distance(*viewer, request.layer, std::move(request.from), std::move(request.to),
                                  std::move(answered));
  }
  void operator()(const LayersRequest& request) {
    auto fails = failed();
    desk.views().ask_layers({request.after, limits::kLayersPageMax, nullptr, std::move(answered), std::move(fails)});
  }
  void operator()(const LayerPrivacyRequest& request) { answered(desk.private_views().privacy(request.layer)); }
  void operator()(const SetLayerPrivacyRequest& request) {
    desk.set_privacy({request.layer, request.privacy, session}, std::move(answered));
  }
};

// ---- answers

NearbyMember member_of(const places::FoundMember& found, const NearbyRequest& request) {
  NearbyMember member;
  member.member = found.member->name();
  if (request.with_distance) member.distance_m = found.distance_m;
  if (request.with_point) member.point = geo::decode(found.place);
  if (request.with_geohash) member.geohash = found.place;
  return member;
}

std::optional<geo::Geohash> place_of(const std::optional<double>& score) {
  return score ? places::place_of(*score) : std::nullopt;
}

struct ReplyOf {
  bool was_complete;
  PlacesAnswer& answer;

  // What a change was answered.
  template <class T, class Make>
  Result<PlacesReply> changed(Make make) const {
    auto& result = std::get<Result<T>>(answer);
    if (!result) return fail(std::move(result.error()));
    return PlacesReply(make(*result));
  }
  Result<PlacesReply> operator()(const SetPositionsRequest&) const {
    return changed<actors::PlaceDesk::Outcomes>([](const auto& given) {
      PositionOutcomes outcomes;
      outcomes.reserve(given.size());
      for (const auto one : given) outcomes.push_back(outcome_of(one));
      return outcomes;
    });
  }
  Result<PlacesReply> operator()(const ClearPositionsRequest&) const {
    return changed<std::uint64_t>([](std::uint64_t members) { return PositionsCleared{members}; });
  }
  Result<PlacesReply> operator()(const ClearLayerRequest&) const {
    return changed<std::uint64_t>([](std::uint64_t layers) { return LayerCleared{layers > 0}; });
  }
  Result<PlacesReply> operator()(const NearbyRequest& request) const;
  Result<PlacesReply> operator()(const PositionsRequest&) const {
    if (auto* shown = std::get_if<Result<actors::Scores>>(&answer)) {
      if (!*shown) return fail(std::move(shown->error()));
      return PlacesReply(positions_of(**shown));
    }
    return PlacesReply(positions_of(std::get<actors::Scores>(answer)));
  }
  static Positions positions_of(const actors::Scores& scores) {
    Positions positions;
    positions.members.resize(scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (const auto place = place_of(scores[i])) positions.members[i] = Position{geo::decode(*place), *place};
    return positions;
  }
  Result<PlacesReply> operator()(const DistanceRequest&) const {
    if (auto* shown = std::get_if<Result<actors::MemberDistance>>(&answer)) {
      if (!*shown) return fail(std::move(shown->error()));
      return PlacesReply(Distance{(*shown)->metres});
    }
    const auto& scores = std::get<actors::Scores>(answer);
    const auto from = place_of(scores.at(0));
    const auto to = place_of(scores.at(1));
    Distance distance;
    if (from && to) distance.metres = geo::distance_m(geo::decode(*from), geo::decode(*to));
    return PlacesReply(distance);
  }
  Result<PlacesReply> operator()(const LayersRequest&) const {
    auto& found = std::get<actors::FoundLayers>(answer);
    LayersPage page;
    page.more = found.more;
    for (auto& one : found.layers)
      page.layers.push_back({std::move(one.layer), one.members, {one.privacy.value_or(LayerPrivacy()), !one.privacy}});
    return PlacesReply(std::move(page));
  }
  Result<PlacesReply> operator()(const LayerPrivacyRequest&) const {
    return PlacesReply(std::get<LayerPrivacyInfo>(answer));
  }
  Result<PlacesReply> operator()(const SetLayerPrivacyRequest&) const {
    return changed<std::uint64_t>([](std::uint64_t) { return Done{}; });
  }

  static PositionOutcome outcome_of(cluster::PositionOutcome outcome) {
    switch (outcome) {
      case cluster::PositionOutcome::kAdded: return PositionOutcome::kAdded;
      case cluster::PositionOutcome::kChanged: return PositionOutcome::kChanged;
      case cluster::PositionOutcome::kUnchanged: return PositionOutcome::kUnchanged;
      case cluster::PositionOutcome::kSkipped: return PositionOutcome::kSkipped;
      case cluster::PositionOutcome::kAccepted: return PositionOutcome::kAccepted;
    }
    invariant_broken("an outcome is one of those there are", __FILE__, __LINE__, "");
  }
};

Result<PlacesReply> ReplyOf::operator()(const NearbyRequest& request) const {
  auto& result = std::get<Result<actors::NearbyAnswer>>(answer);
  if (!result) {
    if (result.error().code != ErrorCode::kNotFound) return fail(std::move(result.error()));
    if (!was_complete) return fail(not_known_yet());  // it may be somewhere
    return fail(ErrorCode::kNotFound, "centre.member", "has no position in this layer");
  }
  NearbyFound found;
  auto& members = result->found;
  const bool is_truncated = members.size() > count_max(request);
  members.resize(std::min<std::size_t>(members.size(), count_max(request)));
  // Any of them come with the nearest first when they come in order.
  if (request.any && request.order == NearbyOrder::kFarthestFirst) std::ranges::reverse(members);
  found.members.reserve(members.size());
  for (const auto& one : members) found.members.push_back(member_of(one, request));
  found.completeness = result->is_partial || !was_complete ? Completeness::kPartial
                       : is_truncated                      ? Completeness::kTruncated
                                                           : Completeness::kExact;
  return PlacesReply(std::move(found));
}

}  // namespace

Status may_make(const actors::PlaceDesk& desk, Role role, const PlacesRequest& request) {
  const auto* set = std::get_if<SetPositionsRequest>(&request);
  if (set == nullptr || sees_everything(role) || set->layer.text() == kDefaultLayer) return {};
  const bool is_complete = desk.views().is_complete();  // before the look: what is told meanwhile is seen
  if (desk.views().has_layer(set->layer)) return {};
  if (!is_complete) return fail(not_known_yet());
  if (!desk.views().knows_all_layers()) return {};  // ask() finds out
  return fail(new_layer_denied());
}

bool sees_everything(Role role) { return role == Role::kService || role == Role::kOperator; }

Status may_ask(const UserId& user, Role role, const PlacesRequest& request) {
  if (sees_everything(role)) return {};
  return std::visit(MayAsk{user}, request);
}

void name_self(const UserId& user, PlacesRequest& request) { std::visit(NameSelf{user}, request); }

bool is_question(const PlacesRequest& request) {
  return std::holds_alternative<NearbyRequest>(request) || std::holds_alternative<PositionsRequest>(request) ||
         std::holds_alternative<DistanceRequest>(request) || std::holds_alternative<LayersRequest>(request) ||
         std::holds_alternative<LayerPrivacyRequest>(request);
}

std::uint32_t deadline_ms(const PlacesRequest& request) {
  const auto* nearby = std::get_if<NearbyRequest>(&request);
  return nearby != nullptr && nearby->deadline_ms > 0 ? nearby->deadline_ms : limits::kNearbyDeadlineMsDefault;
}

bool answers_in_part(const PlacesRequest& request) { return std::holds_alternative<NearbyRequest>(request); }

Error not_known_yet() {
  return Error{ErrorCode::kUnavailable, "", "the node has just started and does not know yet where everybody is",
               limits::kRetryAfterMs};
}

bool is_large(const PlacesRequest& request) {
  if (const auto* nearby = std::get_if<NearbyRequest>(&request)) return count_max(*nearby) > kSmallCount;
  if (const auto* positions = std::get_if<PositionsRequest>(&request)) return positions->members.size() > kSmallCount;
  return std::holds_alternative<LayersRequest>(request);
}

void ask(const actors::PlaceDesk& desk, const Mover& session, Role role, PlacesRequest& request,
         std::function<void(PlacesAnswer)> answered) {
  const UserId* const viewer = sees_everything(role) ? nullptr : &session.user;
  std::visit(Ask{desk, session, viewer, std::move(answered)}, request);
}

Completeness completeness_of(const PlacesReply& reply) {
  if (const auto* found = std::get_if<NearbyFound>(&reply)) return found->completeness;
  const auto* page = std::get_if<LayersPage>(&reply);
  return page != nullptr && page->more ? Completeness::kTruncated : Completeness::kExact;
}

Result<PlacesReply> reply_of(const PlacesCall& call, PlacesAnswer answer) {
  if (auto* error = std::get_if<Error>(&answer)) return fail(std::move(*error));
  return std::visit(ReplyOf{call.was_complete, answer}, call.request);
}

}  // namespace earshot::gateway
