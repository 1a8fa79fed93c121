#include "app/verify_run.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/verify_process.hpp"
#include "base/limits.hpp"
#include "cluster/membership.hpp"
#include "storage/journal_environment.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_store.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::app {
namespace {

using storage::Finding;
using storage::Section;

class Supervisor {
 public:
  Supervisor(const std::vector<Section>& sections, const VerifyRun::Worker& work, const Clock& clock,
             SharedVerify shared, VerifyRun::OnProgress progress)
      : sections_(sections), work_(work), clock_(clock), shared_(std::move(shared)), progress_(std::move(progress)) {}

  Result<VerifyReport> run() {
    for (std::size_t crashes = 0; start_.section < sections_.size(); ++crashes) {
      if (crashes == limits::kVerifyCrashesMax) {
        const Section& section = sections_[start_.section];
        report_.add(Finding{Finding::Kind::kUnreadable, section.file(), section.table(), "from here on",
                            "too much of it is damaged: the rest was not looked at", true});
        break;
      }
      const std::uint64_t before = shared_->records;
      auto ended = run_worker();
      if (!ended) return fail(std::move(ended.error()));
      if (ended->empty()) break;
      go_on_behind(*ended, shared_->records > before);
    }
    say_pending();
    report_.records = shared_->records;
    report_.bytes = shared_->bytes;
    for (std::size_t shard = 0; shard < shared_->is_fetching.size(); ++shard) {
      if (shared_->is_fetching[shard]) report_.fetching.emplace_back(static_cast<std::uint16_t>(shard));
    }
    return std::move(report_);
  }

 private:
  // Why the worker did not finish; "" when it did.
  Result<std::string> run_worker() {
    return run_supervised(*shared_, clock_, [this](storage::Witness& witness) { work_(start_, *shared_, witness); },
                          {.found = [this](Finding finding) { report_.add(std::move(finding)); },
                           .looked = [this] { progress_(shared_->records, shared_->total); }});
  }

  // The next worker begins where this one could not read: just behind the last record, and, if that does not help,
  // behind all keys that share less and less of its key.
  void go_on_behind(const std::string& cause, bool went_on) {
    if (shared_->stage != VerifyShared::kSections) return leave_out_environment(cause);
    if (!pending_ || went_on || pending_->section != shared_->section) {
      say_pending();
      cut_bytes_ = 0;
      start_.section = shared_->section;
      start_.key = shared_->reached_key();
      pending_ = Pending{start_.section, start_.key, cause};
    } else {
      cut_bytes_ = std::max<std::size_t>(1, cut_bytes_ * 2);
    }
    const std::string& stuck = pending_->key;
    start_.key = stuck.empty() ? "" : storage::key_behind(sections_[start_.section], stuck, cut_bytes_);
    if (start_.key.empty()) ++start_.section;
  }

  void leave_out_environment(const std::string& cause) {
    const bool is_state = shared_->stage == VerifyShared::kOpenState;
    (is_state ? start_.opens_state : start_.opens_log) = false;
    report_.add(Finding{Finding::Kind::kUnreadable, is_state ? "state/data.mdb" : "log", "all tables", "all of it",
                        cause + " when it was opened: the node refuses to start, or dies", true});
  }

  struct Pending {
    std::size_t section = 0;
    std::string key;  // the last that was read
    std::string cause;
  };

  void say_pending() {
    if (!pending_) return;
    const Section& section = sections_[pending_->section];
    std::string where = pending_->key.empty() ? "all of it" : "behind " + storage::describe_key(section, pending_->key);
    if (pending_->key.empty() && section.part == Section::Part::kState) {
      where = storage::name_of_group(section.shard);
    }
    if (start_.section == pending_->section && !start_.key.empty()) {
      where += " and before " + storage::describe_key(section, start_.key);
    }
    report_.add(Finding{Finding::Kind::kUnreadable, section.file(), section.table(), std::move(where),
                        pending_->cause + ": a node that comes there dies, and what is there is not served", true});
    pending_.reset();
  }

  const std::vector<Section>& sections_;
  const VerifyRun::Worker& work_;
  const Clock& clock_;
  SharedVerify shared_;
  VerifyRun::OnProgress progress_;
  VerifyReport report_;
  VerifyStart start_;
  std::optional<Pending> pending_;
  std::size_t cut_bytes_ = 0;
};

}  // namespace

