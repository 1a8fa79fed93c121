#include "geo/place_index.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace earshot::geo {
namespace {

// Room for some who come later.
constexpr std::size_t kFilledAtFirst = PlaceLeaf::kMembersMax * 7 / 8;
// A leaf with more takes none over: that would make room for too few.
constexpr std::size_t kSharedMax = PlaceLeaf::kMembersMax * 7 / 8;
// Two leaves with fewer become one, which is then half full.
constexpr std::size_t kMergedMax = PlaceLeaf::kMembersMax / 2;

// Whether a box excludes a leaf that the box around its unit vectors does not exclude: one that is long and narrow.
bool is_beside(const Area& area, const PlaceLeaf& leaf) {
  return area.is_box() && !area.bounds().touch(cell_of(GeohashRange{leaf.first().place, leaf.last().place}));
}

}  // namespace

PlaceIndex::PlaceIndex(std::span<const PlaceKey> sorted) : size_(sorted.size()) {
  entries_.reserve((sorted.size() + kFilledAtFirst - 1) / kFilledAtFirst);
  for (; !sorted.empty(); sorted = sorted.subspan(std::min(sorted.size(), kFilledAtFirst))) {
    auto leaf = std::make_unique<PlaceLeaf>();
    for (const PlaceKey& key : sorted.first(std::min(sorted.size(), kFilledAtFirst))) leaf->insert(leaf->size(), key);
    add_leaf(entries_.size(), std::move(leaf));
  }
}

std::size_t PlaceIndex::bytes() const {
  return sizeof *this + entries_.capacity() * sizeof(Entry) + entries_.size() * sizeof(PlaceLeaf);
}

std::size_t PlaceIndex::entry_of(const PlaceKey& key) const {
  const auto after = std::ranges::upper_bound(entries_, key, {}, &Entry::first);
  return after == entries_.begin() ? 0 : static_cast<std::size_t>(after - entries_.begin()) - 1;
}

void PlaceIndex::add_leaf(std::size_t at, std::unique_ptr<PlaceLeaf> leaf) {
  Entry entry{{}, {}, 0, std::move(leaf)};
  refresh(entry);
  entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at), std::move(entry));
}

void PlaceIndex::refresh(Entry& entry) {
  entry.first = entry.leaf->first();
  entry.box = entry.leaf->box();
  entry.size = static_cast<std::uint32_t>(entry.leaf->size());
}

void PlaceIndex::insert_into(Entry& entry, const PlaceKey& key) {
  PlaceLeaf& leaf = *entry.leaf;
  const std::size_t at = leaf.lower_bound(key);
  leaf.insert(at, key);
  if (leaf.size() == 1) return refresh(entry);
  entry.first = std::min(entry.first, key);
  entry.box.include(leaf.vector(at));
  ++entry.size;
}

// The box is looked for again only where the one who leaves may have held it open.
void PlaceIndex::erase_from(Entry& entry, const PlaceKey& key) {
  PlaceLeaf& leaf = *entry.leaf;
  const std::size_t at = leaf.lower_bound(key);
  const bool held_open = entry.box.is_at_edge(leaf.vector(at));
  leaf.erase(at);
  --entry.size;
  if (leaf.size() == 0) return;
  entry.first = leaf.first();
  if (held_open) entry.box = leaf.box();
}

void PlaceIndex::insert(const PlaceKey& key) {
  ++size_;
  if (entries_.empty()) entries_.push_back({key, {}, 0, std::make_unique<PlaceLeaf>()});
  std::size_t at = entry_of(key);
  if (entries_[at].leaf->is_full()) {
    make_room(at);
    at = entry_of(key);
  }
  insert_into(entries_[at], key);
}

// In a full leaf: the one before it takes some over, or it becomes two.
void PlaceIndex::make_room(std::size_t at) {
  if (at == 0 || entries_[at - 1].size > kSharedMax) return split(at);
  entries_[at].leaf->move_head((entries_[at].size - entries_[at - 1].size) / 2, *entries_[at - 1].leaf);
  refresh(entries_[at - 1]);
  refresh(entries_[at]);
}

void PlaceIndex::split(std::size_t at) {
  PlaceLeaf& full = *entries_[at].leaf;
  auto upper = std::make_unique<PlaceLeaf>();
  full.move_tail(PlaceLeaf::kMembersMax / 2, *upper);
  refresh(entries_[at]);
  add_leaf(at + 1, std::move(upper));
}

