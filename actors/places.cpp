#include "actors/places.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/layer_actor.hpp"

namespace earshot::actors {
namespace {

constexpr std::size_t kLooksPerStep = 1024;
constexpr std::size_t kBusyPart = 4;  // of the changes that may wait in a layer: a fourth, and it is behind

// Layers that were looked at, in an order. Those with something on their way are asked; whoever lets go of it last has
// the whole answer: a layer that ends without an answer has nobody. Any thread.
class LayerCensus {
 public:
  using Done = std::function<void(std::vector<LayerPopulation>)>;

  LayerCensus(std::vector<LayerPopulation> looked_at, Done done)
      : layers_(std::move(looked_at)), done_(std::move(done)) {}
  ~LayerCensus() {
    std::erase_if(layers_, [](const LayerPopulation& layer) { return layer.members == 0; });
    done_(std::move(layers_));
  }
  LayerCensus(const LayerCensus&) = delete;
  LayerCensus& operator=(const LayerCensus&) = delete;

  void found(std::size_t index, std::size_t members) {
    const std::lock_guard lock(mutex_);
    layers_[index].members = members;
  }

 private:
  std::mutex mutex_;
  std::vector<LayerPopulation> layers_;
  const Done done_;
};

class PlacesImpl final : public Places, public LayerOwner, public std::enable_shared_from_this<PlacesImpl> {
 public:
  PlacesImpl(caf::actor_system& system, std::uint16_t shard_count, const places::CellLimits& cell_limits,
             const PlacesLimits& limits)
      : system_(system),
        shard_count_(shard_count),
        cell_limits_(cell_limits),
        limits_(limits),
        shards_untold_(shard_count),
        is_told_(shard_count) {}

  void moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) override {
    tell(shard, std::move(moves), std::move(cleared), nullptr, places::MoveTo::kElsewhere);
  }
  void page(ShardId shard, std::vector<cluster::Move> moves, places::UntilTaken until_taken) override {
    tell(shard, std::move(moves), {}, until_taken, places::MoveTo::kElsewhereLate);
  }
  void privacies(const std::vector<cluster::PrivacyChange>& changes) override {
    for (const auto& [layer, privacy] : changes) privacies_->set(layer, privacy);
  }
  void all_told(ShardId shard) override {
    if (is_told_[shard.value].exchange(true)) return;
    if (shards_untold_.fetch_sub(1, std::memory_order_acq_rel) == 1) completion_.set(true);
  }
  void lost(ShardId shard) override {
    if (!is_told_[shard.value].exchange(false)) return;
    shards_untold_.fetch_add(1, std::memory_order_acq_rel);
    completion_.set(false);
  }
  void scan_begins(ShardId shard) override { post_to_all(LayerScan{shard, true}); }
  void scan_ends(ShardId shard) override {
    post_to_all(LayerScan{shard, false});
    all_told(shard);
  }
  [[nodiscard]] std::shared_ptr<const places::PrivacyTable> privacy_table() const override { return privacies_; }

  void ask(const LayerId& layer, NearbyQuestion question) override {
    if (!is_complete()) {
      question.done = [done = std::move(question.done)](Result<NearbyAnswer> answer) {
        if (answer) answer->is_partial = true;
        done(std::move(answer));
      };
    }
    if (!post_if_there(layer, question)) answer_from_nobody(question);
  }
  void ask(const LayerId& layer, ScoresQuestion question) override {
    if (!post_if_there(layer, question)) question.done(std::vector<std::optional<double>>(question.members.size()));
  }
  void ask(const LayerId& layer, SizeQuestion question) override {
    if (!post_if_there(layer, question)) question.done(0);
  }
  void ask(const LayerId& layer, RangeQuestion question) override {
    if (!post_if_there(layer, question)) question.done({});
  }
  void ask_layers(LayersQuestion question) override { look_on(std::move(question), {}); }
  void scan_layers(LayersScan scan) override;
  void count_layers(std::function<void(std::size_t)> done) override;
  [[nodiscard]] bool has_layer(const LayerId& layer) const override;
  [[nodiscard]] Result<LayerPermit> permit_setting(const LayerId& layer) override;
  [[nodiscard]] bool is_complete() const override { return completion_.is_complete(); }
  [[nodiscard]] Waiting when_complete(std::function<void()> then) override {
    return completion_.when_complete(std::move(then));
  }

  void end() override;
  [[nodiscard]] std::size_t members() const override { return members_.load(std::memory_order_relaxed); }
  [[nodiscard]] LiveActors& layers() const override { return *layers_; }
  [[nodiscard]] LiveActors& cells() const override { return *cells_; }

