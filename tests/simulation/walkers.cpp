#include "tests/simulation/walkers.hpp"

#include <algorithm>
#include <utility>

#include "tests/support/place_steps.hpp"

namespace earshot::simulation {
namespace {

const LayerId kLayer = LayerId::trusted("walkers");
const geo::Point kMiddle{116.4, 39.9};
// Where four regions meet, that lie with three nodes: every other step leads from one node to another.
const geo::Point kCorner{116.71875, 39.867716615625};
constexpr double kDegreesMax = 0.05;  // from there, either way
constexpr double kRadiusMMax = 6'000;
constexpr double kRadiusOfAllM = 10'000;  // from the middle

// From 0 to 1.
double part(Random& random) { return static_cast<double>(random.between(0, 1'000'000)) / 1e6; }
// A point about the middle.
geo::Point somewhere(Random& random, const geo::Point& middle) {
  const auto away = [&] { return kDegreesMax * (2 * part(random) - 1); };
  const double longitude = middle.longitude + away();
  return {longitude, middle.latitude + away()};
}
double score_of(geo::Geohash place) { return static_cast<double>(place.value); }

// Whether it tells all; else why not.
Status whole(const Result<actors::NearbyAnswer>& answer) {
  if (!answer) return fail(answer.error());
  return answer->is_partial ? Status(fail(actors::answer_is_partial())) : Status();
}

}  // namespace

// What a node is to tell when nothing fails any more.
struct Walkers::Expected {
  SimNode& node;
  bool is_circle;
  bool is_asked = false;  // and has not answered
  bool is_told = false;
  std::string said = "nothing";  // last
};

// Which nodes lead, as long as all nodes know the same, and what has died meanwhile: while this stays what it is
// nothing that was accepted is lost.
struct Leadership {
  explicit Leadership(const std::vector<SimNode*>& nodes) {
    for (const SimNode* node : nodes) deaths += node->deaths();
    if (nodes.size() == 1) return;  // it does not lose it when it stops in order
    for (const SimNode* node : nodes) {
      const auto known = node->leaders();
      if (node == nodes.front()) leaders = known;
      if (known != leaders) is_known = false;
    }
    for (const auto& [leader, term] : leaders)
      if (leader == NodeId()) is_known = false;
    if (leaders.empty()) is_known = false;
  }
  bool operator==(const Leadership&) const = default;

  std::vector<std::pair<NodeId, Term>> leaders;
  std::uint64_t deaths = 0;
  bool is_known = true;
};

struct Walkers::Crowd {
  Crowd(History& told, const std::vector<SimNode*>& all) : history(told), nodes(all), leadership(all) {}

  // Before anything is asked or judged.
  void note_what_may_be_lost() {
    Leadership now(nodes);
    if (now == leadership && now.is_known) return;
    leadership = std::move(now);
    steps.forget_what_may_be_lost();
  }
  // What is to be told once these steps are answered.
  template <class Answer>
  auto steps_answered(std::vector<tests::PlaceSteps::Step> taken, bool only_accepted = false) {
    note_what_may_be_lost();
    return [weak = std::weak_ptr<Crowd>(self), taken = std::move(taken), only_accepted,
            since = leadership](const Result<Answer>& answer) {
      const auto crowd = weak.lock();
      if (!crowd) return;
      crowd->note_what_may_be_lost();
      const bool is_held = !only_accepted || (since.is_known && since == crowd->leadership);
      for (const auto& step : taken) {
        answer ? crowd->steps.answered(step, !only_accepted) : crowd->steps.failed(step, crowd->is_cluster);
        if (answer && !is_held) crowd->steps.forget_what_may_be_lost();
      }
      if (answer && crowd->asks_at_once) crowd->ask_at_once();
    };
  }
  void note(const tests::PlaceSteps::Wrong& wrong) {
    for (const std::string& what : wrong) history.violation(what);
  }
  void check_places(const tests::PlaceSteps::Answered& asked, bool is_complete, const actors::Scores& scores) {
    ++questions_answered;
    note_what_may_be_lost();
    std::vector<std::optional<geo::Geohash>> seen;
    for (const auto& score : scores)
      seen.push_back(score ? std::optional(geo::Geohash(static_cast<std::uint64_t>(*score))) : std::nullopt);
    note(steps.check_places(asked, is_complete, seen));
  }
  void check_circle(const tests::PlaceSteps::Answered& asked, const geo::Area& area,
                    const actors::NearbyAnswer& answer) {
    ++questions_answered;
    note_what_may_be_lost();
    partial_circles += answer.is_partial ? 1 : 0;
    std::vector<tests::PlaceSteps::Found> found;
    for (const auto& one : answer.found) found.push_back({one.member->name(), one.place, one.member->is_hidden()});
    note(steps.check_circle(asked, area, found, answer.is_partial));
  }

