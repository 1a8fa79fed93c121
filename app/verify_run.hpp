#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/verify_worker.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "storage/data_directory.hpp"
#include "storage/verify.hpp"

namespace earshot::app {

// What a verification has found, bounded: of each kind of finding so many are kept, the rest is counted.
struct VerifyReport {
  std::vector<storage::Finding> findings;
  std::map<storage::Finding::Kind, std::uint64_t> counts;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::vector<ShardId> fetching;     // their states come from another node and are not all there: not looked at
  bool keeps_from_starting = false;  // one of the findings does

  void add(storage::Finding finding);
  [[nodiscard]] bool is_sound() const { return counts.empty(); }
};

// Verifies a stopped node's data in processes of its own, one after the other: a damaged page can crash LMDB, or lead
// it in circles. One that dies, or reaches no further record in time, tells by shared memory where it was; the next
// one goes on behind that place (verify_worker.hpp).
//
// Call it while the process has one thread.
class VerifyRun {
 public:
  // `directory`: locked, with its identity. `progress` gets the records done and those there are (0: not known yet).
  using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;
  static Result<VerifyReport> run(const std::string& path, const storage::NodeIdentity& identity, OnProgress progress);

  // What a process does: looks at everything from the start on, or dies of it. run() has verify_sections() do it.
  using Worker = std::function<void(const VerifyStart& start, VerifyShared& shared, storage::Witness& witness)>;
  // run() with a worker and a clock that may be a test's. `sections` must not be empty.
  static Result<VerifyReport> run_with(const std::vector<storage::Section>& sections, const Worker& work,
                                       const Clock& clock, OnProgress progress);
};

// Makes what is left the whole: counts the state's records anew, so that a node starts with them. In a process of its
// own, watched like the others. On failure nothing is changed, unless the process died in its commit: the error tells.
// `progress` gets the records counted, without a total.
Status accept_loss(const std::string& path, const storage::NodeIdentity& identity, VerifyRun::OnProgress progress);

// The same with a count and a clock that may be a test's.
using Recount = std::function<Status(VerifyShared& shared, storage::Witness& witness)>;
Status accept_loss_with(const Recount& recount, const Clock& clock, VerifyRun::OnProgress progress);

}  // namespace earshot::app
