#include "tests/support/place_load.hpp"

#include <algorithm>
#include <utility>

namespace earshot::tests {
namespace {

using Clock = std::chrono::steady_clock;

const LayerId kLayer = LayerId::trusted("walkers");
// A corner of four regions (cluster/cell_map.hpp).
constexpr geo::Point kCorner{116.71875, 39.867716615625};
constexpr double kDegreesMax = 0.05;
constexpr double kRadiusMMax = 6'000;
constexpr std::size_t kWrongMax = 20;

double part(Random& random) { return static_cast<double>(random.between(0, 1'000'000)) / 1e6; }
geo::Point somewhere(Random& random) {
  const double longitude = kCorner.longitude + kDegreesMax * (2 * part(random) - 1);
  return {longitude, kCorner.latitude + kDegreesMax * (2 * part(random) - 1)};
}

}  // namespace

void PlaceLoad::start(const Addresses& addresses, const std::shared_ptr<client::Runtime>& runtime) {
  for (std::uint32_t i = 0; i < shape_.walkers; ++i) place_steps_.add_walker("walker-" + std::to_string(i));
  rows_.resize(shape_.askers);
  for (std::uint32_t n = 0; n < shape_.movers + shape_.askers; ++n) devices_.push_back(connect(n, addresses, runtime));
  for (std::uint32_t i = 0; i < shape_.movers; ++i)
    threads_.emplace_back([this, i](const std::stop_token& over) { walk(over, i); });
  for (std::uint32_t i = 0; i < shape_.askers; ++i)
    threads_.emplace_back([this, i](const std::stop_token& over) { ask(over, i); });
}

std::unique_ptr<Device> PlaceLoad::connect(std::uint32_t n, const Addresses& addresses,
                                           const std::shared_ptr<client::Runtime>& runtime) {
  client::Options options;
  options.addresses = addresses(n);
  options.token = "operator";
  options.device = "places-" + std::to_string(n);
  options.receive = false;
  return std::make_unique<Device>(std::move(options), std::make_shared<client::MemoryStore>(), runtime);
}

void PlaceLoad::end() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  devices_.clear();
}

Random PlaceLoad::fork() {
  const std::lock_guard lock(mutex_);
  return Random(random_.next());
}

PlaceSteps::Wrong PlaceLoad::wrong() const {
  const std::lock_guard lock(mutex_);
  return wrong_;
}

// One walker of its own after the other, or several at once, each when the step before is answered.
void PlaceLoad::walk(const std::stop_token& over, std::uint32_t mover) {
  Random random = fork();
  client::Client& client = devices_[mover]->client();
  while (!over.stop_requested()) {
    SetPositionsRequest request{kLayer, {}};
    std::vector<PlaceSteps::Step> steps;
    {
      const std::lock_guard lock(mutex_);
      for (std::uint64_t i = 0, count = random.chance(0.7) ? 1 : random.between(1, 5); i < count; ++i) {
        const std::size_t walker = random.below(shape_.walkers / shape_.movers) * shape_.movers + mover;
        if (place_steps_.walkers()[walker].is_waiting()) continue;
        const geo::Point point = somewhere(random);
        PlaceStep step;
        step.place = geo::encode(point);
        steps.push_back(place_steps_.add_step(walker, step));
        PositionItem item;
        item.member = place_steps_.walkers()[walker].name;
        item.point = point;
        request.items.push_back(std::move(item));
      }
    }
    const auto answer = client.set_positions(std::move(request)).get();
    {
      const std::lock_guard lock(mutex_);
      for (const auto& step : steps) answer ? place_steps_.answered(step) : place_steps_.failed(step, true);
      steps_ += answer ? steps.size() : 0;
    }
    rest();
  }
}

void PlaceLoad::ask(const std::stop_token& over, std::uint32_t asker) {
  Random random = fork();
  client::Client& client = devices_[shape_.movers + asker]->client();
  while (!over.stop_requested()) {
    NearbyRequest request;
    request.layer = kLayer;
    const geo::Point centre = somewhere(random);
    const double radius_m = kRadiusMMax * part(random);
    request.centre = centre;
    request.area = Circle{radius_m};
    request.with_geohash = true;
    request.deadline_ms = shape_.deadline_ms;
    const auto area = geo::Area::circle(centre, radius_m, "radius").value();
    PlaceSteps::Answered asked;
    {
      const std::lock_guard lock(mutex_);
      asked = place_steps_.answered_now();
    }
    const auto asked_at = Clock::now();
    const auto answer = client.nearby(std::move(request)).get();
    if (answer) {
      judge(asker, asked_at, asked, area, *answer);
    } else {
      const std::lock_guard lock(mutex_);
      rows_[asker] = {0, Clock::now()};
      if (unanswered_.empty()) unanswered_ = answer.error().to_string();
      ++unanswered_count_;
    }
    rest();
  }
}

void PlaceLoad::rest() const {
  if (shape_.rest_ms != 0) std::this_thread::sleep_for(std::chrono::milliseconds(shape_.rest_ms));
}

void PlaceLoad::judge(std::uint32_t asker, Time asked_at, const PlaceSteps::Answered& asked, const geo::Area& area,
                      const NearbyFound& found) {
  const bool is_exact = found.completeness == Completeness::kExact;
  std::vector<PlaceSteps::Found> members;
  for (const NearbyMember& one : found.members) members.push_back({one.member, one.geohash.value(), {}});
  const std::lock_guard lock(mutex_);
  ++circles_;
  exact_ += is_exact ? 1 : 0;
  const auto now = Clock::now();
  const bool is_late = now > asked_at + std::chrono::milliseconds(shape_.deadline_ms / 2);
  rows_[asker] = is_exact && !is_late ? Row{rows_[asker].length + 1, rows_[asker].broken} : Row{0, now};
  for (std::string& what : place_steps_.check_circle(asked, area, members, !is_exact))
    if (wrong_.size() < kWrongMax) wrong_.push_back(std::move(what));
}

std::uint64_t PlaceLoad::ms_until_exact(Time since, std::uint64_t at_least_ms, std::uint64_t at_most_ms) {
  const auto look = since + std::chrono::milliseconds(at_least_ms);
  for (auto now = since; now < since + std::chrono::milliseconds(at_most_ms); now = Clock::now()) {
    {
      const std::lock_guard lock(mutex_);
      if (now >= look && std::ranges::all_of(rows_, [&](const Row& row) { return row.length >= shape_.row; })) {
        const Time last = std::max(since, std::ranges::max(rows_, {}, &Row::broken).broken);
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(last - since).count());
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return UINT64_MAX;
}

}  // namespace earshot::tests
