#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/area.hpp"
#include "geo/geohash.hpp"

namespace earshot::tests {

// One step of a walker, to a place of its own: what an answer says tells which step it knows of.
struct PlaceStep {
  std::optional<geo::Geohash> place;  // none: nowhere
  bool is_hidden = false;
  bool may_end = false;        // it has a time to live, and the walker is nowhere after that
  bool is_open = true;         // no answer has come
  bool may_come_late = false;  // its answer is lost, and it is on its way still, or not
};

// Walkers and the steps that were asked for of each, in order; and what answers may say of them:
//
//  whoever asks after a step was answered sees that step, or a later one that was asked for; never an earlier one
//  a circle has everybody within it once, and nobody else, or says that it is partial: then somebody may be missing
//
// One thread.
class PlaceSteps {
 public:
  struct Walker {
    std::string name;
    std::vector<PlaceStep> steps{PlaceStep()};
    std::size_t answered = 0;   // the last of which that is known
    std::size_t committed = 0;  // the last that is so for good

    [[nodiscard]] bool is_waiting() const { return steps.size() > 1 && steps.back().is_open; }
    // Whether an answer may know of such a step, from this one on.
    template <class Is>
    [[nodiscard]] bool any_from(std::size_t from, Is is) const {
      const auto first = steps.begin() + static_cast<std::ptrdiff_t>(from);
      return std::any_of(first, steps.end(), is) ||
             std::any_of(steps.begin(), first, [&](const PlaceStep& step) { return step.may_come_late && is(step); });
    }
  };
  // Which step of which walker.
  using Step = std::pair<std::size_t, std::size_t>;
  // What was answered when a question was asked.
  struct Answered {
    std::vector<std::size_t> steps;     // by walker
    std::vector<std::size_t> for_good;  // …, when what may be lost is
    std::uint64_t losses = 0;
  };
  struct Found {
    std::string_view name;
    geo::Geohash place;
    std::optional<bool> is_hidden;  // none: it is not told
  };
  using Wrong = std::vector<std::string>;

  void add_walker(std::string name) {
    by_name_.emplace(name, walkers_.size());
    walkers_.emplace_back().name = std::move(name);
  }
  [[nodiscard]] const std::vector<Walker>& walkers() const { return walkers_; }

  Step add_step(std::size_t walker, PlaceStep step) {
    walkers_[walker].steps.push_back(step);
    return {walker, walkers_[walker].steps.size() - 1};
  }
  void answered(const Step& step, bool for_good = true) {
    Walker& walker = walkers_[step.first];
    walker.steps[step.second].is_open = false;
    walker.answered = std::max(walker.answered, step.second);
    if (for_good) walker.committed = std::max(walker.committed, step.second);
  }
  void failed(const Step& step, bool may_come_late) {
    walkers_[step.first].steps[step.second].is_open = false;
    walkers_[step.first].steps[step.second].may_come_late = may_come_late;
  }
  // What was answered, and not for good, may be lost.
  void forget_what_may_be_lost() {
    ++losses_;
    for (Walker& walker : walkers_) walker.answered = walker.committed;
  }
  // To be noted when a question is asked.
  [[nodiscard]] Answered answered_now() const {
    Answered now{{}, {}, losses_};
    for (const Walker& walker : walkers_) {
      now.steps.push_back(walker.answered);
      now.for_good.push_back(walker.committed);
    }
    return now;
  }

  // `seen` by walker. Not complete: nowhere may be anywhere.
  [[nodiscard]] Wrong check_places(const Answered& asked, bool is_complete,
                                   const std::vector<std::optional<geo::Geohash>>& seen) const {
    Wrong wrong;
    const std::vector<std::size_t>& from = steps_that_hold(asked);
    for (std::size_t i = 0; i < walkers_.size(); ++i) {
      if (!seen[i] && !is_complete) continue;  // not found out yet
      if (!walkers_[i].any_from(
              from[i], [&](const PlaceStep& step) { return step.place == seen[i] || (!seen[i] && step.may_end); }))
        wrong.push_back(walkers_[i].name + " is seen where no step from " + std::to_string(from[i]) + " to " +
                        std::to_string(walkers_[i].steps.size() - 1) + " has led");
    }
    return wrong;
  }
  [[nodiscard]] Wrong check_circle(const Answered& asked, const geo::Area& area, const std::vector<Found>& found,
                                   bool is_partial) const {
    Wrong wrong;
    const std::vector<std::size_t>& from = steps_that_hold(asked);
    const auto is_within = [&](const std::optional<geo::Geohash>& place) {
      return place && area.distance_within_m(geo::decode(*place));
    };
    std::vector<std::size_t> times_found(walkers_.size());
    for (const Found& one : found) {
      const auto known = by_name_.find(one.name);
      if (known == by_name_.end()) {
        wrong.emplace_back("somebody is found who never walked");
        continue;
      }
      const std::size_t i = known->second;
      ++times_found[i];
      const bool is_known = walkers_[i].any_from(from[i], [&](const PlaceStep& step) {
        return step.place == one.place && one.is_hidden.value_or(step.is_hidden) == step.is_hidden;
      });
      if (!is_known || !is_within(one.place))
        wrong.push_back(walkers_[i].name + " is found where it is not, or as it is not: " + led_to(i, one.place) +
                        ", and step " + std::to_string(from[i]) + " of " +
                        std::to_string(walkers_[i].steps.size() - 1) + " had been answered");
    }
    for (std::size_t i = 0; i < walkers_.size(); ++i) {
      const bool must_be_found = !is_partial && !walkers_[i].any_from(from[i], [&](const PlaceStep& step) {
        return !is_within(step.place) || step.may_end;
      });
      if (times_found[i] > 1) wrong.push_back(walkers_[i].name + " is found twice");
      if (times_found[i] == 0 && must_be_found) wrong.push_back(walkers_[i].name + " is missed");
    }
    return wrong;
  }

 private:
  // What was answered when it was asked, and has not been lost since.
  [[nodiscard]] const std::vector<std::size_t>& steps_that_hold(const Answered& asked) const {
    return asked.losses == losses_ ? asked.steps : asked.for_good;
  }
  // For whoever reads what went wrong.
  [[nodiscard]] std::string led_to(std::size_t walker, geo::Geohash place) const {
    const auto& steps = walkers_[walker].steps;
    for (std::size_t i = 0; i < steps.size(); ++i)
      if (steps[i].place == place) return "step " + std::to_string(i) + " led there";
    return "no step led there";
  }

  std::vector<Walker> walkers_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::uint64_t losses_ = 0;
};

}  // namespace earshot::tests
