#include "nearby_figures.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "nearby_cases.hpp"
#include "nearby_rpc.hpp"
#include "nearby_servers.hpp"
#include "people.hpp"
#include "resp_load.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kConnections = 50;
constexpr std::uint32_t kLoadConnections = 16;
constexpr std::uint32_t kLoadPipeline = 8;
constexpr std::uint64_t kCheckedSearches = 50;
constexpr auto kSettle = std::chrono::seconds(3);  // until an allocator has given back what requests took

// One side of the comparison.
struct Contestant {
  std::string name;
  bool is_durable;
  std::function<std::unique_ptr<Server>(const std::string& directory)> start;
  std::unique_ptr<Server> server = nullptr;
  std::vector<Crowd> crowds = {};  // by Spread
  // Of each run.
  std::vector<double> load_rates[2] = {};  // by Spread
  std::vector<double> member_bytes = {};
  std::vector<double> rebuild_seconds = {};
  std::vector<double> rates = {};
  std::vector<double> p99s_us = {};

  Crowd& crowd(Spread spread) { return crowds[static_cast<std::size_t>(spread)]; }
};

std::string text_of(Spread spread) { return spread == Spread::kUniform ? "uniform" : "clustered"; }

class Comparison {
 public:
  Comparison(const Report& report, const NearbyOptions& options) : report_(report), options_(options) {
    const std::uint16_t port = options.ours_port;
    if (port != 0)
      contestants_.push_back({"ours", false, [port](const std::string&) { return std::make_unique<Server>(port); }});
    else
      contestants_.push_back({"ours", true, start_node});
    if (options.with_redis)
      contestants_.push_back({"redis", false, [](const std::string& at) { return start_redis(at, false); }});
    if (options.with_synced_redis)
      contestants_.push_back({"redis_synced", true, [](const std::string& at) { return start_redis(at, true); }});
    for (const Spread spread : {Spread::kUniform, Spread::kClustered})
      people_.push_back(people(spread == Spread::kClustered, options.members));
  }

  void load();
  void measure(const Case& what);
  // The node alone, by the client library.
  void measure_rpc(const Case& what);

 private:
  [[nodiscard]] bool wants(const std::string& name) const { return report_.wants("nearby." + name); }
  [[nodiscard]] bool needs(Spread spread) const;
  void begin(Contestant& contestant, int run);
  void load(Contestant& contestant, Spread spread);
  void rebuild(Contestant& contestant);
  void check_answers(const Case& what);
  void run(Contestant& contestant, const Case& what, std::uint64_t seed);
  void print(const std::string& what, const std::vector<double> Contestant::*values, const std::string& unit) const;
  void print_rates(const std::string& what, const std::function<std::vector<double>(const Contestant&)>& rates) const;

  const Report& report_;
  const NearbyOptions& options_;
  std::vector<std::vector<geo::Point>> people_;  // by Spread
  std::vector<Contestant> contestants_;
  std::unique_ptr<RpcCallers> callers_ = nullptr;
};

RespLoadResult must(RespLoadResult result, const std::string& what) {
  if (result.errors == 0) return result;
  throw std::runtime_error(what + ": " + std::to_string(result.errors) + " errors, the first: " + result.first_error);
}

bool Comparison::needs(Spread spread) const {
  if (wants("load_" + text_of(spread))) return true;
  if (spread == Spread::kUniform && (wants("memory") || wants("rebuild"))) return true;
  return std::any_of(cases().begin(), cases().end(),
                     [&](const Case& what) { return what.spread == spread && wants(what.name); });
}

// Everybody on fresh servers, as often as there are runs if that is asked for; the last ones stay.
void Comparison::load() {
  bool measured = wants("memory") || wants("rebuild") || wants("load_uniform") || wants("load_clustered");
  if (options_.ours_port != 0) measured = false;  // that server is fresh only once
  for (int run = 0; run < (measured ? report_.runs() : 1); ++run) {
    for (Contestant& contestant : contestants_) begin(contestant, run);
    for (Contestant& contestant : contestants_) {
      if (needs(Spread::kUniform)) {
        load(contestant, Spread::kUniform);
        rebuild(contestant);
      }
      if (needs(Spread::kClustered)) load(contestant, Spread::kClustered);
    }
  }
  for (const Spread spread : {Spread::kUniform, Spread::kClustered})
    if (wants("load_" + text_of(spread)))
      print_rates("load_" + text_of(spread), [spread](const Contestant& contestant) {
        return contestant.load_rates[static_cast<std::size_t>(spread)];
      });
  print("memory.%.bytes_per_member", &Contestant::member_bytes, "B");
  print("rebuild.%.seconds", &Contestant::rebuild_seconds, "s");
}

void Comparison::begin(Contestant& contestant, int run) {
  contestant.server.reset();
  contestant.server = contestant.start(options_.directory + "/" + contestant.name + "-" + std::to_string(run));
  contestant.crowds.clear();
  for (const Spread spread : {Spread::kUniform, Spread::kClustered})
    contestant.crowds.emplace_back(spread == Spread::kUniform ? "people" : "people_clustered",
                                   people_[static_cast<std::size_t>(spread)]);
}

