#include "tests/simulation/walkers.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace earshot::simulation {
namespace {

struct Step {
  std::optional<geo::Geohash> place;  // none: nowhere
  bool is_hidden = false;
  bool may_end = false;        // it has a time to live, and the walker is nowhere after that
  bool is_open = true;         // no answer has come
  bool may_come_late = false;  // its answer is lost, and it is on its way still, or not
};

const LayerId kLayer = LayerId::trusted("walkers");
const geo::Point kMiddle{116.4, 39.9};
constexpr double kDegreesMax = 0.05;  // from there, either way
constexpr double kRadiusMMax = 6'000;

// From 0 to 1.
double part(Random& random) { return static_cast<double>(random.between(0, 1'000'000)) / 1e6; }
// A point about the middle.
geo::Point somewhere(Random& random) {
  const auto away = [&] { return kDegreesMax * (2 * part(random) - 1); };
  const double longitude = kMiddle.longitude + away();
  return {longitude, kMiddle.latitude + away()};
}
double score_of(geo::Geohash place) { return static_cast<double>(place.value); }

}  // namespace

struct Walkers::Crowd {
  struct Walker {
    std::string name;
    std::vector<Step> steps{Step()};  // in the order in which they were asked for
    std::size_t answered = 0;         // the last of which that is known
    std::size_t committed = 0;        // the last that is so for good

    // Whether an answer may know of such a step, from this one on.
    template <class Is>
    [[nodiscard]] bool any_from(std::size_t from, Is is) const {
      const auto first = steps.begin() + static_cast<std::ptrdiff_t>(from);
      return std::any_of(first, steps.end(), is) ||
             std::any_of(steps.begin(), first, [&](const Step& step) { return step.may_come_late && is(step); });
    }
    [[nodiscard]] bool is_waiting() const { return steps.size() > 1 && steps.back().is_open; }
  };

  explicit Crowd(History& told) : history(told) {}

  // One step more of each of these walkers; what is to be told once it is answered.
  using Steps = std::vector<std::pair<std::size_t, std::size_t>>;
  template <class Answer>
  auto step_answered(Steps steps, bool only_accepted = false) {
    return [weak = std::weak_ptr<Crowd>(self), steps = std::move(steps), only_accepted](const Result<Answer>& answer) {
      const auto crowd = weak.lock();
      if (!crowd) return;
      for (const auto& [index, step] : steps) {
        Step& taken = crowd->walkers[index].steps[step];
        taken.is_open = false;
        taken.may_come_late = crowd->is_cluster && !answer;
      }
      if (!answer) return;
      for (const auto& [index, step] : steps) {
        Walker& walker = crowd->walkers[index];
        walker.answered = std::max(walker.answered, step);
        if (!only_accepted) walker.committed = std::max(walker.committed, step);
      }
      if (crowd->asks_at_once) crowd->ask_at_once();
    };
  }
  Steps::value_type add_step(std::size_t walker, Step step) {
    walkers[walker].steps.push_back(step);
    return {walker, walkers[walker].steps.size() - 1};
  }
  [[nodiscard]] std::vector<std::size_t> answered_now() const {
    std::vector<std::size_t> steps;
    for (const Walker& walker : walkers) steps.push_back(walker.answered);
    return steps;
  }

  void node_died() {
    for (Walker& walker : walkers) walker.answered = walker.committed;
  }

  // `asked` is answered_now() when the question was asked.
  void check_places(const std::vector<std::size_t>& asked, bool is_complete, const actors::Scores& scores);
  void check_circle(const std::vector<std::size_t>& asked, const geo::Area& area, const actors::NearbyAnswer& answer);

  History& history;
  std::weak_ptr<Crowd> self;
  std::vector<Walker> walkers;
  std::map<std::string, std::size_t, std::less<>> by_name;
  bool asks_at_once = false;
  std::function<void()> ask_at_once;
  bool is_cluster = false;
  std::uint64_t questions_answered = 0;
};

