#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

namespace earshot::watch {

// What the system knows of this process.
struct ProcessReading {
  std::uint64_t anon_bytes = 0;  // resident: what it has allocated …
  std::uint64_t file_bytes = 0;  // … and pages of files that it maps, its tables above all, which the system may drop
  std::uint64_t shmem_bytes = 0;  //
  std::uint64_t open_descriptors = 0;
  std::uint64_t descriptors_max = 0;  // 0: not known, or none
  double cpu_seconds = 0;
  std::uint64_t threads = 0;
  double started_at_s = 0;  // since 1970
};

// What cannot be read is 0.
ProcessReading read_process();
// The resident memory out of /proc/PID/status, and the threads; the rest stays as it is.
void parse_status(std::string_view status, ProcessReading& into);

std::vector<prometheus::MetricFamily> process_metrics(const ProcessReading& reading, double uptime_s);
// What runs here: the node's id, for joins.
std::vector<prometheus::MetricFamily> identity_metrics(std::uint64_t node);

}  // namespace earshot::watch
