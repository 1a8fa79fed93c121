#include "actors/layer_actor.hpp"

#include <chrono>
#include <optional>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/timer_ladder.hpp"
#include "base/limits.hpp"
#include "places/cell_view.hpp"
#include "places/layer.hpp"

namespace earshot::actors {
namespace {

class CellActor final : public caf::event_based_actor {
 public:
  CellActor(caf::actor_config& config, std::size_t fills, std::function<void(const places::CellFilled&)> filled)
      : caf::event_based_actor(config), view_(std::in_place, fills, std::move(filled)) {}

  const char* name() const override { return "cell"; }

 private:
  template <class Message>
  auto take() {
    return [this](Message& message) {
      view_->handle(std::move(message));
      if (view_->is_over()) quit();
    };
  }
  caf::behavior make_behavior() override {
    return {take<places::CellChanges>(), take<places::CellSearch>(), take<places::CellSplit>(),
            take<places::CellMerge>(),   take<places::CellFill>(),   take<places::CellEnd>()};
  }
  // What it waits for leads to other cells, and to its layer.
  void on_exit() override { view_.reset(); }

  std::optional<places::CellView> view_;
};

class ActorCellPort final : public places::CellPort {
 public:
  explicit ActorCellPort(caf::actor cell) : cell_(std::move(cell)) {}
  void post(places::CellChanges message) override { caf::anon_send(cell_, std::move(message)); }
  void post(places::CellSearch message) override { caf::anon_send(cell_, std::move(message)); }
  void post(places::CellSplit message) override { caf::anon_send(cell_, std::move(message)); }
  void post(places::CellMerge message) override { caf::anon_send(cell_, std::move(message)); }
  void post(places::CellFill message) override { caf::anon_send(cell_, std::move(message)); }
  void post(places::CellEnd message) override { caf::anon_send(cell_, std::move(message)); }

 private:
  const caf::actor cell_;
};

class LayerActor final : public caf::event_based_actor {
 public:
  LayerActor(caf::actor_config& config, LayerSetup setup)
      : caf::event_based_actor(config),
        setup_(std::move(setup)),
        layer_(
            std::in_place, setup_.limits, setup_.shard_count,
            [this](places::CellTree::LeafId leaf, std::size_t fills) { return make_cell(leaf, fills); },
            setup_.clock != nullptr, places::Lingerers::Limits{limits::kLingerMs, limits::kLingerersMax}) {}

  const char* name() const override { return "layer"; }

 private:
  caf::behavior make_behavior() override;
  // Its cells hold the way to it until they are full.
  void on_exit() override {
    layer_.reset();
    setup_ = {};
  }

  std::shared_ptr<places::CellPort> make_cell(places::CellTree::LeafId leaf, std::size_t fills);
  void answer(NearbyQuestion& question) const;
  void answer(const ScoresQuestion& question) const;
  [[nodiscard]] Result<geo::Point> centre_of(const NearbyQuestion& question) const;
  [[nodiscard]] places::MemberPtr find(std::string_view member) const {
    return layer_->find(shard_of(setup_.layer, member, setup_.shard_count), member);
  }
  [[nodiscard]] std::uint64_t now_ms() const { return setup_.clock == nullptr ? 0 : setup_.clock->monotonic_ms(); }
  // How many members came, by the gauge, and how many are there.
  std::ptrdiff_t note_members() {
    const std::size_t members = layer_->size();
    return static_cast<std::ptrdiff_t>(members - setup_.gauge->members.exchange(members, std::memory_order_relaxed));
  }
  // After each message of its owner, which holds so many changes.
  void taken(std::size_t changes = 0) {
    ++taken_;
    LayerGauge& gauge = *setup_.gauge;
    gauge.waiting.fetch_sub(changes, std::memory_order_relaxed);
    if (changes > 0) let_linger();
    const std::ptrdiff_t more = note_members();
    const bool ends = layer_->may_go() && setup_.owner->retire(setup_.layer, taken_);
    gauge.taken.store(taken_, std::memory_order_release);
    setup_.owner->taken(more);
    if (ends) quit();
  }
  void let_linger();
  void lingered(std::uint64_t timer);

