#include "actors/private_views.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/limits.hpp"
#include "geo/distance.hpp"
#include "places/layer.hpp"

namespace earshot::actors {
namespace {

using SharedSight = std::shared_ptr<const places::Sight>;

Error not_known_yet() {
  return Error{ErrorCode::kUnavailable, "", "this node does not know at the moment what the layer shows of its members",
               limits::kRetryAfterMs};
}

std::optional<geo::Geohash> shown(const places::Sight& sight, const std::string& member,
                                  const std::optional<double>& score) {
  const auto real = score ? places::place_of(*score) : std::nullopt;
  return real ? std::optional(sight.shown(member, *real)) : std::nullopt;
}

ScoresQuestion scores_of(std::vector<std::string> members, const SharedSight& sight, std::function<void(Scores)> done,
                         QuestionFailed failed) {
  return {std::move(members), std::move(done), [sight](const places::Member& member) { return sight->sees(member); },
          std::move(failed)};
}

template <class T>
QuestionFailed failed_of(const PrivateViews::Done<T>& done) {
  return [done](Error error) { done(fail(std::move(error))); };
}

// Which of those who are just as well in the answer is told would say where they are: with Pick::kAny the nearest are.
void search_around(PlaceViews& views, const LayerId& layer, const SharedSight& sight, geo::Point centre,
                   NearbyQuestion question) {
  if (const auto area = question.area(centre); !area) return question.done(fail(area.error()));
  question.centre = centre;
  if (question.pick != geo::Pick::kFarthest) question.pick = geo::Pick::kNearest;
  question.count_max = std::min(question.count_max, limits::kNearbyAnswerMax + 1);
  question.with_distance = question.in_order = true;
  question.lens = sight;
  question.done = [sight, done = std::move(question.done)](Result<NearbyAnswer> answer) {
    if (answer)
      for (places::FoundMember& one : answer->found) one.distance_m = sight->told_m(one.distance_m);
    done(std::move(answer));
  };
  views.ask(layer, std::move(question));
}

}  // namespace

PrivateViews::PrivateViews(std::shared_ptr<PlaceViews> views, std::shared_ptr<const places::PrivacyTable> privacies,
                           const Clock& clock, std::uint64_t secret,
                           std::shared_ptr<const places::PlaceVisibility> visibility)
    : views_(std::move(views)),
      privacies_(std::move(privacies)),
      clock_(clock),
      secret_(secret),
      visibility_(std::move(visibility)),
      budget_(limits::kQueryBudgetsMax) {}

Status PrivateViews::begin(const UserId& viewer, const LayerPrivacy& privacy, bool is_about_others) {
  if (!is_about_others) return {};
  const std::lock_guard lock(mutex_);
  return budget_.take(viewer, privacy.queries_per_minute, clock_.monotonic_ms());
}

SharedSight PrivateViews::sight(const UserId& viewer, const LayerId& layer, const LayerPrivacy& privacy) const {
  return std::make_shared<const places::Sight>(viewer, layer, privacy, secret_, visibility_);
}

void PrivateViews::nearby(const UserId& viewer, const LayerId& layer, NearbyQuestion question) {
  const std::uint32_t deadline_ms = question.deadline_ms;
  const std::uint64_t until_ms = clock_.monotonic_ms() + deadline_ms;
  auto go_on = [self = shared_from_this(), viewer, layer, until_ms,
                question = std::make_shared<NearbyQuestion>(std::move(question))](bool is_known) {
    const std::uint64_t now_ms = self->clock_.monotonic_ms();
    if (!is_known) return question->done(fail(not_known_yet()));
    question->deadline_ms = static_cast<std::uint32_t>(until_ms - std::min(until_ms, now_ms));
    self->look_around(viewer, layer, std::move(*question));
  };
  views_->when_privacy_is_known(layer, deadline_ms, std::move(go_on));
}

void PrivateViews::look_around(const UserId& viewer, const LayerId& layer, NearbyQuestion question) {
  const LayerPrivacy privacy = privacies_->of(layer);
  if (auto begun = begin(viewer, privacy, true); !begun) return question.done(fail(std::move(begun.error())));
  const SharedSight sees = sight(viewer, layer, privacy);
  if (const auto* point = std::get_if<geo::Point>(&question.centre))
    return search_around(*views_, layer, sees, *point, std::move(question));
  std::string member = std::get<std::string>(std::move(question.centre));
  auto failed = failed_of<NearbyAnswer>(question.done);
  auto go_on = [views = views_, layer, sees, member, question = std::move(question)](const Scores& scores) mutable {
    const auto place = shown(*sees, member, scores.at(0));
    if (!place) return question.done(fail(ErrorCode::kNotFound, "member", "it has no position in the layer"));
    search_around(*views, layer, sees, geo::decode(*place), std::move(question));
  };
  views_->ask(layer, scores_of({std::move(member)}, sees, std::move(go_on), std::move(failed)));
}

void PrivateViews::positions(const UserId& viewer, const LayerId& layer, std::vector<std::string> members,
                             Done<Scores> done) {
  auto go_on = [self = shared_from_this(), viewer, layer, members = std::move(members),
                done = std::move(done)](bool is_known) mutable {
    if (!is_known) return done(fail(not_known_yet()));
    self->look_up(viewer, layer, std::move(members), std::move(done));
  };
  views_->when_privacy_is_known(layer, limits::kNearbyDeadlineMsDefault, std::move(go_on));
}

void PrivateViews::look_up(const UserId& viewer, const LayerId& layer, std::vector<std::string> members,
                           Done<Scores> done) {
  const LayerPrivacy privacy = privacies_->of(layer);
  const bool others = std::ranges::any_of(members, [&](const std::string& one) { return one != viewer.text(); });
  if (auto begun = begin(viewer, privacy, others); !begun) return done(fail(std::move(begun.error())));
  const SharedSight sees = sight(viewer, layer, privacy);
  auto failed = failed_of<Scores>(done);
  auto tell = [sees, members, done = std::move(done)](Scores scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto place = shown(*sees, members[i], scores[i]);
      scores[i] = place ? std::optional(static_cast<double>(place->value)) : std::nullopt;
    }
    done(std::move(scores));
  };
  views_->ask(layer, scores_of(std::move(members), sees, std::move(tell), std::move(failed)));
}

