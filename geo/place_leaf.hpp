#pragma once

#include <array>
#include <compare>
#include <cstddef>

#include "geo/gather.hpp"

namespace earshot::geo {

// What a member stands in a cell by: in the order of places, members of one place in the order of their handles.
struct PlaceKey {
  Geohash place;
  MemberHandle handle = 0;

  auto operator<=>(const PlaceKey&) const = default;
};

// A box around unit vectors, in single precision.
struct VectorBox {
  std::array<float, 3> low{};
  std::array<float, 3> high{};

  // Bounds of the squares of the lines from `from` to what is within: no farther and no nearer than what
  // PlaceLeaf::search() computes for it, since both round in the same steps.
  [[nodiscard]] float nearest_chord2(const std::array<float, 3>& from) const;
  [[nodiscard]] float farthest_chord2(const std::array<float, 3>& from) const;
  // Whether a vector within touches a side: without it, the box may be smaller.
  [[nodiscard]] bool is_at_edge(const std::array<float, 3>& vector) const;
  void include(const std::array<float, 3>& vector);
};

// Some members that are next to each other in their order, in columns. Its owner keeps the order. One thread.
class PlaceLeaf {
 public:
  // With its size beside them it fits 1792 bytes, which allocators have a size for.
  static constexpr std::size_t kMembersMax = 63;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_full() const { return size_ == kMembersMax; }
  [[nodiscard]] PlaceKey key(std::size_t i) const { return {Geohash(places_[i]), handles_[i]}; }
  [[nodiscard]] PlaceKey first() const { return key(0); }
  [[nodiscard]] PlaceKey last() const { return key(size_ - 1); }
  // Of the first that is not less.
  [[nodiscard]] std::size_t lower_bound(const PlaceKey& key) const;

  [[nodiscard]] std::array<float, 3> vector(std::size_t i) const {
    return {vectors_[0][i], vectors_[1][i], vectors_[2][i]};
  }

  // Precondition: not full, and `at` is the key's lower_bound().
  void insert(std::size_t at, const PlaceKey& key);
  void erase(std::size_t at);
  // Moves the members from `from` on to the end of another, or the first so many.
  void move_tail(std::size_t from, PlaceLeaf& to);
  void move_head(std::size_t count, PlaceLeaf& to);

  // Precondition: not empty.
  [[nodiscard]] VectorBox box() const;
  // Offers everyone.
  void search(Gather& gather) const;
  // Precondition: Gather::takes_unseen() all of them.
  void take_unseen(Gather& gather) const;

 private:
  static constexpr std::size_t kLanes = kMembersMax + 1;  // a number that vectors of any width divide
  using Column = std::array<float, kLanes>;

  std::array<std::uint64_t, kMembersMax> places_{};
  std::array<MemberHandle, kMembersMax> handles_{};
  std::array<Column, 3> vectors_{};  // unused ones are zeros, or whatever stood there
  std::size_t size_ = 0;
};

}  // namespace earshot::geo
