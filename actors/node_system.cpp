#include "actors/node_system.hpp"

#include <algorithm>
#include <thread>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/scheduling.hpp"

namespace earshot::actors {
namespace {

// After so many messages an actor goes to the back of the line: a busy shard does not starve the sessions on few cores.
constexpr std::size_t kMessagesPerTurnMax = 256;

}  // namespace

SystemConfig::SystemConfig() {
  add_message_types<caf::id_block::earshot>();
  // The node logs by itself.
  set("logger.console", caf::atom("none"));
  set("logger.verbosity", caf::atom("quiet"));
  set("logger.file-verbosity", caf::atom("quiet"));
}

SystemConfig::SystemConfig(std::uint32_t scheduler_threads) : SystemConfig() {
  const std::size_t threads =
      scheduler_threads > 0 ? scheduler_threads : std::max(1u, std::thread::hardware_concurrency());
  // One queue for all threads halves the latency on few cores and burns nothing while idle, at the throughput of
  // CAF's work stealing.
  load<SharedJobsScheduler>();
  set("scheduler.max-threads", threads);
  set("scheduler.max-throughput", kMessagesPerTurnMax);
}

SystemConfig SystemConfig::simulated() {
  SystemConfig config;
  config.set("scheduler.policy", caf::atom("testing"));
  return config;
}

}  // namespace earshot::actors