  History& history;
  const std::vector<SimNode*> nodes;
  Leadership leadership;
  std::weak_ptr<Crowd> self;
  tests::PlaceSteps steps;
  bool asks_at_once = false;
  std::function<void()> ask_at_once;
  bool is_cluster = false;
  std::uint64_t questions_answered = 0;
  std::uint64_t partial_circles = 0;
};

Walkers::Walkers(World& world, History& history, std::vector<SimNode*> nodes, Random random)
    : world_(world),
      nodes_(std::move(nodes)),
      random_(random),
      looks_(random.next()),
      every_ms_(random_.between(5, 300)),
      accepts_(random_.chance(0.5)),
      hides_(looks_.chance(0.5)),
      passes_(looks_.chance(0.5)),
      middle_(nodes_.size() == 1 ? kMiddle : kCorner),
      crowd_(std::make_shared<Crowd>(history, nodes_)) {
  crowd_->self = crowd_;
  crowd_->is_cluster = nodes_.size() > 1;
  for (std::uint64_t i = 0, walkers = random_.between(1, 30); i < walkers; ++i)
    crowd_->steps.add_walker("walker-" + std::to_string(i));
  crowd_->asks_at_once = random_.chance(0.5);
  crowd_->ask_at_once = [this] {
    if (SimNode* const node = some_node()) ask_places(*node);
  };
}

Walkers::~Walkers() { crowd_->asks_at_once = false; }

void Walkers::start() { act(); }

std::uint64_t Walkers::answered() const { return crowd_->questions_answered; }
std::uint64_t Walkers::in_part() const { return crowd_->partial_circles; }

SimNode* Walkers::some_node() {
  SimNode* const node = nodes_.size() == 1 ? nodes_.front() : nodes_[looks_.below(nodes_.size())];
  return node->accepts() ? node : nullptr;
}

void Walkers::act() {
  if (SimNode* const node = asks_ ? some_node() : nullptr) {
    crowd_->note_what_may_be_lost();
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

// One of them, or several at once.
void Walkers::walk(const actors::PlaceDesk& desk) {
  SetPositionsCommand command{kLayer, PositionCondition::kAlways, {}};
  std::vector<tests::PlaceSteps::Step> steps;
  for (std::uint64_t i = 0, count = random_.chance(0.7) ? 1 : random_.between(1, 10); i < count; ++i) {
    const std::size_t walker = random_.below(crowd_->steps.walkers().size());
    const bool waits = crowd_->is_cluster && crowd_->steps.walkers()[walker].is_waiting();
    const geo::Geohash place = geo::encode(somewhere(random_, middle_));
    const bool is_hidden = hides_ && looks_.chance(0.3);
    const std::uint64_t ttl_ms = passes_ && looks_.chance(0.3) ? looks_.between(1, 20'000) : 0;
    if (waits) continue;
    command.items.push_back({crowd_->steps.walkers()[walker].name, score_of(place), ttl_ms, is_hidden});
    steps.push_back(crowd_->steps.add_step(walker, {place, is_hidden, ttl_ms != 0}));
  }
  if (command.items.empty()) return;
  command.accepted = accepts_ && random_.chance(0.5);
  world_.note(command.accepted ? "walkers walk, accepted" : "walkers walk", command.items.size());
  auto answered = crowd_->steps_answered<actors::PlaceDesk::Outcomes>(std::move(steps), command.accepted);
  desk.set(std::move(command), std::move(answered));
}

void Walkers::leave(const actors::PlaceDesk& desk) {
  const std::size_t walker = random_.below(crowd_->steps.walkers().size());
  if (crowd_->is_cluster && crowd_->steps.walkers()[walker].is_waiting()) return;
  world_.note("a walker leaves", walker);
  auto answered = crowd_->steps_answered<std::uint64_t>({crowd_->steps.add_step(walker, {})});
  desk.clear({kLayer, {crowd_->steps.walkers()[walker].name}}, std::move(answered));
}

void Walkers::clear_layer(const actors::PlaceDesk& desk) {
  const auto waits = [](const tests::PlaceSteps::Walker& walker) { return walker.is_waiting(); };
  if (crowd_->is_cluster && std::ranges::any_of(crowd_->steps.walkers(), waits)) return;
  std::vector<tests::PlaceSteps::Step> steps;
  for (std::size_t walker = 0; walker < crowd_->steps.walkers().size(); ++walker)
    steps.push_back(crowd_->steps.add_step(walker, {}));
  world_.note("all walkers leave");
  desk.clear_layers({kLayer}, crowd_->steps_answered<std::uint64_t>(std::move(steps)));
}

void Walkers::ask_places(SimNode& node, Told told) {
  actors::ScoresQuestion question;
  for (const auto& walker : crowd_->steps.walkers()) question.members.push_back(walker.name);
  auto& views = node.place_desk()->views();
  const bool is_complete = views.is_complete() || crowd_->is_cluster;
  question.done = [weak = std::weak_ptr(crowd_), asked = crowd_->steps.answered_now(), is_complete,
                   told](const actors::Scores& scores) {
    const auto crowd = weak.lock();
    if (!crowd) return;
    crowd->check_places(asked, is_complete, scores);
    if (told) told(is_complete ? Status() : Status(fail(actors::answer_is_partial())));
  };
  if (told) question.failed = [told](Error error) { told(fail(std::move(error))); };
  views.ask(kLayer, std::move(question));
}

void Walkers::ask_circle(SimNode& node) {
  const geo::Point centre = somewhere(random_, middle_);
  const auto area = geo::Area::circle(centre, kRadiusMMax * part(random_), "radius").value();
  ask_circle(node, area, random_.chance(0.5));
}

void Walkers::ask_circle(SimNode& node, const geo::Area& area, bool in_order, Told told) {
  actors::NearbyQuestion question;
  question.centre = area.centre();
  question.area = [area](const geo::Point&) -> Result<geo::Area> { return area; };
  question.in_order = in_order;
  question.done = [weak = std::weak_ptr(crowd_), asked = crowd_->steps.answered_now(), area,
                   told = std::move(told)](const Result<actors::NearbyAnswer>& answer) {
    const auto crowd = weak.lock();
    if (!crowd) return;
    if (answer) crowd->check_circle(asked, area, *answer);
    if (told) told(whole(answer));
  };
  node.place_desk()->views().ask(kLayer, std::move(question));
}

void Walkers::expect_all() {
  expected_.clear();
  for (SimNode* node : nodes_)
    for (const bool is_circle : {false, true})
      expected_.push_back(std::make_shared<Expected>(Expected{*node, is_circle}));
}

std::vector<std::string> Walkers::ask_for_the_rest() {
  const auto around_all = geo::Area::circle(middle_, kRadiusOfAllM, "radius").value();
  std::vector<std::string> missing;
  for (const auto& one : expected_) {
    if (one->is_told) continue;
    missing.push_back("node " + std::to_string(one->node.id().value) + " does not tell " +
                      (one->is_circle ? "who is in a circle around all walkers" : "where all walkers are") +
                      "; it has said: " + one->said);
    if (one->is_asked || !one->node.accepts()) continue;
    one->is_asked = true;
    Told told = [one](const Status& all) {
      one->is_asked = false;
      one->is_told = all.has_value();
      one->said = all ? "all" : all.error().to_string();
    };
    crowd_->note_what_may_be_lost();
    one->is_circle ? ask_circle(one->node, around_all, true, std::move(told)) : ask_places(one->node, std::move(told));
  }
  return missing;
}

}  // namespace earshot::simulation
