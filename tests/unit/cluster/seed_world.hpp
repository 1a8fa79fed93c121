#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cluster/seed_feeder.hpp"
#include "cluster/seed_fetcher.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/shard_state.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"
#include "tests/unit/storage/backends.hpp"

namespace earshot::cluster {

using Records = std::map<std::string, std::string, std::less<>>;
inline constexpr ShardId kSeedShard{3};
inline constexpr Term kSeedTerm{7};

// A shard's records as they are on the disk, sealed; without what is storage's own.
inline Records records_of(storage::Environment& environment) {
  Records records;
  auto reading = storage::must(environment.begin_read());
  for (auto& [key, value] : storage::scan(*reading, storage::kStateTable, storage::state_key(kSeedShard, {}),
                                          storage::end_of_shard(kSeedShard))) {
    if (!storage::keys::is_storage_own(std::string_view(key).substr(2))) records.emplace(key, value);
  }
  return records;
}

// What entries do to the shard: one row of changes each, the same on every replica.
using Changes = std::map<std::string, std::optional<std::string>>;
using History = std::vector<Changes>;  // entry i + 1

// A replica that has a state, and feeds from it what its flushes have brought to the disk.
class SeedingReplica {
 public:
  SeedingReplica(storage::Backend backend, const History& history, const storage::SeedLimits& limits,
                 const storage::SeedFaults& faults)
      : disk_(backend, storage::state_tables()), history_(history), limits_(limits), faults_(faults) {}

  void start(std::uint64_t random) {
    feeder_.reset(), state_.reset(), environment_.reset();
    environment_ = disk_.open();
    state_.emplace(*environment_, kSeedShard);
    feeder_.emplace(*environment_, kSeedShard, random, limits_, faults_);
    overlay_ = nullptr;
    is_written_ = false;
    const auto head = storage::must(state_->get(storage::keys::shard_head()));
    applied_ = head ? decode_shard_head(*head)->applied_index.value : 0;
  }

  void apply_next() {
    if (applied_ == history_.size()) return;
    for (const auto& [key, value] : history_[applied_]) value ? state_->put(key, *value) : state_->erase(key);
    ++applied_;
  }

  // One of the three steps of a flush, whichever is next.
  void flush_step() {
    if (!overlay_) {
      if (!state_->has_changes()) return;
      ShardHead head;
      head.applied_index = LogIndex(applied_);
      head.applied_term = kSeedTerm;
      state_->put(storage::keys::shard_head(), encode(head));
      overlay_ = state_->freeze(LogIndex(applied_));
      feeder_->flushing(true);
    } else if (!is_written_) {
      storage::must(storage::write_overlays(*environment_, {&overlay_, 1}));
      is_written_ = true;
      at_index_[overlay_->applied] = records_of(*environment_);
    } else {
      feeder_->note_flushed(*overlay_);
      feeder_->flushing(false);
      state_->flushed();
      overlay_ = nullptr;
      is_written_ = false;
    }
  }
  void flush() {
    while (applied_ < history_.size()) apply_next();
    do flush_step();
    while (overlay_);
  }

  SeedFeeder& feeder() { return *feeder_; }
  storage::Environment& environment() { return *environment_; }
  // What the disk held when it stood there; nullptr: it never did.
  [[nodiscard]] const Records* at(LogIndex index) const {
    static const Records nothing;
    if (index == LogIndex(0)) return &nothing;
    const auto found = at_index_.find(index);
    return found == at_index_.end() ? nullptr : &found->second;
  }