void PrivateViews::distance(const UserId& viewer, const LayerId& layer, std::string from, std::string to,
                            Done<MemberDistance> done) {
  auto go_on = [self = shared_from_this(), viewer, layer, from = std::move(from), to = std::move(to),
                done = std::move(done)](bool is_known) mutable {
    if (!is_known) return done(fail(not_known_yet()));
    self->measure(viewer, layer, std::move(from), std::move(to), std::move(done));
  };
  views_->when_privacy_is_known(layer, limits::kNearbyDeadlineMsDefault, std::move(go_on));
}

void PrivateViews::measure(const UserId& viewer, const LayerId& layer, std::string from, std::string to,
                           Done<MemberDistance> done) {
  const LayerPrivacy privacy = privacies_->of(layer);
  const bool others = from != viewer.text() || to != viewer.text();
  if (auto begun = begin(viewer, privacy, others); !begun) return done(fail(std::move(begun.error())));
  const SharedSight sees = sight(viewer, layer, privacy);
  auto failed = failed_of<MemberDistance>(done);
  auto tell = [sees, from, to, done = std::move(done)](const Scores& scores) {
    const auto one = shown(*sees, from, scores.at(0));
    const auto other = shown(*sees, to, scores.at(1));
    MemberDistance distance;
    if (one && other) distance.metres = sees->told_m(geo::distance_m(geo::decode(*one), geo::decode(*other)));
    done(distance);
  };
  views_->ask(layer, scores_of({std::move(from), std::move(to)}, sees, std::move(tell), std::move(failed)));
}

LayerPrivacyInfo PrivateViews::privacy(const LayerId& layer) const {
  const auto own = privacies_->own(layer);
  return {own.value_or(LayerPrivacy()), !own};
}

}  // namespace earshot::actors