void PlaceIndex::erase(const PlaceKey& key) {
  const std::size_t at = entry_of(key);
  erase_from(entries_[at], key);
  --size_;
  if (entries_[at].size == 0) {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  } else {
    if (at > 0) merge(at - 1);
    if (at + 1 < entries_.size()) merge(at);
  }
}

// With the next, where both are nearly empty.
void PlaceIndex::merge(std::size_t at) {
  if (entries_[at].size + entries_[at + 1].size > kMergedMax) return;
  entries_[at + 1].leaf->move_tail(0, *entries_[at].leaf);
  refresh(entries_[at]);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
}

// Most moves are short: they stay in their leaf.
void PlaceIndex::move(const PlaceKey& from, const PlaceKey& to) {
  const std::size_t at = entry_of(from);
  if (entry_of(to) == at && entries_[at].size > 1) {
    erase_from(entries_[at], from);
    return insert_into(entries_[at], to);
  }
  erase(from);
  insert(to);
}

void PlaceIndex::search(Gather& gather) const {
  const Pick pick = gather.search().pick;
  pick == Pick::kNearest || pick == Pick::kFarthest ? search_best(gather) : search_all(gather);
}

void PlaceIndex::search_all(Gather& gather) const {
  for (const Entry& entry : entries_) {
    if (gather.is_full()) return;
    const float low = entry.box.nearest_chord2(gather.centre());
    const float high = entry.box.farthest_chord2(gather.centre());
    if (!gather.may_take(low, high) || is_beside(gather.around(), *entry.leaf)) continue;
    gather.takes_unseen(high) ? entry.leaf->take_unseen(gather) : entry.leaf->search(gather);
  }
}

bool PlaceIndex::is_one_place(std::size_t at) const {
  return at + 1 < entries_.size() && entries_[at].first.place == entries_[at + 1].first.place;
}

std::size_t PlaceIndex::last_with(Geohash first) const {
  const auto behind =
      std::ranges::upper_bound(entries_, first, {}, [](const Entry& entry) { return entry.first.place; });
  return static_cast<std::size_t>(behind - entries_.begin()) - 1;
}

void PlaceIndex::search_leaf(const Entry& entry, Gather& gather) {
  if (!is_beside(gather.around(), *entry.leaf)) entry.leaf->search(gather);
}

void PlaceIndex::search_best(Gather& gather) const {
  struct Promise {
    float best;  // the lower, the sooner it is looked at
    const Entry* entry;
  };
  const bool nearest = gather.search().pick == Pick::kNearest;
  const auto may_take = [&gather, nearest](float best) {
    return nearest ? gather.may_take(best, std::numeric_limits<float>::max()) : gather.may_take(0, -best);
  };
  if (entries_.empty()) return;
  // Whoever stands where the centre belongs is near it, and spares most others a look at more than their box.
  std::size_t seen = entries_.size();
  if (nearest) {
    seen = entry_of({encode(gather.search().area.centre()), 0});
    search_leaf(entries_[seen], gather);
  }
  std::vector<Promise> promises;
  std::size_t alike = 0;  // members of the leaves just before that are all at the place with which this one begins
  for (std::size_t at = 0; at < entries_.size(); ++at) {
    const Entry& entry = entries_[at];
    const float best =
        nearest ? entry.box.nearest_chord2(gather.centre()) : -entry.box.farthest_chord2(gather.centre());
    if (!may_take(best)) continue;
    if (at != seen) promises.push_back({best, &entry});
    // A crowd at one place fills many leaves. As many as are wanted of it are enough: the others are as far off, unless
    // a lens shows them elsewhere.
    const bool is_crowd = is_one_place(at) && gather.search().lens == nullptr;
    alike = is_crowd ? alike + entry.size : 0;
    if (is_crowd && alike >= gather.search().count_max) at = last_with(entry.first.place) - 1;
  }
  constexpr auto kIsWorse = [](const Promise& one, const Promise& other) { return one.best > other.best; };
  std::ranges::make_heap(promises, kIsWorse);
  while (!promises.empty() && may_take(promises.front().best)) {
    std::ranges::pop_heap(promises, kIsWorse);
    search_leaf(*promises.back().entry, gather);
    promises.pop_back();
  }
}

void PlaceIndex::for_each(const std::function<void(const PlaceKey&)>& visit) const {
  for (const Entry& entry : entries_)
    for (std::size_t i = 0; i < entry.leaf->size(); ++i) visit(entry.leaf->key(i));
}

}  // namespace earshot::geo
