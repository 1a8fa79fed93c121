#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "peers/peer_links.hpp"
#include "tests/support/client_eventually.hpp"

// Nodes that are nothing but their links, on real sockets.
namespace earshot::tests {

// A clock that moves when it is told to, seen from all threads.
class SharedClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ms() const override { return now_ms_; }
  [[nodiscard]] std::uint64_t wall_ms() const override { return 1'700'000'000'000 + now_ms_; }
  void advance(std::uint64_t ms) { now_ms_ += ms; }

 private:
  std::atomic<std::uint64_t> now_ms_{1'000};
};

// What one node hears, in the order in which it does.
class HeardPeers final : public cluster::PeerEvents {
 public:
  struct Frame {
    NodeId from;
    cluster::PeerTopic topic = cluster::PeerTopic::kRaft;
    std::uint16_t group = 0;
    std::string body;
  };

  void received(NodeId from, std::span<cluster::PeerFrame> frames) override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(balance_[from], 1) << "a frame of a node that is not linked";
    EXPECT_FALSE(frames.empty());
    for (const cluster::PeerFrame& frame : frames) {
      bytes_ += frame.body->size();
      ++count_;
      if (keeps_) frames_.push_back({from, frame.topic, frame.group.value, *frame.body});
      if (on_frame_) on_frame_(from, frame);
    }
  }
  void link_up(NodeId node) override { change(node, 1, "up"); }
  void link_down(NodeId node) override { change(node, -1, "down"); }
  void asked(std::string request, std::function<void(std::string)> answer) override {
    if (on_request_) on_request_(std::move(request), std::move(answer));
  }

  // Set before anything can come.
  void on_frame(std::function<void(NodeId, const cluster::PeerFrame&)> then) { on_frame_ = std::move(then); }
  void on_request(std::function<void(std::string, std::function<void(std::string)>)> then) {
    on_request_ = std::move(then);
  }
  void keep_nothing() { keeps_ = false; }

  [[nodiscard]] std::vector<Frame> frames() const {
    const std::lock_guard lock(mutex_);
    return frames_;
  }
  [[nodiscard]] std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  [[nodiscard]] std::uint64_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  // "up 2, down 2": what became of links since the start.
  [[nodiscard]] std::vector<std::string> changes() const {
    const std::lock_guard lock(mutex_);
    return changes_;
  }
  [[nodiscard]] std::size_t ups(NodeId node) const { return count_of("up " + std::to_string(node.value)); }
  [[nodiscard]] std::size_t downs(NodeId node) const { return count_of("down " + std::to_string(node.value)); }

 private:
  void change(NodeId node, int by, const char* what) {
    const std::lock_guard lock(mutex_);
    balance_[node] += by;
    EXPECT_TRUE(balance_[node] == 0 || balance_[node] == 1) << what << " twice in a row: " << node.value;
    changes_.push_back(std::string(what) + " " + std::to_string(node.value));
  }
  [[nodiscard]] std::size_t count_of(const std::string& change) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count(changes_.begin(), changes_.end(), change));
  }

  mutable std::mutex mutex_;
  std::vector<Frame> frames_;
  std::vector<std::string> changes_;
  std::map<NodeId, int> balance_;
  std::size_t count_ = 0;
  std::uint64_t bytes_ = 0;
  std::atomic<bool> keeps_{true};
  std::function<void(NodeId, const cluster::PeerFrame&)> on_frame_;
  std::function<void(std::string, std::function<void(std::string)>)> on_request_;
};

// One node.
struct PeerHost {
  explicit PeerHost(peers::PeerLinksOptions given) : options(std::move(given)) {}

  void start() {
    options.removed = [this](NodeId) { ++removals; };
    auto started = peers::PeerLinks::start(options, heard, *clock);
    ASSERT_TRUE(started) << started.error().to_string();
    links = std::move(*started);
    if (options.port) options.port = links->port();  // the same when it starts again
  }
  void stop() { links.reset(); }
  [[nodiscard]] NodeId id() const { return options.node; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(*options.port); }
  bool send(NodeId to, cluster::PeerTopic topic, std::string body, std::uint16_t group = 0) const {
    return links->send(to, {topic, storage::GroupId(group), std::make_shared<const std::string>(std::move(body))});
  }

  const SystemClock system_clock;
  const Clock* clock = &system_clock;
  peers::PeerLinksOptions options;
  HeardPeers heard;
  std::atomic<std::size_t> removals{0};  // how often it was told that it is removed
  std::unique_ptr<peers::PeerLinks> links;
};

class PeerTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kCluster = 4711;

  static peers::PeerLinksOptions options_of(std::uint64_t node) {
    peers::PeerLinksOptions options;
    options.cluster_id = kCluster;
    options.node = NodeId(node);
    options.port = 0;
    return options;
  }
  static std::unique_ptr<PeerHost> make(std::uint64_t node) { return std::make_unique<PeerHost>(options_of(node)); }
  static void introduce(const std::vector<PeerHost*>& hosts) {
    std::vector<cluster::PeerNode> nodes;
    for (const PeerHost* host : hosts) nodes.push_back({host->id(), {host->address()}});
    for (const PeerHost* host : hosts)
      if (host->links) host->links->set_nodes(nodes);
  }
  static bool is_linked(const PeerHost& one, const PeerHost& other) {
    return one.links->is_up(other.id()) && other.links->is_up(one.id());
  }
  static void expect_linked(const PeerHost& one, const PeerHost& other) {
    ASSERT_TRUE(eventually([&] { return is_linked(one, other); }))
        << one.id().value << " and " << other.id().value << " do not find each other";
  }
};

}  // namespace earshot::tests
