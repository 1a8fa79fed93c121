#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/place_desk.hpp"
#include "places/layer.hpp"
#include "tests/support/deaf_shard.hpp"

namespace earshot::tests {

// Where everybody is, in one map: shards that change it at once, and views that look at every member. What the real
// ones answer, in the simplest way. Thread-safe.
class PlaceMap final : public actors::PlaceViews, public std::enable_shared_from_this<PlaceMap> {
 public:
  static constexpr std::uint16_t kShards = 4;
  static constexpr std::uint64_t kSecret = 0x5ec2e7;  // of shown places

  const std::shared_ptr<places::PrivacyTable> privacies = std::make_shared<places::PrivacyTable>();
  ManualClock clock;                                          // of the budgets of questions; between questions
  std::shared_ptr<const places::PlaceVisibility> visibility;  // before desk()

  std::shared_ptr<const actors::PlaceDesk> desk() {
    std::vector<std::shared_ptr<actors::ShardInbox>> shards;
    for (std::uint16_t n = 0; n < kShards; ++n) shards.push_back(std::make_shared<Shard>(shared_from_this()));
    return std::make_shared<actors::PlaceDesk>(
        std::make_shared<actors::Router>(std::move(shards)), shared_from_this(),
        std::make_shared<actors::PrivateViews>(shared_from_this(), privacies, clock, kSecret, visibility));
  }

  void put(const std::string& layer, const std::string& member, double score, bool is_hidden = false) {
    const std::lock_guard lock(mutex_);
    is_hidden ? void(hidden_.insert(member)) : void(hidden_.erase(member));
    layers_[LayerId::trusted(layer)][member] = score;
  }
  void put(const std::string& layer, const std::string& member, const geo::Point& point, bool is_hidden = false) {
    put(layer, member, static_cast<double>(geo::encode(point).value), is_hidden);
  }
  [[nodiscard]] std::optional<double> score(const std::string& layer, const std::string& member) {
    const std::lock_guard lock(mutex_);
    return find(LayerId::trusted(layer), member);
  }
  [[nodiscard]] bool is_hidden(const std::string& member) {
    const std::lock_guard lock(mutex_);
    return hidden_.contains(member);
  }
  // The time to live that a member was set with last.
  [[nodiscard]] std::uint64_t ttl_ms(const std::string& member) {
    const std::lock_guard lock(mutex_);
    return ttls_ms_[member];
  }
  // Every change from now on fails with this.
  void refuse_changes(Error why) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(why);
  }
  // Answers wait until they are let go, if ever.
  void hold_answers() {
    const std::lock_guard lock(mutex_);
    holds_ = true;
  }
  void let_go() {
    std::vector<std::function<void()>> held;
    {
      const std::lock_guard lock(mutex_);
      holds_ = false;
      std::swap(held, held_);
    }
    for (const auto& answer : held) answer();
  }
  [[nodiscard]] std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  // Before anybody asks.
  void begin_incomplete() { completion_.set(false); }
  void complete() { completion_.set(true); }

