#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "actors/place_desk.hpp"
#include "tests/support/deaf_shard.hpp"

namespace earshot::tests {

// What a place desk stands on: shards and views that record what they are asked, and answer when the test does.
// Thread-safe; answers come on the test's thread.
class FakePlaces final : public actors::PlaceViews, public std::enable_shared_from_this<FakePlaces> {
 public:
  static constexpr std::uint16_t kShards = 4;

  struct Change {
    ShardId shard;
    actors::ShardPositions positions;

    [[nodiscard]] bool is_clear() const { return std::holds_alternative<ClearLayersCommand>(positions.command); }
    [[nodiscard]] const SetPositionsCommand& set() const { return std::get<SetPositionsCommand>(positions.command); }
    void answer(actors::PositionsAnswer given) const { positions.done(std::move(given)); }
    void fail(Error error) const { positions.done(earshot::fail(std::move(error))); }
    // Everybody is new, everything named was there.
    void done() const {
      if (const auto* command = std::get_if<SetPositionsCommand>(&positions.command))
        return answer({std::vector(command->items.size(), cluster::PositionOutcome::kAdded), 0});
      if (const auto* command = std::get_if<ClearPositionsCommand>(&positions.command))
        return answer({{}, command->members.size()});
      if (const auto* command = std::get_if<ClearLayersCommand>(&positions.command))
        return answer({{}, 0, std::vector<std::uint64_t>(command->layers.size(), 1)});
      answer({});
    }
  };
  struct LayersCount {
    std::function<void(std::size_t)> done;
  };
  using AnyQuestion = std::variant<actors::NearbyQuestion, actors::ScoresQuestion, actors::SizeQuestion,
                                   actors::RangeQuestion, actors::LayersQuestion, actors::LayersScan, LayersCount>;
  struct Question {
    LayerId layer;
    AnyQuestion any;

    template <class Asked, class Answer>
    void answer(Answer given) const {
      std::get<Asked>(any).done(std::move(given));
    }
    // Nobody is anywhere.
    void done() const {
      std::visit(
          []<class Asked>(const Asked& asked) {
            if constexpr (std::is_same_v<Asked, actors::ScoresQuestion>)
              asked.done(actors::Scores(asked.members.size()));
            else if constexpr (std::is_same_v<Asked, actors::NearbyQuestion>)
              asked.done(actors::NearbyAnswer{});
            else
              asked.done({});
          },
          any);
    }
  };

  std::shared_ptr<actors::PlaceDesk> desk() {
    std::vector<std::shared_ptr<actors::ShardInbox>> shards;
    for (std::uint16_t n = 0; n < kShards; ++n)
      shards.push_back(std::make_shared<Shard>(ShardId(n), shared_from_this()));
    return std::make_shared<actors::PlaceDesk>(std::make_shared<actors::Router>(std::move(shards)), shared_from_this(),
                                               nullptr);
  }

  // Those that were asked and not taken yet.
  [[nodiscard]] std::size_t changes() const {
    const std::lock_guard lock(mutex_);
    return changes_.size();
  }
  [[nodiscard]] std::size_t questions() const {
    const std::lock_guard lock(mutex_);
    return questions_.size();
  }
  // The oldest of them; waits for it.
  Change next_change() { return next(changes_); }
  Question next_question() { return next(questions_); }

  // Nothing that was asked is answered any more.
  void forget_all() {
    std::deque<Change> changes;
    std::deque<Question> questions;
    const std::lock_guard lock(mutex_);
    std::swap(changes, changes_);
    std::swap(questions, questions_);
  }

  void set_complete(bool is_complete) { completion_.set(is_complete); }
  // Sessions that wait until it is complete.
  [[nodiscard]] std::size_t waiting() const { return completion_.waiting(); }
  void forget_layer(const LayerId& layer) {
    const std::lock_guard lock(mutex_);
    unknown_.insert(layer);
  }
  void permit(Result<actors::LayerPermit> given) {
    const std::lock_guard lock(mutex_);
    permit_ = given.value_or(actors::LayerPermit());
    no_permit_ = given ? std::nullopt : std::optional(given.error());
  }

  // PlaceViews
  void ask(const LayerId& layer, actors::NearbyQuestion question) override { record(layer, std::move(question)); }
  void ask(const LayerId& layer, actors::ScoresQuestion question) override { record(layer, std::move(question)); }
  void ask(const LayerId& layer, actors::SizeQuestion question) override { record(layer, std::move(question)); }
  void ask(const LayerId& layer, actors::RangeQuestion question) override { record(layer, std::move(question)); }
  void ask_layers(actors::LayersQuestion question) override { record(LayerId(), std::move(question)); }
  void scan_layers(actors::LayersScan scan) override { record(LayerId(), std::move(scan)); }
  void count_layers(std::function<void(std::size_t)> done) override { record(LayerId(), LayersCount{std::move(done)}); }
  [[nodiscard]] bool has_layer(const LayerId& layer) const override {
    const std::lock_guard lock(mutex_);
    return unknown_.count(layer) == 0;
  }
  [[nodiscard]] Result<actors::LayerPermit> permit_setting(const LayerId&) override {
    const std::lock_guard lock(mutex_);
    if (no_permit_) return fail(*no_permit_);
    return permit_;
  }
  [[nodiscard]] bool is_complete() const override { return completion_.is_complete(); }
  [[nodiscard]] Waiting when_complete(std::function<void()> then) override {
    return completion_.when_complete(std::move(then));
  }

 private:
  struct Shard final : DeafShard {
    Shard(ShardId shard_id, std::shared_ptr<FakePlaces> places_of) : id(shard_id), places(std::move(places_of)) {}
    using DeafShard::post;
    void post(actors::ShardPositions message) override {
      const std::lock_guard lock(places->mutex_);
      places->changes_.push_back({id, std::move(message)});
      places->arrived_.notify_all();
    }

    const ShardId id;
    const std::shared_ptr<FakePlaces> places;
  };

  void record(const LayerId& layer, AnyQuestion any) {
    const std::lock_guard lock(mutex_);
    questions_.push_back({layer, std::move(any)});
    arrived_.notify_all();
  }
  template <class T>
  T next(std::deque<T>& from) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return !from.empty(); }))
      throw std::runtime_error("nothing was asked");
    T first = std::move(from.front());
    from.pop_front();
    return first;
  }

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Change> changes_;
  std::deque<Question> questions_;
  actors::Completion completion_{true};
  std::set<LayerId> unknown_;
  actors::LayerPermit permit_;
  std::optional<Error> no_permit_;
};

}  // namespace earshot::tests
