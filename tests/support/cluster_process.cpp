#include "tests/support/cluster_process.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/support/free_port.hpp"
#include "tests/support/http_client.hpp"

namespace earshot::tests {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kPatienceMs = 60'000;
constexpr std::chrono::milliseconds kLookEvery{20};
constexpr int kMetricsMs = 1'000;
constexpr int kStopMs = 60'000;
constexpr std::size_t kLogTailBytes = 4 << 10;

std::string of_shard(const char* name, std::size_t shard) {
  return std::string(name) + "{shard=\"" + std::to_string(shard) + "\"}";
}

// Until the question has no complaint any more; the last one when the time is over.
std::string wait_until_none(std::uint64_t patience_ms, const std::function<std::string()>& complaint) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(patience_ms);
  for (;;) {
    std::string amiss = complaint();
    if (amiss.empty() || Clock::now() > deadline) return amiss;
    std::this_thread::sleep_for(kLookEvery);
  }
}

}  // namespace

// ---- what metrics tell

ClusterView::ClusterView(const Pages& pages) {
  for (const auto& page : pages) {
    nodes_.emplace_back();
    if (!page || !page->contains("earshot_shards")) continue;
    Node node;
    const auto shards = static_cast<std::size_t>(page->at("earshot_shards"));
    for (std::size_t shard = 0; shard < shards; ++shard)
      node.groups.push_back({static_cast<std::uint32_t>(page->at(of_shard("earshot_shard_leader", shard))),
                             static_cast<std::uint64_t>(page->at(of_shard("earshot_shard_term", shard))),
                             static_cast<std::uint64_t>(page->at(of_shard("earshot_shard_voters", shard))),
                             static_cast<std::uint64_t>(page->at(of_shard("earshot_shard_applied_index", shard)))});
    for (const char* queue : {"admitted", "windows"})
      node.queued_bytes += page->at("earshot_queue_bytes{queue=\"" + std::string(queue) + "\"}");
    nodes_.back() = std::move(node);
  }
}

std::string ClusterView::problem(std::size_t voters) const {
  for (std::size_t n = 0; n < nodes_.size(); ++n)
    if (!nodes_[n] || nodes_[n]->groups.empty()) return "node " + std::to_string(n + 1) + " does not tell";
  for (std::size_t shard = 0; shard < nodes_[0]->groups.size(); ++shard)
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      const Group& group = nodes_[n]->groups.at(shard);
      const Group& first = nodes_[0]->groups[shard];
      if (group.leader == 0 || group.voters != voters || group.leader != first.leader || group.term != first.term)
        return "shard " + std::to_string(shard) + " at node " + std::to_string(n + 1) + ": leader " +
               std::to_string(group.leader) + ", term " + std::to_string(group.term) + ", voters " +
               std::to_string(group.voters);
    }
  return "";
}

std::vector<ClusterView::Group> ClusterView::newest() const {
  std::vector<Group> newest;
  for (const auto& seen : nodes_) {
    if (!seen) continue;
    newest.resize(std::max(newest.size(), seen->groups.size()));
    for (std::size_t shard = 0; shard < seen->groups.size(); ++shard) {
      const Group& group = seen->groups[shard];
      if (group.term > newest[shard].term || (group.term == newest[shard].term && newest[shard].leader == 0))
        newest[shard] = group;
    }
  }
  return newest;
}

std::size_t ClusterView::led_by(std::size_t node) const {
  return static_cast<std::size_t>(std::ranges::count(newest(), node, &Group::leader));
}

std::size_t ClusterView::not_led_by_others(std::size_t node) const { return led_by(0) + led_by(node); }

std::size_t ClusterView::leads_most() const {
  std::size_t most = 1;
  for (std::size_t node = 2; node <= nodes_.size(); ++node)
    if (led_by(node) > led_by(most)) most = node;
  return most;
}

bool ClusterView::is_level() const {
  for (const auto& node : nodes_) {
    if (!node || !nodes_[0] || node->groups.size() != nodes_[0]->groups.size()) return false;
    for (std::size_t shard = 0; shard < node->groups.size(); ++shard)
      if (node->groups[shard].applied != nodes_[0]->groups[shard].applied) return false;
  }
  return true;
}

bool ClusterView::is_idle() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node && node->queued_bytes == 0; });
}

// ---- the nodes

ClusterProcess::ClusterProcess(ClusterOptions options)
    : options_(std::move(options)), peer_ports_(options_.peer_ports) {
  for (auto* ports : {&peer_ports_, &client_ports_, &http_ports_})
    for (std::uint16_t& port : *ports)
      if (port == 0) port = free_port();
  // One after the other, since they are given their ids in the order in which they come.
  for (std::size_t node = 1; node <= kNodes; ++node) nodes_.push_back(std::make_unique<NodeProcess>(options_of(node)));
  if (!options_.die_young.empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(options_.young_for_ms));
    kill(options_.die_young);
    start(options_.die_young);
  }
  if (const std::string amiss = wait_whole(); !amiss.empty())
    throw std::runtime_error("no cluster came about: " + amiss + "\n" + logs());
}

