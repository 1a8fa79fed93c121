#include "actors/node_system.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/scheduling.hpp"
#include "actors/sent_together.hpp"
#include "base/error.hpp"

namespace earshot::actors {
namespace {

// After so many messages an actor goes to the back of the line: a busy shard does not starve the sessions on few cores.
constexpr std::size_t kMessagesPerTurnMax = 256;
// What a helper does in a row, that has sockets to look after.
constexpr std::size_t kHelpedTurnsMax = 16;
constexpr std::size_t kHelpedMessagesPerTurnMax = 32;

// Runs actors as CAF's workers do.
class HelpImpl final : public Help {
 public:
  HelpImpl(caf::actor_system& system, JobQueue& jobs, Helper helper)
      : unit_(&system), jobs_(jobs), place_{std::move(helper)} {
    jobs_.add_helper(place_);
    SharedJobs::here() = {&jobs_, &place_};
  }
  ~HelpImpl() override {
    SharedJobs::here() = {};
    jobs_.remove_helper(place_);
  }

  bool run_some() noexcept override {
    for (std::size_t turns = 0; turns < kHelpedTurnsMax; ++turns) {
      caf::resumable* const job = jobs_.pop(place_);
      if (job == nullptr) return false;
      switch (job->resume(&unit_, kHelpedMessagesPerTurnMax)) {
        case caf::resumable::resume_later: jobs_.push_own(job, place_); break;
        case caf::resumable::done:
        case caf::resumable::awaiting_message: caf::intrusive_ptr_release(job); break;
        case caf::resumable::shutdown_execution_unit:
          invariant_broken("a worker's end", __FILE__, __LINE__, "helpers end before the node does");
      }
    }
    return true;
  }

 private:
  caf::scoped_execution_unit unit_;
  JobQueue& jobs_;
  JobQueue::Place place_;
};

}  // namespace

SentTogether::SentTogether() {
  HeldJobs& held = SharedJobs::held();
  EARSHOT_INVARIANT(!std::exchange(held.holds, true), "not one within another");
}

SentTogether::~SentTogether() {
  HeldJobs& held = SharedJobs::held();
  held.holds = false;
  if (!held.jobs.empty()) std::exchange(held.queue, nullptr)->push(held.jobs);
  held.jobs.clear();
}

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

std::unique_ptr<Help> help(caf::actor_system& system, Helper helper) {
  auto& scheduler = dynamic_cast<SharedJobsScheduler&>(system.scheduler());
  return std::make_unique<HelpImpl>(system, scheduler.data().jobs, std::move(helper));
}

}  // namespace earshot::actors
