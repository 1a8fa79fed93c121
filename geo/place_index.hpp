#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "geo/place_leaf.hpp"

namespace earshot::geo {

// The members of a cell, in the order of their places: leaves of up to 63, each with a box around its unit vectors. A
// search looks at boxes first, then at leaves, the most promising first, and stops when no box that is left can hold
// anything better: the nearest 20 of 30 000 cost a few leaves.
//
// A member is added, erased or moved by O(log) comparisons and by moving what stands behind it in its leaf; when a leaf
// is full, or two are nearly empty, by moving the cell's list of leaves as well. One thread.
class PlaceIndex {
 public:
  PlaceIndex() = default;
  // All at once, in order. Precondition: no key twice.
  explicit PlaceIndex(std::span<const PlaceKey> sorted);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Memory that it takes.
  [[nodiscard]] std::size_t bytes() const;

  // Precondition: the key is not there.
  void insert(const PlaceKey& key);
  // Precondition: it is.
  void erase(const PlaceKey& key);
  void move(const PlaceKey& from, const PlaceKey& to);

  // Offers everyone who may be wanted.
  void search(Gather& gather) const;
  // In order.
  void for_each(const std::function<void(const PlaceKey&)>& visit) const;

 private:
  struct Entry {
    PlaceKey first;  // of the leaf, as the next two: neighbours are judged without a look at them
    VectorBox box;
    std::uint32_t size = 0;
    std::unique_ptr<PlaceLeaf> leaf;
  };

  // Where the key stands or belongs. Precondition: there is a leaf.
  [[nodiscard]] std::size_t entry_of(const PlaceKey& key) const;
  void add_leaf(std::size_t at, std::unique_ptr<PlaceLeaf> leaf);
  static void insert_into(Entry& entry, const PlaceKey& key);
  static void erase_from(Entry& entry, const PlaceKey& key);
  static void refresh(Entry& entry);
  void make_room(std::size_t at);
  void split(std::size_t at);
  void merge(std::size_t at);
  // Whether all of a leaf are at one place, with which the next begins, too.
  [[nodiscard]] bool is_one_place(std::size_t at) const;
  // The last leaf that begins with this place. Precondition: there is one.
  [[nodiscard]] std::size_t last_with(Geohash first) const;
  static void search_leaf(const Entry& entry, Gather& gather);
  void search_all(Gather& gather) const;
  void search_best(Gather& gather) const;

  std::vector<Entry> entries_;  // no leaf is empty
  std::size_t size_ = 0;
};

}  // namespace earshot::geo