  LayerSetup setup_;
  std::optional<places::Layer> layer_;
  std::uint64_t taken_ = 0;
  TimerLadder timers_;
};

// Whoever has lingered long enough, or is one too many, goes; the timer is for the next one.
void LayerActor::let_linger() {
  if (layer_->lingerers().due_ms() == 0) return;
  const std::uint64_t now = now_ms();
  const std::uint64_t forgot_ms = layer_->lingerers().forgot_ms();
  layer_->pass(now);
  if (layer_->lingerers().forgot_ms() != forgot_ms) setup_.owner->forgot(layer_->lingerers().forgot_ms());
  const std::uint64_t due_ms = layer_->lingerers().due_ms();
  if (due_ms == 0) return;
  if (const auto armed_ms = timers_.want(due_ms, now))
    delayed_send(this, std::chrono::milliseconds(*armed_ms - now), TimerFired{*armed_ms});
}

void LayerActor::lingered(std::uint64_t timer) {
  timers_.fired(timer);
  let_linger();
  setup_.owner->count_members(note_members());
  if (layer_->may_go() && setup_.owner->retire(setup_.layer, taken_)) quit();
}

caf::behavior LayerActor::make_behavior() {
  return {
      [this](const LayerMoves& message) {
        layer_->take(message.shard, message.moves, message.until_taken, now_ms());
        taken(message.moves.size());
      },
      [this](const LayerCleared& message) {
        layer_->cleared(message.shard, message.version);
        taken(1);
      },
      [this](const LayerScan& message) {
        message.begins ? layer_->scan_begins(message.shard) : layer_->scan_ends(message.shard);
        taken(1);
      },
      [this](NearbyQuestion& question) {
        answer(question);
        taken();
      },
      [this](const ScoresQuestion& question) {
        answer(question);
        taken();
      },
      [this](const SizeQuestion& question) {
        question.done(question.counts ? layer_->size_of(question.counts) : layer_->size());
        taken();
      },
      [this](const RangeQuestion& question) {
        question.done(layer_->range(question.range));
        taken();
      },
      [this](const LayerFilled& message) { layer_->filled(message.leaf, message.filled); },
      [this](const TimerFired& timer) { lingered(timer.number); },
      [this](EndLayer) { quit(); },
  };
}

std::shared_ptr<places::CellPort> LayerActor::make_cell(places::CellTree::LeafId leaf, std::size_t fills) {
  // Before what waits: the sooner a crowded cell splits, the fewer have to move.
  auto filled = [layer = caf::actor_cast<caf::actor>(this), leaf](const places::CellFilled& by) {
    caf::anon_send<caf::message_priority::high>(layer, LayerFilled{leaf, by});
  };
  caf::actor actor = home_system().spawn<CellActor>(fills, fills > 0 ? std::function(std::move(filled)) : nullptr);
  setup_.owner->add_cell(actor);
  return std::make_shared<ActorCellPort>(std::move(actor));
}

Result<geo::Point> LayerActor::centre_of(const NearbyQuestion& question) const {
  if (const auto* point = std::get_if<geo::Point>(&question.centre)) return *point;
  const auto member = find(std::get<std::string>(question.centre));
  const auto place = member ? places::place_of(member->score) : std::nullopt;
  if (!place) return fail(layer_->size() == 0 ? nobody_is_there() : member_is_nowhere());
  return geo::decode(*place);
}

void LayerActor::answer(NearbyQuestion& question) const {
  const auto area = centre_of(question).and_then(question.area);
  if (!area) return question.done(fail(area.error()));
  std::shared_ptr<const geo::Lens> lens = std::move(question.lens);
  if (question.within) lens = std::move(question.within);
  const geo::Search search{*area,          question.pick, question.count_max, question.with_distance, question.in_order,
                           std::move(lens)};
  layer_->search(search, [done = std::move(question.done)](std::vector<places::FoundMember> found) {
    done(NearbyAnswer{std::move(found)});
  });
}

void LayerActor::answer(const ScoresQuestion& question) const {
  std::vector<std::optional<double>> scores;
  scores.reserve(question.members.size());
  for (const std::string& name : question.members) {
    const auto member = find(name);
    const bool is_told = member && (!question.sees || question.sees(*member));
    scores.push_back(is_told ? std::optional(member->score) : std::nullopt);
  }
  question.done(std::move(scores));
}

}  // namespace

caf::actor spawn_layer(caf::actor_system& system, LayerSetup setup) {
  return system.spawn<LayerActor>(std::move(setup));
}

}  // namespace earshot::actors
