#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// Decoded records of one kind over a ShardState. A changed record stays here, decoded, until write_back() encodes it,
// so that a record that every message touches is encoded once per flush and not once per message.
//
//   load() ──► clean (least recently used last) ──edit()──► dirty (in order of first change) ──write_back()──► clean
//
// Clean records are bounded by bytes and dropped from the far end; dirty ones are bounded by the overlay's limit, which
// counts them through dirty_bytes(). What is cached never changes what a reader sees. Thread: one owner.
//
// Traits: Key, Value, Hash; key_of(Key) -> std::string, decode(std::string_view) -> Result<Value>, encode(Value) ->
// std::string, bytes_of(Value) -> about its bytes in memory.
template <class Traits>
class StateCache {
 public:
  using Key = typename Traits::Key;
  using Value = typename Traits::Value;

  // A place for one record, present or not. Valid until the next load() or require() of the same cache.
  class Entry {
   public:
    // nullptr when there is no such record, or a damaged one.
    [[nodiscard]] const Value* get() const { return value_.has_value() ? &*value_ : nullptr; }
    // The stored record fails its checksum or its codec; what it said is not known.
    [[nodiscard]] bool is_damaged() const { return damaged_; }

   private:
    friend class StateCache;
    const Key* key_ = nullptr;
    std::optional<Value> value_;
    bool damaged_ = false;
    bool dirty_ = false;
    std::size_t bytes_ = 0;
    typename std::list<Entry*>::iterator place_;
  };

  StateCache(storage::ShardState& state, std::size_t clean_bytes_max)
      : state_(state), clean_bytes_max_(clean_bytes_max) {}
  StateCache(const StateCache&) = delete;
  StateCache& operator=(const StateCache&) = delete;

  // Fails only when the state cannot be read at all; a damaged record is an entry that says so.
  Result<Entry*> load(const Key& key) {
    if (auto found = entries_.find(key); found != entries_.end()) {
      Entry& entry = found->second;
      if (!entry.dirty_) clean_.splice(clean_.begin(), clean_, entry.place_);
      return &entry;
    }
    auto stored = state_.get(Traits::key_of(key));
    if (!stored.has_value() && stored.error().code != ErrorCode::kCorrupt) return fail(std::move(stored.error()));
    auto [inserted, is_new] = entries_.try_emplace(key);
    Entry& entry = inserted->second;
    entry.key_ = &inserted->first;
    if (!stored.has_value()) {
      entry.damaged_ = true;
    } else if (stored->has_value()) {
      auto decoded = Traits::decode(**stored);
      entry.damaged_ = !decoded.has_value();
      if (decoded.has_value()) entry.value_.emplace(std::move(*decoded));
    }
    entry.place_ = clean_.insert(clean_.begin(), &entry);
    clean_bytes_ += measure(entry);
    evict();
    return &entry;
  }

  // load() for commands that are being applied: a replica that cannot read its state cannot go on without diverging
  // from the others, so the process stops.
  Entry& require(const Key& key) {
    auto entry = load(key);
    if (!entry.has_value()) invariant_broken("state is readable", __FILE__, __LINE__, entry.error().to_string());
    if ((*entry)->damaged_) ++damaged_met_;
    return **entry;
  }

  // The record, to be changed right now; made from Value() when absent. A damaged one is replaced.
  Value& edit(Entry& entry) {
    if (entry.dirty_) {
      dirty_bytes_ -= entry.bytes_;
    } else {
      entry.dirty_ = true;
      clean_bytes_ -= entry.bytes_;
      dirty_.splice(dirty_.end(), clean_, entry.place_);
    }
    entry.damaged_ = false;
    if (!entry.value_.has_value()) entry.value_.emplace();
    dirty_bytes_ += measure(entry);
    return *entry.value_;
  }

  // The record is no more, in the state too. Entries of it are dead.
  void erase(const Key& key) {
    const std::string stored_key = Traits::key_of(key);
    if (auto found = entries_.find(key); found != entries_.end()) {
      Entry& entry = found->second;
      (entry.dirty_ ? dirty_bytes_ : clean_bytes_) -= entry.bytes_;
      (entry.dirty_ ? dirty_ : clean_).erase(entry.place_);
      entries_.erase(found);
    }
    state_.erase(stored_key);
  }

  // Puts every changed record into the state.
  void write_back() {
    for (Entry* entry : dirty_) {
      state_.put(Traits::key_of(*entry->key_), Traits::encode(*entry->value_));
      entry->dirty_ = false;
      clean_bytes_ += measure(*entry);
    }
    dirty_bytes_ = 0;
    clean_.splice(clean_.begin(), dirty_);
    evict();
  }

  // About the bytes of changes that the state does not have yet.
  [[nodiscard]] std::size_t dirty_bytes() const { return dirty_bytes_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // How often require() met a damaged record.
  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }

 private:
  static constexpr std::size_t kEntryOverheadBytes = sizeof(Entry) + 64;  // map and list nodes

  std::size_t measure(Entry& entry) {
    entry.bytes_ = kEntryOverheadBytes + (entry.value_.has_value() ? Traits::bytes_of(*entry.value_) : 0);
    return entry.bytes_;
  }

  // Keeps the newest clean record in any case: its caller is about to use it.
  void evict() {
    while (clean_bytes_ > clean_bytes_max_ && clean_.size() > 1) {
      Entry* oldest = clean_.back();
      clean_.pop_back();
      clean_bytes_ -= oldest->bytes_;
      entries_.erase(entries_.find(*oldest->key_));
    }
  }

  storage::ShardState& state_;
  std::size_t clean_bytes_max_;
  std::unordered_map<Key, Entry, typename Traits::Hash> entries_;
  std::list<Entry*> clean_;
  std::list<Entry*> dirty_;
  std::size_t clean_bytes_ = 0;
  std::size_t dirty_bytes_ = 0;
  std::uint64_t damaged_met_ = 0;
};

}  // namespace earshot::cluster