void Comparison::load(Contestant& contestant, Spread spread) {
  const std::optional<int> pid = contestant.server->pid();
  const double before = pid ? anonymous_bytes(*pid) : 0;
  Crowd& crowd = contestant.crowd(spread);
  RespLoad load;
  load.port = contestant.server->port();
  load.connections = kLoadConnections;
  load.pipeline = kLoadPipeline;
  load.requests_max = (crowd.size() + kMembersPerLoad - 1) / kMembersPerLoad;
  const RespLoadResult result =
      must(run_load(load, [&](std::string& out) { crowd.load_next(out); }), "load of " + contestant.name);
  contestant.load_rates[static_cast<std::size_t>(spread)].push_back(static_cast<double>(crowd.size()) / result.seconds);
  if (!pid || spread != Spread::kUniform || !wants("memory")) return;
  std::this_thread::sleep_for(kSettle);
  contestant.member_bytes.push_back((anonymous_bytes(*pid) - before) / static_cast<double>(crowd.size()));
}

// Killed and started again: until it finds the nearest member.
void Comparison::rebuild(Contestant& contestant) {
  if (!contestant.is_durable || !wants("rebuild")) return;
  Crowd& crowd = contestant.crowd(Spread::kUniform);
  const MakeRequest nearest = [&](std::string& out) { crowd.search(out, "1", {"ASC", "COUNT", "1"}); };
  contestant.server->kill();
  const auto begin = Clock::now();
  contestant.server->start();
  wait_for_answer(contestant.server->port(), nearest, 1);
  contestant.rebuild_seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
}

void Comparison::measure(const Case& what) {
  if (!wants(what.name)) return;
  if (!what.moves) check_answers(what);
  for (Contestant& contestant : contestants_) contestant.rates.clear(), contestant.p99s_us.clear();
  for (int turn = 0; turn < report_.runs(); ++turn)
    for (Contestant& contestant : contestants_) run(contestant, what, static_cast<std::uint64_t>(turn) + 1);
  print_rates(what.name, [](const Contestant& contestant) { return contestant.rates; });
  print(what.name + ".%.p99_us", &Contestant::p99s_us, "us");
}

void Comparison::measure_rpc(const Case& what) {
  Contestant& node = contestants_.front();
  if (!options_.with_rpc || what.call == nullptr || !wants(what.name) || node.server->rpc_port() == 0) return;
  if (!callers_) callers_ = std::make_unique<RpcCallers>(node.server->rpc_port(), kConnections);
  Crowd& crowd = node.crowd(what.spread);
  std::vector<double> rates;
  std::vector<double> p99s_us;
  for (int turn = 0; turn < report_.runs(); ++turn) {
    crowd.seed(static_cast<std::uint64_t>(turn) + 1);
    const RespLoadResult result =
        must(callers_->run([&] { return what.call(crowd); }, options_.run_time), what.name + " over RPC");
    rates.push_back(result.rate());
    p99s_us.push_back(result.p99_us);
  }
  report_.print("nearby." + what.name + ".rpc.rate", median(rates), "1/s");
  report_.print("nearby." + what.name + ".rpc.p99_us", median(p99s_us), "us");
}

// Rates of servers that find different members say nothing.
void Comparison::check_answers(const Case& what) {
  std::optional<std::uint64_t> expected;
  for (Contestant& contestant : contestants_) {
    Crowd& crowd = contestant.crowd(what.spread);
    crowd.seed(0);
    RespLoad load;
    load.port = contestant.server->port();
    load.requests_max = kCheckedSearches;
    const std::string name = what.name + " of " + contestant.name;
    const RespLoadResult result = must(run_load(load, [&](std::string& out) { what.request(crowd, out); }), name);
    if (!expected) expected = result.strings;
    if (result.strings != *expected)
      throw std::runtime_error(name + ": found " + std::to_string(result.strings) + " members, where ours found " +
                               std::to_string(*expected));
  }
}

void Comparison::run(Contestant& contestant, const Case& what, std::uint64_t seed) {
  Crowd& crowd = contestant.crowd(what.spread);
  crowd.seed(seed);
  RespLoad load;
  load.port = contestant.server->port();
  load.connections = kConnections;
  load.pipeline = what.pipeline;
  load.time_max = options_.run_time;
  const RespLoadResult result =
      must(run_load(load, [&](std::string& out) { what.request(crowd, out); }), what.name + " of " + contestant.name);
  contestant.rates.push_back(result.rate());
  contestant.p99s_us.push_back(result.p99_us);
}

// The contestant's name takes the place of the "%".
void Comparison::print(const std::string& what, const std::vector<double> Contestant::*values,
                       const std::string& unit) const {
  const std::size_t place = what.find('%');
  for (const Contestant& contestant : contestants_)
    if (const auto& measured = contestant.*values; !measured.empty())
      report_.print("nearby." + what.substr(0, place) + contestant.name + what.substr(place + 1), median(measured),
                    unit);
}

void Comparison::print_rates(const std::string& what,
                             const std::function<std::vector<double>(const Contestant&)>& rates) const {
  for (const Contestant& contestant : contestants_)
    report_.print("nearby." + what + "." + contestant.name + ".rate", median(rates(contestant)), "1/s");
  const double ours = median(rates(contestants_.front()));
  for (std::size_t i = 1; i < contestants_.size(); ++i)
    report_.print("nearby." + what + (contestants_[i].name == "redis" ? ".ratio" : ".ratio_synced"),
                  ours / median(rates(contestants_[i])), "times");
}

}  // namespace

void measure_nearby(const Report& report, const NearbyOptions& options) {
  Comparison comparison(report, options);
  comparison.load();
  for (const Case& what : cases()) {
    comparison.measure(what);
    comparison.measure_rpc(what);
  }
}

}  // namespace earshot::bench
