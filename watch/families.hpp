#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include "base/histogram.hpp"

namespace earshot::watch {

// Of all that is bounded in bytes, told by whoever holds it: one rule finds what is nearly full, whatever it is.
inline constexpr std::string_view kQueueBytes = "earshot_queue_bytes";
inline constexpr std::string_view kQueueBytesHelp = "What waits, or is held in memory, in bytes.";
inline constexpr std::string_view kQueueLimitBytes = "earshot_queue_limit_bytes";
inline constexpr std::string_view kQueueLimitBytesHelp = "How much may; then callers are told so, or have to wait.";
inline constexpr std::string_view kQueueItems = "earshot_queue_items";
inline constexpr std::string_view kQueueItemsHelp = "What waits, in items.";
inline constexpr std::string_view kQueueLimitItems = "earshot_queue_limit_items";
inline constexpr std::string_view kQueueLimitItemsHelp = "How many may.";

using Labels = std::vector<std::pair<std::string_view, std::string>>;

// What a collector has to tell, as the families that Prometheus knows: samples of one name with different labels are
// one family. Names and labels are the code's own, so one that breaks Prometheus' rules, or comes with another type,
// is a bug and ends the process.
class Families {
 public:
  // `name` ends in "_total".
  void counter(std::string_view name, std::string_view help, double value, const Labels& labels = {});
  // One for each error code: also those that have not come yet, or their first would go unseen.
  void by_code(std::string_view name, std::string_view help,
               std::span<const std::atomic<std::uint64_t>> counters_by_code, const Labels& labels = {});
  void gauge(std::string_view name, std::string_view help, double value, const Labels& labels = {});
  // `per_unit` of the histogram's values are one of the unit that the name ends in: 1e6 for µs told in seconds.
  template <const auto& kBounds>
  void histogram(std::string_view name, std::string_view help, const typename Histogram<kBounds>::Reading& reading,
                 double per_unit, const Labels& labels = {}) {
    buckets(name, help, kBounds, reading.counts, reading.sum, per_unit, labels);
  }
  void durations(std::string_view name, std::string_view help, const DurationHistogram::Reading& reading,
                 const Labels& labels = {}) {
    histogram<kDurationBoundsUs>(name, help, reading, 1e6, labels);
  }
  void batches(std::string_view name, std::string_view help, const BatchHistogram::Reading& reading,
               const Labels& labels = {}) {
    histogram<kBatchBounds>(name, help, reading, 1, labels);
  }

  std::vector<prometheus::MetricFamily> take() { return std::exchange(families_, {}); }

 private:
  void buckets(std::string_view name, std::string_view help, std::span<const std::uint64_t> bounds,
               std::span<const std::uint64_t> counts, std::uint64_t sum, double per_unit, const Labels& labels);
  // A new sample of that family.
  prometheus::ClientMetric& add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                const Labels& labels);

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace earshot::watch
