// The actors of layers and cells, without shards and sockets: how fast questions and moves go through them, and what a
// member takes. scripts/bench cells runs it.
#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <semaphore>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <caf/all.hpp>
#include <unistd.h>

#include "actors/node_system.hpp"
#include "actors/places.hpp"
#include "app/allocator.hpp"
#include "base/random.hpp"
#include "geo/geohash.hpp"
#include "memory.hpp"
#include "people.hpp"
#include "report.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kShards = 64;
constexpr std::size_t kPageMembers = 4096;
constexpr int kAskedAtOnce = 50;
constexpr std::uint64_t kFreedMemoryKeptMs = 1'000;  // as in a node
const LayerId kLayer = LayerId::trusted("people");

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }
double score_of(const geo::Point& point) { return static_cast<double>(geo::encode(point).value); }
std::string name_of(std::size_t member) { return "member:" + std::to_string(member); }

// A layer with everybody in it.
class Crowd {
 public:
  explicit Crowd(std::vector<geo::Point> people) : people_(std::move(people)) {
    const double before = anonymous_bytes(::getpid());
    std::vector<std::vector<cluster::Move>> moves(kShards);
    for (std::size_t member = 0; member < people_.size(); ++member) {
      std::string name = name_of(member);
      const ShardId shard = shard_of(kLayer, name, kShards);
      moves[shard.value].push_back({kLayer, std::move(name), score_of(people_[member]), ++version_});
    }
    const auto begin = Clock::now();
    for (std::uint16_t shard = 0; shard < kShards; ++shard) tell(ShardId(shard), moves[shard]);
    found(people_.front(), 1'000'000, geo::Pick::kAny, 1).wait();
    load_s_ = seconds_since(begin);
    moves = {};
    std::this_thread::sleep_for(std::chrono::seconds(1));  // until actors have let go of the last messages
    member_bytes_ = (anonymous_bytes(::getpid()) - before) / static_cast<double>(people_.size());
    app::keep_freed_memory(kFreedMemoryKeptMs);
  }
  ~Crowd() {
    places_->end();
    (void)places_->layers().wait_until_gone(std::chrono::seconds(60));
    (void)places_->cells().wait_until_gone(std::chrono::seconds(60));
  }

  [[nodiscard]] double load_ms() const { return load_s_ * 1'000; }
  [[nodiscard]] double member_bytes() const { return member_bytes_; }

  // Questions around random members, so many at a time: answers a second.
  double ask(int questions, double radius_m, geo::Pick pick, std::size_t count) {
    std::counting_semaphore<> room(kAskedAtOnce);
    const auto begin = Clock::now();
    for (int i = 0; i < questions; ++i) {
      room.acquire();
      post(people_[random_.below(people_.size())], radius_m, pick, count, [&](std::size_t) { room.release(); });
    }
    for (int i = 0; i < kAskedAtOnce; ++i) room.acquire();
    return questions / seconds_since(begin);
  }

  // Each told by itself, as single updates are.
  double move(int moves) {
    const auto begin = Clock::now();
    for (int i = 0; i < moves; ++i) {
      const std::size_t member = random_.below(people_.size());
      people_[member] = step_from(people_[member], random_);
      const std::string name = name_of(member);
      places_->moved(shard_of(kLayer, name, kShards), {{kLayer, name, score_of(people_[member]), ++version_}}, {});
      if (i % kPageMembers == 0) size().wait();  // no faster than the layer
    }
    size().wait();
    return moves / seconds_since(begin);
  }

 private:
  // As a shard does after its start.
  void tell(ShardId shard, const std::vector<cluster::Move>& all) {
    for (auto rest = std::span(all); !rest.empty(); rest = rest.subspan(std::min(rest.size(), kPageMembers))) {
      const auto page = rest.first(std::min(rest.size(), kPageMembers));
      places_->moved(shard, {page.begin(), page.end()}, {});
    }
    places_->all_told(shard);
  }
  void post(const geo::Point& centre, double radius_m, geo::Pick pick, std::size_t count,
            std::function<void(std::size_t)> done) {
    actors::NearbyQuestion question;
    question.centre = centre;
    question.area = [radius_m](const geo::Point& point) { return geo::Area::circle(point, radius_m, "radius"); };
    question.pick = pick;
    question.count_max = count;
    question.with_distance = question.in_order = pick == geo::Pick::kNearest;
    question.done = [done = std::move(done)](Result<actors::NearbyAnswer> answer) {
      done(std::move(answer).value().found.size());
    };
    places_->ask(kLayer, std::move(question));
  }
  std::future<std::size_t> found(const geo::Point& centre, double radius_m, geo::Pick pick, std::size_t count) {
    auto answered = std::make_shared<std::promise<std::size_t>>();
    post(centre, radius_m, pick, count, [answered](std::size_t members) { answered->set_value(members); });
    return answered->get_future();
  }
  std::future<std::size_t> size() {
    auto answered = std::make_shared<std::promise<std::size_t>>();
    places_->ask(kLayer, actors::SizeQuestion{[answered](std::size_t members) { answered->set_value(members); }});
    return answered->get_future();
  }

  std::vector<geo::Point> people_;
  Random random_{2};
  std::uint64_t version_ = 0;
  actors::SystemConfig config_{0};
  caf::actor_system system_{config_};
  const std::shared_ptr<actors::Places> places_ = actors::make_places(system_, kShards);
  double load_s_ = 0;
  double member_bytes_ = 0;
};

void measure(const Report& report, const std::string& spread, bool clustered) {
  Crowd crowd(people(clustered));
  report.print("cells.load_1m_" + spread + ".ms", crowd.load_ms(), "ms");
  report.print("cells.member_" + spread + ".bytes", crowd.member_bytes(), "B");
  const auto rate = [&](const std::string& name, const std::function<double()>& run) {
    report.medians({{"cells." + name + "_" + spread + ".rate", "1/s"}}, [&] { return std::vector{run()}; });
  };
  rate("near20_1km", [&] { return crowd.ask(50'000, 1'000, geo::Pick::kNearest, 20); });
  rate("near20_5km", [&] { return crowd.ask(50'000, 5'000, geo::Pick::kNearest, 20); });
  rate("any20_1km", [&] { return crowd.ask(50'000, 1'000, geo::Pick::kAny, 20); });
  rate("all_1km", [&] { return crowd.ask(clustered ? 1'000 : 20'000, 1'000, geo::Pick::kAll, SIZE_MAX); });
  rate("moves", [&] { return crowd.move(200'000); });
}

}  // namespace
}  // namespace earshot::bench

int main(int argc, char** argv) {
  CLI::App app("Measures the actors of layers and cells, with a million members.");
  int runs = 3;
  bool clustered = false;
  earshot::app::keep_freed_memory(0);  // what members take is measured, not what the allocator keeps for others
  app.add_option("--runs", runs, "how often each rate is measured")->check(CLI::Range(1, 100));
  app.add_flag("--clustered", clustered, "four of five members around one of 20 spots, instead of evenly");
  CLI11_PARSE(app, argc, argv);
  // One of both in a process: else the second would take the memory that the first has left.
  earshot::bench::measure(earshot::bench::Report({}, runs), clustered ? "clustered" : "uniform", clustered);
}
