// Members near a point, in the memory of one cell: what a query costs before anything travels.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/random.hpp"
#include "geo/cover.hpp"
#include "geo/place_index.hpp"
#include "people.hpp"

namespace earshot {
namespace {

std::vector<geo::PlaceKey> members(bool clustered) {
  std::vector<geo::PlaceKey> members;
  for (const geo::Point& point : bench::people(clustered))
    members.push_back({geo::encode(point), static_cast<geo::MemberHandle>(members.size())});
  std::ranges::sort(members);
  return members;
}

// Cells that hold up to so many members, each with its index, as a node would keep them.
struct Cells {
  static constexpr std::size_t kCellMembersMax = 8192;

  explicit Cells(const std::vector<geo::PlaceKey>& sorted) { add(geo::Cell{}, sorted); }

  void add(const geo::Cell& cell, std::span<const geo::PlaceKey> sorted) {
    if (sorted.empty()) return;
    if (sorted.size() <= kCellMembersMax || cell.level == geo::kLevelMax) {
      cells.emplace_back(cell, geo::PlaceIndex(sorted));
      return;
    }
    for (unsigned which = 0; which < 4; ++which) {
      const geo::GeohashRange range = cell.child(which).range();
      const auto begin = std::ranges::lower_bound(sorted, range.low, {}, &geo::PlaceKey::place);
      const auto end = std::ranges::upper_bound(sorted, range.high, {}, &geo::PlaceKey::place);
      add(cell.child(which), std::span(begin, end));
    }
  }

  std::vector<std::pair<geo::Cell, geo::PlaceIndex>> cells;
};

const Cells& cells(bool clustered) {
  static const Cells uniform_ones(members(false));
  static const Cells clustered_ones(members(true));
  return clustered ? clustered_ones : uniform_ones;
}

void Near(benchmark::State& state, geo::Pick pick, std::size_t count, double radius_m, bool clustered) {
  const Cells& all = cells(clustered);
  const auto sorted = members(clustered);
  Random random(2);
  std::size_t found = 0;
  for (auto _ : state) {
    const geo::Point centre = geo::decode(sorted[random.below(sorted.size())].place);
    const geo::Area area = *geo::Area::circle(centre, radius_m, "radius");
    geo::Gather gather({area, pick, count, pick == geo::Pick::kNearest, pick == geo::Pick::kNearest});
    for (const auto& [cell, index] : all.cells)
      if (area.bounds().touch(cell)) index.search(gather);
    found += std::move(gather).finish().size();
  }
  state.counters["found"] = static_cast<double>(found) / static_cast<double>(state.iterations());
}
BENCHMARK_CAPTURE(Near, near20_1km_uniform, geo::Pick::kNearest, 20, 1'000, false);
BENCHMARK_CAPTURE(Near, near20_5km_uniform, geo::Pick::kNearest, 20, 5'000, false);
BENCHMARK_CAPTURE(Near, near20_1km_clustered, geo::Pick::kNearest, 20, 1'000, true);
BENCHMARK_CAPTURE(Near, all_1km_uniform, geo::Pick::kAll, SIZE_MAX, 1'000, false);
BENCHMARK_CAPTURE(Near, any20_1km_uniform, geo::Pick::kAny, 20, 1'000, false);

void Move(benchmark::State& state) {
  auto all = members(true);
  all.resize(8'000);
  geo::PlaceIndex index(all);
  Random random(3);
  for (auto _ : state) {
    geo::PlaceKey& one = all[random.below(all.size())];
    const geo::PlaceKey to{geo::encode(bench::step_from(geo::decode(one.place), random)), one.handle};
    if (to != one) index.move(one, to);
    one = to;
  }
}
BENCHMARK(Move);

void Cover(benchmark::State& state) {
  const geo::Area area = *geo::Area::circle({116.4, 39.9}, 1'000, "radius");
  for (auto _ : state) benchmark::DoNotOptimize(geo::cover(area));
}
BENCHMARK(Cover);

}  // namespace
}  // namespace earshot
