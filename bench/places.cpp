// Members near a point, in the memory of one cell: what a query costs before anything travels.
#include <algorithm>
#include <cmath>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/random.hpp"
#include "geo/cover.hpp"
#include "geo/place_index.hpp"

namespace earshot {
namespace {

constexpr std::size_t kMembers = 1'000'000;
constexpr double kDegreeM = 111'226;

double uniform(Random& random) { return static_cast<double>(random.next() >> 11) * 0x1p-53; }

// Box and Muller, 1958.
double normal(Random& random) {
  return std::sqrt(-2 * std::log(1 - uniform(random))) * std::cos(6.283185307179586 * uniform(random));
}

geo::Point somewhere(Random& random) { return {116.4 + uniform(random), 39.9 + uniform(random)}; }

// Four of five members are around one of 20 spots, 300 m away in every direction.
std::vector<geo::PlaceKey> members(bool clustered) {
  Random random(1);
  std::vector<geo::Point> spots(20);
  std::ranges::generate(spots, [&] { return somewhere(random); });
  std::vector<geo::PlaceKey> members;
  for (std::size_t i = 0; i < kMembers; ++i) {
    geo::Point point = somewhere(random);
    if (clustered && random.chance(0.8)) {
      point = spots[random.below(spots.size())];
      point.latitude += normal(random) * 300 / kDegreeM;
      point.longitude += normal(random) * 300 / kDegreeM / std::cos(point.latitude * 0.0174532925);
    }
    members.push_back({geo::encode(point), static_cast<geo::MemberHandle>(i)});
  }
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

// Of about 50 m.
void Move(benchmark::State& state) {
  auto all = members(true);
  all.resize(8'000);
  geo::PlaceIndex index(all);
  Random random(3);
  for (auto _ : state) {
    geo::PlaceKey& one = all[random.below(all.size())];
    geo::Point point = geo::decode(one.place);
    point.latitude = std::min(point.latitude + (uniform(random) - 0.5) * 100 / kDegreeM, geo::kLatitudeMax);
    const geo::PlaceKey to{geo::encode(point), one.handle};
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
