#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "peers/send_box.hpp"

namespace earshot::peers {

// The queues of all nodes, by node: the KJ thread changes which there are, everybody finds theirs. Thread-safe.
class BoxTable {
 public:
  [[nodiscard]] std::shared_ptr<SendBox> find(NodeId node) const {
    const std::shared_lock lock(mutex_);
    const auto found = boxes_.find(node);
    return found == boxes_.end() ? nullptr : found->second;
  }
  // By node.
  [[nodiscard]] std::vector<cluster::PeerReading> readings() const {
    const std::shared_lock lock(mutex_);
    std::vector<cluster::PeerReading> readings;
    for (const auto& [node, box] : boxes_) readings.push_back(box->reading(node));
    return readings;
  }
  void add(NodeId node, std::shared_ptr<SendBox> box) {
    const std::unique_lock lock(mutex_);
    boxes_[node] = std::move(box);
  }
  void remove(NodeId node) {
    const std::unique_lock lock(mutex_);
    boxes_.erase(node);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<NodeId, std::shared_ptr<SendBox>> boxes_;
};

}  // namespace earshot::peers
