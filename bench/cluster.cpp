// The figures of three nodes on one machine, one line each: "name value unit". Starts real nodes on a real disk and
// loads them with the client library from this process.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "app/load.hpp"
#include "client/client.hpp"
#include "client/memory_store.hpp"
#include "process_time.hpp"
#include "report.hpp"
#include "tests/support/cluster_process.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kLevelMs = 12'000;  // from when a cluster stands until each shard is led by whom it should be
constexpr std::uint64_t kIdleMs = 20'000;
constexpr std::uint32_t kPauseSenders = 16;

struct Sizes {
  std::uint64_t commit_messages = 600'000;
  std::uint64_t single_messages = 5'000;
  std::uint64_t kill_ms = 4'000;  // of load before and after a kill
};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}

// Three nodes on fresh directories, gone with the object.
class FreshCluster {
 public:
  explicit FreshCluster(std::string directory, std::vector<std::string> settings = {})
      : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    tests::ClusterOptions options;
    options.directory = directory_;
    options.more = std::move(settings);
    cluster_ = std::make_unique<tests::ClusterProcess>(std::move(options));
    let_time_pass(kLevelMs);
  }
  ~FreshCluster() {
    cluster_->stop();
    cluster_.reset();
    std::filesystem::remove_all(directory_);
  }
  tests::ClusterProcess& operator*() { return *cluster_; }
  tests::ClusterProcess* operator->() { return cluster_.get(); }

 private:
  const std::string directory_;
  std::unique_ptr<tests::ClusterProcess> cluster_;
};

app::LoadResult load(tests::ClusterProcess& cluster, std::uint32_t connections, std::uint32_t window,
                     std::uint64_t messages) {
  app::LoadOptions options;
  options.servers = cluster.addresses();
  options.connections = connections;
  options.window = window;
  options.messages = messages;
  options.timeout_ms = 600'000;
  return must(app::run_load(options));
}

void measure_commits(const Report& report, const Sizes& sizes, const std::string& directory) {
  if (!report.wants("cluster.commit")) return;
  FreshCluster cluster(directory + "/commit");
  report.medians({{"cluster.commit.c16_w256.rate", "messages/s"}, {"cluster.commit.c16_w256.p99_us", "us"}}, [&] {
    const auto result = load(*cluster, 16, 256, sizes.commit_messages);
    return std::vector{result.rate(), result.p99_us};
  });
  report.medians({{"cluster.commit.c1_w1.p50_us", "us"}, {"cluster.commit.c1_w1.p99_us", "us"}}, [&] {
    const auto result = load(*cluster, 1, 1, sizes.single_messages);
    return std::vector{result.p50_us, result.p99_us};
  });
}