void Walkers::Crowd::check_places(const std::vector<std::size_t>& asked, bool is_complete,
                                  const actors::Scores& scores) {
  ++questions_answered;
  for (std::size_t i = 0; i < walkers.size(); ++i) {
    const Walker& walker = walkers[i];
    std::optional<geo::Geohash> seen;
    if (scores[i]) seen = geo::Geohash(static_cast<std::uint64_t>(*scores[i]));
    if (!seen && !is_complete) continue;  // not found out yet
    if (!walker.any_from(asked[i], [&](const Step& step) { return step.place == seen || (!seen && step.may_end); }))
      history.violation(walker.name + " is seen where no step from " + std::to_string(asked[i]) + " to " +
                        std::to_string(walker.steps.size() - 1) + " has led");
  }
}

void Walkers::Crowd::check_circle(const std::vector<std::size_t>& asked, const geo::Area& area,
                                  const actors::NearbyAnswer& answer) {
  ++questions_answered;
  const auto is_within = [&](const Step& step) {
    return step.place && area.distance_within_m(geo::decode(*step.place));
  };
  std::vector<std::size_t> times_found(walkers.size());
  for (const auto& found : answer.found) {
    const auto walker = by_name.find(found.member->name());
    if (walker == by_name.end()) {
      history.violation("somebody is found who never walked");
      continue;
    }
    ++times_found[walker->second];
    const Step as_found{found.place, found.member->is_hidden()};
    const bool is_known = walkers[walker->second].any_from(asked[walker->second], [&](const Step& step) {
      return step.place == as_found.place && step.is_hidden == as_found.is_hidden;
    });
    if (!is_known || !is_within(as_found))
      history.violation(walker->first + " is found where it is not, or as it is not");
  }
  for (std::size_t i = 0; i < walkers.size(); ++i) {
    const bool must_be_found = !answer.is_partial && !walkers[i].any_from(asked[i], [&](const Step& step) {
      return !is_within(step) || step.may_end;
    });
    if (times_found[i] > 1) history.violation(walkers[i].name + " is found twice");
    if (times_found[i] == 0 && must_be_found) history.violation(walkers[i].name + " is missed");
  }
}

Walkers::Walkers(World& world, History& history, std::vector<SimNode*> nodes, Random random)
    : world_(world),
      nodes_(std::move(nodes)),
      random_(random),
      looks_(random.next()),
      every_ms_(random_.between(5, 300)),
      accepts_(random_.chance(0.5) && nodes_.size() == 1),
      hides_(looks_.chance(0.5)),
      passes_(looks_.chance(0.5)),
      crowd_(std::make_shared<Crowd>(history)) {
  crowd_->self = crowd_;
  crowd_->is_cluster = nodes_.size() > 1;
  for (std::uint64_t i = 0, walkers = random_.between(1, 30); i < walkers; ++i) {
    Crowd::Walker walker;
    walker.name = "walker-" + std::to_string(i);
    crowd_->by_name.emplace(walker.name, i);
    crowd_->walkers.push_back(std::move(walker));
  }
  crowd_->asks_at_once = random_.chance(0.5);
  crowd_->ask_at_once = [this] {
    if (SimNode* const node = some_node()) ask_places(*node);
  };
}

Walkers::~Walkers() { crowd_->asks_at_once = false; }

void Walkers::start() { act(); }

std::uint64_t Walkers::answered() const { return crowd_->questions_answered; }

SimNode* Walkers::some_node() {
  SimNode* const node = nodes_.size() == 1 ? nodes_.front() : nodes_[looks_.below(nodes_.size())];
  return node->accepts() ? node : nullptr;
}

void Walkers::act() {
  if (SimNode* const node = some_node()) {
    if (nodes_.size() == 1 && std::exchange(node_deaths_, node->deaths()) != node->deaths()) crowd_->node_died();
    const actors::PlaceDesk& desk = *node->place_desk();
    const std::uint64_t what = random_.below(100);
    if (what < 35) {
      ask_places(*node);
    } else if (what < 60) {
      ask_circle(*node);
    } else if (walk_) {
      what < 92 ? walk(desk) : what < 98 ? leave(desk) : clear_layer(desk);
    }
  }
  world_.after(random_.between(1, every_ms_), [this] { act(); });
}

