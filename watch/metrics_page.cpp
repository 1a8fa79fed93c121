#include "watch/metrics_page.hpp"

#include <cstddef>
#include <iterator>
#include <unordered_map>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "base/error.hpp"

namespace earshot::watch {
namespace {

class Gatherer final : public prometheus::Collectable {
 public:
  explicit Gatherer(std::function<std::vector<prometheus::MetricFamily>()> gather) : gather_(std::move(gather)) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override { return gather_(); }

 private:
  const std::function<std::vector<prometheus::MetricFamily>()> gather_;
};

}  // namespace

void MetricsPage::add(std::shared_ptr<const prometheus::Collectable> collector) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(collector));
}

void MetricsPage::add(std::function<std::vector<prometheus::MetricFamily>()> gather) {
  add(std::make_shared<Gatherer>(std::move(gather)));
}

std::string MetricsPage::text() const {
  std::vector<std::shared_ptr<const prometheus::Collectable>> collectors;
  {
    const std::lock_guard lock(mutex_);
    collectors = collectors_;
  }
  std::vector<prometheus::MetricFamily> all;
  std::unordered_map<std::string, std::size_t> places;  // in it, by name
  for (const auto& collector : collectors) {
    for (auto& family : collector->Collect()) {
      const auto [found, is_new] = places.try_emplace(family.name, all.size());
      if (is_new) {
        all.push_back(std::move(family));
        continue;
      }
      prometheus::MetricFamily& first = all[found->second];
      EARSHOT_INVARIANT(first.type == family.type, "all samples of a family are of one type");
      std::move(family.metric.begin(), family.metric.end(), std::back_inserter(first.metric));
    }
  }
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace earshot::watch
