#include "watch/process_metrics.hpp"

#include <charconv>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include "base/version.hpp"
#include "watch/families.hpp"

namespace earshot::watch {
namespace {

std::string content_of(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The number behind "NAME:".
std::uint64_t number_of(std::string_view status, std::string_view name) {
  std::size_t place = 0;
  while ((place = status.find(name, place)) != std::string_view::npos) {
    const bool begins_line = place == 0 || status[place - 1] == '\n';
    place += name.size();
    if (!begins_line || place >= status.size() || status[place] != ':') continue;
    place = status.find_first_not_of(" \t", place + 1);
    if (place == std::string_view::npos) return 0;
    std::uint64_t number = 0;
    std::from_chars(status.data() + place, status.data() + status.size(), number);
    return number;
  }
  return 0;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t count_descriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end;
       entry.increment(error))
    ++count;
  return count > 0 ? count - 1 : 0;  // without the one that reads the folder
}

// When the process began, by the clock of the system's boot: field 22 of its stat, in ticks, behind a name that may
// hold anything.
double started_at() {
  const std::string stat = content_of("/proc/self/stat");
  const std::size_t name_ends = stat.rfind(')');
  if (name_ends == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_ends + 1));
  std::string field;
  constexpr int kFieldsAfterName = 20;
  for (int i = 0; i < kFieldsAfterName; ++i) fields >> field;
  std::uint64_t ticks = 0;
  std::from_chars(field.data(), field.data() + field.size(), ticks);
  const std::string boot = content_of("/proc/stat");
  const std::size_t place = boot.find("btime ");
  if (place == std::string::npos) return 0;
  std::uint64_t booted = 0;
  std::from_chars(boot.data() + place + 6, boot.data() + boot.size(), booted);
  return static_cast<double>(booted) + static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void parse_status(std::string_view status, ProcessReading& into) {
  constexpr std::uint64_t kUnit = 1024;  // "kB"
  into.anon_bytes = number_of(status, "RssAnon") * kUnit;
  into.file_bytes = number_of(status, "RssFile") * kUnit;
  into.shmem_bytes = number_of(status, "RssShmem") * kUnit;
  into.threads = number_of(status, "Threads");
}

ProcessReading read_process() {
  ProcessReading reading;
  parse_status(content_of("/proc/self/status"), reading);
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) reading.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur != RLIM_INFINITY)
    reading.descriptors_max = descriptors.rlim_cur;
  reading.open_descriptors = count_descriptors();
  reading.started_at_s = started_at();
  return reading;
}

std::vector<prometheus::MetricFamily> identity_metrics(std::uint64_t node) {
  Families to;
  to.gauge("earshot_node_info", "1, with the node's id.", 1, {{"node", std::to_string(node)}});
  return to.take();
}

std::vector<prometheus::MetricFamily> process_metrics(const ProcessReading& reading, double uptime_s) {
  Families to;
  to.gauge("earshot_build_info", "1, with what runs here.", 1, {{"version", kVersion}});
  to.gauge("earshot_uptime_seconds", "Since the process began to listen here.", uptime_s);
  to.gauge("earshot_resident_anon_bytes", "Resident memory that the process has allocated.",
           static_cast<double>(reading.anon_bytes));
  to.gauge("earshot_resident_file_bytes",
           "Resident pages of files that the process maps, its tables above all: the system may drop them.",
           static_cast<double>(reading.file_bytes));
  // Under the names that Prometheus' own clients give them.
  to.gauge("process_resident_memory_bytes", "Resident memory in all.",
           static_cast<double>(reading.anon_bytes + reading.file_bytes + reading.shmem_bytes));
  to.gauge("process_open_fds", "Open file descriptors.", static_cast<double>(reading.open_descriptors));
  to.gauge("process_max_fds", "So many may be open; 0: any number.", static_cast<double>(reading.descriptors_max));
  to.counter("process_cpu_seconds_total", "Processor time of user and system.", reading.cpu_seconds);
  to.gauge("process_threads", "Threads.", static_cast<double>(reading.threads));
  to.gauge("process_start_time_seconds", "When the process began, in seconds since 1970.", reading.started_at_s);
  return to.take();
}

}  // namespace earshot::watch