void Walkers::ask(SimNode& node, std::function<void(const actors::PlaceDesk&)> question) {
  const auto feeds = node.feed_view();
  if (!feeds) return question(*node.place_desk());
  constexpr std::size_t kWaitingMax = 16;
  if (waiting_.size() == kWaitingMax) waiting_.pop_front();
  waiting_.push_back(feeds->when_exact([&node, question = std::move(question)] {
    if (node.accepts()) question(*node.place_desk());
  }));
}

// One of them, or several at once.
void Walkers::walk(const actors::PlaceDesk& desk) {
  SetPositionsCommand command{kLayer, PositionCondition::kAlways, {}};
  Crowd::Steps steps;
  for (std::uint64_t i = 0, count = random_.chance(0.7) ? 1 : random_.between(1, 10); i < count; ++i) {
    const std::size_t walker = random_.below(crowd_->walkers.size());
    const bool waits = crowd_->is_cluster && crowd_->walkers[walker].is_waiting();
    const geo::Geohash place = geo::encode(somewhere(random_));
    const bool is_hidden = hides_ && looks_.chance(0.3);
    const std::uint64_t ttl_ms = passes_ && looks_.chance(0.3) ? looks_.between(1, 20'000) : 0;
    if (waits) continue;
    command.items.push_back({crowd_->walkers[walker].name, score_of(place), ttl_ms, is_hidden});
    steps.push_back(crowd_->add_step(walker, {place, is_hidden, ttl_ms != 0}));
  }
  if (command.items.empty()) return;
  command.accepted = accepts_ && random_.chance(0.5);
  world_.note(command.accepted ? "walkers walk, accepted" : "walkers walk", command.items.size());
  auto answered = crowd_->step_answered<actors::PlaceDesk::Outcomes>(std::move(steps), command.accepted);
  desk.set(std::move(command), std::move(answered));
}

void Walkers::leave(const actors::PlaceDesk& desk) {
  const std::size_t walker = random_.below(crowd_->walkers.size());
  if (crowd_->is_cluster && crowd_->walkers[walker].is_waiting()) return;
  world_.note("a walker leaves", walker);
  auto answered = crowd_->step_answered<std::uint64_t>({crowd_->add_step(walker, {})});
  desk.clear({kLayer, {crowd_->walkers[walker].name}}, std::move(answered));
}

void Walkers::clear_layer(const actors::PlaceDesk& desk) {
  const auto waits = [](const Crowd::Walker& walker) { return walker.is_waiting(); };
  if (crowd_->is_cluster && std::ranges::any_of(crowd_->walkers, waits)) return;
  Crowd::Steps steps;
  for (std::size_t walker = 0; walker < crowd_->walkers.size(); ++walker) steps.push_back(crowd_->add_step(walker, {}));
  world_.note("all walkers leave");
  desk.clear_layers({kLayer}, crowd_->step_answered<std::uint64_t>(std::move(steps)));
}

void Walkers::ask_places(SimNode& node) {
  ask(node, [weak = std::weak_ptr(crowd_), asked = crowd_->answered_now()](const actors::PlaceDesk& desk) {
    const auto crowd = weak.lock();
    if (!crowd) return;
    actors::ScoresQuestion question;
    for (const auto& walker : crowd->walkers) question.members.push_back(walker.name);
    question.done = [weak, asked, is_complete = desk.views().is_complete()](const actors::Scores& scores) {
      if (const auto there = weak.lock()) there->check_places(asked, is_complete, scores);
    };
    desk.views().ask(kLayer, std::move(question));
  });
}

void Walkers::ask_circle(SimNode& node) {
  const geo::Point centre = somewhere(random_);
  const auto area = geo::Area::circle(centre, kRadiusMMax * part(random_), "radius").value();
  const bool in_order = random_.chance(0.5);
  ask(node, [weak = std::weak_ptr(crowd_), asked = crowd_->answered_now(), centre, area,
             in_order](const actors::PlaceDesk& desk) {
    actors::NearbyQuestion question;
    question.centre = centre;
    question.area = [area](const geo::Point&) -> Result<geo::Area> { return area; };
    question.in_order = in_order;
    question.done = [weak, asked, area](const Result<actors::NearbyAnswer>& answer) {
      if (const auto crowd = weak.lock(); crowd && answer) crowd->check_circle(asked, area, *answer);
    };
    desk.views().ask(kLayer, std::move(question));
  });
}

}  // namespace earshot::simulation
