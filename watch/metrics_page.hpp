#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

namespace earshot::watch {

// What /metrics says: whatever its collectors have to tell when somebody asks, in Prometheus' text format. Thread-safe.
//
// A collector reads numbers that are counted anyway. It is called on the http port's thread and waits for nobody. A
// family may come from several, with labels that tell their samples apart.
class MetricsPage {
 public:
  void add(std::shared_ptr<const prometheus::Collectable> collector);
  // The same from a function that gathers.
  void add(std::function<std::vector<prometheus::MetricFamily>()> gather);

  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const prometheus::Collectable>> collectors_;
};

}  // namespace earshot::watch