  // LayerOwner
  void add_cell(caf::actor cell) override { cells_->add(++last_cell_, std::move(cell)); }
  void count_members(std::ptrdiff_t members_more) override {
    if (members_more != 0) members_.fetch_add(static_cast<std::size_t>(members_more), std::memory_order_relaxed);
  }
  void forgot(std::uint64_t left_ms) override {
    if (limits_.forgot) limits_.forgot(left_ms);
  }
  void taken(std::ptrdiff_t members_more) override {
    count_members(members_more);
    under_way_.fetch_sub(1, std::memory_order_release);
  }
  bool retire(const LayerId& layer, std::uint64_t messages) override;

 private:
  struct Entry {
    caf::actor actor;
    std::shared_ptr<LayerGauge> gauge = std::make_shared<LayerGauge>();
    std::atomic<std::uint64_t> messages{0};  // sent to it, or about to be

    // Then its gauge tells what it is, and somebody is in it: whoever had left it empty would have retired it.
    [[nodiscard]] bool is_idle() const {
      return gauge->taken.load(std::memory_order_acquire) == messages.load(std::memory_order_relaxed);
    }
  };
  using Entries = std::unordered_map<LayerId, Entry>;
  // A layer that has to be asked, and its place among those that were looked at.
  struct Busy {
    caf::actor actor;
    std::size_t index = 0;
  };

  void tell(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared,
            const places::UntilTaken& until_taken, places::MoveTo elsewhere);
  void post_moves(const LayerId& layer, LayerMoves message);
  static std::size_t changes_in(const LayerMoves& message) { return message.moves.size(); }
  static std::size_t changes_in(const LayerCleared&) { return 1; }
  static std::size_t changes_in(const LayerScan&) { return 1; }
  template <class Question>
  static std::size_t changes_in(const Question&) {
    return 0;
  }
  // Its next message is promised: from then on it does not end before it has had it.
  void promise(Entry& entry) {
    under_way_.fetch_add(1, std::memory_order_relaxed);
    entry.messages.fetch_add(1, std::memory_order_relaxed);
  }
  template <class Message>
  void post(Entry& entry, Message message) {
    promise(entry);
    entry.gauge->waiting.fetch_add(changes_in(message), std::memory_order_relaxed);
    caf::anon_send(entry.actor, std::move(message));
  }
  // Moves from the message only if there is such a layer.
  template <class Message>
  bool post_if_there(const LayerId& layer, Message& message) {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(layer);
    if (found != entries_.end()) post(found->second, std::move(message));
    return found != entries_.end() || has_ended_;
  }
  template <class Message>
  void post_always(const LayerId& layer, Message message) {
    if (post_if_there(layer, message)) return;
    const std::unique_lock lock(mutex_);
    if (has_ended_) return;
    const auto [found, is_new] = entries_.try_emplace(layer);
    if (is_new) add(*found);
    post(found->second, std::move(message));
  }
  // To all layers that there are.
  void post_to_all(LayerScan message) {
    const std::shared_lock lock(mutex_);
    for (auto& [layer, entry] : entries_) post(entry, message);
  }
  void add(Entries::value_type& one) {
    auto& [layer, entry] = one;
    entry.actor = spawn_layer(
        system_, LayerSetup{layer, shard_count_, cell_limits_, shared_from_this(), entry.gauge, limits_.clock});
    layers_->add(++last_layer_, entry.actor);
    by_name_.emplace(layer.text(), &one);
    by_scan_place_.emplace(std::pair(scan_place_of(layer.text()), std::string_view(layer.text())), &one);
  }

  // Under the lock, shared or not.
  void look_at(Entries::value_type& one, std::vector<LayerPopulation>& looked_at, std::vector<Busy>& busy);
  void look_on(LayersQuestion question, FoundLayers found);
  static void take_census(const std::vector<Busy>& busy, std::vector<LayerPopulation> looked_at,
                          LayerCensus::Done done);
  static void answer_from_nobody(NearbyQuestion& question) {
    if (std::holds_alternative<std::string>(question.centre)) return question.done(fail(nobody_is_there()));
    question.done(NearbyAnswer{});
  }

  caf::actor_system& system_;
  const std::uint16_t shard_count_;
  const places::CellLimits cell_limits_;
  const PlacesLimits limits_;
  const std::shared_ptr<places::PrivacyTable> privacies_ = std::make_shared<places::PrivacyTable>();
  const std::shared_ptr<LiveActors> layers_ = LiveActors::make();
  const std::shared_ptr<LiveActors> cells_ = LiveActors::make();