void VerifyReport::add(Finding finding) {
  keeps_from_starting = keeps_from_starting || finding.keeps_from_starting;
  if (++counts[finding.kind] <= limits::kFindingsPerKindMax) findings.push_back(std::move(finding));
}

Result<VerifyReport> VerifyRun::run(const std::string& path, const storage::NodeIdentity& identity,
                                    OnProgress progress) {
  const std::vector<Section> sections = storage::sections_of(identity.shard_count, identity.format > 1);
  const Worker work = [&](const VerifyStart& start, VerifyShared& shared, storage::Witness& witness) {
    verify_sections(path, identity.shard_count, sections, start, shared, witness);
  };
  return run_with(sections, work, SystemClock(), std::move(progress));
}

Result<VerifyReport> VerifyRun::run_with(const std::vector<Section>& sections, const Worker& work, const Clock& clock,
                                         OnProgress progress) {
  auto shared = SharedVerify::make();
  if (!shared) return fail(std::move(shared.error()));
  return Supervisor(sections, work, clock, std::move(*shared), std::move(progress)).run();
}

namespace {

// A replica that took what it has left for the whole would differ from the others.
Status check_nobody_else_has_it(const std::string& path, const storage::NodeIdentity& identity) {
  if (identity.place != storage::NodeIdentity::Place::kMember) return {};
  const auto environment = storage::open_journal({.path = path + "/log", .tables = storage::LogStore::tables().size()});
  if (!environment) return fail(environment.error());
  const auto store = storage::LogStore::open(**environment);
  if (!store) return fail(store.error());
  for (const storage::GroupId group : storage::groups_of(identity.shard_count)) {
    const auto log = (*store)->load(group);
    if (!log) return fail(log.error());
    if (cluster::Membership::of(cluster::members_in(*log), identity.node).others_have_state())
      return fail(
          ErrorCode::kConflict, "data",
          "it is of a node whose cluster has more of them: they have what is lost here, and it fetches that from "
          "them when it is started");
  }
  return {};
}

}  // namespace

Status accept_loss(const std::string& path, const storage::NodeIdentity& identity, VerifyRun::OnProgress progress) {
  const auto recount = [&](VerifyShared& shared, storage::Witness& witness) -> Status {
    if (auto alone = check_nobody_else_has_it(path, identity); !alone) return alone;
    storage::LmdbOptions options;
    options.path = path + "/state";
    options.tables = storage::state_tables();
    auto state = storage::open_lmdb(options);
    if (!state) return fail(std::move(state.error()));
    return storage::store_counted_sums(
        **state, identity.shard_count,
        [&witness](std::string_view key, std::size_t bytes) { witness.reached(key, bytes); },
        [&shared] { shared.stage = VerifyShared::kCommit; });
  };
  return accept_loss_with(recount, SystemClock(), std::move(progress));
}

Status accept_loss_with(const Recount& recount, const Clock& clock, VerifyRun::OnProgress progress) {
  auto shared = SharedVerify::make();
  if (!shared) return fail(std::move(shared.error()));
  std::string refusal;
  const auto work = [&](storage::Witness& witness) {
    if (auto counted = recount(**shared, witness); !counted) {
      witness.found(Finding{Finding::Kind::kUnreadable, "state/data.mdb", "", "", counted.error().to_string()});
    }
  };
  const auto ended = run_supervised(**shared, clock, work,
                                    {.found = [&refusal](Finding finding) { refusal = std::move(finding.lost); },
                                     .looked = [&] { progress((*shared)->records, 0); }});
  if (!ended) return fail(ended.error());
  if (!ended->empty() && (*shared)->stage == VerifyShared::kCommit) {
    return fail(ErrorCode::kCorrupt, "state",
                "it is not known whether the records were counted anew, verify them once more: " + *ended);
  }
  if (!ended->empty()) refusal = *ended;
  if (refusal.empty()) return {};
  return fail(ErrorCode::kCorrupt, "state", "the records cannot be counted, nothing was changed: " + refusal);
}

}  // namespace earshot::app