void measure_idle(const Report& report, const std::string& directory) {
  if (!report.wants("cluster.idle")) return;
  FreshCluster cluster(directory + "/idle");
  report.medians({{"cluster.idle.cpu_percent", "%"}}, [&] {
    const auto used = [&] {
      double seconds = 0;
      for (std::size_t node = 1; node <= tests::ClusterProcess::kNodes; ++node)
        seconds += cpu_seconds(cluster->node(node).pid());
      return seconds;
    };
    const double before = used();
    let_time_pass(kIdleMs);
    return std::vector{100 * (used() - before) / (static_cast<double>(kIdleMs) / 1'000)};
  });
}

// A sender that has one message under way at any time, each to another recipient, and knows the longest time that one
// took: what its user sees of a failover.
class PauseWatch {
 public:
  PauseWatch(std::string name, std::vector<std::string> servers, const std::shared_ptr<client::Runtime>& runtime)
      : name_(std::move(name)) {
    client::Options options;
    options.addresses = std::move(servers);
    options.token = name_;
    options.device = "bench";
    options.receive = false;
    client::Handlers handlers;
    handlers.on_sent = [this](std::span<const client::SendReport> reports) { answered(reports); };
    client_ = must(client::Client::open(std::move(options), std::make_shared<client::MemoryStore>(),
                                        std::move(handlers), runtime));
    send();
  }
  // The longest time from a send to its answer. Throws when one has none, or is an error: that user saw no pause.
  double end_ms() {
    {
      std::unique_lock lock(mutex_);
      is_over_ = true;
      if (!ended_.wait_for(lock, std::chrono::minutes(1), [this] { return !is_under_way_; }))
        throw std::runtime_error(name_ + ": a message is not answered within a minute");
    }
    client_->close();
    if (!failure_.empty()) throw std::runtime_error(name_ + " was told an error: " + failure_);
    return longest_ms_;
  }

 private:
  void send() {
    {
      const std::lock_guard lock(mutex_);
      sent_at_ = Clock::now();
      is_under_way_ = true;
    }
    auto taken = client_->send({{UserId::trusted(name_ + "-to-" + std::to_string(++count_)), "a message", {}}});
    if (taken) return;
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = taken.error().to_string();
    is_under_way_ = false;
    ended_.notify_all();
  }
  void answered(std::span<const client::SendReport> reports) {
    {
      const std::lock_guard lock(mutex_);
      for (const auto& report : reports)
        if (!std::holds_alternative<Stored>(report.outcome) && failure_.empty()) failure_ = failure_of(report.outcome);
      longest_ms_ = std::max(longest_ms_, std::chrono::duration<double, std::milli>(Clock::now() - sent_at_).count());
      is_under_way_ = false;
      ended_.notify_all();
      if (is_over_) return;
    }
    send();
  }

  static std::string failure_of(const client::SendOutcome& outcome) {
    const auto* error = std::get_if<Error>(&outcome);
    return error != nullptr ? error->to_string() : "a message may be stored or not";
  }

  const std::string name_;
  std::mutex mutex_;
  std::condition_variable ended_;
  Clock::time_point sent_at_;
  double longest_ms_ = 0;
  std::uint64_t count_ = 0;
  bool is_under_way_ = false;
  bool is_over_ = false;
  std::string failure_;  // the first
  std::unique_ptr<client::Client> client_;
};

double kill9_pause_ms(tests::ClusterProcess& cluster, const Sizes& sizes) {
  const auto runtime = must(client::Runtime::start());
  std::vector<std::unique_ptr<PauseWatch>> senders;
  for (std::uint32_t i = 0; i < kPauseSenders; ++i)
    senders.push_back(std::make_unique<PauseWatch>("sender-" + std::to_string(i), cluster.addresses(), runtime));
  let_time_pass(sizes.kill_ms);
  const std::size_t victim = cluster.view().leads_most();
  cluster.kill({victim});
  let_time_pass(sizes.kill_ms);
  double longest_ms = 0;
  for (const auto& sender : senders) longest_ms = std::max(longest_ms, sender->end_ms());
  cluster.start({victim});
  if (const std::string amiss = cluster.wait_whole(); !amiss.empty()) throw std::runtime_error(amiss);
  let_time_pass(kLevelMs);
  return longest_ms;
}

void measure_kills(const Report& report, const Sizes& sizes, const std::string& directory) {
  const auto measure = [&](const std::string& name, const std::string& place, std::vector<std::string> settings) {
    if (!report.wants(name)) return;
    FreshCluster cluster(directory + "/" + place, std::move(settings));
    report.medians({{name, "ms"}}, [&] { return std::vector{kill9_pause_ms(*cluster, sizes)}; });
  };
  measure("cluster.kill9.pause_ms", "kill", {});
  measure("cluster.kill9.tuned.pause_ms", "tuned", {"--election-timeout-ms", "200", "--heartbeat-ms", "50"});
}

}  // namespace
}  // namespace earshot::bench

int main(int argc, char** argv) {
  using namespace earshot::bench;
  CLI::App app{
      "Measures three nodes on one machine: one line per figure, \"name value unit\", medians of several runs."};
  std::vector<std::string> only;
  int runs = 3;
  bool quick = false;
  std::string directory =
      (std::filesystem::temp_directory_path() / ("earshot-bench-" + std::to_string(::getpid()))).string();
  app.add_option("--only", only, "only figures whose names start so (several may be given)");
  app.add_option("--runs", runs, "measurements per figure")->capture_default_str()->check(CLI::Range(1, 100));
  app.add_option("--directory", directory,
                 "where the nodes keep their data: the disk that is measured; removed at the end");
  app.add_flag("--quick", quick, "a tenth of the sizes, for a first look");
  CLI11_PARSE(app, argc, argv);

  Sizes sizes;
  if (quick) sizes = Sizes{60'000, 500, 2'000};
  const Report report(std::move(only), runs);
  int code = 0;
  try {
    measure_commits(report, sizes, directory);
    measure_idle(report, directory);
    measure_kills(report, sizes, directory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    code = 1;
  }
  std::filesystem::remove_all(directory);
  return code;
}
