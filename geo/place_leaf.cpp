#include "geo/place_leaf.hpp"

#include <algorithm>

#include "geo/distance.hpp"

// The widest vectors of the processor that runs this, where compilers can choose at run time; NEON is in every ARM64.
// Without fused operations, which would round otherwise than VectorBox does. ThreadSanitizer is not there yet when the
// loader chooses.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define EARSHOT_WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define EARSHOT_WIDE_VECTORS
#endif

namespace earshot::geo {
namespace {

using Column = std::array<float, PlaceLeaf::kMembersMax + 1>;

EARSHOT_WIDE_VECTORS void chords2(const std::array<Column, 3>& vectors, const std::array<float, 3>& from, Column& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float x = vectors[0][i] - from[0];
    const float y = vectors[1][i] - from[1];
    const float z = vectors[2][i] - from[2];
    out[i] = x * x + y * y + z * z;
  }
}

// Of lines with these parts, as above.
float chord2(float x, float y, float z) { return x * x + y * y + z * z; }

template <class T, std::size_t kSize>
void open_gap(std::array<T, kSize>& column, std::size_t at, std::size_t size, T value) {
  std::copy_backward(column.begin() + at, column.begin() + size, column.begin() + size + 1);
  column[at] = value;
}

template <class T, std::size_t kSize>
void close_gap(std::array<T, kSize>& column, std::size_t at, std::size_t size) {
  std::copy(column.begin() + at + 1, column.begin() + size, column.begin() + at);
}

template <class T, std::size_t kSize>
void drop_head(std::array<T, kSize>& column, std::size_t count, std::size_t size) {
  std::copy(column.begin() + count, column.begin() + size, column.begin());
}

template <class T, std::size_t kSize>
void copy_part(const std::array<T, kSize>& from, std::size_t begin, std::size_t end, std::array<T, kSize>& to,
               std::size_t at) {
  std::copy(from.begin() + begin, from.begin() + end, to.begin() + at);
}

}  // namespace

float VectorBox::nearest_chord2(const std::array<float, 3>& from) const {
  const auto part = [&](std::size_t i) { return std::max(0.0f, std::max(low[i] - from[i], from[i] - high[i])); };
  return chord2(part(0), part(1), part(2));
}

float VectorBox::farthest_chord2(const std::array<float, 3>& from) const {
  const auto part = [&](std::size_t i) { return std::max(from[i] - low[i], high[i] - from[i]); };
  return chord2(part(0), part(1), part(2));
}

bool VectorBox::is_at_edge(const std::array<float, 3>& vector) const {
  for (std::size_t i = 0; i < vector.size(); ++i)
    if (vector[i] == low[i] || vector[i] == high[i]) return true;
  return false;
}

void VectorBox::include(const std::array<float, 3>& vector) {
  for (std::size_t i = 0; i < vector.size(); ++i) {
    low[i] = std::min(low[i], vector[i]);
    high[i] = std::max(high[i], vector[i]);
  }
}

std::size_t PlaceLeaf::lower_bound(const PlaceKey& key) const {
  std::size_t low = 0;
  for (std::size_t count = size_; count > 0;) {
    const std::size_t half = count / 2;
    if (this->key(low + half) < key) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

void PlaceLeaf::insert(std::size_t at, const PlaceKey& key) {
  const UnitVector vector = unit_vector(decode(key.place));
  open_gap(places_, at, size_, key.place.value);
  open_gap(handles_, at, size_, key.handle);
  for (std::size_t i = 0; i < vectors_.size(); ++i) open_gap(vectors_[i], at, size_, static_cast<float>(vector[i]));
  ++size_;
}

void PlaceLeaf::erase(std::size_t at) {
  close_gap(places_, at, size_);
  close_gap(handles_, at, size_);
  for (Column& column : vectors_) close_gap(column, at, size_);
  --size_;
}

void PlaceLeaf::move_tail(std::size_t from, PlaceLeaf& to) {
  copy_part(places_, from, size_, to.places_, to.size_);
  copy_part(handles_, from, size_, to.handles_, to.size_);
  for (std::size_t i = 0; i < vectors_.size(); ++i) copy_part(vectors_[i], from, size_, to.vectors_[i], to.size_);
  to.size_ += size_ - from;
  size_ = from;
}

void PlaceLeaf::move_head(std::size_t count, PlaceLeaf& to) {
  copy_part(places_, 0, count, to.places_, to.size_);
  copy_part(handles_, 0, count, to.handles_, to.size_);
  for (std::size_t i = 0; i < vectors_.size(); ++i) copy_part(vectors_[i], 0, count, to.vectors_[i], to.size_);
  to.size_ += count;
  drop_head(places_, count, size_);
  drop_head(handles_, count, size_);
  for (Column& column : vectors_) drop_head(column, count, size_);
  size_ -= count;
}

VectorBox PlaceLeaf::box() const {
  VectorBox box;
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    const auto [low, high] = std::minmax_element(vectors_[i].begin(), vectors_[i].begin() + size_);
    box.low[i] = *low;
    box.high[i] = *high;
  }
  return box;
}

void PlaceLeaf::search(Gather& gather) const {
  Column chords;
  chords2(vectors_, gather.centre(), chords);
  for (std::size_t i = 0; i < size_; ++i)
    if (gather.may_take(chords[i], chords[i])) gather.offer(chords[i], Geohash(places_[i]), handles_[i]);
}

void PlaceLeaf::take_unseen(Gather& gather) const {
  for (std::size_t i = 0; i < size_ && !gather.is_full(); ++i) gather.take_unseen(Geohash(places_[i]), handles_[i]);
}

}  // namespace earshot::geo
