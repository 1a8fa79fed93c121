#include "actors/log_writer.hpp"

#include <iterator>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/writer_actor.hpp"

namespace earshot::actors {

LogWriter::LogWriter(storage::LogStore& store, DiskState& disk, const Clock& clock, Random random,
                     std::size_t transaction_bytes_max, std::shared_ptr<DiskWatch> watch)
    : store_(store),
      disk_(disk),
      retry_("log writer", clock, std::move(random)),
      transaction_bytes_max_(transaction_bytes_max),
      watch_(std::move(watch)) {}

std::size_t LogWriter::next_transaction() const {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (; count < queue_.size(); ++count) {
    bytes += queue_[count].bytes();
    if (count > 0 && bytes > transaction_bytes_max_) break;
  }
  return count;
}

bool LogWriter::commit_cuts() {
  // A cut ends at a flushed index, which lies below everything that is not on the disk yet, so it may go before what
  // was queued ahead of it. Not so where a snapshot replaces the log.
  std::unordered_set<storage::GroupId> replaced;
  std::vector<storage::LogWrite> cuts;
  for (const auto& write : queue_) {
    if (write.drop_log) replaced.insert(write.group);
    if (!write.snapshot || !write.cut_through || replaced.contains(write.group)) continue;
    storage::LogWrite& cut = cuts.emplace_back();
    cut.group = write.group;
    cut.snapshot = write.snapshot;
    cut.cut_through = write.cut_through;
  }
  if (cuts.empty() || !store_.write(cuts, storage::LogStore::Erase::kAll)) return false;
  replaced.clear();
  for (auto& write : queue_) {
    if (write.drop_log) replaced.insert(write.group);
    if (!write.snapshot || !write.cut_through || replaced.contains(write.group)) continue;
    write.snapshot.reset();
    write.cut_through.reset();
  }
  return true;
}

Status LogWriter::write_oldest(std::size_t count) {
  Status written = store_.write(std::span(queue_).first(count));
  if (written || written.error().code != ErrorCode::kStorageFull) return written;
  const bool ballast_given = watch_ != nullptr && watch_->ran_full();
  const bool cut = commit_cuts();
  return ballast_given || cut ? store_.write(std::span(queue_).first(count)) : written;
}

std::vector<LogWriter::Completion> LogWriter::commit() {
  std::vector<Completion> completions;
  if (queue_.empty()) return completions;
  const std::size_t count = next_transaction();
  const Status written = write_oldest(count);
  disk_.set_log_full(!written.has_value());
  if (!written.has_value()) {
    retry_after_ms_ = retry_.failed(written.error());
    return completions;
  }
  retry_.succeeded();
  retry_after_ms_ = 0;

  std::unordered_map<storage::GroupId, std::size_t> places;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [place, is_new] = places.try_emplace(queue_[i].group, completions.size());
    if (is_new) completions.push_back(Completion{queue_[i].group, {}});
    completions[place->second].tickets.push_back(queue_[i].ticket);
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  return completions;
}

namespace {

class LogWriterActor final : public WriterActor<LogWriter> {
 public:
  LogWriterActor(caf::actor_config& config, storage::LogStore& store, WriterSetup setup)
      : WriterActor(config,
                    LogWriter(store, setup.budgets->disk, *setup.clock, Random(setup.seed),
                              limits::kLogTransactionBytesMax, setup.budgets->watch),
                    setup.counters, setup.budgets->watch),
        budgets_(std::move(setup.budgets)) {}

  const char* name() const override { return "log-writer"; }

 private:
  caf::behavior make_behavior() override {
    return writer_behavior([this](LogWrites& message) {
      shards_[message.shard] = caf::actor_cast<caf::actor>(current_sender());
      writer().add(std::move(message.write));
      gather_soon();
    });
  }
  void tell(LogWriter::Completion completion) override {
    send(shards_.at(completion.group), LogPersisted{std::move(completion.tickets)});
  }
  void on_exit() override { shards_.clear(); }

  const std::shared_ptr<NodeBudgets> budgets_;
  std::unordered_map<ShardId, caf::actor> shards_;
};

}  // namespace

caf::actor spawn_log_writer(caf::actor_system& system, storage::LogStore& store, WriterSetup setup) {
  if (!setup.has_thread) return system.spawn<LogWriterActor>(std::ref(store), std::move(setup));
  return system.spawn<LogWriterActor, caf::detached>(std::ref(store), std::move(setup));
}

}  // namespace earshot::actors
