#include "actors/places.hpp"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/layer_actor.hpp"

namespace earshot::actors {
namespace {

// What each layer says of itself. Whoever lets go of it last has the whole answer. Any thread.
class LayerCensus {
 public:
  explicit LayerCensus(std::function<void(std::vector<LayerPopulation>)> done) : done_(std::move(done)) {}
  ~LayerCensus() { done_(std::move(found_)); }
  LayerCensus(const LayerCensus&) = delete;
  LayerCensus& operator=(const LayerCensus&) = delete;

  void add(LayerPopulation layer) {
    const std::lock_guard lock(mutex_);
    if (layer.members > 0) found_.push_back(std::move(layer));
  }

 private:
  const std::function<void(std::vector<LayerPopulation>)> done_;
  std::mutex mutex_;
  std::vector<LayerPopulation> found_;
};

class PlacesImpl final : public Places, public LayerOwner, public std::enable_shared_from_this<PlacesImpl> {
 public:
  PlacesImpl(caf::actor_system& system, std::uint16_t shard_count, const places::CellLimits& limits)
      : system_(system), shard_count_(shard_count), limits_(limits), shards_untold_(shard_count) {}

  void moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) override;
  void privacies(const std::vector<cluster::PrivacyChange>& changes) override {
    for (const auto& [layer, privacy] : changes) privacies_->set(layer, privacy);
  }
  void all_told(ShardId shard) override;
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
  void ask_layers(std::function<void(std::vector<LayerPopulation>)> done) override;
  [[nodiscard]] bool is_complete() const override { return shards_untold_.load(std::memory_order_acquire) == 0; }
  void when_complete(std::function<void()> then) override;

  void end() override;
  [[nodiscard]] LiveActors& layers() const override { return *layers_; }
  [[nodiscard]] LiveActors& cells() const override { return *cells_; }

  // LayerOwner
  void add_cell(caf::actor cell) override { cells_->add(++last_cell_, std::move(cell)); }
  bool retire(const LayerId& layer, std::uint64_t messages) override;

 private:
  struct Entry {
    caf::actor actor;
    std::atomic<std::uint64_t> messages{0};  // sent to it
  };

  template <class Message>
  static void post(Entry& entry, Message message) {
    entry.messages.fetch_add(1, std::memory_order_relaxed);
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
    Entry& entry = entries_[layer];
    if (!entry.actor) {
      entry.actor = spawn_layer(system_, LayerSetup{layer, shard_count_, limits_, shared_from_this()});
      layers_->add(++last_layer_, entry.actor);
    }
    post(entry, std::move(message));
  }
  static void answer_from_nobody(NearbyQuestion& question) {
    if (std::holds_alternative<std::string>(question.centre)) return question.done(fail(nobody_is_there()));
    question.done(NearbyAnswer{});
  }

  caf::actor_system& system_;
  const std::uint16_t shard_count_;
  const places::CellLimits limits_;
  const std::shared_ptr<places::PrivacyTable> privacies_ = std::make_shared<places::PrivacyTable>();
  const std::shared_ptr<LiveActors> layers_ = LiveActors::make();
  const std::shared_ptr<LiveActors> cells_ = LiveActors::make();

  std::shared_mutex mutex_;  // held alone to add and to drop layers
  std::unordered_map<LayerId, Entry> entries_;
  LiveActors::Key last_layer_ = 0;
  std::atomic<LiveActors::Key> last_cell_{0};
  bool has_ended_ = false;

  std::atomic<std::size_t> shards_untold_;
  std::mutex waiting_mutex_;
  std::vector<std::function<void()>> waiting_;
};

// The two lists are one order, by version; what matters is the order within each layer.
void PlacesImpl::moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) {
  std::unordered_map<LayerId, LayerMoves> by_layer;
  auto clear = cleared.begin();
  const auto clear_until = [&](std::uint64_t version) {
    for (; clear != cleared.end() && clear->version < version; ++clear) {
      if (auto before = by_layer.extract(clear->layer)) post_always(clear->layer, std::move(before.mapped()));
      LayerCleared message{shard, clear->version};
      post_if_there(clear->layer, message);
    }
  };
  for (cluster::Move& move : moves) {
    clear_until(move.version);
    LayerMoves& of_layer = by_layer[move.layer];
    of_layer.shard = shard;
    of_layer.moves.push_back({std::move(move.member), move.score, move.version, move.hidden, move.ahead, move.settles});
  }
  clear_until(UINT64_MAX);
  for (auto& [layer, of_layer] : by_layer) post_always(layer, std::move(of_layer));
}

void PlacesImpl::all_told(ShardId) {
  std::vector<std::function<void()>> ready;
  {
    const std::lock_guard lock(waiting_mutex_);
    if (shards_untold_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    std::swap(ready, waiting_);
  }
  for (const auto& then : ready) then();
}

void PlacesImpl::when_complete(std::function<void()> then) {
  {
    const std::lock_guard lock(waiting_mutex_);
    if (!is_complete()) return waiting_.push_back(std::move(then));
  }
  then();
}

// Those that have become empty and not ended yet are left out by whoever is last to answer.
void PlacesImpl::ask_layers(std::function<void(std::vector<LayerPopulation>)> done) {
  const auto census = std::make_shared<LayerCensus>(std::move(done));
  const std::shared_lock lock(mutex_);
  for (auto& [layer, entry] : entries_)
    post(entry, SizeQuestion{[census, layer = layer, privacy = privacies_->own(layer)](std::size_t members) {
           census->add({layer, members, privacy});
         }});
}

// Nobody is in the layer, and nothing is on its way to it: it may go. Else it has to take what comes.
bool PlacesImpl::retire(const LayerId& layer, std::uint64_t messages) {
  const std::unique_lock lock(mutex_);
  const auto found = entries_.find(layer);
  if (found == entries_.end() || found->second.messages != messages) return false;
  entries_.erase(found);
  return true;
}

void PlacesImpl::end() {
  std::unordered_map<LayerId, Entry> entries;
  {
    const std::unique_lock lock(mutex_);
    has_ended_ = true;
    std::swap(entries, entries_);
  }
  {
    const std::lock_guard lock(waiting_mutex_);
    waiting_.clear();
  }
  for (const auto& [layer, entry] : entries) caf::anon_send(entry.actor, EndLayer{});
}

}  // namespace

std::shared_ptr<Places> make_places(caf::actor_system& system, std::uint16_t shard_count,
                                    const places::CellLimits& limits) {
  return std::make_shared<PlacesImpl>(system, shard_count, limits);
}

}  // namespace earshot::actors