  // PlaceViews
  void ask(const LayerId& layer, actors::NearbyQuestion question) override {
    answer([done = question.done, found = search(layer, question)]() mutable { done(std::move(found)); });
  }
  void ask(const LayerId& layer, actors::ScoresQuestion question) override {
    actors::Scores scores;
    {
      const std::lock_guard lock(mutex_);
      for (const std::string& member : question.members) {
        const bool is_told = !question.sees || question.sees(*places::Member::make(member, hidden_.contains(member)));
        scores.push_back(is_told ? find(layer, member) : std::nullopt);
      }
    }
    answer([done = std::move(question.done), scores] { done(scores); });
  }
  void ask(const LayerId& layer, actors::SizeQuestion question) override {
    std::size_t size = 0;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = layers_.find(layer); found != layers_.end()) size = found->second.size();
    }
    answer([done = std::move(question.done), size] { done(size); });
  }
  void ask(const LayerId&, actors::RangeQuestion question) override { question.done({}); }
  void ask_layers(actors::LayersQuestion question) override {
    actors::FoundLayers found;
    {
      const std::lock_guard lock(mutex_);
      for (auto one = layers_.upper_bound(LayerId::trusted(question.after)); one != layers_.end(); ++one)
        if (!one->second.empty() && (!question.wants || question.wants(one->first.text())))
          found.layers.push_back({one->first, one->second.size(), privacies->own(one->first)});
    }
    found.more = found.layers.size() > question.count_max;
    if (found.more) found.layers.resize(question.count_max);
    answer([done = std::move(question.done), found] { done(found); });
  }
  void scan_layers(actors::LayersScan scan) override {
    std::vector<std::pair<std::uint64_t, LayerId>> layers;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [layer, members] : layers_)
        if (const auto place = actors::scan_place_of(layer.text()); !members.empty() && place >= scan.from)
          layers.emplace_back(place, layer);
    }
    std::ranges::sort(layers);
    actors::ScannedLayers scanned;
    for (const auto& [place, layer] : layers) {
      if (scanned.layers.size() == scan.count_max) {
        scanned.next = place;
        break;
      }
      scanned.layers.push_back(layer);
    }
    answer([done = std::move(scan.done), scanned] { done(scanned); });
  }
  void count_layers(std::function<void(std::size_t)> done) override {
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [layer, members] : layers_) count += members.empty() ? 0 : 1;
    }
    answer([done = std::move(done), count] { done(count); });
  }
  // Whose changes came, and under which names.
  [[nodiscard]] std::vector<std::pair<Mover, RequestTag>> askers() const {
    const std::lock_guard lock(mutex_);
    return askers_;
  }
  // Others may be on other nodes.
  [[nodiscard]] bool knows_all_layers() const override { return knows_all_layers_; }
  void set_knows_all_layers(bool knows) { knows_all_layers_ = knows; }
  // … where this one does not know of them.
  void hide_layers(bool hides) { hides_layers_ = hides; }
  [[nodiscard]] bool has_layer(const LayerId& layer) const override {
    if (hides_layers_) return false;
    const std::lock_guard lock(mutex_);
    const auto found = layers_.find(layer);
    return (found != layers_.end() && !found->second.empty()) || privacies->own(layer);
  }
  [[nodiscard]] Result<actors::LayerPermit> permit_setting(const LayerId&) override { return actors::LayerPermit(); }
  [[nodiscard]] bool is_complete() const override { return completion_.is_complete(); }
  [[nodiscard]] Waiting when_complete(std::function<void()> then) override {
    return completion_.when_complete(std::move(then));
  }

 private:
  std::atomic<bool> knows_all_layers_{true};
  std::atomic<bool> hides_layers_{false};

  struct Shard final : DeafShard {
    explicit Shard(std::shared_ptr<PlaceMap> of) : map(std::move(of)) {}
    using DeafShard::post;
    void post(actors::ShardPositions message) override {
      map->note(std::visit([](const auto& command) { return command.mover; }, message.command), message.tag);
      auto given = std::visit([this](auto& command) { return map->change(command); }, message.command);
      map->answer([done = std::move(message.done), given = std::move(given)] { done(given); });
    }

    const std::shared_ptr<PlaceMap> map;
  };

  void note(const Mover& mover, const RequestTag& tag) {
    const std::lock_guard lock(mutex_);
    askers_.emplace_back(mover, tag);
  }
  void answer(std::function<void()> how) {
    {
      const std::lock_guard lock(mutex_);
      if (holds_) return held_.push_back(std::move(how));
    }
    how();
  }
  std::optional<double> find(const LayerId& layer, const std::string& member) {
    const auto& members = layers_[layer];
    const auto found = members.find(member);
    return found == members.end() ? std::nullopt : std::optional(found->second);
  }

  Result<actors::PositionsAnswer> change(const SetPositionsCommand& command) {
    using enum cluster::PositionOutcome;
    const std::lock_guard lock(mutex_);
    if (refusal_) return fail(*refusal_);
    actors::PositionsAnswer answer;
    for (const auto& item : command.items) {
      const auto before = find(command.layer, item.member);
      const bool skipped = (command.condition == PositionCondition::kIfNew && before) ||
                           (command.condition == PositionCondition::kIfExists && !before);
      answer.outcomes.push_back(skipped ? kSkipped : !before ? kAdded : *before == item.score ? kUnchanged : kChanged);
      if (skipped) continue;
      layers_[command.layer][item.member] = item.score;
      item.hidden ? void(hidden_.insert(item.member)) : void(hidden_.erase(item.member));
      ttls_ms_[item.member] = item.ttl_ms;
    }
    return answer;
  }
  Result<actors::PositionsAnswer> change(const ClearPositionsCommand& command) {
    const std::lock_guard lock(mutex_);
    if (refusal_) return fail(*refusal_);
    actors::PositionsAnswer answer;
    for (const std::string& member : command.members) answer.members += layers_[command.layer].erase(member);
    return answer;
  }
  Result<actors::PositionsAnswer> change(const ClearLayersCommand& command) {
    const std::lock_guard lock(mutex_);
    if (refusal_) return fail(*refusal_);
    actors::PositionsAnswer answer;
    for (const LayerId& layer : command.layers) {
      answer.of_layers.push_back(layers_[layer].size());
      layers_.erase(layer);
    }
    return answer;
  }

  Result<actors::PositionsAnswer> change(const SetLayerPrivacyCommand& command) {
    {
      const std::lock_guard lock(mutex_);
      if (refusal_) return fail(*refusal_);
    }
    privacies->set(command.layer, command.privacy);
    return actors::PositionsAnswer{};
  }

  Result<actors::NearbyAnswer> search(const LayerId& layer, const actors::NearbyQuestion& question) {
    const std::lock_guard lock(mutex_);
    geo::Point centre;
    if (const auto* member = std::get_if<std::string>(&question.centre)) {
      const auto at = find(layer, *member);
      if (!at) return fail(ErrorCode::kNotFound, "member", "");
      centre = geo::decode(*places::place_of(*at));
    } else {
      centre = std::get<geo::Point>(question.centre);
    }
    auto area = question.area(centre);
    if (!area) return fail(std::move(area.error()));
    actors::NearbyAnswer answer;
    answer.is_partial = !is_complete();
    for (const auto& [name, score] : layers_[layer]) {
      const places::MemberPtr member = places::Member::make(name, hidden_.contains(name));
      std::optional<geo::Geohash> place = places::place_of(score);
      if (question.lens != nullptr) place = question.lens->shown(member->handle(), *place);
      const auto distance = place ? area->distance_within_m(geo::decode(*place)) : std::nullopt;
      if (distance) answer.found.push_back({member, *place, *distance});
    }
    if (question.pick == geo::Pick::kNearest)
      std::ranges::sort(answer.found, {}, &places::FoundMember::distance_m);
    else if (question.pick == geo::Pick::kFarthest)
      std::ranges::sort(answer.found, std::ranges::greater(), &places::FoundMember::distance_m);
    if (answer.found.size() > question.count_max) answer.found.resize(question.count_max);
    if (question.pick == geo::Pick::kAny && question.in_order)
      std::ranges::sort(answer.found, {}, &places::FoundMember::distance_m);
    return answer;
  }

  mutable std::mutex mutex_;
  std::vector<std::pair<Mover, RequestTag>> askers_;
  std::set<std::string> hidden_;  // in every layer
  std::map<LayerId, std::map<std::string, double>> layers_;
  std::map<std::string, std::uint64_t> ttls_ms_;
  std::optional<Error> refusal_;
  bool holds_ = false;
  std::vector<std::function<void()>> held_;
  actors::Completion completion_{true};
};

}  // namespace earshot::tests
