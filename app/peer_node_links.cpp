#include "app/peer_node_links.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "peers/peer_links.hpp"

namespace earshot::app {
namespace {

class PeerNodeLinksImpl final : public PeerNodeLinks {
 public:
  PeerNodeLinksImpl(const NodeConfig& config, const Clock& clock) : config_(config), clock_(clock) {}

  [[nodiscard]] Status check() const override { return peers::PeerLinks::check(options(0, NodeId(0)), clock_); }
  Result<std::string> ask(const std::string& address, std::string request) override {
    return peers::ask_and_wait(options(0, NodeId(0)), address, std::move(request), clock_);
  }
  Status open(std::uint64_t cluster_id, NodeId self, cluster::PeerEvents& events) override {
    auto made = options(cluster_id, self);
    made.removed = std::exchange(on_removed_, nullptr);
    auto started = peers::PeerLinks::start(made, events, clock_);
    if (!started) return fail(std::move(started.error()));
    const std::lock_guard lock(mutex_);
    owner_ = std::move(*started);
    if (was_removed_) owner_->set_removed(std::exchange(was_removed_, nullptr));
    if (nodes_) owner_->set_nodes(*std::exchange(nodes_, std::nullopt));
    links_.store(owner_.get(), std::memory_order_release);
    return {};
  }

  bool send(NodeId to, cluster::PeerFrame frame) override {
    peers::PeerLinks* const links = links_.load(std::memory_order_acquire);
    return links != nullptr && links->send(to, std::move(frame));
  }
  [[nodiscard]] bool is_up(NodeId node) const override {
    const peers::PeerLinks* const links = links_.load(std::memory_order_acquire);
    return links != nullptr && links->is_up(node);
  }
  [[nodiscard]] std::vector<cluster::PeerReading> readings() const override {
    const peers::PeerLinks* const links = links_.load(std::memory_order_acquire);
    return links == nullptr ? std::vector<cluster::PeerReading>() : links->readings();
  }
  void set_nodes(std::vector<cluster::PeerNode> nodes) override {
    const std::lock_guard lock(mutex_);
    if (owner_) return owner_->set_nodes(std::move(nodes));
    nodes_ = std::move(nodes);
  }
  void on_removed(std::function<void(NodeId by)> removed) override { on_removed_ = std::move(removed); }
  void set_removed(std::function<bool(NodeId)> was_removed) override {
    const std::lock_guard lock(mutex_);
    if (owner_) return owner_->set_removed(std::move(was_removed));
    was_removed_ = std::move(was_removed);
  }

  [[nodiscard]] std::uint16_t port() const override {
    const peers::PeerLinks* const links = links_.load(std::memory_order_acquire);
    return links == nullptr ? std::uint16_t{0} : links->port();
  }
  Status reload() override {
    peers::PeerLinks* const links = links_.load(std::memory_order_acquire);
    return links == nullptr ? Status{} : links->reload();
  }
  void stop() override {
    if (peers::PeerLinks* const links = links_.load(std::memory_order_acquire)) links->stop();
  }

 private:
  [[nodiscard]] peers::PeerLinksOptions options(std::uint64_t cluster_id, NodeId self) const {
    return peers::options_of(config_, cluster_id, self);
  }

  const NodeConfig& config_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<std::vector<cluster::PeerNode>> nodes_;  // until there are links
  std::function<bool(NodeId)> was_removed_;              // the same
  std::function<void(NodeId by)> on_removed_;
  std::unique_ptr<peers::PeerLinks> owner_;
  std::atomic<peers::PeerLinks*> links_{nullptr};  // the same, for the many who send
};

}  // namespace

std::unique_ptr<PeerNodeLinks> PeerNodeLinks::make(const NodeConfig& config, const Clock& clock) {
  return std::make_unique<PeerNodeLinksImpl>(config, clock);
}

}  // namespace earshot::app
