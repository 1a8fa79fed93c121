#include "watch/families.hpp"

#include <algorithm>

#include <prometheus/check_names.h>

#include "base/error.hpp"

namespace earshot::watch {

void Families::counter(std::string_view name, std::string_view help, double value, const Labels& labels) {
  EARSHOT_INVARIANT(name.ends_with("_total"), "a counter is named as one");
  add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void Families::by_code(std::string_view name, std::string_view help,
                       std::span<const std::atomic<std::uint64_t>> counters_by_code, const Labels& labels) {
  for (std::size_t code = 0; code < counters_by_code.size(); ++code) {
    Labels all = labels;
    all.emplace_back("code", name_of(static_cast<ErrorCode>(code)));
    counter(name, help, static_cast<double>(counters_by_code[code].load(std::memory_order_relaxed)), all);
  }
}

void Families::gauge(std::string_view name, std::string_view help, double value, const Labels& labels) {
  add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void Families::buckets(std::string_view name, std::string_view help, std::span<const std::uint64_t> bounds,
                       std::span<const std::uint64_t> counts, std::uint64_t sum, double per_unit,
                       const Labels& labels) {
  auto& histogram = add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  // Counted out of the buckets, so that the last of them is the count.
  for (std::size_t i = 0; i < counts.size(); ++i) {
    histogram.sample_count += counts[i];
    if (i < bounds.size())
      histogram.bucket.push_back({histogram.sample_count, static_cast<double>(bounds[i]) / per_unit});
  }
  histogram.sample_sum = static_cast<double>(sum) / per_unit;
}

prometheus::ClientMetric& Families::add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                        const Labels& labels) {
  // Samples of a family mostly follow each other.
  auto family = std::find_if(families_.rbegin(), families_.rend(), [&](const auto& one) { return one.name == name; });
  if (family == families_.rend()) {
    EARSHOT_INVARIANT(prometheus::CheckMetricName(std::string(name)), "a metric's name keeps Prometheus' rules");
    families_.push_back({std::string(name), std::string(help), type, {}});
    family = families_.rbegin();
  }
  EARSHOT_INVARIANT(family->type == type, "all samples of a family are of one type");
  auto& metric = family->metric.emplace_back();
  for (const auto& [label, value] : labels) {
    EARSHOT_INVARIANT(prometheus::CheckLabelName(std::string(label)), "a label's name keeps Prometheus' rules");
    metric.label.push_back({std::string(label), value});
  }
  return metric;
}

}  // namespace earshot::watch