 private:
  storage::TestDisk disk_;
  const History& history_;
  const storage::SeedLimits limits_;
  const storage::SeedFaults faults_;
  std::unique_ptr<storage::Environment> environment_;
  std::optional<storage::ShardState> state_;
  std::optional<SeedFeeder> feeder_;
  std::uint64_t applied_ = 0;
  std::shared_ptr<const storage::FrozenOverlay> overlay_;
  bool is_written_ = false;
  std::map<LogIndex, Records> at_index_;
};

// Two replicas with a state, either of which may lead at any time, and one that fetches it from whoever does: over a
// network that loses, doubles and reorders, with crashes of all three, while the shard goes on. Then a time without
// faults, in which the fetch must end.
class SeedWorld {
 public:
  SeedWorld(storage::Backend backend, std::uint64_t seed, const storage::SeedFaults& faults = {})
      : random_(seed),
        is_model_(backend == storage::Backend::kModel),
        faults_(faults),
        receiver_disk_(backend, storage::state_tables()) {
    limits_.part_bytes_max = random_.between(100, 3'000);
    limits_.overlay_bytes_max = random_.between(200, 4'000);
    limits_.dirty_bytes_max = random_.between(1'500, 20'000);
    keys_ = random_.between(1, 60);
    for (NodeId node : {NodeId(1), NodeId(2)}) {
      replicas_.emplace(node, std::make_unique<SeedingReplica>(backend, history_, limits_, faults_));
    }
  }

  // What went wrong; "" if nothing did.
  std::string run() {
    begin();
    constexpr int kFaultySteps = 1'500;
    constexpr int kSteps = 200'000;
    for (int step = 0; step < kSteps && wrong_.empty() && !is_done_; ++step) {
      is_calm_ = step >= kFaultySteps;
      take_step();
    }
    if (wrong_.empty() && !is_done_) return "the fetch does not end";
    if (wrong_.empty()) check_end();
    return wrong_;
  }

  std::uint64_t crashes = 0;
  std::uint64_t overlays = 0;
  std::uint64_t beginnings = 0;

 private:
  struct Frame {
    NodeId from;
    NodeId to;
    std::string bytes;
  };
  static constexpr NodeId kReceiver{9};

  void begin() {
    for (auto entries = random_.below(120); entries > 0; --entries) history_.push_back(some_changes());
    for (auto& [node, replica] : replicas_) {
      replica->start(random_.next());
      if (!history_.empty() && random_.chance(0.9)) replica->flush();
    }
    receiver_ = receiver_disk_.open();
    fill_receiver();
    write(storage::not_whole_overlay(kSeedShard));
    if (is_model_) receiver_disk_.model().set_manual_sync(true);
    open_fetcher();
  }

  // Nothing, the state of another time, or something else altogether; with damage, or without.
  void fill_receiver() {
    if (random_.chance(0.3)) return;
    auto overlay = std::make_shared<storage::FrozenOverlay>();
    overlay->shard = kSeedShard;
    const bool is_older = random_.chance(0.5);
    for (std::size_t entry = 0; is_older && entry < history_.size() / 2; ++entry) {
      for (const auto& [key, value] : history_[entry])
        value ? overlay->changes.put(key, *value) : overlay->changes.erase(key);
    }
    for (auto more = random_.below(40); !is_older && more > 0; --more) overlay->changes.put(some_key(), "other");
    write(overlay);
    for (auto flaws = random_.below(4); flaws > 0; --flaws) {
      const auto records = records_of(*receiver_);
      if (records.empty()) return;
      auto damaged = std::next(records.begin(), static_cast<std::ptrdiff_t>(random_.below(records.size())));
      auto writing = storage::must(receiver_->begin_write());
      if (random_.chance(0.3)) {
        (void)storage::must(writing->erase(storage::kStateTable, damaged->first));
      } else {
        std::string value = damaged->second;
        value[random_.below(value.size())] ^= 4;
        storage::must(writing->put(storage::kStateTable, damaged->first, value));
      }
      if (random_.chance(0.2)) {
        storage::must(writing->put(storage::kStateTable, storage::state_key(kSeedShard, storage::keys::shard_sums()),
                                   "what is this?"));
      }
      storage::must(writing->commit());
    }
  }

  std::string some_key() {
    std::string key(1, "CEGHLMOY"[random_.below(8)]);
    key += std::to_string(random_.below(keys_));
    return random_.chance(0.05) ? key + std::string(random_.below(300), 'k') : key;
  }

  Changes some_changes() {
    Changes changes;
    for (auto count = random_.between(1, 6); count > 0; --count) {
      const bool is_erased = random_.chance(0.4);
      const std::size_t bytes = random_.chance(0.05) ? random_.below(5'000) : random_.below(100);
      changes[some_key()] =
          is_erased ? std::nullopt : std::optional(std::string(bytes, static_cast<char>('a' + random_.below(26))));
    }
    return changes;
  }

  void take_step() {
    now_ms_ += random_.below(40);
    switch (random_.below(12)) {
      case 0:
      case 1: return go_on_with_the_shard();
      case 2: return random_.chance(is_calm_ ? 0 : 0.05) ? change_leader() : poll();
      case 3: return random_.chance(is_calm_ ? 0 : 0.02) ? crash_replica() : poll();
      case 4: return random_.chance(is_calm_ ? 0 : 0.04) ? crash_receiver() : poll();
      case 5:
      case 6:
      case 7: return write_step();
      default: return deliver();
    }
  }

  void go_on_with_the_shard() {
    // In calm no more than can be told, by one record a part and with next to no memory for what has changed meanwhile.
    if (random_.chance(is_calm_ ? 0.02 : 0.1)) history_.push_back(some_changes());
    for (auto& [node, replica] : replicas_) {
      if (random_.chance(0.5)) replica->apply_next();
      // Who feeds does not freeze again while somebody waits for it to rest.
      if (random_.chance(0.5) || !is_calm_) replica->flush_step();
    }
  }

  void change_leader() { leader_ = NodeId(random_.below(3)); }

  void crash_replica() {
    replicas_.at(NodeId(random_.between(1, 2)))->start(random_.next());
    ++crashes;
  }

  void crash_receiver() {
    ++crashes;
    overlay_ = nullptr;
    fetcher_.reset(), receiver_.reset();
    if (is_model_) receiver_disk_.model().crash();
    receiver_ = receiver_disk_.open();
    open_fetcher();
  }

  void open_fetcher() {
    const bool is_whole = storage::must(storage::is_whole(*receiver_, kSeedShard));
    if (is_whole && !is_last_written_) wrong_ = "half a state passes for a whole one after a crash";
    if (is_whole) is_done_ = true;
    fetcher_.emplace(storage::must(SeedFetcher::open(*receiver_, kSeedShard, random_.next(), limits_, faults_)));
  }

  void poll() {
    if (leader_ == NodeId() && is_calm_) leader_ = NodeId(1);
    if (auto bytes = fetcher_->poll(leader_, now_ms_)) send({kReceiver, leader_, std::move(*bytes)});
  }

  void send(Frame frame) {
    if (!is_calm_ && random_.chance(0.1)) return;
    if (!is_calm_ && random_.chance(0.1)) frames_.push_back(frame);
    frames_.push_back(std::move(frame));
  }

  void deliver() {
    if (frames_.empty()) return;
    const std::size_t any = random_.chance(0.7) ? 0 : random_.below(frames_.size());
    const Frame frame = std::move(frames_[any]);
    frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(any));
    if (!is_calm_ && random_.chance(0.02)) return frames_.push_back(frame);  // much later
    auto message = storage::must(decode_seed_message(frame.bytes));
    if (frame.to == kReceiver) {
      (void)fetcher_->received(frame.from, std::move(message), now_ms_);
      if (fetcher_->objections() > 0) wrong_ = "the receiver was given what it cannot take";
      return;
    }
    const auto& request = std::get<SeedRequest>(message.content);
    if (frame.to != leader_) return send({frame.to, frame.from, not_leader_answer(message.ask)});
    auto answer = replicas_.at(frame.to)->feeder().answer(frame.from, message.ask, request, now_ms_);
    if (answer && answer->damage) wrong_ = "the source says that it is damaged: " + answer->damage->to_string();
    if (answer) send({frame.to, frame.from, std::move(answer->bytes)});
  }

  void write_step() {
    if (!overlay_) {
      auto overlay = fetcher_->next_overlay();
      if (!overlay) {
        wrong_ = "the receiver cannot go on: " + overlay.error().to_string();
        return;
      }
      overlay_ = std::move(*overlay);
      return;
    }
    write(overlay_);
    const bool is_last = overlay_->changes.find(storage::keys::seed_head())->value() == std::nullopt;
    ++overlays;
    if (is_model_ && !is_calm_ && random_.chance(0.1)) return crash_receiver();  // not synced
    if (is_model_) receiver_disk_.model().sync();
    is_last_written_ = is_last_written_ || (is_last && overlay_->applied > LogIndex(0)) ||
                       (is_last && overlay_->sums && overlay_->sums->kinds.empty());
    if (!is_calm_ && random_.chance(0.1)) return crash_receiver();  // not told
    overlay_ = nullptr;
    fetcher_->written();
    beginnings = std::max(beginnings, fetcher_->beginnings());
    const bool is_whole = storage::must(storage::is_whole(*receiver_, kSeedShard));
    if (is_whole != fetcher_->is_complete()) wrong_ = "half a state passes for a whole one";
    storage::must(storage::check_sums(*receiver_, kSeedShard.value + 1));
    is_done_ = fetcher_->is_complete();
  }

  void write(const std::shared_ptr<const storage::FrozenOverlay>& overlay) {
    storage::must(storage::write_overlays(*receiver_, {&overlay, 1}));
  }

  void check_end() {
    const Records records = records_of(*receiver_);
    const auto head = records.find(storage::state_key(kSeedShard, storage::keys::shard_head()));
    LogIndex applied;
    if (head != records.end()) {
      applied = decode_shard_head(*storage::unseal(head->first, head->second))->applied_index;
    }
    if (fetcher_->is_complete() && fetcher_->stands_at().applied != applied) wrong_ = "it stands elsewhere";
    const Records* expected = nullptr;
    for (auto& [node, replica] : replicas_) {
      if (const Records* found = replica->at(applied)) expected = found;
    }
    if (expected == nullptr) {
      wrong_ = "no source ever stood at index " + std::to_string(applied.value);
    } else if (*expected != records) {
      wrong_ = "not what the source had at index " + std::to_string(applied.value);
    }
    auto reading = storage::must(receiver_->begin_read());
    const auto stored = storage::must(storage::read_sums(*reading, kSeedShard));
    if (stored != storage::must(storage::count_sums(*reading, kSeedShard)))
      wrong_ = "the sums are not those of a count";
    storage::must(storage::check_sums(*receiver_, kSeedShard.value + 1));
  }

  Random random_;
  const bool is_model_;
  const storage::SeedFaults faults_;
  storage::SeedLimits limits_;
  std::uint64_t keys_ = 0;
  History history_;
  std::map<NodeId, std::unique_ptr<SeedingReplica>> replicas_;
  storage::TestDisk receiver_disk_;
  std::unique_ptr<storage::Environment> receiver_;
  std::optional<SeedFetcher> fetcher_;
  std::shared_ptr<const storage::FrozenOverlay> overlay_;  // being written
  bool is_last_written_ = false;
  NodeId leader_{1};
  std::vector<Frame> frames_;
  std::uint64_t now_ms_ = 1'000;
  bool is_calm_ = false;
  bool is_done_ = false;
  std::string wrong_;
};

}  // namespace earshot::cluster
