// Links between two nodes on loopback, in one process with a thread for each: frames and bytes a second, and how long a
// frame takes there and back. scripts/bench links runs it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "auth/issue.hpp"
#include "base/clock.hpp"
#include "peers/peer_links.hpp"
#include "report.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::bench {
namespace {

using Time = std::chrono::steady_clock;
using cluster::PeerFrame;
using cluster::PeerTopic;

constexpr std::uint64_t kCluster = 1;
constexpr double kMega = 1e6;

double seconds_since(Time::time_point begin) { return std::chrono::duration<double>(Time::now() - begin).count(); }

// Counts what comes, or sends it back.
class End final : public cluster::PeerEvents {
 public:
  void received(NodeId from, std::span<PeerFrame> frames) override {
    for (PeerFrame& frame : frames) {
      received_.fetch_add(1, std::memory_order_relaxed);
      if (echoes_) links_->send(from, std::move(frame));
      if (on_frame_) on_frame_();
    }
  }
  void link_up(NodeId) override { up_.release(); }
  void link_down(NodeId) override {}

  void start(NodeId node, const peers::PeerTlsFiles& tls, const Clock& clock) {
    peers::PeerLinksOptions options;
    options.cluster_id = kCluster;
    options.node = node;
    options.port = 0;
    options.tls = tls;
    auto started = peers::PeerLinks::start(options, *this, clock);
    if (!started) throw std::runtime_error(started.error().to_string());
    links_ = std::move(*started);
  }
  void stop() { links_.reset(); }
  void wait_for_link() { up_.acquire(); }
  void echo() { echoes_ = true; }
  void on_frame(std::function<void()> then) { on_frame_ = std::move(then); }
  [[nodiscard]] std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
  [[nodiscard]] peers::PeerLinks& links() const { return *links_; }

 private:
  std::unique_ptr<peers::PeerLinks> links_;
  std::atomic<std::uint64_t> received_{0};
  std::counting_semaphore<> up_{0};
  std::atomic<bool> echoes_{false};
  std::function<void()> on_frame_;
};

// Certificates for nodes 1 and 2, where TLS is wanted.
class Certificates {
 public:
  Certificates() {
    const auto authority = auth::issue_authority("bench", 2).value();
    tests::write_file(directory_ / "ca.pem", authority.certificate_pem);
    for (const std::uint64_t node : {1, 2}) {
      const auto issued =
          auth::issue_node(authority, {peers::certificate_name_of(NodeId(node)), {peers::kPeerName}, 1}).value();
      tests::write_file(files(node).certificate, issued.certificate_pem);
      tests::write_file(files(node).key, issued.key_pem);
    }
  }
  [[nodiscard]] peers::PeerTlsFiles files(std::uint64_t node) const {
    const std::string name = "node-" + std::to_string(node);
    return {directory_ / (name + ".pem"), directory_ / (name + ".key"), directory_ / "ca.pem"};
  }

 private:
  const tests::TemporaryDirectory directory_;
};

class Pair {
 public:
  explicit Pair(const Certificates* certificates, std::function<void()> on_frame = {}, bool echoes = false) {
    one_.on_frame(std::move(on_frame));
    if (echoes) two_.echo();
    const auto files = [&](std::uint64_t node) {
      return certificates ? certificates->files(node) : peers::PeerTlsFiles{};
    };
    one_.start(NodeId(1), files(1), clock_);
    two_.start(NodeId(2), files(2), clock_);
    const auto address = [](const End& end) { return "127.0.0.1:" + std::to_string(end.links().port()); };
    one_.links().set_nodes({{NodeId(2), {address(two_)}}});
    two_.links().set_nodes({{NodeId(1), {address(one_)}}});
    one_.wait_for_link(), two_.wait_for_link();
  }
  ~Pair() { one_.stop(), two_.stop(); }

  End& one() { return one_; }
  End& two() { return two_; }

 private:
  const SystemClock clock_{};
  End one_;
  End two_;
};

// Frames a second, and megabytes.
std::vector<double> stream(const Certificates* certificates, std::size_t body_bytes, std::uint64_t frames) {
  Pair pair(certificates);
  const auto body = std::make_shared<const std::string>(body_bytes, 'x');
  const auto begin = Time::now();
  for (std::uint64_t i = 0; i < frames; ++i)
    while (!pair.one().links().send(NodeId(2), {PeerTopic::kCall, storage::GroupId(1), body}))
      std::this_thread::sleep_for(std::chrono::microseconds(100));  // the queue is full
  while (pair.two().received() < frames) std::this_thread::sleep_for(std::chrono::microseconds(100));
  const double seconds = seconds_since(begin);
  const auto rate = static_cast<double>(frames) / seconds;
  return {rate, rate * static_cast<double>(body_bytes) / kMega};
}

// Median and 99th percentile of the time that a small frame of Raft takes there and back, in microseconds.
std::vector<double> ping_pong(const Certificates* certificates, std::size_t rounds) {
  std::binary_semaphore back(0);
  Pair pair(
      certificates, [&] { back.release(); }, true);
  const auto body = std::make_shared<const std::string>(128, 'x');
  std::vector<double> times_us;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto begin = Time::now();
    pair.one().links().send(NodeId(2), {PeerTopic::kRaft, storage::GroupId(1), body});
    back.acquire();
    times_us.push_back(seconds_since(begin) * kMega);
  }
  std::ranges::sort(times_us);
  return {times_us[rounds / 2], times_us[rounds * 99 / 100]};
}

int run(int argc, char** argv) {
  CLI::App app{"Links between two nodes on loopback."};
  int runs = 3;
  std::vector<std::string> only;
  bool quick = false;
  app.add_option("--runs", runs, "how often each figure is measured; the median is printed")
      ->check(CLI::PositiveNumber);
  app.add_option("--only", only, "only figures whose names begin so");
  app.add_flag("--quick", quick, "a tenth of the frames");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::off);
  const Report report(only, runs);
  const std::uint64_t part = quick ? 10 : 1;
  const Certificates certificates;
  for (const Certificates* tls : {static_cast<const Certificates*>(nullptr), &certificates}) {
    const std::string prefix = tls != nullptr ? "links.tls." : "links.plain.";
    report.medians({{prefix + "stream_128.rate", "frames/s"}, {prefix + "stream_128.bytes", "MB/s"}},
                   [&] { return stream(tls, 128, 2'000'000 / part); });
    report.medians({{prefix + "stream_64k.rate", "frames/s"}, {prefix + "stream_64k.bytes", "MB/s"}},
                   [&] { return stream(tls, 64 << 10, 40'000 / part); });
    report.medians({{prefix + "ping_pong.p50_us", "us"}, {prefix + "ping_pong.p99_us", "us"}},
                   [&] { return ping_pong(tls, 20'000 / part); });
  }
  return 0;
}

}  // namespace
}  // namespace earshot::bench

int main(int argc, char** argv) { return earshot::bench::run(argc, argv); }
