// Members near a point, in the memory of one cell: what a query costs before anything travels.
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/random.hpp"
#include "geo/cover.hpp"
#include "geo/place_index.hpp"
#include "people.hpp"
#include "places/sight.hpp"

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

// What users are shown, by the default privacy.
class UserLens final : public geo::Lens {
 public:
  [[nodiscard]] std::optional<geo::Geohash> shown(geo::MemberHandle member, geo::Geohash real) const override {
    return sight_.shown("member:" + std::to_string(member), real);
  }
  [[nodiscard]] bool comes_before(geo::MemberHandle one, geo::MemberHandle other) const override { return one < other; }
  [[nodiscard]] double shift_m_max() const override { return sight_.shift_m_max(); }

 private:
  const places::Sight sight_{UserId::trusted("ada"), LayerId::trusted("people"), {}, 1, nullptr};
};

void Shown(benchmark::State& state, std::size_t count, double radius_m) {
  const Cells& all = cells(true);
  const auto sorted = members(true);
  const auto lens = std::make_shared<UserLens>();
  Random random(2);
  for (auto _ : state) {
    const geo::Point centre = geo::decode(sorted[random.below(sorted.size())].place);
    const geo::Search search{
        *geo::Area::circle(centre, radius_m, "radius"), geo::Pick::kNearest, count, true, true, lens};
    geo::Gather gather(search);
    for (const auto& [cell, index] : all.cells)
      if (search.around().bounds().touch(cell)) index.search(gather);
    benchmark::DoNotOptimize(std::move(gather).finish());
  }
}
BENCHMARK_CAPTURE(Shown, near20_1km_clustered, 20, 1'000);
BENCHMARK_CAPTURE(Shown, near10000_5km_clustered, 10'000, 5'000);

// A million at one point: what an unset place makes of a layer.
void OnePoint(benchmark::State& state, bool for_user) {
  std::vector<geo::PlaceKey> crowd;
  for (geo::MemberHandle member = 0; member < 1'000'000; ++member) crowd.push_back({geo::encode({0, 0}), member});
  const geo::PlaceIndex index(crowd);
  geo::Search search{*geo::Area::circle({0.001, 0}, 1'000, "radius"), geo::Pick::kNearest, 20};
  if (for_user) search.lens = std::make_shared<UserLens>();
  for (auto _ : state) {
    geo::Gather gather(search);
    index.search(gather);
    benchmark::DoNotOptimize(std::move(gather).finish());
  }
}
BENCHMARK_CAPTURE(OnePoint, near20, false);
BENCHMARK_CAPTURE(OnePoint, near20_shown, true);

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