// What was suspended does not hear SIGTERM, but SIGKILL it does.
ClusterProcess::~ClusterProcess() = default;

NodeOptions ClusterProcess::options_of(std::size_t node) const {
  NodeOptions made;
  made.data = data_of(node);
  made.port = client_ports_.at(node - 1);
  made.http_port = http_ports_.at(node - 1);
  made.wrapper = with_log(log_of(node));
  if (options_.wrapper) {
    const auto more = options_.wrapper(node);
    made.wrapper.insert(made.wrapper.end(), more.begin(), more.end());
  }
  const auto address_of = [&](std::size_t of) {
    return options_.peer_address ? options_.peer_address(of) : "127.0.0.1:" + std::to_string(peer_port(of));
  };
  made.more = {"--peer-port", std::to_string(peer_port(node)), "--resp", "false", "--log-level", "info"};
  if (options_.peer_address) made.more.insert(made.more.end(), {"--peer-advertise", address_of(node)});
  if (node == 1) {
    made.more.emplace_back("--bootstrap");
  } else {
    made.more.insert(made.more.end(), {"--join", address_of(1)});
  }
  made.more.insert(made.more.end(), options_.more.begin(), options_.more.end());
  if (options_.more_of) {
    const auto more = options_.more_of(node);
    made.more.insert(made.more.end(), more.begin(), more.end());
  }
  return made;
}

std::vector<std::string> ClusterProcess::addresses() const {
  std::vector<std::string> all;
  for (const auto& node : nodes_) all.push_back(node->address());
  return all;
}

void ClusterProcess::kill(const std::vector<std::size_t>& nodes) {
  for (const std::size_t number : nodes) node(number).signal(SIGKILL);
  for (const std::size_t number : nodes) node(number).kill();
}

void ClusterProcess::start(const std::vector<std::size_t>& nodes) {
  for (const std::size_t number : nodes) node(number).launch();
  try {
    for (const std::size_t number : nodes) node(number).wait_until_ready();
  } catch (const std::runtime_error& amiss) {
    throw std::runtime_error(std::string(amiss.what()) + "\n" + logs());
  }
}

bool ClusterProcess::stop() {
  bool in_order = true;
  for (const auto& node : nodes_) {
    node->signal(SIGTERM);
    if (const auto code = node->wait_end(kStopMs)) {
      in_order &= *code == 0;
    } else {
      in_order = false;
      node->kill();
    }
  }
  return in_order;
}

std::optional<MetricsText> ClusterProcess::metrics_of(std::size_t number) const {
  const NodeProcess& node = *nodes_.at(number - 1);
  if (!node.is_running()) return std::nullopt;
  std::optional<MetricsText> metrics;
  const auto ask = [&] {
    try {
      const HttpReply reply = HttpClient(node.http_port(), kMetricsMs).get("/metrics");
      if (reply.status == 200) metrics.emplace(reply.body);
    } catch (const std::runtime_error&) {  // it does not answer: suspended, or not there yet
    }
  };
  options_.inside ? options_.inside(number, ask) : ask();
  return metrics;
}

ClusterView ClusterProcess::view() const {
  ClusterView::Pages pages;
  for (std::size_t node = 1; node <= kNodes; ++node) pages.push_back(metrics_of(node));
  return ClusterView(pages);
}

std::string ClusterProcess::wait_whole(std::uint64_t patience_ms) const {
  return wait_until_none(patience_ms, [&] { return view().problem(kNodes); });
}

std::string ClusterProcess::wait_led_without(std::size_t node, std::uint64_t patience_ms) const {
  return wait_until_none(patience_ms, [&]() -> std::string {
    const std::size_t count = view().not_led_by_others(node);
    return count == 0 ? "" : "of " + std::to_string(count) + " shards nobody leads who lives";
  });
}

std::string ClusterProcess::wait_level(std::uint64_t patience_ms) const {
  return wait_until_none(patience_ms, [&]() -> std::string {
    const ClusterView seen = view();
    if (!seen.is_idle()) return "something waits in a node";
    return seen.is_level() ? "" : "replicas have not applied the same";
  });
}

std::string ClusterProcess::log_of(std::size_t node) const {
  // Kept where the test's caller says, to be read after it has failed.
  const char* kept = std::getenv("EARSHOT_CLUSTER_LOGS");
  if (kept != nullptr) std::filesystem::create_directories(kept);
  return (kept != nullptr ? std::string(kept) : options_.directory) + "/log-" + std::to_string(node);
}

std::string ClusterProcess::logs() const {
  std::string all;
  for (std::size_t node = 1; node <= kNodes; ++node) {
    const std::string text = text_of(log_of(node));
    all += "---- node " + std::to_string(node) + "\n" + text.substr(text.size() - std::min(text.size(), kLogTailBytes));
  }
  return all;
}

}  // namespace earshot::tests