  mutable std::shared_mutex mutex_;  // held alone to add and to drop layers
  Entries entries_;
  // In their orders: views of the names that stand in entries_.
  std::map<std::string_view, Entries::value_type*> by_name_;
  std::map<std::pair<std::uint64_t, std::string_view>, Entries::value_type*> by_scan_place_;
  LiveActors::Key last_layer_ = 0;
  std::atomic<LiveActors::Key> last_cell_{0};
  bool has_ended_ = false;
  std::atomic<std::uint64_t> under_way_{0};  // messages to all layers that are not taken yet
  std::atomic<std::size_t> members_{0};      // of all layers
  std::atomic<std::size_t> coming_{0};       // permits for layers that were not there

  std::atomic<std::size_t> shards_untold_;
  std::vector<std::atomic<bool>> is_told_;  // of each shard; said by one thread
  Completion completion_;
};

// The two lists are one order, by version; what matters is the order within each layer.
void PlacesImpl::tell(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared,
                      const places::UntilTaken& until_taken, places::MoveTo elsewhere) {
  std::unordered_map<LayerId, LayerMoves> by_layer;
  auto clear = cleared.begin();
  const auto clear_until = [&](std::uint64_t version) {
    for (; clear != cleared.end() && clear->version < version; ++clear) {
      if (auto before = by_layer.extract(clear->layer)) post_moves(clear->layer, std::move(before.mapped()));
      LayerCleared message{shard, clear->version};
      post_if_there(clear->layer, message);
    }
  };
  for (cluster::Move& move : moves) {
    clear_until(move.version);
    LayerMoves& of_layer = by_layer[move.layer];
    of_layer.shard = shard;
    of_layer.until_taken = until_taken;
    of_layer.moves.push_back({std::move(move.member), move.score, move.version, move.hidden, move.ahead, move.settles,
                              move.ahead_number, move.elsewhere ? elsewhere : places::MoveTo::kOwn});
  }
  clear_until(UINT64_MAX);
  for (auto& [layer, of_layer] : by_layer) post_moves(layer, std::move(of_layer));
}

// What brings nobody there makes no layer; unless it is told ahead: it has to be known until it is settled.
void PlacesImpl::post_moves(const LayerId& layer, LayerMoves message) {
  const bool comes = std::ranges::any_of(message.moves, [](const places::MemberMove& move) {
    return move.ahead || (move.score && move.to != places::MoveTo::kElsewhere);
  });
  comes ? post_always(layer, std::move(message)) : void(post_if_there(layer, message));
}

// ---- which layers there are

void PlacesImpl::look_at(Entries::value_type& one, std::vector<LayerPopulation>& looked_at, std::vector<Busy>& busy) {
  auto& [layer, entry] = one;
  const bool is_idle = entry.is_idle();
  if (!is_idle) {
    promise(entry);
    busy.push_back({entry.actor, looked_at.size()});
  }
  looked_at.push_back({layer, is_idle ? entry.gauge->members.load(std::memory_order_relaxed) : 0});
}

void PlacesImpl::take_census(const std::vector<Busy>& busy, std::vector<LayerPopulation> looked_at,
                             LayerCensus::Done done) {
  const auto census = std::make_shared<LayerCensus>(std::move(looked_at), std::move(done));
  for (const Busy& one : busy)
    caf::anon_send(one.actor,
                   SizeQuestion{[census, index = one.index](std::size_t members) { census->found(index, members); }});
}

// Step by step, so that nobody waits long for the lock; and with those of a step that have to be asked, the next one is
// made when they have answered.
void PlacesImpl::look_on(LayersQuestion question, FoundLayers found) {
  for (;;) {
    std::vector<LayerPopulation> looked_at;
    std::vector<Busy> busy;
    const std::size_t left = question.count_max - found.layers.size();
    bool is_last = false;
    {
      const std::shared_lock lock(mutex_);
      auto next = by_name_.upper_bound(question.after);
      for (std::size_t looks = 0; next != by_name_.end() && looks < kLooksPerStep && looked_at.size() <= left;
           ++next, ++looks) {
        question.after = next->first;
        if (!question.wants || question.wants(next->first)) look_at(*next->second, looked_at, busy);
      }
      is_last = next == by_name_.end();
    }
    for (LayerPopulation& layer : looked_at) layer.privacy = privacies_->own(layer.layer);
    auto go_on = [question, found = std::move(found), is_last](std::vector<LayerPopulation> populated) mutable {
      for (LayerPopulation& layer : populated) found.layers.push_back(std::move(layer));
      found.more = found.layers.size() > question.count_max;
      if (found.more) found.layers.resize(question.count_max);
      const bool is_done = is_last || found.more;
      return std::pair(is_done, std::move(found));
    };
    if (!busy.empty())
      return take_census(busy, std::move(looked_at),
                         [self = shared_from_this(), question = std::move(question),
                          go_on = std::move(go_on)](std::vector<LayerPopulation> populated) mutable {
                           auto [is_done, all] = go_on(std::move(populated));
                           is_done ? question.done(std::move(all)) : self->look_on(std::move(question), std::move(all));
                         });
    auto [is_done, all] = go_on(std::move(looked_at));
    if (is_done) return question.done(std::move(all));
    found = std::move(all);
  }
}

// Those with the same place are told together.
void PlacesImpl::scan_layers(LayersScan scan) {
  std::vector<LayerPopulation> looked_at;
  std::vector<Busy> busy;
  std::uint64_t next = 0;
  const std::size_t count_max = std::clamp<std::size_t>(scan.count_max, 1, limits::kLayersPageMax);
  {
    const std::shared_lock lock(mutex_);
    std::uint64_t last = 0;
    for (auto one = by_scan_place_.lower_bound({scan.from, {}}); one != by_scan_place_.end(); ++one) {
      next = one->first.first;
      if (looked_at.size() >= count_max && next != last) break;
      last = std::exchange(next, 0);
      look_at(*one->second, looked_at, busy);
    }
  }
  take_census(busy, std::move(looked_at), [next, done = std::move(scan.done)](std::vector<LayerPopulation> populated) {
    ScannedLayers scanned{{}, next};
    for (LayerPopulation& one : populated) scanned.layers.push_back(std::move(one.layer));
    done(std::move(scanned));
  });
}

// Where nothing is on its way, somebody is in every layer.
void PlacesImpl::count_layers(std::function<void(std::size_t)> done) {
  std::vector<LayerPopulation> looked_at;
  std::vector<Busy> busy;
  std::size_t idle = 0;
  {
    const std::shared_lock lock(mutex_);
    if (under_way_.load(std::memory_order_acquire) == 0) {
      idle = entries_.size();
    } else {
      for (auto& one : entries_) one.second.is_idle() ? void(++idle) : look_at(one, looked_at, busy);
    }
  }
  take_census(
      busy, std::move(looked_at),
      [idle, done = std::move(done)](const std::vector<LayerPopulation>& populated) { done(idle + populated.size()); });
}

bool PlacesImpl::has_layer(const LayerId& layer) const {
  const std::shared_lock lock(mutex_);
  return entries_.contains(layer) || privacies_->own(layer).has_value();
}

// Permits for the same new layer count each for one: that refuses sooner, when there are nearly too many, and never
// later.
Result<LayerPermit> PlacesImpl::permit_setting(const LayerId& layer) {
  const std::shared_lock lock(mutex_);
  if (const auto found = entries_.find(layer); found != entries_.end()) {
    const std::size_t waiting = found->second.gauge->waiting.load(std::memory_order_relaxed);
    if (waiting <= limits_.layer_changes_waiting_max)
      return LayerPermit{nullptr, waiting > limits_.layer_changes_waiting_max / kBusyPart};
    return fail(
        Error{ErrorCode::kOverloaded, "layer", "as many changes as may wait to be shown in it", limits::kRetryAfterMs});
  }
  LayerPermit permit{{this, [self = shared_from_this()](const void*) { self->coming_.fetch_sub(1); }}};
  if (entries_.size() + coming_.fetch_add(1) < limits_.layers_max) return permit;
  return fail(
      Error{ErrorCode::kOverloaded, "layer",
            "it would be a new one, and the node has " + std::to_string(limits_.layers_max) + ", the most it may",
            limits::kRetryAfterMs});
}

// Nobody is in the layer, and nothing is on its way to it: it may go. Else it has to take what comes.
bool PlacesImpl::retire(const LayerId& layer, std::uint64_t messages) {
  const std::unique_lock lock(mutex_);
  const auto found = entries_.find(layer);
  if (found == entries_.end() || found->second.messages != messages) return false;
  by_name_.erase(layer.text());
  by_scan_place_.erase({scan_place_of(layer.text()), layer.text()});
  entries_.erase(found);
  return true;
}

void PlacesImpl::end() {
  Entries entries;
  {
    const std::unique_lock lock(mutex_);
    has_ended_ = true;
    by_name_.clear();
    by_scan_place_.clear();
    std::swap(entries, entries_);
  }
  completion_.forget();
  // Before all that waits for them.
  for (const auto& [layer, entry] : entries) caf::anon_send<caf::message_priority::high>(entry.actor, EndLayer{});
}

}  // namespace

std::shared_ptr<Places> make_places(caf::actor_system& system, std::uint16_t shard_count,
                                    const places::CellLimits& cell_limits, const PlacesLimits& limits) {
  return std::make_shared<PlacesImpl>(system, shard_count, cell_limits, limits);
}

}  // namespace earshot::actors
