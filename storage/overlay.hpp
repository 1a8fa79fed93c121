#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_set.h>

namespace earshot::storage {

// Changed records that are not on disk yet: the last value of each changed key, nothing for an erased one.
//
// Nearly all of them are put, and some read, by their keys; their order is wanted by a scan, and once by whoever writes
// them. So a hash finds them, and only when the order is asked for are those sorted into it that came since it was
// asked for last. Keys and values lie in chunks of memory that are given up with the overlay: a change costs no
// allocation, and what it has taken the place of stays, and counts, until then.
//
// Thread: its owner; once nothing is put any more, any.
class Overlay {
 public:
  class Change {
   public:
    [[nodiscard]] std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_bytes_}; }
    // Nothing: the key was erased.
    [[nodiscard]] std::optional<std::string_view> value() const {
      if (value_ == nullptr) return std::nullopt;
      return std::string_view(value_, value_bytes_);
    }

   private:
    friend class Overlay;
    std::size_t hash_ = 0;
    const char* value_ = nullptr;
    std::uint32_t value_bytes_ = 0;
    std::uint32_t key_bytes_ = 0;  // they follow
  };
  struct ByKey {
    using is_transparent = void;
    bool operator()(const Change* a, const Change* b) const { return a->key() < b->key(); }
    bool operator()(const Change* a, std::string_view key) const { return a->key() < key; }
    bool operator()(std::string_view key, const Change* b) const { return key < b->key(); }
  };
  using Order = std::set<const Change*, ByKey>;

  Overlay() = default;
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  void put(std::string_view key, std::string_view value) { change(key, value); }
  void erase(std::string_view key) { change(key, std::nullopt); }

  // nullptr when nothing is known of the key.
  [[nodiscard]] const Change* find(std::string_view key) const;
  // All changes by their keys, ascending. Stays as it is until the next put() or erase().
  [[nodiscard]] const Order& in_order() const;

  [[nodiscard]] bool empty() const { return index_.empty(); }
  // About what it takes in memory.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Wanted {
    std::string_view key;
    std::size_t hash = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Change* change) const { return change->hash_; }
    std::size_t operator()(const Wanted& wanted) const { return wanted.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Change* a, const Change* b) const { return a->key() == b->key(); }
    bool operator()(const Change* a, const Wanted& wanted) const {
      return a->hash_ == wanted.hash && wanted.key == a->key();
    }
  };

  void change(std::string_view key, std::optional<std::string_view> value);
  Change* make(const Wanted& wanted);
  const char* keep(std::string_view value);

  std::pmr::monotonic_buffer_resource memory_;
  absl::flat_hash_set<Change*, Hash, Equal> index_;
  std::size_t bytes_ = 0;

  mutable std::mutex mutex_;  // of what a reader of the order may change
  mutable Order order_;
  mutable std::vector<const Change*> unordered_;  // not in it yet
};

}  // namespace earshot::storage
